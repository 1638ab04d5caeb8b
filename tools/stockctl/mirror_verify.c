/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mirror_verify.c - does Redis show exactly what the engine has?
 *
 * Both sides change meanwhile. Each round asks the engine about all items in doubt, waits until the
 * mirror has reached the LSN of those answers, and then reads Redis. For items that differ it asks
 * the engine again, to see whether they have changed, and leaves those to the next round. An item
 * that has not changed and still differs after the last round is a difference.
 */
#include "tools/stockctl/mirror.h"

#include <stdlib.h>
#include <time.h>

#define ROUNDS 5
#define FIRST_PAUSE_MS 50 /* between rounds; doubles */
#define AWAIT_MS 5000
#define QUESTION 1000 /* SKUs in one request */

/* ---- items ---- */

static bool take_page(struct verify *v, stockd_value result, uint64_t *next)
{
    stockd_value items, item, name;
    const char *sku;
    size_t len;
    uint64_t from = *next;

    if (!stockd_map_find(result, "items", &items))
        return false;
    stockd_iter it = stockd_iterate(items);
    while (stockd_next(&it, NULL, &item)) {
        if (!stockd_array_at(item, 0, &name) || !stockd_value_str(name, &sku, &len))
            return false;
        verify_add_sku(v, sku, len);
    }
    if (!stockd_map_u64(result, "next", next))
        *next = 0;
    return *next == 0 || *next > from;
}

static int find_engine_items(struct verify *v)
{
    uint64_t next = 0;

    do {
        stockd_pack pack;
        stockd_reply reply;
        stockd_pack_init(&pack, NULL, 0);
        stockd_pack_array(&pack, 1);
        stockd_pack_u64(&pack, next);
        int failed = ctl_call(v->ctl, "items", &pack, STOCKD_RETRY_SAFE, &reply);
        stockd_pack_free(&pack);
        if (failed != CTL_DONE)
            return failed;
        if (!take_page(v, reply.result, &next))
            return ctl_error(v->ctl, CTL_UNREACHABLE, "unreachable",
                             "the engine sent an invalid page of items");
    } while (next != 0);
    return CTL_DONE;
}

/* ---- what the engine says ---- */

struct question {
    struct verify *v;
    int64_t *answers;
    size_t parts; /* of the suspects; each part is one request per channel */
    int failed;
};

static const char *pack_question(void *context, size_t number, stockd_pack *params)
{
    const struct question *q = context;
    const struct verify *v = q->v;
    size_t from = number % q->parts * QUESTION;
    size_t count = v->suspect_count - from < QUESTION ? v->suspect_count - from : QUESTION;

    stockd_pack_array(params, 2);
    stockd_pack_str(params, v->channel[number / q->parts]);
    stockd_pack_array(params, count);
    for (size_t i = 0; i < count; i++) {
        size_t item = v->suspect[from + i];
        stockd_pack_str_n(params, v->sku[item], v->sku_len[item]);
    }
    return "availability";
}

static bool take_answer(void *context, size_t number, const stockd_reply *reply)
{
    struct question *q = context;
    struct verify *v = q->v;
    size_t at = number % q->parts * QUESTION;
    size_t channel = number / q->parts;
    stockd_value stock, value;
    uint64_t lsn = 0;

    if (reply->code != NULL) {
        q->failed = ctl_refused(v->ctl, reply);
        return false;
    }
    if (!stockd_map_find(reply->result, "stock", &stock))
        return true;
    if (stockd_map_u64(reply->result, "lsn", &lsn) && lsn > v->lsn)
        v->lsn = lsn;
    stockd_iter it = stockd_iterate(stock);
    for (; stockd_next(&it, NULL, &value) && at < v->suspect_count; at++) {
        int64_t *answer = &q->answers[v->suspect[at] * v->channel_count + channel];
        if (!stockd_value_i64(value, answer))
            *answer = FIELD_ABSENT;
    }
    return true;
}

static int ask_engine(struct verify *v, int64_t *answers, const char *label)
{
    struct question q = { .v = v,
                          .answers = answers,
                          .parts = (v->suspect_count + QUESTION - 1) / QUESTION };
    const struct pipeline plan = {
        .count = q.parts * v->channel_count,
        .pack = pack_question,
        .done = take_answer,
        .context = &q,
        .label = label,
    };
    int failed = pipeline_run(v->ctl, &plan);
    return failed != CTL_DONE ? failed : q.failed;
}

/* ---- rounds ---- */

static void pause_ms(int ms)
{
    struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
    nanosleep(&pause, NULL);
}

/* Waits until Redis shows everything that the engine's answers include. */
static int await_mirror(struct verify *v)
{
    uint64_t give_up = clock_ms() + AWAIT_MS;

    while (!v->behind) {
        redisReply *reply = mirror_ask(v->ctl, v->redis, "HGET %smirror lsn", v->place.prefix);
        if (reply == NULL)
            return CTL_UNREACHABLE;
        uint64_t lsn = reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;
        freeReplyObject(reply);
        if (lsn >= v->lsn)
            return CTL_DONE;
        v->behind = clock_ms() >= give_up; /* stop waiting: later differences count */
        pause_ms(10);
    }
    return CTL_DONE;
}

static int verify_round(struct verify *v, bool first)
{
    verify_clear_differences(v);
    int failed = ask_engine(v, v->before, first ? "engine" : NULL);
    if (failed == CTL_DONE)
        failed = await_mirror(v);
    if (failed == CTL_DONE)
        failed = compare_suspects(v);
    if (failed == CTL_DONE && v->suspect_count > 0)
        failed = ask_engine(v, v->after, NULL);
    return failed;
}

/* Keys that end in no valid sku: the engine refuses queries about them. */
static int find_impossible(struct verify *v)
{
    for (size_t i = 0; i < v->sku_count; i++) {
        if (check_sku(v->sku[i], v->sku_len[i]) == NULL)
            continue;
        redisReply *reply = mirror_ask(v->ctl, v->redis, "EXISTS %sitem:%b", v->place.prefix,
                                       v->sku[i], v->sku_len[i]);
        if (reply == NULL)
            return CTL_UNREACHABLE;
        if (reply->integer != 0)
            verify_add_difference(v, i, NULL, NULL, "a hash");
        freeReplyObject(reply);
    }
    return CTL_DONE;
}

int verify_run(struct verify *v)
{
    int failed = find_engine_items(v);
    if (failed == CTL_DONE)
        failed = find_redis_items(v);
    if (failed != CTL_DONE)
        return failed;
    size_t values = v->sku_count * v->channel_count + 1;
    v->before = must_alloc(values, sizeof(*v->before));
    v->after = must_alloc(values, sizeof(*v->after));
    v->suspect = must_alloc(v->sku_count + 1, sizeof(*v->suspect));
    for (size_t i = 0; i < v->sku_count; i++)
        if (check_sku(v->sku[i], v->sku_len[i]) == NULL)
            v->suspect[v->suspect_count++] = i;
    int pause = FIRST_PAUSE_MS;
    for (int round = 0; round < ROUNDS && v->suspect_count > 0 && failed == CTL_DONE; round++) {
        if (round > 0)
            pause_ms(pause *= 2);
        failed = verify_round(v, round == 0);
    }
    if (failed == CTL_DONE)
        verify_set_moving_apart(v);
    return failed == CTL_DONE ? find_impossible(v) : failed;
}
