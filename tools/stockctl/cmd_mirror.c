/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_mirror.c - commands about the Redis mirror. */
#include "tools/stockctl/mirror.h"

#include <stdlib.h>
#include <string.h>

/* The engine's section `mirror`; the reply is valid until the next call. */
static int ask_section(struct ctl *ctl, stockd_reply *reply, stockd_value *section)
{
    stockd_pack pack;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, "mirror");
    int failed = ctl_call(ctl, "info", &pack, STOCKD_RETRY_SAFE, reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE && !stockd_map_find(reply->result, "mirror", section))
        return ctl_error(ctl, CTL_UNREACHABLE, "unreachable",
                         "the engine does not report on a mirror");
    return failed;
}

static int run_status(struct ctl *ctl, const struct args *args)
{
    stockd_reply reply;
    stockd_value section;

    (void)args;
    int failed = ask_section(ctl, &reply, &section);
    if (failed == CTL_DONE)
        show_result(ctl, section, NULL);
    return failed;
}

static int run_take(struct ctl *ctl, const struct args *args)
{
    stockd_reply reply;

    (void)args;
    int failed = ctl_call(ctl, "mirror_take", NULL, STOCKD_RETRY_SAFE, &reply);
    if (failed == CTL_DONE)
        show_result(ctl, reply.result, NULL);
    return failed;
}

/* ---- verify ---- */

static char *text_of(stockd_value section, const char *key)
{
    const char *text;
    size_t len;
    return stockd_map_str(section, key, &text, &len) ? text_format("%.*s", (int)len, text) : NULL;
}

/* Where the engine says it is, unless the command line says otherwise. */
static int find_place(struct ctl *ctl, const struct args *args, struct mirror_place *place)
{
    stockd_reply reply;
    stockd_value section;
    const char *given = args_option(args, "redis");

    int failed = ask_section(ctl, &reply, &section);
    if (failed != CTL_DONE)
        return failed;
    place->address = given != NULL ? text_format("%s", given) : text_of(section, "address");
    place->prefix = text_of(section, "prefix");
    place->user = args_option(args, "redis-user");
    place->password_file = args_option(args, "redis-password-file");
    stockd_map_u64(section, "database", &place->database);
    if (place->user != NULL && place->password_file == NULL)
        return usage_error(args, "--redis-user needs --redis-password-file");
    if (place->prefix == NULL || place->address == NULL)
        return ctl_error(ctl, CTL_REFUSED, "wrong_state", "the engine has no Redis mirror");
    return CTL_DONE;
}

static int find_channels(struct verify *v)
{
    struct lookup *codes = v->channels = lookup_new();
    int failed = lookup_listing(v->ctl, "channels", codes, NULL);
    if (failed != CTL_DONE)
        return failed;
    v->channel_count = lookup_count(codes);
    v->channel = must_alloc(v->channel_count + 1, sizeof(*v->channel));
    lookup_each(codes, v->channel);
    return CTL_DONE;
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static void print_json(const struct verify *v)
{
    json_t *differences = json_array();

    for (size_t i = 0; i < v->difference_count; i++) {
        const struct difference *d = &v->difference[i];
        char *sku = text_clean(v->sku[d->item], v->sku_len[d->item]);
        json_array_append_new(differences,
                              json_pack("{s:s, s:o, s:o, s:o}", "sku", sku, "field",
                                        text_or_null(d->field), "engine", text_or_null(d->engine),
                                        "redis", text_or_null(d->redis)));
        free(sku);
    }
    show_json_value(json_pack("{s:b, s:I, s:I, s:I, s:I, s:b, s:o}", "same",
                              v->difference_count == 0, "lsn", (json_int_t)v->lsn, "items",
                              (json_int_t)v->sku_count, "channels", (json_int_t)v->channel_count,
                              "moving", (json_int_t)v->moving, "behind", v->behind, "differences",
                              differences));
}

static void print_text(const struct verify *v)
{
    static const char *const titles[] = { "<SKU", "<FIELD", "<ENGINE", "<REDIS", NULL };
    struct table *table = v->difference_count > 0 ? table_new(titles) : NULL;

    for (size_t i = 0; i < v->difference_count; i++) {
        const struct difference *d = &v->difference[i];
        char *sku = text_clean(v->sku[d->item], v->sku_len[d->item]);
        table_add(table, sku);
        table_add(table, d->field != NULL ? d->field : "(key)");
        table_add(table, d->engine != NULL ? d->engine : "-");
        table_add(table, d->redis != NULL ? d->redis : "-");
        free(sku);
    }
    if (table != NULL)
        table_print(table, stdout, "");
    printf("%s: %zu items, %zu channels, %zu differences at lsn %llu\n",
           v->difference_count == 0 ? "same" : "different", v->sku_count, v->channel_count,
           v->difference_count, (unsigned long long)v->lsn);
    if (v->moving > 0)
        printf("%zu items changed too fast to compare\n", v->moving);
    if (v->behind)
        puts("the mirror did not reach that lsn in time; see stockctl mirror status");
}

static void verify_free(struct verify *v)
{
    verify_clear_differences(v);
    free(v->difference);
    for (size_t i = 0; i < v->sku_count; i++)
        free(v->sku[i]);
    for (size_t i = 0; i < v->channel_count; i++)
        free(v->channel[i]);
    free(v->channel);
    free(v->sku);
    free(v->sku_len);
    free(v->before);
    free(v->after);
    free(v->suspect);
    free(v->place.address);
    free(v->place.prefix);
    if (v->channels != NULL)
        lookup_free(v->channels);
    lookup_free(v->skus);
    if (v->redis != NULL)
        redisFree(v->redis);
}

static int run_verify(struct ctl *ctl, const struct args *args)
{
    struct verify v = { .ctl = ctl, .skus = lookup_new() };

    int failed = find_place(ctl, args, &v.place);
    if (failed == CTL_DONE)
        failed = find_channels(&v);
    if (failed == CTL_DONE && (v.redis = mirror_connect(ctl, &v.place)) == NULL)
        failed = CTL_UNREACHABLE;
    if (failed == CTL_DONE)
        failed = verify_run(&v);
    if (failed == CTL_DONE) {
        if (ctl->json)
            print_json(&v);
        else
            print_text(&v);
        failed = v.difference_count == 0 ? CTL_DONE : CTL_REFUSED;
    }
    verify_free(&v);
    return failed;
}

static const struct option verify_options[] = {
    { "redis", "ADDRESS", "HOST:PORT or unix:PATH (the one that the engine uses)", NULL,
      OPTION_TEXT },
    { "redis-user", "NAME", "the user for AUTH", NULL, OPTION_TEXT },
    { "redis-password-file", "FILE", "its first line is the password", NULL, OPTION_TEXT },
    { .name = NULL },
};

const struct command mirror_commands[] = {
    {
        .name = "mirror status",
        .summary = "Show the state of the Redis mirror, and how far it lags",
        .usage = "",
        .details = "state is off, connecting, syncing (Redis may show outdated values), live,\n"
                   "or fenced (an engine that started later writes this Redis).",
        .example = "stockctl mirror status",
        .run = run_status,
    },
    {
        .name = "mirror verify",
        .summary = "Compare everything that Redis shows with the engine",
        .usage = "[OPTION]...",
        .details = "Both may change meanwhile: differences are checked again.\n"
                   "Exit status 0: no difference; 1: one line for each difference.",
        .example = "stockctl mirror verify",
        .options = verify_options,
        .lines = "differences: sku field engine redis",
        .apart = true,
        .run = run_verify,
    },
    {
        .name = "mirror take",
        .summary = "Let this engine write Redis again despite a newer one",
        .usage = "",
        .example = "stockctl mirror take",
        .run = run_take,
    },
    { .name = NULL },
};
