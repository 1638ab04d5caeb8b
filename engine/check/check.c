/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants of a ledger at rest, in one function. engine/check/check_rules.h numbers them. */
#include "engine/ledger/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/check/check_rules.h"

static bool check_linked(struct rules *rules, const struct entry *entry, uint64_t word)
{
    bool linked = entry->wheel_prev != 0;
    if (state_final(word_state(word)) && entry->owner == NO_OWNER)
        return true; /* its links are of the queue, I9 */
    if ((entry->owner != NO_OWNER) == linked)
        return true;
    return BROKEN(rules, "I5: \"%.*s\" has an owner and a link that disagree",
                  (int)word_id_len(word), entry->id);
}

/* On an entry that is owned, and is put by the caller. */
static bool check_owned(struct rules *rules, struct entry *entry, uint64_t word)
{
    bool undecided;
    if (!rule_found(rules, entry, word, &undecided))
        return false;
    if (undecided)
        return BROKEN(rules, "I4: something is busy where \"%.*s\" is", (int)word_id_len(word),
                      entry->id);
    bool ended = word_kind(word) != ENTRY_RESERVATION || state_final(word_state(word));
    rules->ended += ended;
    rules->mailed += ended && entry->owner != NO_OWNER;
    if (word_kind(word) != ENTRY_RESERVATION)
        return true;
    return rule_state(rules, entry, word) && rule_draws(rules, entry, word) &&
           check_linked(rules, entry, word);
}

static bool check_entry(struct rules *rules, uint32_t number)
{
    struct entry *entry = entry_at(&rules->ledger->entries, number);
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

/* Entries in the queues of all seats, each linked both ways. */
static uint64_t queued(const struct entries *entries)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        uint32_t before = 0, at = entries->seats[i].first;
        for (; at != 0 && entry_at(entries, at - 1)->ended_prev == before; count++) {
            before = at;
            at = entry_at(entries, at - 1)->ended_next;
        }
        if (at != 0 || before != entries->seats[i].last)
            return UINT64_MAX;
    }
    return count;
}

/* A final reservation whose letter is still in a mailbox is in no queue yet. */
static bool check_queues(struct rules *rules)
{
    const struct entries *entries = &rules->ledger->entries;
    uint64_t count = queued(entries);
    if (count == entries_remembered(entries) && count + rules->mailed == rules->ended)
        return true;
    return BROKEN(rules, "I9: %llu ids have ended, %llu are in the queues, %llu in mailboxes",
                  (unsigned long long)rules->ended, (unsigned long long)count,
                  (unsigned long long)rules->mailed);
}

static bool check_item(struct rules *rules, uint32_t index)
{
    const struct items *items = &rules->ledger->items;
    uint32_t stamp;
    bool giving = !gives_quiet(item_at(items, index), &stamp);
    bool pending = false, good = true;
    struct pool_walk walk = pool_walk_start(items, index);
    const struct pool *pool;
    while (good && (pool = pool_walk_next(&walk)) != NULL) {
        uint64_t word = pool_read(pool);
        pending |= word_pending(word) != 0;
        good = rule_pool(rules, index, pool) &&
               rule_sum(rules, pool, word_reserved(word), rules->promised[pool_unit(items, pool)]);
    }
    return good && rule_still(rules, index, pending, giving);
}

int ledger_check(struct ledger *ledger, char *message, size_t size)
{
    struct rules rules;
    if (rules_init(&rules, ledger) != 0)
        return -ENOMEM;
    bool good = true;
    for (uint32_t i = 0; good && i < ledger->entries.max; i++)
        good = check_entry(&rules, i);
    good = good && check_queues(&rules);
    for (uint32_t i = 0; good && i < atomic_load(&ledger->items.count); i++)
        good = check_item(&rules, i);
    rules_destroy(&rules);
    if (good)
        return 0;
    snprintf(message, size, "%s", rules.message);
    return -EILSEQ;
}
