/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of what is there now in pools. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/reports/report_inside.h"

enum {
    LOOKS = 16,       /* at an item whose units are being moved */
    ITEM_SLICE = 256, /* items between two looks at whether to stop */
};

void report_iterate(struct ctx *ctx)
{
    ledger_end(ctx);
    ledger_begin(ctx, ctx->engine_ms, ctx->wall_ms);
}

/* ---- pools ---- */

/* The sights of one item. */
struct pool_sights {
    struct pool_sight *at; /* owned */
    uint32_t count, room;
    bool no_memory;
};

static void keep_sight(struct pool_sights *sights, const struct pool_sight *sight)
{
    if (sights->count == sights->room) {
        uint32_t room = 2 * sights->room + 64;
        struct pool_sight *grown = realloc(sights->at, room * sizeof *grown);
        sights->no_memory = !grown;
        if (!grown)
            return;
        sights->at = grown;
        sights->room = room;
    }
    sights->at[sights->count++] = *sight;
}

/* As `stock` shows it: what has come of a supply is shared stock of its place. */
static struct pool_sight sight_of(const struct ctx *ctx, const struct pool *pool)
{
    const struct items *items = &ctx->ledger->items;
    uint64_t key = pool_read_key(pool);
    uint64_t word = pool_read(pool);
    struct pool_sight sight = { .item = key_item(key), .location = key_location(key) };
    /* Loaded only after the pool is found: the then current catalogue has its location. */
    sight.active = catalogue_now(ctx)->locations[sight.location].active;
    switch (owner_kind(key_owner(key))) {
    case POOL_EXPECTED: {
        struct arrived a = incoming_look(items, pool);
        sight.on_hand = a.come;
        sight.reserved = a.come_reserved;
        sight.expected = a.expected;
        sight.eta_ms = incoming_eta_ms(incoming_at(items, pool_unit(items, pool)));
        return sight;
    }
    case POOL_DAMAGED:
        sight.damaged = word_on_hand(word);
        return sight;
    case POOL_QUALITY:
    case POOL_DISPLAY: /* there, and not on hand: nobody can buy them */
        return sight;
    case POOL_ALLOTTED:
        sight.allotted = true;
        sight.channel = owner_channel(key_owner(key));
        break;
    case POOL_OWED: /* nobody is promised that */
        sight.on_hand = -(int64_t)word_on_hand(word);
        return sight;
    default:
        break;
    }
    sight.on_hand = word_on_hand(word);
    sight.reserved = word_reserved(word);
    return sight;
}

/* Looks again if units were moved meanwhile: they might be in neither pool, or in both. */
static void look_at_item(const struct ctx *ctx, uint32_t index, struct pool_sights *sights)
{
    const struct items *items = &ctx->ledger->items;
    bool moving = true;
    for (int i = 0; moving && i < LOOKS; i++) {
        uint16_t stamp;
        bool none = moves_none(item_at(items, index), &stamp);
        struct pool_walk walk = pool_walk_start(items, index);
        const struct pool *pool;
        sights->count = 0;
        while ((pool = pool_walk_next(&walk)) != NULL) {
            if (owner_kind(key_owner(pool_read_key(pool))) == POOL_BACKLOG)
                continue; /* it is at no place */
            struct pool_sight sight = sight_of(ctx, pool);
            keep_sight(sights, &sight);
        }
        moving = !none || !moves_unchanged(item_at(items, index), stamp);
    }
}

bool report_scan_pools(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                       void (*take)(void *context, const struct pool_sight *sight), void *context)
{
    const struct report_ask *ask = &report->ask;
    uint32_t count = atomic_load_explicit(&ctx->ledger->items.count, memory_order_acquire);
    uint32_t first = ask->has_item ? ask->item : 0;
    uint32_t end = ask->has_item ? ask->item + 1 : count;
    struct pool_sights sights = { 0 };
    bool stopped = false;
    for (uint32_t item = first; item < end && !stopped; item++) {
        look_at_item(ctx, item, &sights);
        for (uint32_t i = 0; i < sights.count; i++)
            if (!ask->has_location || sights.at[i].location == ask->location)
                take(context, &sights.at[i]);
        stopped = sights.no_memory ||
                  (item % ITEM_SLICE == 0 && atomic_load_explicit(stop, memory_order_relaxed));
        if (item % ITEM_SLICE == 0)
            report_iterate(ctx);
    }
    free(sights.at);
    return !stopped;
}

struct gathering {
    const struct report *report;
    struct groups *groups;
};

static int64_t *sums_of(const struct gathering *g, const struct pool_sight *sight)
{
    bool sku = g->report->ask.by == BY_SKU;
    return groups_find(g->groups, sku ? sight->item : sight->location)->sums;
}

static void take_stock(void *context, const struct pool_sight *sight)
{
    int64_t *sums = sums_of(context, sight);
    sums[0] += sight->on_hand;
    sums[1] += sight->reserved;
    sums[2] += sight->active ? sight->on_hand - sight->reserved : 0;
    sums[3] += sight->damaged;
    sums[4] += sight->expected;
}

bool report_stock(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                  struct groups *groups)
{
    struct gathering g = { report, groups };
    return report_scan_pools(report, ctx, stop, take_stock, &g);
}

static void take_short(void *context, const struct pool_sight *sight)
{
    if (sight->reserved == 0 || sight->reserved <= sight->on_hand)
        return;
    int64_t *sums = sums_of(context, sight);
    sums[0] += sight->reserved - sight->on_hand;
    sums[1]++;
}

bool report_short(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                  struct groups *groups)
{
    struct gathering g = { report, groups };
    return report_scan_pools(report, ctx, stop, take_short, &g);
}

static void take_late(void *context, const struct pool_sight *sight)
{
    const struct gathering *g = context;
    uint64_t now_ms = g->report->now_ms;
    if (sight->expected == 0 || sight->eta_ms == 0 || sight->eta_ms > now_ms)
        return;
    int64_t *sums = sums_of(g, sight);
    int64_t late_s = (int64_t)((now_ms - sight->eta_ms) / 1000);
    sums[0] += sight->expected;
    sums[1]++;
    sums[2] = late_s > sums[2] ? late_s : sums[2];
}

bool report_late(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                 struct groups *groups)
{
    struct gathering g = { report, groups };
    return report_scan_pools(report, ctx, stop, take_late, &g);
}

/* ---- what is on hand for a channel ---- */

struct on_hand {
    struct ctx *ctx;
    const struct report *report;
    struct groups *groups;
    unsigned sum;
    int64_t places[LOCATIONS_MAX]; /* by channel: what all channels share */
};

static bool sells_from(const struct channel *channel, const struct pool_sight *sight)
{
    return sight->active && channel->rank[sight->location] != RANK_NEVER;
}

static void take_on_hand(void *context, const struct pool_sight *sight)
{
    struct on_hand *o = context;
    const struct report_ask *ask = &o->report->ask;
    const struct catalogue *catalogue = catalogue_now(o->ctx);
    if (ask->has_channel) {
        bool foreign = sight->allotted && sight->channel != ask->channel;
        if (foreign || !sells_from(&catalogue->channels[ask->channel], sight))
            return;
    }
    if (ask->by != BY_CHANNEL)
        groups_find(o->groups, ask->by == BY_SKU ? sight->item : sight->location)->sums[o->sum] +=
            sight->on_hand;
    else if (sight->allotted)
        groups_find(o->groups, sight->channel)->sums[o->sum] += sight->on_hand;
    else if (sight->active)
        o->places[sight->location] += sight->on_hand;
}

/* What is shared at a place is on hand for every channel that sells from it. */
static void spread(struct on_hand *o)
{
    const struct report_ask *ask = &o->report->ask;
    const struct catalogue *catalogue = catalogue_now(o->ctx);
    for (uint16_t c = 0; c < catalogue->channel_count; c++) {
        int64_t units = 0;
        for (uint16_t l = 0; l < catalogue->location_count; l++)
            if (catalogue->channels[c].rank[l] != RANK_NEVER)
                units += o->places[l];
        if (units != 0 && (!ask->has_channel || ask->channel == c))
            groups_find(o->groups, c)->sums[o->sum] += units;
    }
}

bool report_on_hand(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                    struct groups *groups, unsigned sum)
{
    struct on_hand *o = calloc(1, sizeof *o);
    if (!o)
        return false;
    o->ctx = ctx;
    o->report = report;
    o->groups = groups;
    o->sum = sum;
    bool whole = report_scan_pools(report, ctx, stop, take_on_hand, o);
    if (whole && report->ask.by == BY_CHANNEL)
        spread(o);
    free(o);
    return whole;
}
