/* SPDX-License-Identifier: Apache-2.0 */
/* Internal to replay: what is different if records are applied beside readers (follow.h). */
#ifndef STOCKD_ENGINE_REPLAY_FOLLOWING_H
#define STOCKD_ENGINE_REPLAY_FOLLOWING_H

#include "engine/ledger/ctx.h"
#include "engine/replay/apply_inside.h"
#include "engine/store/item_map.h"

enum { FOLLOWING_ITEMS = ITEM_MAP_SLOTS };

/* The applying thread's. */
struct following {
    struct item_map moving; /* items that the current record has bracketed as moved */
    uint32_t moving_count;
    uint32_t items[FOLLOWING_ITEMS];
    bool lay_out; /* the batch has changed opening hours */
};

static inline bool is_beside_readers(const struct applying *a)
{
    return a->ledger->following != NULL;
}

void following_destroy(struct ledger *ledger);

/* May a record of that type move units between pools, at once or by what is promised? */
bool following_may_move(unsigned type);
/* Before the record changes a pool of that item: brackets it, if it is not yet, until the record's
 * end. */
void following_move(struct following *f, const struct items *items, uint32_t item);
void following_end_record(struct following *f, const struct items *items);

/* How often a thing that a reader has is asked for: for some seconds. A reader has it for some
 * instructions. */
enum { FOLLOWING_TRIES = 1 << 22 };

/* Between two tries. False: it has taken so long that something is wrong; or nobody reads. */
bool following_wait(const struct applying *a, uint32_t *tries);

/* A flag that is taken by exchange: of the catalogue, of a watch. */
void following_take(const struct applying *a, _Atomic bool *busy);
static inline void following_put(_Atomic bool *busy)
{
    atomic_store_explicit(busy, false, memory_order_release);
}

/* Lists what the reservation, which the caller owns, was promised of supplies and backlogs by the
 * change with that LSN, as operations do: its draws from that one on. A start lists all at its end
 * instead. */
void following_list(const struct applying *a, struct id_entry *entry, uint32_t first);

#endif
