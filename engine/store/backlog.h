/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backlog of an item: units that are promised before there are any, because an order was
 * allowed to (backorder), or because a place could not give what had been promised from it
 * (unsourced). It has one pool for what any place may serve, and one for each place that alone
 * may; they have nothing on hand, and lie at no location.
 *
 * Whatever the item gets serves its backlog before anyone else can take it, the oldest promise
 * first (ops/backlog.h). Four rules see to that:
 *
 *   B1  whoever adds to a backlog takes tentatively, lists the reservation here, counts that as
 *       added, and only then decides its take
 *   B2  who has found, in one look at all of the listed reservations, that no free unit serves any
 *       of them, notes in `served` how much had been given and added before that look, and which
 *       catalogue was in force
 *   B3  an order that takes from such an item takes tentatively, and then looks: if there is a
 *       backlog, its take stands only if nothing of it is undecided, and `served` still says what
 *       is so. So no free unit that it may have taken serves the backlog
 *   B4  an order that begins to wait later than it was made, because a place could not give what
 *       had been promised, takes tentatively from the backlog, and then looks: its take stands only
 *       if nothing that would serve it is free, or undecided. So nobody younger is about to get it
 *
 * The lists are blocks of the id table that are never freed: a place in them is used again.
 */
#ifndef STOCKD_ENGINE_STORE_BACKLOG_H
#define STOCKD_ENGINE_STORE_BACKLOG_H

#include "engine/store/id_table.h"
#include "engine/store/item.h"

/* A look at all backlog pools of an item. */
struct backlog {
    int64_t units;         /* that are promised; including undecided ones */
    unsigned undecided;    /* takes of them that are */
    uint32_t added;        /* how often anything was, before the pools were looked at */
    struct incoming *head; /* keeps this, and `served`, for all of them; NULL: there is no pool */
};

struct backlog backlog_look(const struct items *items, uint32_t item);

/* Of numbers that only grow, the lower bits: what `served` says is wrong only if one of them grows
 * by a multiple of what there is room for while nobody looks. 0 is never true. */
static inline uint64_t served_word(uint32_t gives, uint64_t catalogue_lsn, uint32_t added)
{
    return UINT64_C(1) << 63 | (catalogue_lsn / 8 & 0x7fff) << 48 |
           (added & UINT64_C(0xffff)) << 32 | gives;
}

/* B1: before the take is decided. */
void backlog_added(const struct items *items, uint32_t item);

static inline bool backlog_is_served(const struct backlog *backlog, uint64_t word)
{
    return atomic_load_explicit(&backlog->head->served, memory_order_acquire) == word;
}

static inline void backlog_set_served(const struct backlog *backlog, uint64_t word)
{
    atomic_store_explicit(&backlog->head->served, word, memory_order_release);
}

/* ---- the list of a backlog pool ---- */

/* Adds a reservation, which the caller owns; in a slot that was set aside, or that is free. False:
 * there is none. */
bool backlog_list(struct items *items, struct id_table *ids, struct id_cursor *cursor,
                  uint32_t unit, const struct id_entry *entry);

/* A walk over the list, in no order. */
struct backlog_walk {
    const struct id_table *ids;
    struct incoming *in;
    uint32_t link;           /* the current block: number + 1; 0: the end */
    uint32_t at;             /* the next place in it */
    _Atomic uint64_t *place; /* the last one that was returned */
    uint64_t listed;         /* what it says */
};

struct backlog_walk backlog_walk_start(const struct items *items, const struct id_table *ids,
                                       uint32_t unit);
/* The next entry that was listed, which may stand for something else by now; NULL at the end. */
struct id_entry *backlog_walk_next(struct backlog_walk *walk);
/* Is the last one, a reservation that the caller owns, still that which was listed? */
bool backlog_is_listed(const struct backlog_walk *walk, const struct id_entry *entry);
/* The reservation that was listed last is over: its place may be used again. */
void backlog_unlist(struct backlog_walk *walk);

#endif
