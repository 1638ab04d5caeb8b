/* SPDX-License-Identifier: Apache-2.0 */
/* names.c - the names that an engine knows, for completion. */
#include "tools/stockctl/shell/names.h"

#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 300
#define PAGE 2000 /* items in one answer */

struct kept {
    char **name;
    size_t *len;
    size_t count;
    size_t capacity;
    uint64_t until_ms; /* when to ask again */
};

struct names {
    const struct ctl *ctl;
    stockd_client *client; /* NULL: not connected */
    struct kept kept[NAME_KINDS];
};

struct names *names_new(const struct ctl *ctl)
{
    struct names *names = must_alloc(1, sizeof(*names));

    names->ctl = ctl;
    return names;
}

static void forget(struct kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        free(kept->name[i]);
    kept->count = 0;
}

void names_free(struct names *names)
{
    for (size_t i = 0; i < NAME_KINDS; i++) {
        forget(&names->kept[i]);
        free(names->kept[i].name);
        free(names->kept[i].len);
    }
    stockd_close(names->client);
    free(names);
}

static void keep(struct kept *kept, stockd_value name)
{
    const char *bytes;
    size_t len;

    if (kept->count >= NAMES_MAX || !stockd_value_str(name, &bytes, &len))
        return;
    if (kept->count == kept->capacity) {
        kept->capacity = 2 * kept->capacity + 64;
        kept->name = must_grow(kept->name, kept->capacity, sizeof(*kept->name));
        kept->len = must_grow(kept->len, kept->capacity, sizeof(*kept->len));
    }
    kept->name[kept->count] = must_alloc(len + 1, 1);
    memcpy(kept->name[kept->count], bytes, len);
    kept->len[kept->count++] = len;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static size_t addresses(const char *server)
{
    size_t count = 1;

    for (; (server = strchr(server, ',')) != NULL; server++)
        count++;
    return count;
}

/* A connection that still works may be an old one: a call opens it again. */
static bool have_client(struct names *names)
{
    stockd_options options = ctl_options(names->ctl);

    if (names->client != NULL)
        return true;
    options.connect_timeout_ms = CONNECT_MS / (int)addresses(names->ctl->server);
    options.call_timeout_ms = NAMES_WAIT_MS - CONNECT_MS;
    options.retries = -1;
    return stockd_connect(&names->client, names->ctl->server, &options) == STOCKD_OK;
}

static bool call(struct names *names, const char *method, const stockd_pack *params,
                 stockd_reply *reply)
{
    return stockd_call(names->client, method, params != NULL ? params->data : NULL,
                       params != NULL ? params->len : 0, STOCKD_RETRY_SAFE, reply) == STOCKD_OK;
}

static bool ask_codes(struct names *names, const char *method, struct kept *kept)
{
    stockd_reply reply;
    stockd_value list;
    stockd_value record;
    stockd_value code;

    if (!call(names, method, NULL, &reply) || !reply_list(reply.result, &list))
        return false;
    stockd_iter it = stockd_iterate(list);
    while (stockd_next(&it, NULL, &record))
        if (stockd_map_find(record, "code", &code))
            keep(kept, code);
    return true;
}

/* One page, from item number *next on; 0 afterwards: it was the last one. */
static bool ask_page(struct names *names, struct kept *kept, uint64_t *next)
{
    stockd_pack pack;
    stockd_reply reply;
    stockd_value list;
    stockd_value item;
    stockd_value sku;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 2);
    stockd_pack_u64(&pack, *next);
    stockd_pack_map(&pack, 1);
    stockd_pack_str(&pack, "limit");
    stockd_pack_u64(&pack, PAGE);
    bool good =
        call(names, "items", &pack, &reply) && stockd_map_find(reply.result, "items", &list);
    stockd_pack_free(&pack);
    if (!good)
        return false;
    stockd_iter it = stockd_iterate(list);
    while (stockd_next(&it, NULL, &item))
        if (stockd_array_at(item, 0, &sku))
            keep(kept, sku);
    uint64_t from = *next;
    if (!stockd_map_u64(reply.result, "next", next) || *next <= from)
        *next = 0;
    return true;
}

static bool ask_skus(struct names *names, struct kept *kept, uint64_t deadline_ms)
{
    uint64_t next = 0;

    do {
        if (!ask_page(names, kept, &next))
            return false;
    } while (next != 0 && kept->count < NAMES_MAX && clock_ms() < deadline_ms);
    return true;
}

static void ask(struct names *names, enum name_kind kind)
{
    struct kept *kept = &names->kept[kind];
    uint64_t deadline_ms = clock_ms() + CONNECT_MS;
    bool good = have_client(names);

    forget(kept);
    if (good && kind == NAMES_SKUS)
        good = ask_skus(names, kept, deadline_ms);
    else if (good)
        good = ask_codes(names, kind == NAMES_CHANNELS ? "channels" : "locations", kept);
    if (!good) { /* an answer to come would be taken for the next one's */
        stockd_close(names->client);
        names->client = NULL;
    }
    kept->until_ms = clock_ms() + NAMES_KEPT_MS;
    if (!good)
        for (size_t i = 0; i < NAME_KINDS; i++)
            names->kept[i].until_ms = kept->until_ms;
}

void names_each(struct names *names, enum name_kind kind, name_fn *each, void *context)
{
    struct kept *kept = &names->kept[kind];

    if (clock_ms() >= kept->until_ms)
        ask(names, kind);
    for (size_t i = 0; i < kept->count; i++)
        each(context, kept->name[i], kept->len[i]);
}
