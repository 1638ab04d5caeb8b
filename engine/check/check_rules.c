/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/check/check_rules.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "engine/base/memory.h"
#include "engine/store/supply_lines.h"

static size_t promised_bytes(const struct rules *rules)
{
    return (size_t)rules->ledger->items.unit_count * sizeof *rules->promised;
}

int rules_init(struct rules *rules, struct ledger *ledger)
{
    *rules = (struct rules){ .ledger = ledger };
    rules->promised = memory_reserve(promised_bytes(rules));
    return rules->promised ? 0 : -ENOMEM;
}

void rules_destroy(struct rules *rules)
{
    memory_release(rules->promised, promised_bytes(rules));
    rules->promised = NULL;
}

/* ---- entries ---- */

/* Does the pool exist, and may the reservation draw from it? */
static bool may_draw(const struct rules *rules, const struct id_entry *entry,
                     const struct draw *draw)
{
    const struct items *items = &rules->ledger->items;
    if (draw->pool >= items->unit_count)
        return false;
    uint64_t key = atomic_load_explicit(&pool_at(items, draw->pool)->key, memory_order_acquire);
    if (key == 0 || key_item(key) >= items->max_items)
        return false;
    return owner_sells_to(key_owner(key), entry->channel);
}

/* Once the sum exceeds anything that a pool can hold it stops growing: it never wraps. */
static void promise(struct rules *rules, uint32_t pool, uint32_t units)
{
    assert(pool < rules->ledger->items.unit_count); /* I7, I12 were checked */
    uint32_t *promised = &rules->promised[pool];
    if (*promised <= WORD_RESERVED_MOST)
        *promised += units;
}

bool rule_draws(struct rules *rules, struct id_entry *entry, uint64_t word)
{
    struct draw_walk walk = draw_walk_start(&rules->ledger->ids, entry);
    const struct draw *draw;
    int id_len = (int)word_id_len(word);
    uint64_t left = 0;
    assert(word_kind(word) == ENTRY_RESERVATION);
    assert(entry_is_owned(entry)); /* E1 */
    while ((draw = draw_walk_next(&walk)) != NULL) {
        if ((uint64_t)draw->fulfilled + draw->cancelled > draw->qty)
            return BROKEN(rules, "I3: \"%.*s\" has settled more than it drew", id_len, entry->id);
        if (!may_draw(rules, entry, draw))
            return BROKEN(rules, "I7: \"%.*s\" draws from a pool that is not its channel's", id_len,
                          entry->id);
        promise(rules, draw->pool, draw_left(draw));
        left += draw_left(draw);
    }
    if (state_final(word_state(word)) != (left == 0))
        return BROKEN(rules, "I3: \"%.*s\" is %s with %llu left", id_len, entry->id,
                      state_name(word_state(word)), (unsigned long long)left);
    return true;
}

/* Has a part of it a time by which it is to be collected? */
static bool awaits_buyer(const struct rules *rules, struct id_entry *entry, uint64_t word)
{
    struct draw_walk walk = draw_walk_start(&rules->ledger->ids, entry);
    struct draw *draw;
    if (word_state(word) != STATE_CONFIRMED || !entry->tracked)
        return false;
    while ((draw = draw_walk_next(&walk)) != NULL)
        if (draw_left(draw) > 0 && draw_tracked(draw)->step == PART_READY &&
            draw_tracked(draw)->collect_by_ms != 0)
            return true;
    return false;
}

/* While the ledger follows another one nothing comes up, and afterwards until it is taken up. */
static bool rule_in_wheel(const struct rules *rules, const struct id_entry *entry)
{
    const struct ledger *ledger = rules->ledger;
    bool follows = atomic_load_explicit(&ledger->follows, memory_order_acquire) ||
                   atomic_load_explicit(&ledger->taking_up, memory_order_acquire) > 0;
    return follows || entry->owner < ledger->context_count;
}

bool rule_state(struct rules *rules, struct id_entry *entry, uint64_t word)
{
    assert(entry_is_owned(entry)); /* E1 */
    int id_len = (int)word_id_len(word);
    if (word_state(word) == STATE_NONE || word_state(word) >= STATE_COUNT)
        return BROKEN(rules, "I3: \"%.*s\" has no state", id_len, entry->id);
    bool in_wheel = rule_in_wheel(rules, entry);
    if (word_state(word) == STATE_HELD && !in_wheel)
        return BROKEN(rules, "I5: \"%.*s\" is held and in no wheel", id_len, entry->id);
    if (awaits_buyer(rules, entry, word) && !in_wheel)
        return BROKEN(rules, "I5: \"%.*s\" awaits its buyer and is in no wheel", id_len, entry->id);
    return true;
}

/* Does the line name a pool, and has no more become of it than was shipped? */
static bool line_can_be(const struct rules *rules, const struct line_entry *line)
{
    const struct items *items = &rules->ledger->items;
    uint64_t came = (uint64_t)line->accepted + line->rejected;
    if (line->pool >= items->unit_count ||
        atomic_load_explicit(&pool_at(items, line->pool)->key, memory_order_acquire) == 0)
        return false;
    return line->shipped <= line->qty && line->over <= came &&
           came + line->lost <= (uint64_t)line->shipped + line->over;
}

/* I11: what only the owner of the supply's entry changes, and on hand, which is never less. */
static bool rule_expected(struct rules *rules, const struct id_entry *entry, uint64_t word,
                          const struct line_entry *line)
{
    const struct items *items = &rules->ledger->items;
    const struct incoming *in = incoming_at(items, line->pool);
    uint32_t link = entry_number(&rules->ledger->ids, entry) + 1, way = line_under_way(line);
    int id_len = (int)word_id_len(word);
    if (in == items->incoming)
        return way == 0 || BROKEN(rules, "I11: \"%.*s\" has %u under way in no pool of its own",
                                  id_len, entry->id, way);
    if (atomic_load_explicit(&in->supply, memory_order_acquire) != link)
        return BROKEN(rules, "I11: \"%.*s\" names a pool that it does not own", id_len, entry->id);
    if (mark_is_raised(incoming_mark(in)))
        return BROKEN(rules, "I11: \"%.*s\" never gave what its pool expects", id_len, entry->id);
    if (incoming_expected(in) != way)
        return BROKEN(rules, "I11: \"%.*s\" has %u under way, but its pool expects %u", id_len,
                      entry->id, way, incoming_expected(in));
    if (way > 0 && incoming_eta_ms(in) != entry->eta_ms) /* or it is of a line that came before */
        return BROKEN(rules, "I11: \"%.*s\" has another ETA than its pool", id_len, entry->id);
    int64_t on_hand = word_on_hand(pool_read(pool_at(items, line->pool)));
    if (on_hand < way)
        return BROKEN(rules, "I11: \"%.*s\" has %u under way, but only %lld in its pool", id_len,
                      entry->id, way, (long long)on_hand);
    return true;
}

static bool rule_line(struct rules *rules, const struct id_entry *entry, uint64_t word,
                      const struct line_entry *line)
{
    const struct items *items = &rules->ledger->items;
    int id_len = (int)word_id_len(word);
    if (!line_can_be(rules, line) || (!entry->from && line_held(line) > 0))
        return BROKEN(rules, "I12: \"%.*s\" has a line that cannot be", id_len, entry->id);
    if (line_held(line) > 0) {
        uint32_t source = line_source(items, entry, line);
        if (source == UINT32_MAX)
            return BROKEN(rules, "I12: \"%.*s\" holds units where there are none", id_len,
                          entry->id);
        promise(rules, source, line_held(line));
    }
    return supply_over(word_supply_state(word)) || rule_expected(rules, entry, word, line);
}

bool rule_supply(struct rules *rules, const struct id_entry *entry, uint64_t word)
{
    const struct id_table *ids = &rules->ledger->ids;
    struct line_walk walk = line_walk_start(ids, entry);
    const struct line_entry *line;
    enum supply_state state = word_supply_state(word);
    int id_len = (int)word_id_len(word);
    assert(word_kind(word) == ENTRY_SUPPLY);
    assert(entry_is_owned(entry)); /* E1 */
    if (state == SUPPLY_NONE || state >= SUPPLY_STATE_COUNT)
        return BROKEN(rules, "I12: \"%.*s\" has no state", id_len, entry->id);
    while ((line = line_walk_next(&walk)) != NULL)
        if (!rule_line(rules, entry, word, line))
            return false;
    if (!supply_state_fits(ids, entry, state))
        return BROKEN(rules, "I12: \"%.*s\" is %s, and its lines are not", id_len, entry->id,
                      supply_state_name(state));
    /* Then it comes up by its ETA, at least: ops/supply_watch.h. */
    bool to_come = state == SUPPLY_IN_TRANSIT && entry->eta_ms > entry->watched_ms;
    if (to_come && !rule_in_wheel(rules, entry))
        return BROKEN(rules, "I12: \"%.*s\" is to come and in no wheel", id_len, entry->id);
    return true;
}

bool rule_found(struct rules *rules, struct id_entry *entry, uint64_t word, bool *undecided)
{
    struct id_table *ids = &rules->ledger->ids;
    struct text id = entry_id(entry, word);
    enum entry_found found = id_table_find_own(ids, entry, id, id_hash(ids, id));
    assert(entry_is_owned(entry)); /* E1 */
    *undecided = found == ENTRY_BUSY;
    if (found != ENTRY_ABSENT)
        return true;
    return BROKEN(rules, "I4: \"%.*s\" is not found under its id", (int)id.len, id.at);
}

/* ---- pools ---- */

bool rule_pool(struct rules *rules, uint32_t index, const struct pool *pool)
{
    const struct items *items = &rules->ledger->items;
    const struct catalogue *catalogue =
        atomic_load_explicit(&rules->ledger->catalogue, memory_order_seq_cst);
    uint64_t key = atomic_load_explicit(&pool->key, memory_order_acquire);
    uint16_t owner = key_owner(key);
    assert(key != 0); /* a walk passes only over pools */
    struct text sku = item_sku(item_at(items, index));
    if (key_item(key) != index ||
        pool_find(items, index, key_location(key), key_owner(key)) != pool)
        return BROKEN(rules, "I6: \"%.*s\" has a pool twice", (int)sku.len, sku.at);
    if (items_find(items, sku, sku_hash(items, sku)) != index)
        return BROKEN(rules, "I6: \"%.*s\" is not found under its sku", (int)sku.len, sku.at);
    if (!pool_can_be(key_location(key), owner, catalogue->location_count, catalogue->channel_count))
        return BROKEN(rules, "I8: \"%.*s\" has a pool with an unknown location, kind or channel",
                      (int)sku.len, sku.at);
    if (owner_kind(owner) == POOL_OWED && !item_has(item_at(items, index), ITEM_OWED))
        return BROKEN(rules, "I14: \"%.*s\" is owed, and its flags do not say so", (int)sku.len,
                      sku.at);
    if (owner_kind(owner) == POOL_BACKLOG && word_on_hand(pool_read(pool)) != 0)
        return BROKEN(rules, "I15: the backlog of \"%.*s\" has units on hand", (int)sku.len,
                      sku.at);
    return true;
}

bool rule_still(struct rules *rules, uint32_t index, bool undecided, bool giving)
{
    struct text sku = item_sku(item_at(&rules->ledger->items, index));
    if (undecided)
        return BROKEN(rules, "I2: \"%.*s\" has an undecided take", (int)sku.len, sku.at);
    if (giving)
        return BROKEN(rules, "I2: \"%.*s\" has a give under way", (int)sku.len, sku.at);
    return true;
}

bool rule_sum(struct rules *rules, const struct pool *pool, int64_t reserved, uint32_t promised)
{
    if (reserved == promised)
        return true;
    const struct catalogue *catalogue =
        atomic_load_explicit(&rules->ledger->catalogue, memory_order_seq_cst);
    uint64_t key = atomic_load_explicit(&pool->key, memory_order_acquire);
    struct text sku = item_sku(item_at(&rules->ledger->items, key_item(key)));
    struct text at = location_code(catalogue, key_location(key));
    return BROKEN(rules, "I1: \"%.*s\" at \"%.*s\" (%s) has %lld reserved, but %u promised",
                  (int)sku.len, sku.at, (int)at.len, at.at,
                  pool_kind_name(owner_kind(key_owner(key))), (long long)reserved, promised);
}
