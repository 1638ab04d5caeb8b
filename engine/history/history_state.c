/* SPDX-License-Identifier: Apache-2.0 */
/* What a history knows as of its last record: pools, and open reservations. */
#include "engine/history/history_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- pools ---- */

static size_t pool_slot(const struct history *history, const struct pool_key *key)
{
    size_t mask = history->pool_room - 1;
    assert(history->pool_count < history->pool_room); /* or the search would not end */
    assert((history->pool_room & mask) == 0);
    size_t slot = (size_t)XXH3_64bits(key, sizeof *key) & mask;
    while (history->pools[slot].used && memcmp(&history->pools[slot].key, key, sizeof *key) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

static int grow_pools(struct history *history)
{
    struct history_pool *old = history->pools;
    size_t room = history->pool_room;
    size_t larger = room ? 2 * room : 16;
    struct history_pool *pools = calloc(larger, sizeof *pools);
    if (!pools)
        return -ENOMEM;
    history->pools = pools;
    history->pool_room = larger;
    for (size_t i = 0; i < room; i++)
        if (old[i].used)
            pools[pool_slot(history, &old[i].key)] = old[i];
    free(old);
    assert(2 * history->pool_count <= history->pool_room);
    return 0;
}

struct history_pool *history_pool_of(struct history *history, const struct pool_key *key)
{
    if (2 * history->pool_count >= history->pool_room && grow_pools(history) != 0)
        return NULL;
    struct history_pool *pool = &history->pools[pool_slot(history, key)];
    if (!pool->used) {
        *pool = (struct history_pool){ .key = *key, .used = true };
        history->pool_count++;
    }
    return pool;
}

int history_set_pool(struct history *history, const struct pool_key *key, int64_t on_hand,
                     int64_t reserved)
{
    struct history_pool *pool = history_pool_of(history, key);
    if (!pool)
        return -ENOMEM;
    pool->on_hand = on_hand;
    pool->reserved = reserved;
    return 0;
}

const struct history_pool *history_next_pool(const struct history *history, size_t *cursor)
{
    while (*cursor < history->pool_room) {
        const struct history_pool *pool = &history->pools[(*cursor)++];
        if (pool->used)
            return pool;
    }
    return NULL;
}

/* ---- open reservations ---- */

static uint64_t hash_of(struct text id)
{
    return XXH3_64bits(id.at, id.len);
}

/* The link to the hold of that id, or to where it belongs. */
static struct history_hold **hold_link(const struct history *history, struct text id, uint64_t hash)
{
    struct history_hold **link = &history->holds[hash & (history->hold_room - 1)];
    assert(history->hold_room > 0);
    assert((history->hold_room & (history->hold_room - 1)) == 0);
    while (*link && !((*link)->hash == hash &&
                      text_equal((struct text){ (*link)->id, (*link)->id_len }, id)))
        link = &(*link)->next;
    return link;
}

struct history_hold *history_find_hold(const struct history *history, struct text id)
{
    return history->hold_count > 0 ? *hold_link(history, id, hash_of(id)) : NULL;
}

void history_drop_hold(struct history *history, const struct history_hold *hold)
{
    struct text id = { hold->id, hold->id_len };
    struct history_hold **link = hold_link(history, id, hold->hash);
    struct history_hold *found = *link;
    assert(found == hold);
    assert(history->hold_count > 0);
    *link = found->next;
    free(found);
    history->hold_count--;
}

static int grow_holds(struct history *history)
{
    size_t larger = history->hold_room ? 2 * history->hold_room : 64;
    struct history_hold **holds = calloc(larger, sizeof(void *));
    if (!holds)
        return -ENOMEM;
    for (size_t i = 0; i < history->hold_room; i++) {
        struct history_hold *next;
        for (struct history_hold *hold = history->holds[i]; hold; hold = next) {
            next = hold->next;
            hold->next = holds[hold->hash & (larger - 1)];
            holds[hold->hash & (larger - 1)] = hold;
        }
    }
    free(history->holds);
    history->holds = holds;
    history->hold_room = larger;
    return 0;
}

int history_set_hold(struct history *history, struct text id, uint16_t channel,
                     const struct history_draw *draws, uint32_t count)
{
    assert(id.len <= ID_MAX);
    assert(count > 0);
    for (uint32_t i = 1; i < count; i++)
        assert(draws[i - 1].index < draws[i].index); /* settle_some searches them */
    struct history_hold *old = history_find_hold(history, id);
    if (old)
        history_drop_hold(history, old);
    if (history->hold_count >= history->hold_room && grow_holds(history) != 0)
        return -ENOMEM;
    struct history_hold *hold = malloc(sizeof *hold + count * sizeof *draws);
    if (!hold)
        return -ENOMEM;
    *hold = (struct history_hold){
        .hash = hash_of(id), .channel = channel, .id_len = (uint8_t)id.len, .draw_count = count
    };
    memcpy(hold->id, id.at, id.len);
    memcpy(hold->draws, draws, count * sizeof *draws);
    struct history_hold **head = &history->holds[hold->hash & (history->hold_room - 1)];
    hold->next = *head;
    *head = hold;
    history->hold_count++;
    assert(history->hold_count <= history->hold_room);
    return 0;
}
