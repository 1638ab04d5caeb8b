/* SPDX-License-Identifier: Apache-2.0 */
/* Maps the indexes in records to names, and back. */
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ledger/ledger.h"

enum code ledger_find_item(struct ctx *ctx, struct text sku, uint32_t *item)
{
    return find_item(ctx, sku, item);
}

struct text ledger_sku(const struct ctx *ctx, uint32_t item)
{
    const struct items *items = &ctx->ledger->items;
    if (item >= atomic_load_explicit(&items->count, memory_order_acquire))
        return (struct text){ NULL, 0 };
    return item_sku(item_at(items, item));
}

struct text ledger_client_name(const struct ctx *ctx, uint16_t client)
{
    const struct ledger *ledger = ctx->ledger;
    uint16_t count = atomic_load_explicit(&ledger->client_count, memory_order_acquire);
    if (client == 0 || client >= count)
        return (struct text){ NULL, 0 };
    return (struct text){ ledger->clients[client].at, ledger->clients[client].len };
}
