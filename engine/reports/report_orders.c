/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of reservations, as they are now: those that are held, and what places have to do for
 * those that are confirmed. */
#include <sched.h>

#include "engine/ledger/ctx.h"
#include "engine/reports/report_inside.h"

enum {
    SLICE_ENTRIES = 1 << 16,
    BUSY_TRIES = 1000,
};

enum { NOWHERE = LOCATIONS_MAX, PLACES }; /* the place of what waits for supply */

/* What a report takes from each reservation in that state. */
struct gatherer {
    enum entry_state state;
    /* The entry is taken. */
    void (*take)(struct gatherer *gatherer, struct id_entry *entry);
    const struct report *report;
    struct ctx *ctx;
    struct groups *groups;
    uint8_t steps[PLACES]; /* of one order's part there, + 1; 0: it has none. All 0 between two */
};

static bool is_in_state(uint64_t word, enum entry_state state)
{
    return word_kind(word) == ENTRY_RESERVATION && word_state(word) == state;
}

/* The entry is taken for a moment: whoever meets it then is deferred to its next iteration. */
static void gather_entry(struct gatherer *g, struct id_entry *entry)
{
    const struct report_ask *ask = &g->report->ask;
    uint64_t word;
    bool taken = entry_take(entry, &word);
    for (int i = 0; !taken && i < BUSY_TRIES && is_in_state(word, g->state); i++) {
        sched_yield();
        taken = entry_take(entry, &word);
    }
    if (!taken)
        return;
    if (is_in_state(word, g->state) && (!ask->has_channel || ask->channel == entry->channel))
        g->take(g, entry);
    entry_put(entry, word);
}

static bool gather(struct gatherer *g, const _Atomic bool *stop)
{
    struct id_table *ids = &g->ctx->ledger->ids;
    uint32_t used = id_table_used(ids);
    for (uint32_t i = 0; i < used; i++) {
        struct id_entry *entry = entry_at(ids, i);
        if (is_in_state(atomic_load_explicit(&entry->state, memory_order_relaxed), g->state))
            gather_entry(g, entry);
        if (i % SLICE_ENTRIES != 0)
            continue;
        if (atomic_load_explicit(stop, memory_order_relaxed))
            return false;
        report_iterate(g->ctx);
    }
    return true;
}

/* ---- holds ---- */

enum { SUM_UNITS, SUM_HOLDS, SUM_TO_1M, SUM_TO_15M, SUM_TO_1H, SUM_OVER_1H, SUM_OLDEST_S };

static int64_t left_of(const struct ctx *ctx, struct id_entry *entry)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *draw;
    int64_t left = 0;
    while ((draw = draw_walk_next(&walk)) != NULL)
        left += draw_left(draw);
    return left;
}

static void take_hold(struct gatherer *g, struct id_entry *entry)
{
    uint64_t now_ms = g->report->now_ms;
    int64_t age_s = now_ms > entry->created_ms ? (int64_t)((now_ms - entry->created_ms) / 1000) : 0;
    int64_t *sums = groups_find(g->groups, entry->channel)->sums;
    unsigned age = age_s < 60     ? SUM_TO_1M
                   : age_s < 900  ? SUM_TO_15M
                   : age_s < 3600 ? SUM_TO_1H
                                  : SUM_OVER_1H;
    sums[SUM_UNITS] += left_of(g->ctx, entry);
    sums[SUM_HOLDS]++;
    sums[age]++;
    sums[SUM_OLDEST_S] = age_s > sums[SUM_OLDEST_S] ? age_s : sums[SUM_OLDEST_S];
}

bool report_holds(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                  struct groups *groups)
{
    struct gatherer gatherer = {
        .state = STATE_HELD, .take = take_hold, .report = report, .ctx = ctx, .groups = groups
    };
    return gather(&gatherer, stop);
}

/* ---- parts ---- */

enum { SUM_LEFT, SUM_PARTS, SUM_OPEN, SUM_READY, SUM_NOT_COLLECTED };

_Static_assert(SUM_OPEN + PART_READY == (int)SUM_READY &&
                   SUM_OPEN + PART_NOT_COLLECTED == (int)SUM_NOT_COLLECTED,
               "a step's sum is found by its number");

static uint16_t place_of(const struct ctx *ctx, const struct draw *draw)
{
    uint16_t location = key_location(pool_read_key(pool_at(&ctx->ledger->items, draw->pool)));
    return location == NO_LOCATION ? NOWHERE : location;
}

/* Something is left of the draw, at a place that is asked for. */
static bool is_asked_for(const struct gatherer *g, const struct draw *draw)
{
    const struct report_ask *ask = &g->report->ask;
    return draw_left(draw) > 0 && (!ask->has_location || place_of(g->ctx, draw) == ask->location);
}

static int64_t *sums_of_part(struct gatherer *g, const struct id_entry *entry, uint16_t place)
{
    uint32_t key = g->report->ask.by == BY_CHANNEL ? entry->channel
                   : place == NOWHERE              ? GROUP_NO_KEY
                                                   : place;
    return groups_find(g->groups, key)->sums;
}

/* A part is as far as what is least far of it: one walk finds that, a second one counts. */
static void take_parts(struct gatherer *g, struct id_entry *entry)
{
    struct draw_walk walk = draw_walk_start(&g->ctx->ledger->ids, entry);
    struct draw *draw;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        if (!is_asked_for(g, draw))
            continue;
        uint8_t step = entry->tracked ? draw_tracked(draw)->step : PART_OPEN;
        uint8_t *least = &g->steps[place_of(g->ctx, draw)];
        if (*least == 0 || step + 1 < *least)
            *least = (uint8_t)(step + 1);
    }
    walk = draw_walk_start(&g->ctx->ledger->ids, entry);
    while ((draw = draw_walk_next(&walk)) != NULL) {
        if (!is_asked_for(g, draw))
            continue;
        uint16_t place = place_of(g->ctx, draw);
        int64_t *sums = sums_of_part(g, entry, place);
        sums[SUM_LEFT] += draw_left(draw);
        if (g->steps[place] == 0)
            continue; /* counted already */
        sums[SUM_PARTS]++;
        sums[SUM_OPEN + g->steps[place] - 1]++;
        g->steps[place] = 0;
    }
}

bool report_parts(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                  struct groups *groups)
{
    struct gatherer gatherer = {
        .state = STATE_CONFIRMED, .take = take_parts, .report = report, .ctx = ctx, .groups = groups
    };
    return gather(&gatherer, stop);
}
