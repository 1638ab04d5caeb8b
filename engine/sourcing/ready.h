/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When what is drawn from a place is ready: once its lead time has passed from now, or from when it
 * comes there, within the opening hours of the place; a parcel leaves at the first dispatch from
 * then on.
 */
#ifndef STOCKD_ENGINE_SOURCING_READY_H
#define STOCKD_ENGINE_SOURCING_READY_H

#include "engine/sourcing/demand.h"

/* The lead time of what is drawn from the pool: the item's at that place if it is set, else the
 * place's. */
static inline uint32_t lead_time_of(const struct ctx *ctx, uint64_t key, uint32_t unit)
{
    const struct items *items = &ctx->ledger->items;
    uint32_t of_place = ctx->catalogue->lead_times[key_location(key)];
    if (!item_has(item_at(items, key_item(key)), ITEM_STOCKING))
        return of_place;
    return stocking_lead_time_s(stocking_at(items, unit), of_place); /* @lead-time */
}

/* The same as ready_ms_at, for a place with opening hours or dispatch times. */
uint64_t ready_ms_scheduled(const struct ctx *ctx, uint16_t location, uint64_t from_ms,
                            uint64_t lead_ms, enum mode mode);

/* Wall clock time at which units that are there from `from_ms` on, at the earliest now, are ready
 * at the place; READY_NEVER: not within any time that is known. More lead time never makes it
 * earlier. */
static inline uint64_t ready_ms_at(const struct ctx *ctx, uint16_t location, uint64_t from_ms,
                                   uint32_t lead_time_s, enum mode mode)
{
    const uint16_t *schedules = ctx->catalogue->schedules;
    uint64_t lead_ms = (uint64_t)lead_time_s * 1000;
    uint64_t ready_ms = schedules && schedules[location]
                            ? ready_ms_scheduled(ctx, location, from_ms, lead_ms, mode)
                            : from_ms + lead_ms;
    return ready_ms < TIME48_NEVER ? ready_ms : READY_NEVER;
}

/* What is drawn from the pool, if its units have come or come then; 0: they are there. */
static inline uint64_t ready_ms_of(const struct ctx *ctx, uint64_t key, uint32_t unit,
                                   enum mode mode, uint64_t eta_ms)
{
    uint64_t from_ms = eta_ms > ctx->wall_ms ? eta_ms : ctx->wall_ms;
    return ready_ms_at(ctx, key_location(key), from_ms, lead_time_of(ctx, key, unit), mode);
}

/* When what is on hand in the pool is sent to another place, it comes there at this wall clock
 * time, which lies ahead: once its parcel leaves. READY_NEVER: none leaves. */
uint64_t sent_eta_ms(const struct ctx *ctx, uint64_t key, uint32_t unit);
/* Units of the item that come then, and are ready to be collected at a place. */
uint64_t sent_ready_ms(const struct ctx *ctx, uint32_t item, uint16_t to, uint64_t eta_ms);
/* Will what is drawn from the pool do, for a demand of what is sent? */
bool sent_will_do(const struct ctx *ctx, const struct demand *demand, uint64_t key, uint32_t unit,
                  uint64_t eta_ms);

#endif
