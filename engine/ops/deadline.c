/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/deadline.h"

#include <assert.h>

#include "engine/store/supply_lines.h"

enum { LOOK_AGAIN_MS = 60 * 60 * 1000 };

uint64_t deadline_look_ms(const struct ctx *ctx, uint64_t wall_ms)
{
    if (wall_ms == UINT64_MAX)
        return UINT64_MAX;
    if (wall_ms > ctx->wall_ms + LOOK_AGAIN_MS)
        wall_ms = ctx->wall_ms + LOOK_AGAIN_MS;
    return wall_ms > ctx->wall_ms ? wall_ms - ctx->wall_ms + ctx->engine_ms : ctx->engine_ms;
}

void deadline_set(struct ctx *ctx, struct id_entry *entry, uint64_t at_ms)
{
    struct id_table *ids = &ctx->ledger->ids;
    assert(entry_is_owned(entry)); /* E1 */
    if (entry->owner == ctx->index) {
        wheel_unlink(&ctx->wheel, ids, entry);
        entry->owner = NO_OWNER;
    }
    if (entry->owner == NO_OWNER && at_ms != UINT64_MAX) {
        entry->owner = ctx->index;
        wheel_link(&ctx->wheel, ids, entry, at_ms);
    } else if (entry->owner != NO_OWNER &&
               wheel_send(&ctx->ledger->contexts[entry->owner]->wheel, ids, entry)) {
        ctx->wakeups |= UINT64_C(1) << entry->owner;
    }
}
