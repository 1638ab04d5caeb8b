/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sourcing/backlog_claims.h"

#include "engine/ledger/change_index.h"

uint64_t backlog_served_word(const struct ctx *ctx, const struct backlog *backlog, uint32_t gives)
{
    return served_word(gives, ledger_catalogue_lsn(ctx->ledger), backlog->added);
}

bool backlog_waits_in_vain(const struct ctx *ctx, uint32_t item, const struct backlog *backlog,
                           uint32_t own, uint32_t under_way)
{
    uint32_t gives;
    return gives_stable_beside(item_at(&ctx->ledger->items, item), under_way, &gives) &&
           backlog_is_served(backlog, backlog_served_word(ctx, backlog, gives - own));
}

int64_t backlog_claims(const struct ctx *ctx, uint32_t item)
{
    struct backlog backlog = backlog_look(&ctx->ledger->items, item);
    return backlog.units == 0 || backlog_waits_in_vain(ctx, item, &backlog, 0, 0) ? 0
                                                                                  : backlog.units;
}
