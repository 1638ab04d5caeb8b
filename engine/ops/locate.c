/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locate: which places have a basket, best first.
 *
 * One walk over the pools of each item adds up what every place has of it; then each place that has
 * anything is compared with the best so far. A place is ready when the longest lead time of what it
 * has is over, so its opening hours are asked once.
 */
#include "engine/ops/locate.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/order.h"
#include "engine/sourcing/ready.h"

enum { PLACES_PER_WORK = 4 }; /* see ctx_work: places are cheaper than pools */

/* ---- the request ---- */

static enum code check_basket(struct ctx *ctx, const struct basket *basket)
{
    enum code code = check_lines(ctx, basket->lines, basket->line_count);
    if (!code)
        code = check_terms(ctx, &basket->terms);
    if (code)
        return code;
    if (basket->has_within && !basket->terms.has_lat)
        return fail_param(ctx, CODE_BAD_REQUEST, "within_km", "within_km needs lat and lon");
    if (basket->has_within && !(basket->within_km >= 0))
        return fail_param(ctx, CODE_BAD_REQUEST, "within_km", "within_km must not be negative");
    if (basket->limit < 1 || basket->limit > OPTIONS_MAX)
        return fail_param(ctx, CODE_BAD_REQUEST, "limit",
                          "limit must be a whole number from 1 to %d", OPTIONS_MAX);
    return CODE_OK;
}

/* Finds the items, and sums what is wanted of each. */
static enum code gather(struct ctx *ctx, const struct basket *basket, struct locating *l)
{
    item_map_empty(&l->map);
    l->sku_count = 0;
    for (uint32_t i = 0; i < basket->line_count; i++) {
        const struct order_line *line = &basket->lines[i];
        uint32_t item;
        enum code code = find_item(ctx, line->sku, &item);
        if (code)
            return code;
        uint32_t number = *item_map_number(&l->map, item, l->sku_count);
        if (number == l->sku_count) {
            l->items[number] = item;
            l->skus[number] = line->sku;
            l->wanted[number] = 0;
            l->sku_count++;
        }
        l->wanted[number] += line->qty;
    }
    if (basket->limit * l->sku_count <= OPTION_LINES_MAX)
        return CODE_OK;
    return fail_param(ctx, CODE_TOO_LARGE, "limit",
                      "limit: %lld options of %u skus each exceed %d lines",
                      (long long)basket->limit, l->sku_count, OPTION_LINES_MAX);
}

/* ---- what the places have ---- */

/* When the place is ready. Hundreds of places have few schedules and few lead times, so what was
 * reckoned for one of them is kept for the others. */
static uint64_t ready_of(const struct ctx *ctx, uint16_t at, uint32_t lead_time_s, enum mode mode)
{
    const uint16_t *schedules = ctx->catalogue->schedules;
    uint16_t schedule = schedules ? schedules[at] : 0;
    if (schedule == 0)
        return ready_ms_at(ctx, at, ctx->wall_ms, lead_time_s, mode);
    uint32_t hash = (lead_time_s * 4099 + schedule) * UINT32_C(2654435761);
    struct known_ready *known = &ctx->locating->ready[hash >> 24];
    _Static_assert(READY_SLOTS == 1 << (32 - 24), "the hash has as many bits as the table");
    if (known->schedule != schedule || known->lead_time_s != lead_time_s) /* @ready-known */
        *known = (struct known_ready){ ready_ms_at(ctx, at, ctx->wall_ms, lead_time_s, mode),
                                       lead_time_s, schedule };
    return known->ready_ms;
}

static int earliest_first(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    return a->eta_ms < b->eta_ms ? -1 : a->eta_ms > b->eta_ms;
}

/* Adds what is expected to what each place has: the earliest first, so that a place is as soon
 * ready as it can be. */
static void add_expected(struct ctx *ctx, enum mode mode, uint64_t by_ms, uint32_t sku)
{
    struct locating *l = ctx->locating;
    struct candidates *found = ctx->candidates;
    uint32_t *row = &l->available[(uint64_t)sku * ctx->catalogue->location_count];
    qsort(found->at, found->count, sizeof found->at[0], earliest_first);
    for (uint32_t i = 0; i < found->count; i++) {
        const struct candidate *c = &found->at[i];
        uint16_t at = key_location(c->key);
        struct place_units *place = &l->places[at];
        if (!is_expected(c))
            continue;
        uint64_t ready_ms = ready_ms_of(ctx, c->key, c->unit, mode, c->eta_ms);
        if (ready_ms > by_ms)
            continue;
        if (row[at] < l->wanted[sku] && ready_ms > place->ready_ms)
            place->ready_ms = ready_ms;
        row[at] += (uint32_t)c->available;
    }
}

static void look_at_item(struct ctx *ctx, const struct channel *channel,
                         const struct demand *demand, uint64_t by_ms, uint32_t sku)
{
    struct locating *l = ctx->locating;
    struct candidates *found = ctx->candidates;
    uint32_t count = ctx->catalogue->location_count;
    uint32_t *row = &l->available[(uint64_t)sku * count];
    memset(row, 0, count * sizeof *row);
    candidates_all(ctx, channel, demand, l->items[sku], found);
    int64_t most = found->takeable; /* above the buffer, over all places */
    bool expected = false;
    if (most == 0)
        return;
    for (uint32_t i = 0; i < found->count; i++) {
        const struct candidate *c = &found->at[i];
        uint16_t at = key_location(c->key);
        expected |= is_expected(c);
        if (is_expected(c))
            continue;
        uint32_t lead_time_s = lead_time_of(ctx, c->key, c->unit);
        struct place_units *place = &l->places[at];
        if (by_ms != READY_NEVER && ready_of(ctx, at, lead_time_s, demand->mode) > by_ms)
            continue; /* @locate-by */
        row[at] += (uint32_t)c->available;
        if (lead_time_s > place->lead_time_s)
            place->lead_time_s = lead_time_s;
    }
    if (expected)
        add_expected(ctx, demand->mode, by_ms, sku);
    for (uint32_t at = 0; at < count; at++) {
        if (row[at] > most)
            row[at] = (uint32_t)most; /* @locate-buffer */
        l->places[at].some += row[at] > 0;
        l->places[at].all += row[at] >= l->wanted[sku];
    }
}

/* ---- the best places: a heap with the worst of them on top ---- */

static bool is_better(const struct place_rank *a, const struct place_rank *b)
{
    if (a->complete != b->complete)
        return a->complete;
    if (a->ready_ms != b->ready_ms)
        return a->ready_ms < b->ready_ms;
    return a->chord != b->chord ? a->chord < b->chord : a->rank < b->rank;
}

static void sift_down(struct place_rank *heap, uint32_t count, uint32_t at)
{
    struct place_rank moved = heap[at];
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && is_better(&heap[child], &heap[child + 1]))
            child++;
        if (!is_better(&moved, &heap[child]))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static void make_heap(struct place_rank *heap, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;)
        sift_down(heap, count, i);
}

/* Keeps the place if it is among the best `limit`. */
static void offer(struct place_rank *heap, uint32_t *count, uint32_t limit,
                  const struct place_rank *place)
{
    if (*count < limit) {
        heap[(*count)++] = *place;
        if (*count == limit)
            make_heap(heap, limit);
    } else if (is_better(place, &heap[0])) {
        heap[0] = *place;
        sift_down(heap, limit, 0);
    }
}

/* Best first. */
static void sort_places(struct place_rank *heap, uint32_t count)
{
    make_heap(heap, count);
    for (uint32_t left = count; left > 1; left--) {
        struct place_rank worst = heap[0];
        heap[0] = heap[left - 1];
        sift_down(heap, left - 1, 0);
        heap[left - 1] = worst;
    }
}

/* Ranks the places that have anything of the basket and are near enough. */
static uint32_t rank_places(struct ctx *ctx, const struct basket *basket,
                            const struct channel *channel, enum mode mode)
{
    struct locating *l = ctx->locating;
    const struct order_terms *terms = &basket->terms;
    double most = basket->has_within ? chord_of_km(basket->within_km) : INFINITY;
    uint32_t count = 0;
    if (terms->has_lat)
        measure_distances(ctx, terms, l->distance);
    for (uint16_t at = 0; at < ctx->catalogue->location_count; at++) {
        const struct place_units *units = &l->places[at];
        double chord = terms->has_lat ? l->distance[at] : 0;
        if (units->some == 0 || chord > most)
            continue;
        uint64_t ready_ms = ready_of(ctx, at, units->lead_time_s, mode);
        struct place_rank place = { .complete = units->all == l->sku_count,
                                    .rank = channel->rank[at],
                                    .place = at,
                                    .ready_ms =
                                        ready_ms > units->ready_ms ? ready_ms : units->ready_ms,
                                    .chord = chord };
        assert(place.rank != RANK_NEVER);
        offer(l->best, &count, (uint32_t)basket->limit, &place);
    }
    sort_places(l->best, count);
    return count;
}

static void list_options(struct ctx *ctx, const struct order_terms *terms, struct located *located)
{
    struct locating *l = ctx->locating;
    for (uint32_t i = 0; i < located->option_count; i++) {
        const struct place_rank *place = &l->best[i];
        const struct location *location = &ctx->catalogue->locations[place->place];
        l->options[i] = (struct place_option){
            .location = code_text(&location->code),
            .distance_km = terms->has_lat ? chord_km(place->chord) : NAN,
            .complete = place->complete,
            .ready_ms = place->ready_ms,
            .place = place->place,
        };
    }
}

enum code ledger_locate(struct ctx *ctx, const struct basket *basket, struct located *located)
{
    struct locating *l = ctx->locating;
    const struct channel *channel;
    enum code code = check_basket(ctx, basket);
    uint64_t lsn = log_head(ctx->ledger->log); /* @locate-lsn: before the catalogue, too */
    catalogue_pin(ctx);
    struct demand demand = demand_usual(ctx);
    if (!code)
        code = find_mode(ctx, &basket->terms, &demand.mode);
    if (!code)
        code = find_channel(ctx, basket->channel, &channel);
    if (!code)
        code = gather(ctx, basket, l);
    if (code)
        return code;
    uint32_t places = ctx->catalogue->location_count;
    if (demand.mode == MODE_PICKUP)
        demand.serves = ctx->catalogue->pickup;
    *located = (struct located){ .lsn = lsn,
                                 .sku_count = l->sku_count,
                                 .options = l->options,
                                 .skus = l->skus,
                                 .available = l->available,
                                 .places = places };
    uint64_t by_ms = basket->terms.has_by ? basket->terms.by_ms : READY_NEVER;
    memset(l->ready, 0, sizeof l->ready);
    memset(l->places, 0, places * sizeof l->places[0]);
    for (uint32_t sku = 0; sku < l->sku_count; sku++)
        look_at_item(ctx, channel, &demand, by_ms, sku);
    located->option_count = rank_places(ctx, basket, channel, demand.mode);
    list_options(ctx, &basket->terms, located);
    ctx->work += (uint64_t)places * (l->sku_count + 1) / PLACES_PER_WORK;
    COUNT(ctx, queries);
    return CODE_OK;
}
