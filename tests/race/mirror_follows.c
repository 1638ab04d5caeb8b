/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror follows into a real redis-server while several contexts change stock and the
 * catalogue, and Redis is emptied now and then. Whenever all is stable, Redis must hold what the
 * ledger says; and it must not show what the log has not acknowledged. Skipped where there is no
 * redis-server.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "tests/support/redis_rig.h"
#include "tests/support/watchdog.h"

enum { CHANGERS = 3, ITEMS = 40, ROUNDS = 8, ROUND_MS = 100, PATIENCE_S = 60 };

static const char *const channels[] = { "default", "few" };
static uint64_t next_id[CHANGERS];

/* ---- changing ---- */

static struct text new_id(struct racer *racer, struct race_name *name)
{
    return race_name(name, (char)('a' + racer->index), ++next_id[racer->index]);
}

static void move(struct racer *racer)
{
    struct race_name id, sku;
    struct movement_result result;
    struct movement m = { .id = new_id(racer, &id),
                          .sku =
                              race_name(&sku, 'S', (uint64_t)random_below(&racer->random, ITEMS)),
                          .location = text_of("main"),
                          .qty = random_between(&racer->random, 1, 3) };
    enum code code = racer_receive(racer, &m, &result);
    RACE_MUST(code == CODE_OK, "receive: %s", ctx_failure(racer->ctx)->message);
}

static void order(struct racer *racer)
{
    struct race_name id, names[3];
    struct reservation_view view;
    struct order_line lines[3];
    for (int i = 0; i < 3; i++)
        lines[i] = (struct order_line){
            .sku = race_name(&names[i], 'S', (uint64_t)random_below(&racer->random, 4)), .qty = 1
        };
    struct order o = { .id = new_id(racer, &id),
                       .channel = text_of(channels[random_below(&racer->random, 2)]),
                       .lines = lines,
                       .line_count = 3 };
    if (racer_reserve(racer, &o, &view) != CODE_OK)
        return;
    struct step step = { .id = o.id };
    enum code code = racer_cancel(racer, &step, &view);
    RACE_MUST(code == CODE_OK, "cancel: %s", ctx_failure(racer->ctx)->message);
}

static void change(struct racer *racer)
{
    for (uint64_t iteration = 0; !racer_is_done(racer, ROUND_MS); iteration++) {
        if (random_chance(&racer->random, 70))
            order(racer);
        else
            move(racer);
        if (iteration % 64 == 0)
            racer_set_channel(
                racer, &(struct channel_setting){ .code = text_of("few"),
                                                  .has_buffer = true,
                                                  .buffer = random_below(&racer->random, 4) });
        racer_turn(racer);
    }
}

/* ---- comparing ---- */

static bool field_is(const redisReply *hash, const char *field, int64_t value)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2)
        if (strcmp(hash->element[i]->str, field) == 0)
            return strtoll(hash->element[i + 1]->str, NULL, 10) == value;
    return false;
}

static bool item_is_shown(const struct race *race, struct ctx *ctx, uint32_t item)
{
    struct text sku = ledger_item_sku(race->ledger, item);
    redisReply *hash = redis_ask("HGETALL stock:item:%b", sku);
    bool same = hash->type == REDIS_REPLY_ARRAY && hash->elements == 6;
    for (unsigned i = 0; same && i < 2; i++) {
        int64_t available;
        uint64_t lsn;
        enum code code = ledger_availability(ctx, text_of(channels[i]), &sku, 1, &available, &lsn);
        same = code == CODE_OK && field_is(hash, channels[i], available);
    }
    freeReplyObject(hash);
    return same;
}

static uint32_t items_not_shown(struct race *race)
{
    struct ctx *ctx = ledger_ctx(race->ledger, 0);
    uint32_t count = 0;
    ledger_begin(ctx, ctx->engine_ms, ctx->wall_ms);
    for (uint32_t item = 0; item < change_index_items(race->ledger); item++)
        count += item_version(race->ledger, item) > 0 && !item_is_shown(race, ctx, item);
    ledger_end(ctx);
    return count;
}

static void await_same(struct race *race, const struct mirror *mirror)
{
    uint32_t wrong = 0;
    for (int tries = 0; tries < (int)patient_ms(100 * PATIENCE_S); tries++) {
        wrong = items_not_shown(race);
        if (wrong == 0)
            return;
        usleep(10000);
    }
    struct mirror_status status;
    mirror_status(mirror, &status);
    race_fail("%u items are not shown as they are; the mirror is %s, %llu behind: %s", wrong,
              mirror_state_name(status.state), (unsigned long long)status.lag_lsn, status.error);
}

/* ---- what a crash could take back ---- */

static uint64_t heartbeat(void)
{
    redisReply *reply = redis_ask("HGET stock:mirror time_ms", (struct text){ "", 0 });
    uint64_t ms = reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return ms;
}

/* As long as the log has not acknowledged a change, Redis does not show it, though the mirror goes
 * on. */
static void check_not_shown_too_early(struct race *race, const struct mirror *mirror)
{
    atomic_store(&race->log.acknowledged, log_head(&race->log));
    race_stock(race, text_of("S1"), text_of("main"), 1);
    uint64_t last = heartbeat();
    int beats = 0;
    for (int tries = 0; beats < 4 && tries < (int)patient_ms(100 * PATIENCE_S); tries++) {
        uint64_t now = heartbeat();
        beats += now > last;
        last = now;
        usleep(10000);
    }
    RACE_MUST(beats == 4, "the heartbeat stands still while the log does");
    RACE_MUST(items_not_shown(race) == 1, "a change was shown that is not acknowledged");
    atomic_store(&race->log.acknowledged, UINT64_MAX);
    await_same(race, mirror);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    redis_start();
    race_open(&race, CHANGERS + 1, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race_set_channel(&race, &(struct channel_setting){ .code = text_of("few") });
    atomic_store(&race.log.acknowledged, UINT64_MAX); /* there is no journal to wait for */
    struct mirror *mirror = redis_mirror(&race, CHANGERS);
    for (int round = 0; round < ROUNDS; round++) {
        race_run(&race, CHANGERS, change, racers);
        if (round % 3 == 1)
            freeReplyObject(redis_ask("FLUSHALL", (struct text){ "", 0 }));
        while (log_has_claims(&race.log))
            sched_yield();
        await_same(&race, mirror);
    }
    check_not_shown_too_early(&race, mirror);
    struct mirror_status status;
    mirror_status(mirror, &status);
    printf("%llu items in %llu batches, %llu resyncs\n", (unsigned long long)status.items_sent,
           (unsigned long long)status.batches, (unsigned long long)status.resyncs);
    mirror_destroy(mirror);
    race_close(&race, "mirror_follows");
    return 0;
}
