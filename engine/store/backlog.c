/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/backlog.h"

#include "engine/store/slots.h"

enum { ORDERS_PER_BLOCK = 14 };

/* Another layout of an ENTRY_DRAWS. */
struct orders {
    _Atomic uint64_t state;
    uint32_t next; /* the block before: number + 1; written before the block is shown */
    uint32_t zero;
    /* lower half of lsn_first : 32 | number of the entry + 1 : 32; 0: free. Any context, by
     * compare-and-swap from 0, or to 0 once what was listed is over; release, and acquire */
    _Atomic uint64_t at[ORDERS_PER_BLOCK];
};

_Static_assert(sizeof(struct orders) == sizeof(struct id_entry), "as large as an entry");

static struct orders *block_at(const struct id_table *ids, uint32_t link)
{
    return (struct orders *)(void *)entry_at(ids, link - 1);
}

struct backlog backlog_look(const struct items *items, uint32_t item)
{
    struct pool_walk walk = pool_walk_start(items, item);
    struct backlog look = { .units = 0 };
    const struct pool *pool;
    /* The head comes first, so that what was added is read before any of the words. */
    while ((pool = pool_walk_next(&walk)) != NULL) {
        if (owner_kind(key_owner(pool_read_key(pool))) != POOL_BACKLOG)
            continue;
        struct incoming *in = incoming_at(items, pool_unit(items, pool));
        if (!look.head && in != items->incoming) { /* else it is being made, and empty */
            look.head = in;
            look.added = atomic_load_explicit(&in->added, memory_order_acquire);
        }
        uint64_t word = pool_read(pool);
        look.units += word_reserved(word);
        look.undecided += word_undecided(word);
    }
    return look;
}

void backlog_added(const struct items *items, uint32_t item)
{
    struct backlog look = backlog_look(items, item);
    atomic_fetch_add_explicit(&look.head->added, 1, memory_order_acq_rel);
}

/* ---- the list ---- */

static bool use_place(struct orders *block, uint64_t order)
{
    for (uint32_t i = 0; i < ORDERS_PER_BLOCK; i++) {
        uint64_t free = 0;
        if (atomic_load_explicit(&block->at[i], memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&block->at[i], &free, order,
                                                    memory_order_release, memory_order_relaxed))
            return true;
    }
    return false;
}

/* A new block before the others, with its first place used. False: no slot, or *again. */
static bool add_block(struct id_table *ids, struct id_cursor *cursor, struct incoming *in,
                      uint32_t head, uint64_t order, bool *again)
{
    struct draws_entry *slot = slots_take_draws(ids, cursor);
    *again = false;
    if (!slot)
        return false;
    struct orders *block = (struct orders *)(void *)slot;
    block->next = head;
    for (uint32_t i = 0; i < ORDERS_PER_BLOCK; i++)
        atomic_store_explicit(&block->at[i], i == 0 ? order : 0, memory_order_relaxed);
    uint32_t link = entry_number(ids, (struct id_entry *)(void *)slot) + 1;
    /* Release: who follows the link finds the block as it is. */
    *again = !atomic_compare_exchange_strong_explicit(&in->orders, &head, link,
                                                      memory_order_acq_rel, memory_order_acquire);
    if (*again) {
        slot->next = 0;
        slots_free_draws(ids, cursor, link);
    }
    return !*again;
}

bool backlog_list(struct items *items, struct id_table *ids, struct id_cursor *cursor,
                  uint32_t unit, const struct id_entry *entry)
{
    struct incoming *in = incoming_at(items, unit);
    uint64_t order = entry->lsn_first << 32 | (entry_number(ids, entry) + 1);
    bool again = true;
    while (again) { /* lock-free: another context has added a block */
        uint32_t room = atomic_load_explicit(&in->room, memory_order_acquire);
        uint32_t head = atomic_load_explicit(&in->orders, memory_order_acquire);
        if ((room != 0 && use_place(block_at(ids, room), order)) ||
            (head != 0 && use_place(block_at(ids, head), order)) ||
            add_block(ids, cursor, in, head, order, &again))
            return true;
    }
    return false;
}

struct backlog_walk backlog_walk_start(const struct items *items, const struct id_table *ids,
                                       uint32_t unit)
{
    struct incoming *in = incoming_at(items, unit);
    return (struct backlog_walk){
        .ids = ids,
        .in = in,
        .link = atomic_load_explicit(&in->orders, memory_order_acquire),
    };
}

struct id_entry *backlog_walk_next(struct backlog_walk *walk)
{
    for (; walk->link != 0; walk->link = block_at(walk->ids, walk->link)->next, walk->at = 0) {
        struct orders *block = block_at(walk->ids, walk->link);
        while (walk->at < ORDERS_PER_BLOCK) {
            walk->place = &block->at[walk->at++];
            walk->listed = atomic_load_explicit(walk->place, memory_order_acquire);
            if (walk->listed != 0)
                return entry_at(walk->ids, (uint32_t)walk->listed - 1);
        }
    }
    return NULL;
}

bool backlog_is_listed(const struct backlog_walk *walk, const struct id_entry *entry)
{
    return (uint32_t)entry->lsn_first == (uint32_t)(walk->listed >> 32);
}

void backlog_unlist(struct backlog_walk *walk)
{
    uint64_t listed = walk->listed;
    if (atomic_compare_exchange_strong_explicit(walk->place, &listed, 0, memory_order_acq_rel,
                                                memory_order_relaxed))
        atomic_store_explicit(&walk->in->room, walk->link, memory_order_release);
}
