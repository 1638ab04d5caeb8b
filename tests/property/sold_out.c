/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times without stock, against the records. Items come and go at random on channels that sell from
 * different places, over hours and weeks. A naive model reads the crossings and refusals in the
 * log, one by one, and knows each time without stock; each report must tell what that adds up to:
 * by every key, for random spans and filters, live, and after starts from the first record and from
 * a snapshot.
 *
 *   sold_out [seed]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/reports/report.h"
#include "tests/support/contents_rig.h"
#include "tests/support/random.h"

enum {
    ITEMS = 6,
    PLACES = 3,
    CHANNELS = 4, /* and the one that there is at first */
    STEPS = 900,
    REPORTS_EACH = 60,
    ROWS = 10000,
    TIMES_MAX = STEPS * (CHANNELS + 1),

    HOUR_MS = FIGURES_HOUR_MS,
};

static struct ledger_rig rig;
static struct ctx *ctx;
static struct random r;
static uint64_t now, engine_ms;
static unsigned next_id, reports, rows_compared;

static void give_up(const char *what)
{
    printf("%s\n", what);
    exit(1);
}

/* ---- the naive model ---- */

struct without { /* a time without stock; or units that a refused order missed at from_ms */
    uint32_t item;
    uint16_t channel;
    uint64_t from_ms, to_ms; /* to_ms of what goes on: UINT64_MAX */
    uint32_t missing;
};

static struct without times[TIMES_MAX], lost[STEPS];
static unsigned time_count, lost_count;

static void model_crossing(const struct level_record *level, uint64_t time_ms)
{
    bool before = (level->levels & 15) == LEVEL_OUT, out = level->levels >> 4 == LEVEL_OUT;
    if (out && !before)
        times[time_count++] =
            (struct without){ level->item, level->channel, time_ms, UINT64_MAX, 0 };
    for (unsigned i = 0; i < time_count; i++)
        if (before && !out && times[i].item == level->item && times[i].channel == level->channel &&
            times[i].to_ms == UINT64_MAX)
            times[i].to_ms = time_ms;
}

static void model_read(const struct record_head *record)
{
    struct crossing_fields crossing;
    struct refused_fields refused;
    if (record->type == RECORD_CROSSING && crossing_decode(record, &crossing))
        for (uint32_t i = 0; i < crossing.fixed.level_count; i++)
            model_crossing(&crossing.levels[i], crossing.fixed.time_ms);
    if (record->type == RECORD_REFUSED && refused_decode(record, &refused))
        for (uint32_t i = 0; i < refused.fixed.line_count; i++) {
            const struct refused_line *line = &refused.lines[i];
            lost[lost_count++] = (struct without){ line->item, line->channel, refused.fixed.time_ms,
                                                   0, line->missing };
        }
}

/* Reads all records anew. */
static void model_make(void)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    time_count = lost_count = 0;
    for (size_t at = 0; at < rig.length;) {
        at += ledger_rig_record(&rig, at, record);
        model_read((const struct record_head *)(const void *)record);
    }
}

static bool is_asked(const struct report_ask *ask, const struct without *of)
{
    return (!ask->has_channel || of->channel == ask->channel) &&
           (!ask->has_item || of->item == ask->item);
}

/* A row: what it is of, and the figures. */
struct sums {
    uint32_t thing;          /* index of the channel or item; UINT32_MAX: all */
    uint64_t from_ms, to_ms; /* times of its facts */
    uint64_t end_ms;         /* up to when times without stock count */
    double lost, times, out_ms, still_out;
};

static bool is_of(const struct sums *sums, enum report_by by, const struct without *of)
{
    return sums->thing == UINT32_MAX || sums->thing == (by == BY_CHANNEL ? of->channel : of->item);
}

static void model_sum(const struct report_ask *ask, struct sums *sums)
{
    for (unsigned i = 0; i < lost_count; i++)
        if (is_asked(ask, &lost[i]) && is_of(sums, ask->by, &lost[i]) &&
            lost[i].from_ms >= sums->from_ms && lost[i].from_ms < sums->to_ms)
            sums->lost += lost[i].missing;
    for (unsigned i = 0; i < time_count; i++) {
        const struct without *t = &times[i];
        uint64_t from = t->from_ms > sums->from_ms ? t->from_ms : sums->from_ms;
        uint64_t to = t->to_ms < sums->end_ms ? t->to_ms : sums->end_ms;
        if (!is_asked(ask, t) || !is_of(sums, ask->by, t))
            continue;
        sums->times += t->from_ms >= sums->from_ms && t->from_ms < sums->to_ms;
        sums->out_ms += from < to ? (double)(to - from) : 0;
        sums->still_out += t->from_ms < sums->to_ms && t->to_ms >= sums->to_ms;
    }
}

/* ---- a report, and what it must be ---- */

static struct sums sums_of_row(const struct report *report, const char *key)
{
    const struct report_ask *ask = &report->ask;
    const struct catalogue *catalogue = catalogue_now(ctx);
    uint64_t from = ask->has_from ? ask->from_ms / HOUR_MS * HOUR_MS : 0;
    struct sums s = {
        UINT32_MAX, from > report->since_ms ? from : report->since_ms, UINT64_MAX, 0, 0, 0, 0, 0
    };
    if (ask->has_to)
        s.to_ms = (ask->to_ms + HOUR_MS - 1) / HOUR_MS * HOUR_MS;
    struct tm day = { 0 };
    if (ask->by == BY_DAY || ask->by == BY_HOUR) {
        bool hours = ask->by == BY_HOUR;
        if (!strptime(key, hours ? "%Y-%m-%dT%H" : "%Y-%m-%d", &day))
            give_up("a key that is no time");
        uint64_t begin = (uint64_t)timegm(&day) * 1000, end = begin + (hours ? HOUR_MS : DAY_MS);
        s.from_ms = begin > s.from_ms ? begin : s.from_ms;
        s.to_ms = end < s.to_ms ? end : s.to_ms;
    } else if (ask->by == BY_CHANNEL) {
        s.thing = channel_index(catalogue, catalogue_channel(catalogue, text_of(key)));
    } else {
        s.thing = (uint32_t)strtoul(key + 1, NULL, 10);
    }
    s.end_ms = s.to_ms < now ? s.to_ms : now;
    return s;
}

static bool same(const struct sums *s, const double *values)
{
    return values[0] == s->lost && values[1] == s->times && values[3] == s->still_out &&
           fabs(values[2] * 1000 - s->out_ms) < 0.5;
}

static const struct report_row *row_of(const struct report *report, const char *key)
{
    for (uint32_t i = 0; i < report->row_count; i++)
        if (text_equal((struct text){ report->rows[i].key, report->rows[i].key_len }, text_of(key)))
            return &report->rows[i];
    return NULL;
}

static void compare(const struct report *report, const char *key)
{
    struct sums s = sums_of_row(report, key);
    const struct report_row *row = row_of(report, key);
    if (s.from_ms < s.to_ms)
        model_sum(&report->ask, &s);
    bool any = s.lost > 0 || s.times > 0 || s.out_ms > 0;
    rows_compared += any;
    if (row ? any && same(&s, row->values) : !any)
        return;
    const double none[4] = { 0 }, *v = row ? row->values : none;
    printf("by %s, from %llu to %llu, channel %d, item %d, since %llu, now %llu: row %s is "
           "%g %g %.3f %g, not %g %g %.3f %g\n",
           report_by_text(report->ask.by), (unsigned long long)report->ask.from_ms,
           (unsigned long long)report->ask.to_ms,
           report->ask.has_channel ? report->ask.channel : -1,
           report->ask.has_item ? (int)report->ask.item : -1, (unsigned long long)report->since_ms,
           (unsigned long long)now, key, v[0], v[1], v[2], v[3], s.lost, s.times, s.out_ms / 1000,
           s.still_out);
    give_up("another report than the records add up to");
}

/* Every row that there may be. */
static void compare_all(const struct report *report)
{
    char key[32];
    bool hours = report->ask.by == BY_HOUR;
    uint64_t step_ms = hours ? HOUR_MS : DAY_MS, first = times[0].from_ms / DAY_MS * DAY_MS;
    if (report->more)
        give_up("more rows than there may be");
    switch (report->ask.by) {
    case BY_CHANNEL:
        compare(report, "default");
        for (int i = 0; i < CHANNELS; i++)
            compare(report, (snprintf(key, sizeof key, "c%d", i), key));
        return;
    case BY_SKU:
        for (int i = 0; i < ITEMS; i++)
            compare(report, (snprintf(key, sizeof key, "i%d", i), key));
        return;
    default:
        for (uint64_t ms = first; ms <= now + step_ms; ms += step_ms) {
            time_t at = (time_t)(ms / 1000);
            struct tm tm;
            gmtime_r(&at, &tm);
            strftime(key, sizeof key, hours ? "%Y-%m-%dT%H" : "%Y-%m-%d", &tm);
            compare(report, key);
        }
    }
}

static uint64_t some_time(void)
{
    uint64_t first = times[0].from_ms - DAY_MS, length = now + DAY_MS - first;
    uint64_t ms = first + random_next(&r) % length;
    return random_chance(&r, 50) ? ms / DAY_MS * DAY_MS : ms;
}

static void ask_one(void)
{
    static const enum report_by keys[] = { BY_CHANNEL, BY_SKU, BY_DAY, BY_HOUR };
    static const _Atomic bool never;
    struct report_ask ask = { .name = REPORT_SOLD_OUT,
                              .by = keys[random_below(&r, 4)],
                              .has_channel = random_chance(&r, 30),
                              .channel = (uint16_t)random_below(&r, CHANNELS + 1),
                              .has_item = random_chance(&r, 30),
                              .item = (uint32_t)random_below(&r, ITEMS),
                              .has_from = random_chance(&r, 50),
                              .from_ms = some_time(),
                              .has_to = random_chance(&r, 50),
                              .to_ms = some_time(),
                              .limit = ROWS };
    if (ask.has_from && ask.has_to && ask.to_ms < ask.from_ms)
        ask.to_ms = ask.from_ms + random_next(&r) % (3 * DAY_MS);
    struct report *report = report_new(&ask);
    ledger_end(ctx);
    report_run(report, ctx, &never, engine_ms, now);
    ledger_begin(ctx, engine_ms, now);
    if (report->outcome != REPORT_DONE)
        give_up("no report");
    compare_all(report);
    report_free(report);
    reports++;
}

static void ask_some(int count)
{
    ledger_rig_drain(&rig);
    model_make();
    for (int i = 0; i < count && time_count > 0; i++)
        ask_one();
}

/* ---- what happens ---- */

static void must(enum code code)
{
    if (code != CODE_OK)
        give_up(ctx_failure(ctx)->message);
}

static void pass(uint64_t ms)
{
    ledger_end(ctx);
    now += ms;
    engine_ms += ms;
    ledger_begin(ctx, engine_ms, now);
}

/* Looks until nothing is left to be looked at. */
static void look(void)
{
    do {
        ledger_rig_drain(&rig);
        pass(5);
        ledger_tell_crossings(ctx);
    } while (ledger_crossings_due(ctx) != UINT64_MAX);
}

static void move(void)
{
    char id[24], sku[8], place[8];
    struct movement_result result;
    snprintf(id, sizeof id, "m%u", next_id++);
    snprintf(sku, sizeof sku, "i%d", random_below(&r, ITEMS));
    snprintf(place, sizeof place, "p%d", random_below(&r, PLACES));
    struct movement m = { .id = text_of(id),
                          .sku = text_of(sku),
                          .location = text_of(place),
                          .qty = random_chance(&r, 60) ? 0 : random_between(&r, 1, 3) };
    must(ledger_count(ctx, &m, &result));
}

static void refuse(void)
{
    char id[24], sku[8], channel[8];
    struct reservation_view view;
    snprintf(id, sizeof id, "o%u", next_id++);
    snprintf(sku, sizeof sku, "i%d", random_below(&r, ITEMS));
    snprintf(channel, sizeof channel, "c%d", random_below(&r, CHANNELS));
    struct order_line line = { .sku = text_of(sku), .qty = 20 };
    struct order order = {
        .id = text_of(id), .channel = text_of(channel), .lines = &line, .line_count = 1
    };
    if (ledger_reserve(ctx, &order, &view) != CODE_INSUFFICIENT_STOCK)
        give_up("it was not refused");
}

static void step(void)
{
    int what = random_below(&r, 100);
    uint64_t limit = what < 50 ? 3 * 60 * 1000 : what < 97 ? 5 * HOUR_MS : 4 * (uint64_t)DAY_MS;
    pass(random_next(&r) % limit);
    if (random_chance(&r, 15))
        refuse();
    else
        move();
    look();
}

/* Each channel sells from some of the places; one keeps a buffer. */
static void set_up(void)
{
    char codes[PLACES][8], code[8];
    struct text places[PLACES];
    uint64_t lsn;
    now = UINT64_C(1700000000000) + random_next(&r) % DAY_MS;
    engine_ms = 1000;
    ledger_rig_open(&rig, &(struct ledger_config){ .items = ITEMS + 2,
                                                   .pools = 64,
                                                   .reservations = 4096,
                                                   .contexts = 1,
                                                   .figures = FIGURES_LEAST,
                                                   .hash_seed = random_next(&r) });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, engine_ms, now);
    for (int i = 0; i < PLACES; i++) {
        snprintf(codes[i], sizeof codes[i], "p%d", i);
        places[i] = text_of(codes[i]);
        must(ledger_set_location(ctx, &(struct location_setting){ .code = places[i] }, &lsn));
    }
    for (int i = 0; i < CHANNELS; i++) {
        snprintf(code, sizeof code, "c%d", i);
        struct channel_setting c = { .code = text_of(code),
                                     .has_places = true,
                                     .places = places,
                                     .place_count = (uint32_t)(i % PLACES + 1),
                                     .has_buffer = true,
                                     .buffer = i % 2 };
        must(ledger_set_channel(ctx, &c, &lsn));
    }
    for (int i = 0; i < ITEMS; i++) {
        snprintf(code, sizeof code, "i%d", i);
        must(ledger_set_item(ctx, &(struct item_setting){ .sku = text_of(code) }, &lsn));
    }
    look();
}

/* What follows goes on from there. */
static void start_again(bool from_snapshot)
{
    char why[256];
    struct ledger_rig follower;
    ledger_rig_drain(&rig);
    ledger_end(ctx);
    size_t imaged = 0;
    _Alignas(8) unsigned char record[RECORD_MAX];
    size_t until = from_snapshot ? random_next(&r) % rig.length : 0;
    while (imaged < until)
        imaged += ledger_rig_record(&rig, imaged, record);
    bool good = from_snapshot
                    ? contents_rig_follow(&follower, &rig, imaged, engine_ms, why, sizeof why)
                    : ledger_rig_follow(&follower, &rig, rig.length, engine_ms, why, sizeof why);
    if (!good || !ledgers_equal(rig.ledger, follower.ledger, true, why, sizeof why))
        give_up(why);
    ledger_rig_close(&rig);
    rig = follower;
    rig.config.log = rig.ledger->log = &rig.log;
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, engine_ms, now);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("seed %llu\n", (unsigned long long)seed);
    r.state = seed;
    set_up();
    for (int i = 1; i <= STEPS; i++) {
        step();
        if (i % (STEPS / 6) != 0)
            continue;
        ask_some(REPORTS_EACH);
        if (i % (STEPS / 3) == 0) {
            start_again(i == STEPS);
            ask_some(REPORTS_EACH);
        }
    }
    printf("%u reports, %u rows, %u times without stock, %u refused\n", reports, rows_compared,
           time_count, lost_count);
    ledger_end(ctx);
    ledger_rig_close(&rig);
    return rows_compared > 0 && lost_count > 0 ? 0 : 1;
}
