/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sourcing/ready.h"

uint64_t ready_ms_scheduled(const struct ctx *ctx, uint16_t at, uint64_t from_ms, uint64_t lead_ms,
                            enum mode mode)
{
    const struct location *location = &ctx->catalogue->locations[at];
    const struct timetable *hours = location_timetable(ctx->catalogue, location);
    uint64_t ready_ms = timetable_spend(hours, from_ms, lead_ms); /* @opening-hours */
    if (mode == MODE_PICKUP || ready_ms == READY_NEVER)
        return ready_ms;
    return timetable_dispatch(hours, location->dispatch, location->dispatch_count, ready_ms);
}

uint64_t sent_eta_ms(const struct ctx *ctx, uint64_t key, uint32_t unit)
{
    uint64_t leaves_ms = ready_ms_of(ctx, key, unit, MODE_SHIP, 0);
    return leaves_ms > ctx->wall_ms ? leaves_ms : ctx->wall_ms + 1;
}

uint64_t sent_ready_ms(const struct ctx *ctx, uint32_t item, uint16_t to, uint64_t eta_ms)
{
    const struct items *items = &ctx->ledger->items;
    uint32_t lead_time_s = ctx->catalogue->lead_times[to];
    if (item_has(item_at(items, item), ITEM_STOCKING))
        lead_time_s = stocking_lead_time_s(stocking_find(items, item, to), lead_time_s);
    return ready_ms_at(ctx, to, eta_ms, lead_time_s, MODE_PICKUP);
}

bool sent_will_do(const struct ctx *ctx, const struct demand *demand, uint64_t key, uint32_t unit,
                  uint64_t eta_ms)
{
    uint64_t ready_ms;
    if (demand_sends(demand, key)) {
        if (eta_ms != 0) /* it is not there yet */
            return false;
        eta_ms = sent_eta_ms(ctx, key, unit);
        if (eta_ms == READY_NEVER)
            return false;
        ready_ms = sent_ready_ms(ctx, key_item(key), (uint16_t)(demand->sent_to - 1), eta_ms);
    } else {
        ready_ms = ready_ms_of(ctx, key, unit, demand->mode, eta_ms);
    }
    return demand->by_ms == BY_WHENEVER || ready_ms <= demand->by_ms;
}
