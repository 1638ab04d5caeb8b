/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the mirror tells of one item, entry by entry. Each change adds a unit, so a change's LSN
 * says how many units there are.
 *
 *   - No entry has an older value than its LSN says: an item's version is read before its values.
 *     The item changes as fast as it can and has many values, so that it changes while they are
 *     read.
 *   - No change is told twice: what the audit meets before a walk does is left to the walk. The log
 *     is held back until an audit is due, so that the audit meets a change just made.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/ledger/ctx.h"
#include "tests/support/redis_rig.h"

enum {
    CHANGES_MAX = 8 << 20,
    FAST_MS = 1500,
    CHANNELS = 256,
    AUDITS = 5,
    PATIENCE_S = 60,
    ENTRY_ID_MAX = 64,
};

/* The LSN of each change; the first made one unit, the second two, and so on. */
static uint64_t *lsns;
static uint64_t changes;

static void add_unit(struct racer *racer)
{
    struct race_name id;
    struct movement_result result;
    struct movement m = { .id = race_name(&id, 'r', changes),
                          .sku = text_of("S"),
                          .location = text_of("main"),
                          .qty = 1 };
    enum code code = racer_receive(racer, &m, &result);
    RACE_MUST(code == CODE_OK, "receive: %s", ctx_failure(racer->ctx)->message);
    lsns[changes++] = result.lsn;
}

static void change_fast(struct racer *racer)
{
    while (!racer_is_done(racer, FAST_MS) && changes < CHANGES_MAX) {
        add_unit(racer);
        racer_turn(racer);
    }
}

/* How many units there are as of that LSN. */
static uint64_t units_at(uint64_t lsn)
{
    uint64_t low = 0, high = changes;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (lsns[middle] <= lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void await_drained(const struct race *race)
{
    while (log_has_claims(&race->log))
        sched_yield();
}

static void await_live(const struct race *race, const struct mirror *mirror)
{
    struct mirror_status status;
    await_drained(race);
    for (int tries = 0; tries < 100 * PATIENCE_S; tries++) {
        mirror_status(mirror, &status);
        if (status.state == MIRROR_LIVE && status.lag_lsn == 0)
            return;
        usleep(10000);
    }
    race_fail("the mirror does not show all within %d s: it is %s, %llu behind: %s", PATIENCE_S,
              mirror_state_name(status.state), (unsigned long long)status.lag_lsn, status.error);
}

static redisReply *id_table_after(const char *id)
{
    redisReply *ids = redis_ask("XRANGE stock:changes (%b +", text_of(id));
    RACE_MUST(ids->type == REDIS_REPLY_ARRAY, "XRANGE: %s", ids->str);
    return ids;
}

static const char *id_of(const redisReply *entry)
{
    return entry->element[0]->str;
}

/* An entry is "sku" and it, then each channel and its value. The channels all sell the same units;
 * the least that one of them was told counts. */
static uint64_t units_of(const redisReply *entry)
{
    const redisReply *fields = entry->element[1];
    RACE_MUST(fields->elements == 2 + 2 * CHANNELS, "entry %s has %zu fields", id_of(entry),
              fields->elements);
    uint64_t units = UINT64_MAX;
    for (size_t i = 3; i < fields->elements; i += 2) {
        uint64_t value = strtoull(fields->element[i]->str, NULL, 10);
        units = value < units ? value : units;
    }
    return units;
}

/* ---- no value is older than its LSN ---- */

static size_t check_values(char last[ENTRY_ID_MAX])
{
    redisReply *ids = id_table_after("0-0");
    for (size_t i = 0; i < ids->elements; i++) {
        const redisReply *entry = ids->element[i];
        uint64_t then = units_at(strtoull(id_of(entry), NULL, 10));
        RACE_MUST(units_of(entry) >= then, "entry %s tells of %llu units; there were %llu then",
                  id_of(entry), (unsigned long long)units_of(entry), (unsigned long long)then);
        snprintf(last, ENTRY_ID_MAX, "%s", id_of(entry));
    }
    size_t count = ids->elements;
    freeReplyObject(ids);
    return count;
}

/* ---- no change is told twice ---- */

static uint64_t heartbeat(void)
{
    redisReply *reply = redis_ask("HGET stock:mirror time_ms", (struct text){ "", 0 });
    uint64_t ms = reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return ms;
}

/* The third heartbeat comes from a mirror that has read all that was there before the first, and
 * whose next audit is due. */
static void await_beats(void)
{
    uint64_t last = heartbeat();
    int beats = 0;
    for (int tries = 0; beats < 3 && tries < 100 * PATIENCE_S; tries++) {
        uint64_t now = heartbeat();
        beats += now > last;
        last = now;
        usleep(10000);
    }
    RACE_MUST(beats == 3, "only %d heartbeats within %d s", beats, PATIENCE_S);
}

/* Two changes; the mirror may have seen both before it tells of any, and then tells of both at
 * once. */
static void check_told(char last[ENTRY_ID_MAX], uint64_t units)
{
    redisReply *ids = id_table_after(last);
    size_t count = ids->elements;
    RACE_MUST(count == 1 || count == 2, "two changes were told in %zu entries", count);
    for (size_t i = 0; i < count; i++) {
        uint64_t wanted = units + 3 - count + i;
        RACE_MUST(units_of(ids->element[i]) == wanted, "entry %s tells of %llu units, not %llu",
                  id_of(ids->element[i]), (unsigned long long)units_of(ids->element[i]),
                  (unsigned long long)wanted);
    }
    snprintf(last, ENTRY_ID_MAX, "%s", id_of(ids->element[count - 1]));
    freeReplyObject(ids);
}

/* The mirror holds the first change back when the second is made. Then it tells of the first and
 * asks for the audit, whose look already meets the second. */
static void check_told_once(struct race *race, const struct mirror *mirror, char last[ENTRY_ID_MAX])
{
    for (uint64_t audit = 0; audit < AUDITS; audit++) {
        atomic_store(&race->log.acknowledged, log_head(&race->log));
        race_stock(race, text_of("S"), text_of("main"), 1);
        await_drained(race); /* now the mirror can meet it */
        await_beats();
        race_stock(race, text_of("S"), text_of("main"), 1);
        atomic_store(&race->log.acknowledged, UINT64_MAX);
        await_live(race, mirror);
        check_told(last, changes + 2 * audit);
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    char last[ENTRY_ID_MAX];
    redis_start();
    lsns = calloc(CHANGES_MAX, sizeof *lsns);
    RACE_MUST(lsns, "no memory");
    race_open(&race, 2, &(struct race_tables){ .reservations = 4096 }, argc, argv);
    race.forgetful = true;
    for (uint64_t i = 1; i < CHANNELS; i++) { /* beside "default" */
        struct race_name code;
        race_set_channel(&race, &(struct channel_setting){ .code = race_name(&code, 'c', i) });
    }
    atomic_store(&race.log.acknowledged, UINT64_MAX); /* there is no journal to wait for */
    struct mirror *mirror = redis_mirror(&race, 1);
    await_live(&race, mirror);
    race_run(&race, 1, change_fast, racers);
    await_live(&race, mirror);
    size_t ids = check_values(last);
    printf("%llu changes in %zu entries\n", (unsigned long long)changes, ids);
    check_told_once(&race, mirror, last);
    mirror_destroy(mirror);
    race_close(&race, "mirror_tells");
    free(lsns);
    return 0;
}
