/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants of a ledger. Two walks cite them: ledger_check() at rest (check.c), and the live
 * check beside working contexts (check.h).
 *
 *   I1  each pool's reserved is the sum of what the draws of all live reservations have left, and
 *       what transfers hold there
 *   I2  no take is undecided, and no give is under way, on an item that no operation works on
 *   I3  a live reservation has something left, a final one has nothing; states fit kinds
 *   I4  every entry that stands for an id is found under that id, and is not busy (at rest)
 *   I5  a held reservation is in exactly one context's wheel; a final one in none (at rest)
 *   I6  no item has the same pool twice; an item that has pools is found under its sku
 *   I7  a draw is from a pool that its channel may sell from: shared, or its own allotment
 *   I8  a pool's location, kind and channel are in the catalogue
 *   I9  every ended entry is in exactly one context's queue, or still in an inbox (at rest)
 *   I10 a barcode leads to the item with the lowest index of those that have it (at rest)
 *   I11 a pool of expected units expects what the line of the supply that owns it has under way, by
 *       the supply's ETA, and has no less on hand; without an owner it expects nothing (at rest);
 *       what a live supply has under way is in such a pool, and its owner is live and names it in
 *       one line (at rest); its mark is not raised while nobody owns the supply's entry
 *   I12 no more has become of a supply's line than was shipped; the supply's state follows from its
 *       lines; while the ETA of what is under way is to come, it is in a context's wheel
 *   I13 what is set aside of a pool is the sum of what is left of its draws that places have set
 *       aside (at rest)
 *   I14 the item of a pool of what is owed has the flag that leads to it
 *   I15 a backlog has nothing on hand
 *
 * Each rule here is about one object that does not change: an entry that the caller owns, with what
 * only its owner changes, or facts of an item that never change once true. False means broken, and
 * `message` says what.
 */
#ifndef STOCKD_ENGINE_CHECK_CHECK_RULES_H
#define STOCKD_ENGINE_CHECK_CHECK_RULES_H

#include "engine/ledger/ctx.h"

struct rules {
    struct ledger *ledger;
    uint32_t *promised;       /* per unit of the pools; grows with rule_draws and rule_supply */
    uint32_t *named;          /* at rest: per number of a pool of expected units, the link of the
                                 supply that names it */
    uint32_t *aside;          /* at rest: per unit of the pools, what places have set aside */
    uint64_t ended, in_inbox; /* ended entries; those of them that still have a wheel's owner */
    char message[256];
};

#define BROKEN(rules, ...) (snprintf((rules)->message, sizeof(rules)->message, __VA_ARGS__), false)

/* 0 or -ENOMEM. Uses memory only for pools that turn out to have draws. */
int rules_init(struct rules *rules, struct ledger *ledger);
void rules_destroy(struct rules *rules);

/* I3, I7: adds up what the reservation has left. The caller owns the entry. */
bool rule_draws(struct rules *rules, struct id_entry *entry, uint64_t word);
/* The state fits the kind (I3), and a hold is in a wheel (I5). The caller owns the entry. */
bool rule_state(struct rules *rules, struct id_entry *entry, uint64_t word);
/* I11, I12 of a supply: adds up what it holds. The caller owns the entry. */
bool rule_supply(struct rules *rules, const struct id_entry *entry, uint64_t word);
/* I4. The caller owns the entry. *undecided: something busy is in the way. */
bool rule_found(struct rules *rules, struct id_entry *entry, uint64_t word, bool *undecided);
/* I6, I8, I14 and I15 for one pool of the item; any time. */
bool rule_pool(struct rules *rules, uint32_t item, const struct pool *pool);
/* I2, for an item that no operation works on. */
bool rule_still(struct rules *rules, uint32_t item, bool undecided, bool giving);
/* I1, for a pool with `reserved` units reserved while its draws added up to `promised`. */
bool rule_sum(struct rules *rules, const struct pool *pool, int64_t reserved, uint32_t promised);

#endif
