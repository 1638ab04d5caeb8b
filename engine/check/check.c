/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants of a ledger at rest, in one function. engine/check/check_rules.h numbers them. */
#include "engine/ledger/ledger.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/check/check_rules.h"
#include "engine/store/supply_lines.h"

static bool check_linked(struct rules *rules, const struct id_entry *entry, uint64_t word)
{
    bool linked = entry->wheel_prev != 0;
    if (entry_over(word) && entry->owner == NO_OWNER)
        return true; /* its links belong to the queue, I9 */
    if ((entry->owner != NO_OWNER) == linked)
        return true;
    return BROKEN(rules, "I5: the owner and the wheel link of \"%.*s\" disagree",
                  (int)word_id_len(word), entry->id);
}

/* Notes which pools of expected units a live supply names: each in one line. */
static bool check_named(struct rules *rules, const struct id_entry *entry, uint64_t word)
{
    const struct items *items = &rules->ledger->items;
    struct line_walk walk = line_walk_start(&rules->ledger->ids, entry);
    const struct line_entry *line;
    while (!entry_over(word) && (line = line_walk_next(&walk)) != NULL) {
        uint32_t *named = rules->named + (incoming_at(items, line->pool) - items->incoming);
        if (named == rules->named)
            continue; /* it is held: nothing is expected */
        if (*named != 0)
            return BROKEN(rules, "I11: \"%.*s\" names a pool in two lines", (int)word_id_len(word),
                          entry->id);
        *named = entry_number(&rules->ledger->ids, entry) + 1;
    }
    return true;
}

/* Sums up what places have set aside of each pool. */
static void add_aside(struct rules *rules, struct id_entry *entry)
{
    struct draw_walk walk = draw_walk_start(&rules->ledger->ids, entry);
    struct draw *draw;
    while (entry->tracked && (draw = draw_walk_next(&walk)) != NULL)
        if (draw_tracked(draw)->step != PART_OPEN)
            rules->aside[draw->pool] += draw_left(draw);
}

/* Checks an owned entry, which the caller puts. */
static bool check_owned(struct rules *rules, struct id_entry *entry, uint64_t word)
{
    bool undecided;
    assert(entry_is_owned(entry)); /* E1 */
    if (!rule_found(rules, entry, word, &undecided))
        return false;
    if (undecided)
        return BROKEN(rules, "I4: a busy object hides \"%.*s\"", (int)word_id_len(word), entry->id);
    bool ended = entry_over(word);
    rules->ended += ended;
    rules->in_inbox += ended && entry->owner != NO_OWNER;
    if (word_kind(word) == ENTRY_SUPPLY)
        return rule_supply(rules, entry, word) && check_named(rules, entry, word) &&
               check_linked(rules, entry, word);
    if (word_kind(word) != ENTRY_RESERVATION)
        return true;
    if (!rule_state(rules, entry, word) || !rule_draws(rules, entry, word) ||
        !check_linked(rules, entry, word))
        return false;
    add_aside(rules, entry);
    return true;
}

static bool check_entry(struct rules *rules, uint32_t number)
{
    struct id_entry *entry = entry_at(&rules->ledger->ids, number);
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_acquire);
    if (word_kind(word) == ENTRY_FREE || word_kind(word) == ENTRY_DRAWS ||
        word_kind(word) == ENTRY_REFUSED)
        return true;
    if (!entry_take(entry, &word))
        return BROKEN(rules, "I4: entry %u is busy", number);
    bool good = check_owned(rules, entry, word);
    entry_put(entry, word);
    return good;
}

/* Counts the entries in the queues of all contexts; UINT64_MAX: a queue is not linked both ways. */
static uint64_t queued(const struct id_table *ids)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < CONTEXTS_MAX; i++) {
        uint32_t before = 0, at = ids->contexts[i].first;
        for (; at != 0 && entry_at(ids, at - 1)->ended_prev == before; count++) {
            before = at;
            at = entry_at(ids, at - 1)->ended_next;
        }
        if (at != 0 || before != ids->contexts[i].last)
            return UINT64_MAX;
    }
    return count;
}

/* A final reservation that is still in an inbox is in no queue yet. */
static bool check_queues(struct rules *rules)
{
    const struct id_table *ids = &rules->ledger->ids;
    uint64_t count = queued(ids);
    assert(rules->in_inbox <= rules->ended);
    if (count == id_table_remembered(ids) && count + rules->in_inbox == rules->ended)
        return true;
    return BROKEN(rules, "I9: %llu ids have ended, %llu are in the queues, %llu in inboxes",
                  (unsigned long long)rules->ended, (unsigned long long)count,
                  (unsigned long long)rules->in_inbox);
}

/* A pool of expected units is owned by the live supply that names it. */
static bool check_owner(struct rules *rules, uint32_t index, const struct pool *pool)
{
    const struct items *items = &rules->ledger->items;
    const struct incoming *in = incoming_at(items, pool_unit(items, pool));
    uint32_t owner = atomic_load_explicit(&in->supply, memory_order_acquire);
    struct text sku = item_sku(item_at(items, index));
    if (in == items->incoming)
        return true;
    if (owner != rules->named[in - items->incoming])
        return BROKEN(rules, "I11: \"%.*s\" has a pool whose supply does not name it", (int)sku.len,
                      sku.at);
    if (owner == 0 && incoming_expected(in) != 0)
        return BROKEN(rules, "I11: \"%.*s\" has a pool that expects %u of no supply", (int)sku.len,
                      sku.at, incoming_expected(in));
    return true;
}

static bool check_aside(struct rules *rules, uint32_t index, uint32_t unit)
{
    const struct items *items = &rules->ledger->items;
    struct text sku = item_sku(item_at(items, index));
    if (set_aside_at(items, unit) == rules->aside[unit])
        return true;
    return BROKEN(rules, "I13: \"%.*s\" has a pool with %lld set aside, but %u in parts",
                  (int)sku.len, sku.at, (long long)set_aside_at(items, unit), rules->aside[unit]);
}

static bool check_item(struct rules *rules, uint32_t index)
{
    const struct items *items = &rules->ledger->items;
    uint32_t stamp;
    bool giving = !gives_stable(item_at(items, index), &stamp);
    bool undecided = false, good = true;
    struct pool_walk walk = pool_walk_start(items, index);
    const struct pool *pool;
    while (good && (pool = pool_walk_next(&walk)) != NULL) {
        uint64_t word = pool_read(pool);
        uint32_t unit = pool_unit(items, pool);
        undecided |= word_undecided(word) != 0;
        good = rule_pool(rules, index, pool) && check_owner(rules, index, pool) &&
               rule_sum(rules, pool, word_reserved(word), rules->promised[unit]) &&
               check_aside(rules, index, unit);
    }
    return good && rule_still(rules, index, undecided, giving);
}

/* That this item, or one with a lower index and the same barcode, is found. */
static bool check_barcode(struct rules *rules, uint32_t index)
{
    const struct items *items = &rules->ledger->items;
    const struct item *item = item_at(items, index);
    const struct item_details *details = atomic_load(&items->details[index]);
    struct text barcode = details_barcode(details);
    if (barcode.len == 0)
        return true;
    int64_t found = barcodes_find(&rules->ledger->barcodes, items, barcode, &details);
    if (found >= 0 && found <= index)
        return true;
    return BROKEN(rules, "I10: the barcode of \"%.*s\" leads %s", item->sku_len, item->sku,
                  found < 0 ? "to no item" : "to an item with a higher index");
}

static bool check_all(struct rules *rules)
{
    const struct ledger *ledger = rules->ledger;
    bool good = true;
    for (uint32_t i = 0; good && i < ledger->ids.max; i++)
        good = check_entry(rules, i);
    good = good && check_queues(rules);
    for (uint32_t i = 0; good && i < atomic_load(&ledger->items.count); i++)
        good = check_item(rules, i) && check_barcode(rules, i);
    return good;
}

int ledger_check(struct ledger *ledger, char *message, size_t size)
{
    struct rules rules;
    size_t named_bytes = ((size_t)ledger->items.max_pools + 1) * sizeof *rules.named;
    size_t aside_bytes = (size_t)ledger->items.unit_count * sizeof *rules.aside;
    if (rules_init(&rules, ledger) != 0)
        return -ENOMEM;
    rules.named = memory_reserve(named_bytes);
    rules.aside = memory_reserve(aside_bytes);
    bool made = rules.named && rules.aside;
    bool good = made && check_all(&rules);
    memory_release(rules.named, named_bytes);
    memory_release(rules.aside, aside_bytes);
    rules_destroy(&rules);
    if (!good)
        snprintf(message, size, "%s", made ? rules.message : "there is no memory for the check");
    return good ? 0 : made ? -EILSEQ : -ENOMEM;
}
