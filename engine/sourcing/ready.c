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
