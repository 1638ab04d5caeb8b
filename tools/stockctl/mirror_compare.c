/* SPDX-License-Identifier: Apache-2.0 */
/* mirror_compare.c - compares the items in Redis with the engine's answers. */
#include "tools/stockctl/mirror.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 1000 /* requests in flight */
#define LSN_FIELD "_lsn"

/* ---- one item ---- */

static char *number_text(int64_t number)
{
    return text_format("%lld", (long long)number);
}

/* Compares a field in Redis with its channel; notes the channel in `seen`. */
static void compare_field(struct verify *v, size_t item, const redisReply *field,
                          const redisReply *value, bool *seen)
{
    size_t channel;
    char *text = text_clean(value->str, value->len);

    if (!lookup_find(v->channels, field->str, field->len, &channel)) {
        char *name = text_clean(field->str, field->len);
        verify_add_difference(v, item, name, NULL, text);
        free(name);
    } else {
        char *expected = number_text(v->before[item * v->channel_count + channel]);
        seen[channel] = true;
        if (strcmp(expected, text) != 0)
            verify_add_difference(v, item, v->channel[channel], expected, text);
        free(expected);
    }
    free(text);
}

static void compare_hash(struct verify *v, size_t item, const redisReply *hash, bool *seen)
{
    memset(seen, 0, v->channel_count * sizeof(*seen));
    bool has_lsn = false;
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        if (strcmp(hash->element[i]->str, LSN_FIELD) == 0)
            has_lsn = true;
        else
            compare_field(v, item, hash->element[i], hash->element[i + 1], seen);
    }
    for (size_t c = 0; c < v->channel_count; c++) {
        if (seen[c] || strcmp(v->channel[c], LSN_FIELD) == 0)
            continue;
        char *expected = number_text(v->before[item * v->channel_count + c]);
        verify_add_difference(v, item, v->channel[c], expected, NULL);
        free(expected);
    }
    if (!has_lsn)
        verify_add_difference(v, item, LSN_FIELD, "an lsn", NULL);
}

/* True if the item is the same on both sides. */
static bool compare_item(struct verify *v, size_t item, const redisReply *reply, bool *seen)
{
    size_t before = v->difference_count;
    bool known = v->channel_count > 0 && v->before[item * v->channel_count] != FIELD_ABSENT;
    bool there = reply->type != REDIS_REPLY_ARRAY || reply->elements > 0;

    if (reply->type != REDIS_REPLY_ARRAY)
        verify_add_difference(v, item, NULL, known ? "a hash" : NULL, "another type");
    else if (known && there)
        compare_hash(v, item, reply, seen);
    else if (known)
        verify_add_difference(v, item, NULL, "a hash", NULL);
    else if (there)
        verify_add_difference(v, item, NULL, NULL, "a hash");
    return v->difference_count == before;
}

/* ---- all of them ---- */

static int broken(const struct verify *v)
{
    return ctl_error(v->ctl, CTL_UNREACHABLE, "unreachable", "Redis: %s", v->redis->errstr);
}

static bool ask_chunk(struct verify *v, const char *key, size_t from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t item = v->suspect[from + i];
        if (redisAppendCommand(v->redis, "HGETALL %s%b", key, v->sku[item], v->sku_len[item]) !=
            REDIS_OK)
            return false;
    }
    return true;
}

int compare_suspects(struct verify *v)
{
    bool *seen = must_alloc(v->channel_count + 1, sizeof(*seen));
    char *key = text_format("%sitem:", v->place.prefix);
    size_t kept = 0;
    int failed = CTL_DONE;

    for (size_t from = 0; from < v->suspect_count && failed == CTL_DONE; from += CHUNK) {
        size_t count = v->suspect_count - from < CHUNK ? v->suspect_count - from : CHUNK;
        if (!ask_chunk(v, key, from, count))
            failed = broken(v);
        for (size_t i = 0; i < count && failed == CTL_DONE; i++) {
            void *reply = NULL;
            size_t item = v->suspect[from + i];
            if (redisGetReply(v->redis, &reply) != REDIS_OK)
                failed = broken(v);
            else if (!compare_item(v, item, reply, seen))
                v->suspect[kept++] = item;
            freeReplyObject(reply);
        }
    }
    v->suspect_count = kept;
    free(key);
    free(seen);
    return failed;
}

/* ---- keys ---- */

static char *pattern_of(const char *prefix)
{
    char *pattern = must_alloc(2 * strlen(prefix) + 8, 1);
    char *to = pattern;

    for (const char *from = prefix; *from != '\0'; from++) {
        if (strchr("*?[]\\^-", *from) != NULL)
            *to++ = '\\';
        *to++ = *from;
    }
    memcpy(to, "item:*", 7);
    return pattern;
}

int find_redis_items(struct verify *v)
{
    char *pattern = pattern_of(v->place.prefix);
    char cursor[24] = "0";
    size_t skip = strlen(v->place.prefix) + strlen("item:");
    int failed = CTL_DONE;

    do {
        redisReply *reply =
            mirror_ask(v->ctl, v->redis, "SCAN %s MATCH %s COUNT 1000", cursor, pattern);
        if (reply == NULL) {
            failed = CTL_UNREACHABLE;
            break;
        }
        for (size_t i = 0; i < reply->element[1]->elements; i++) {
            const redisReply *key = reply->element[1]->element[i];
            verify_add_sku(v, key->str + skip, key->len - skip);
        }
        snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);
    free(pattern);
    return failed;
}
