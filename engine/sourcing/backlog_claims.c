/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sourcing/backlog_claims.h"

#include "engine/ledger/change_index.h"

uint64_t backlog_served_word(const struct ctx *ctx, const struct backlog *backlog, uint32_t gives)
{
    return served_word(gives, ledger_catalogue_lsn(ctx->ledger), backlog->added);
}

bool backlog_waits_in_vain(const struct ctx *ctx, uint32_t item, const struct backlog *backlog)
{
    uint32_t gives;
    return gives_stable(item_at(&ctx->ledger->items, item), &gives) &&
           backlog_is_served(backlog, backlog_served_word(ctx, backlog, gives));
}

int64_t backlog_claims(const struct ctx *ctx, uint32_t item)
{
    struct backlog backlog = backlog_look(&ctx->ledger->items, item);
    return backlog.units == 0 || backlog_waits_in_vain(ctx, item, &backlog) ? 0 : backlog.units;
}
