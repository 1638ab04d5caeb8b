/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps each item that the current operation names to a number, so that an order of many lines finds
 * the lines and draws of one item without looking at all of them. For one thread.
 *
 * A new stamp empties it, without writing to the slots: most operations name one or two items.
 */
#ifndef STOCKD_ENGINE_STORE_ITEM_MAP_H
#define STOCKD_ENGINE_STORE_ITEM_MAP_H

#include <stdint.h>
#include <string.h>

#include "engine/base/limits.h"

enum { ITEM_MAP_BITS = 12, ITEM_MAP_SLOTS = 1 << ITEM_MAP_BITS };

_Static_assert(ITEM_MAP_SLOTS >= 2 * DRAWS_MAX, "at most half of it is in use");
_Static_assert(DRAWS_MAX >= LINES_MAX, "an operation names at most so many items");

struct item_map {
    uint32_t stamp; /* of the current operation */
    struct {
        uint32_t stamp, item, number;
    } slots[ITEM_MAP_SLOTS];
};

static inline void item_map_empty(struct item_map *map)
{
    if (++map->stamp == 0) { /* wrapped: no old slot may look current */
        memset(map, 0, sizeof *map);
        map->stamp = 1;
    }
}

/* The item's number, which becomes `number` if it had none. Borrowed until the next call. */
static inline uint32_t *item_map_number(struct item_map *map, uint32_t item, uint32_t number)
{
    uint32_t at = item * UINT32_C(2654435761) >> (32 - ITEM_MAP_BITS);
    while (map->slots[at].stamp == map->stamp && map->slots[at].item != item)
        at = (at + 1) % ITEM_MAP_SLOTS;
    if (map->slots[at].stamp != map->stamp) {
        map->slots[at].stamp = map->stamp;
        map->slots[at].item = item;
        map->slots[at].number = number;
    }
    return &map->slots[at].number;
}

#endif
