/* SPDX-License-Identifier: Apache-2.0 */
/* What a history knows as of its last record: pools, open reservations, and supplies. */
#include "engine/history/history_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/store/incoming.h"

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
    if (history->pool_room == 0 && grow_pools(history) != 0)
        return NULL;
    struct history_pool *pool = &history->pools[pool_slot(history, key)];
    if (pool->used)
        return pool;
    if (2 * history->pool_count >= history->pool_room) {
        if (grow_pools(history) != 0)
            return NULL;
        pool = &history->pools[pool_slot(history, key)];
    }
    *pool = (struct history_pool){ .key = *key, .used = true };
    history->pool_count++;
    return pool;
}

/* Has the shared pool of the place show what has come of a pool of expected units. */
static int count_come(struct history *history, const struct pool_key *key)
{
    struct pool_key at = history_shared(key->item, key->location);
    if (!history_pool_of(history, key) || !history_pool_of(history, &at))
        return -ENOMEM;
    struct history_pool *own = &history->pools[pool_slot(history, key)];
    struct history_pool *shared = &history->pools[pool_slot(history, &at)];
    struct arrived now = arrived_in(own->expected, own->on_hand, own->reserved);
    assert(own != shared);
    shared->come += now.come - own->come;
    shared->come_reserved += now.come_reserved - own->come_reserved;
    own->come = now.come;
    own->come_reserved = now.come_reserved;
    return 0;
}

int history_change_pool(struct history *history, const struct pool_key *key,
                        struct history_change change)
{
    struct history_pool *pool = history_pool_of(history, key);
    if (!pool)
        return -ENOMEM;
    pool->on_hand += change.on_hand;
    pool->reserved += change.reserved;
    pool->expected += change.expected;
    return owner_kind(key->owner) == POOL_EXPECTED ? count_come(history, key) : 0;
}

int history_set_pool(struct history *history, const struct pool_key *key, int64_t on_hand,
                     int64_t reserved)
{
    struct history_pool *pool = history_pool_of(history, key);
    if (!pool)
        return -ENOMEM;
    pool->on_hand = on_hand;
    pool->reserved = reserved;
    return owner_kind(key->owner) == POOL_EXPECTED ? count_come(history, key) : 0;
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

bool history_show_pool(const struct history_pool *pool, struct history_shown *shown)
{
    enum pool_kind kind = owner_kind(pool->key.owner);
    *shown = (struct history_shown){ .key = pool->key,
                                     .kind = pool_kind_name(kind),
                                     .on_hand = delta_at_place(pool->key.owner, pool->on_hand),
                                     .reserved = pool->reserved };
    if (kind == POOL_SHARED) {
        shown->on_hand += pool->come;
        shown->reserved += pool->come_reserved;
    } else if (kind == POOL_EXPECTED) {
        const struct history_supply *supply = pool->supply;
        shown->on_hand = pool->expected;
        shown->reserved = pool->reserved - pool->come_reserved;
        if (supply) {
            shown->kind = supply->from ? "in_transit" : shown->kind;
            shown->eta_ms = supply->eta_ms;
            shown->supply = (struct text){ supply->named.id, supply->named.id_len };
        }
    }
    if (kind == POOL_OWED)
        return pool->on_hand > 0;
    return kind != POOL_BACKLOG && (kind != POOL_EXPECTED || pool->expected > 0);
}

/* ---- by id ---- */

static uint64_t hash_of(struct text id)
{
    return XXH3_64bits(id.at, id.len);
}

/* The link to what has that id, or to where it belongs. */
static struct history_named **link_to(const struct history_names *names, struct text id,
                                      uint64_t hash)
{
    struct history_named **link = &names->at[hash & (names->room - 1)];
    assert(names->room > 0);
    assert((names->room & (names->room - 1)) == 0);
    while (*link && !((*link)->hash == hash &&
                      text_equal((struct text){ (*link)->id, (*link)->id_len }, id)))
        link = &(*link)->next;
    return link;
}

static struct history_named *find(const struct history_names *names, struct text id)
{
    return names->count > 0 ? *link_to(names, id, hash_of(id)) : NULL;
}

/* Frees it. */
static void drop(struct history_names *names, const struct history_named *named)
{
    struct text id = { named->id, named->id_len };
    struct history_named **link = link_to(names, id, named->hash);
    struct history_named *found = *link;
    assert(found == named);
    assert(names->count > 0);
    *link = found->next;
    free(found);
    names->count--;
}

static int grow_names(struct history_names *names)
{
    size_t larger = names->room ? 2 * names->room : 64;
    struct history_named **at = calloc(larger, sizeof(void *));
    if (!at)
        return -ENOMEM;
    for (size_t i = 0; i < names->room; i++) {
        struct history_named *next;
        for (struct history_named *named = names->at[i]; named; named = next) {
            next = named->next;
            named->next = at[named->hash & (larger - 1)];
            at[named->hash & (larger - 1)] = named;
        }
    }
    free(names->at);
    names->at = at;
    names->room = larger;
    return 0;
}

/* Room for one more, of that size, which has no name yet; NULL: no memory. */
static void *make_named(struct history_names *names, size_t size)
{
    bool full = names->count >= names->room;
    return full && grow_names(names) != 0 ? NULL : malloc(size);
}

static void add(struct history_names *names, struct history_named *named, struct text id)
{
    assert(id.len <= ID_MAX);
    assert(names->count < names->room);
    named->hash = hash_of(id);
    named->id_len = (uint8_t)id.len;
    memcpy(named->id, id.at, id.len);
    struct history_named **head = &names->at[named->hash & (names->room - 1)];
    named->next = *head;
    *head = named;
    names->count++;
}

void history_free_names(struct history_names *names)
{
    for (size_t i = 0; i < names->room; i++) {
        struct history_named *next;
        for (struct history_named *named = names->at[i]; named; named = next) {
            next = named->next;
            free(named);
        }
    }
    free(names->at);
    *names = (struct history_names){ 0 };
}

/* ---- open reservations ---- */

struct history_hold *history_find_hold(const struct history *history, struct text id)
{
    return (struct history_hold *)find(&history->holds, id);
}

void history_drop_hold(struct history *history, const struct history_hold *hold)
{
    drop(&history->holds, &hold->named);
}

int history_set_hold(struct history *history, struct text id, uint16_t channel,
                     const struct history_draw *draws, uint32_t count)
{
    assert(count > 0);
    for (uint32_t i = 1; i < count; i++)
        assert(draws[i - 1].index < draws[i].index); /* settle_some searches them */
    struct history_hold *old = history_find_hold(history, id);
    if (old)
        history_drop_hold(history, old);
    struct history_hold *hold = make_named(&history->holds, sizeof *hold + count * sizeof *draws);
    if (!hold)
        return -ENOMEM;
    *hold = (struct history_hold){ .channel = channel, .draw_count = count };
    memcpy(hold->draws, draws, count * sizeof *draws);
    add(&history->holds, &hold->named, id);
    return 0;
}

/* ---- supplies ---- */

struct history_supply *history_find_supply(const struct history *history, struct text id)
{
    return (struct history_supply *)find(&history->supplies, id);
}

void history_drop_supply(struct history *history, const struct history_supply *supply)
{
    for (uint32_t i = 0; i < supply->line_count && history_knows_pools(history); i++) {
        struct pool_key own = history_expected(supply, &supply->lines[i]);
        struct history_pool *pool =
            history_asks_pool(history, &own) ? history_pool_of(history, &own) : NULL;
        if (pool && pool->supply == supply)
            pool->supply = NULL;
    }
    drop(&history->supplies, &supply->named);
}

/* The line's pool is the supply's, and expects what is under way. */
static int own_pool(struct history *history, const struct history_supply *supply,
                    const struct history_line *line)
{
    struct pool_key key = history_expected(supply, line);
    struct history_pool *pool;
    if (!history_knows_pools(history) || !history_asks_pool(history, &key) ||
        line_under_way(&line->line) == 0)
        return 0;
    pool = history_pool_of(history, &key);
    if (!pool)
        return -ENOMEM;
    pool->supply = supply;
    pool->expected = line_under_way(&line->line);
    return count_come(history, &key);
}

struct history_supply *history_add_supply(struct history *history, struct text id,
                                          const struct history_supply *of,
                                          const struct history_line *lines, uint32_t count)
{
    struct history_supply *old = history_find_supply(history, id);
    assert(count <= LINES_MAX);
    if (old)
        history_drop_supply(history, old);
    struct history_supply *supply =
        make_named(&history->supplies, sizeof *supply + count * sizeof *lines);
    if (!supply)
        return NULL;
    *supply = *of;
    supply->line_count = count;
    memcpy(supply->lines, lines, count * sizeof *lines);
    add(&history->supplies, &supply->named, id);
    return supply;
}

int history_set_supply(struct history *history, struct text id, const struct history_supply *of,
                       const struct history_line *lines, uint32_t count)
{
    const struct history_supply *supply = history_add_supply(history, id, of, lines, count);
    int error = supply ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < count && !error; i++)
        error = own_pool(history, supply, &supply->lines[i]);
    return error;
}
