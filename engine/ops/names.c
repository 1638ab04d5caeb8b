/* SPDX-License-Identifier: Apache-2.0 */
/* From the indexes in records to names, and back. */
#include "engine/ledger/find.h"
#include "engine/ledger/ledger.h"
#include "engine/ledger/seat.h"

enum code ledger_find_item(struct seat *seat, struct text sku, uint32_t *item)
{
    return find_item(seat, sku, item);
}

struct text ledger_sku(const struct seat *seat, uint32_t item)
{
    const struct items *items = &seat->ledger->items;
    if (item >= atomic_load_explicit(&items->count, memory_order_acquire))
        return (struct text){ NULL, 0 };
    return item_sku(item_at(items, item));
}

struct text ledger_client_name(const struct seat *seat, uint16_t client)
{
    const struct ledger *ledger = seat->ledger;
    uint16_t count = atomic_load_explicit(&ledger->client_count, memory_order_acquire);
    if (client == 0 || client >= count)
        return (struct text){ NULL, 0 };
    return (struct text){ ledger->clients[client].at, ledger->clients[client].len };
}
