/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants of a ledger at rest, in one function:
 *
 *   I1  each pool's reserved is the sum of what is left of the draws of all live reservations
 *   I2  nothing is pending, and no give is under way
 *   I3  a live reservation has something left, a final one has nothing; states fit kinds
 *   I4  every entry that stands for an id is found under it, and is not busy
 *   I5  a held reservation is linked in exactly one wheel; a final one in none
 *   I6  no item has the same pool twice
 */
#include "engine/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/seat.h"

struct checking {
    struct ledger *ledger;
    uint32_t *promised; /* per unit of the pools */
    char *message;
    size_t size;
};

#define WRONG(c, ...) (snprintf((c)->message, (c)->size, __VA_ARGS__), false)

static bool check_draws(struct checking *c, struct entry *entry, uint64_t word)
{
    struct draw_walk walk = draw_walk_start(&c->ledger->entries, entry);
    const struct draw *draw;
    uint64_t left = 0;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        if ((uint64_t)draw->fulfilled + draw->cancelled > draw->qty)
            return WRONG(c, "I3: \"%.*s\" has settled more than it drew", (int)word_id_len(word),
                         entry->id);
        c->promised[draw->pool] += draw_left(draw);
        left += draw_left(draw);
    }
    if (state_final(word_state(word)) != (left == 0))
        return WRONG(c, "I3: \"%.*s\" is %s with %llu left", (int)word_id_len(word), entry->id,
                     state_name(word_state(word)), (unsigned long long)left);
    return true;
}

static bool check_linked(struct checking *c, const struct entry *entry, uint64_t word)
{
    const struct ledger *ledger = c->ledger;
    bool held = word_state(word) == STATE_HELD;
    if (held ? entry->owner >= ledger->seat_count : false)
        return WRONG(c, "I5: \"%.*s\" is held and in no wheel", (int)word_id_len(word), entry->id);
    bool linked = entry->wheel_prev != 0;
    if ((entry->owner != NO_OWNER) != linked)
        return WRONG(c, "I5: \"%.*s\" has an owner and a link that disagree",
                     (int)word_id_len(word), entry->id);
    return true;
}

static bool check_entry(struct checking *c, struct entry *entry)
{
    struct entries *entries = &c->ledger->entries;
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_acquire);
    enum entry_kind kind = word_kind(word);
    if (kind == ENTRY_FREE || kind == ENTRY_DRAWS)
        return true;
    if (word & STATE_BUSY)
        return WRONG(c, "I4: entry %u is busy", entry_number(entries, entry));
    struct entry *found;
    uint64_t found_word;
    struct text id = entry_id(entry, word);
    bool there =
        entries_find(entries, id, id_hash(entries, id), &found, &found_word) == ENTRY_FOUND;
    if (there)
        entry_put(found, found_word);
    if (!there || found != entry)
        return WRONG(c, "I4: \"%.*s\" is not found under its id", (int)id.len, id.at);
    if (kind != ENTRY_RESERVATION)
        return true;
    if (word_state(word) == STATE_NONE || word_state(word) >= STATE_COUNT)
        return WRONG(c, "I3: \"%.*s\" has no state", (int)id.len, id.at);
    return check_draws(c, entry, word) && check_linked(c, entry, word);
}

static bool check_pool(struct checking *c, uint32_t index, const struct pool *pool)
{
    const struct items *items = &c->ledger->items;
    uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
    uint64_t word = pool_read(pool);
    uint32_t promised = c->promised[pool_unit(items, pool)];
    struct text sku = item_sku(item_at(items, index));
    if (word_pending(word) != 0)
        return WRONG(c, "I2: \"%.*s\" has a take pending", (int)sku.len, sku.at);
    if (word_reserved(word) != promised)
        return WRONG(c, "I1: \"%.*s\" has %lld reserved, but %u promised", (int)sku.len, sku.at,
                     (long long)word_reserved(word), promised);
    if (key_item(key) != index ||
        pool_find(items, index, key_location(key), key_owner(key)) != pool)
        return WRONG(c, "I6: \"%.*s\" has a pool twice", (int)sku.len, sku.at);
    return true;
}

static bool check_item(struct checking *c, uint32_t index)
{
    const struct items *items = &c->ledger->items;
    const struct item *item = item_at(items, index);
    uint32_t stamp;
    if (!gives_quiet(item, &stamp))
        return WRONG(c, "I2: \"%.*s\" has a give under way", item->sku_len, item->sku);
    struct pool_walk walk = pool_walk_start(items, index);
    const struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL)
        if (!check_pool(c, index, pool))
            return false;
    return true;
}

int ledger_check(struct ledger *ledger, char *message, size_t size)
{
    struct checking c = { ledger, NULL, message, size };
    c.promised = calloc(ledger->items.unit_count, sizeof *c.promised);
    if (!c.promised)
        return -ENOMEM;
    bool good = true;
    for (uint32_t i = 0; good && i < ledger->entries.max; i++)
        good = check_entry(&c, entry_at(&ledger->entries, i));
    for (uint32_t i = 0; good && i < atomic_load(&ledger->items.count); i++)
        good = check_item(&c, i);
    free(c.promised);
    return good ? 0 : -EILSEQ;
}
