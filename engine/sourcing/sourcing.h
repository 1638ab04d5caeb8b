/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sourcing: chooses the pools that each line of an order draws from, by what the pools held a
 * moment ago.
 *
 * The channel's own allotments come first, wherever they are. Within them, and within the shared
 * pools, the channel's rule decides. Expected units come last, if the channel sells them: those
 * that come earliest first, and the rule decides among those that come at the same time.
 *
 *   priority  in the channel's order of locations
 *   nearest   from what is nearest to where the order is; like priority if it does not say where
 *   balance   where there is most
 *   fewest    from a location that can fill the rest of the line alone, if there is one, preferably
 *             one that the order ships from anyway; otherwise where there is most. Before that, if
 *             one location can fill all free lines, they all come from there: one parcel.
 */
#ifndef STOCKD_ENGINE_SOURCING_SOURCING_H
#define STOCKD_ENGINE_SOURCING_SOURCING_H

#include "engine/base/error.h"
#include "engine/ledger/ledger.h"
#include "engine/sourcing/candidates.h"
#include "engine/store/item_map.h"

/* A part of one line of an order, and the pool that it comes from. */
struct planned_draw {
    uint32_t pool; /* unit */
    uint32_t line;
    int64_t qty;
    uint64_t key;      /* the pool's; set in what was planned */
    uint64_t eta_ms;   /* of expected units: wall clock; else 0 */
    uint64_t ready_ms; /* wall clock; the caller sets it */
    int64_t most;      /* of a backlog: units promised of it in all, at most */
};

/* Which locations can fill a whole order; indexed by the location's rank. */
struct parcel {
    uint32_t items;                 /* examined so far */
    uint16_t filled[LOCATIONS_MAX]; /* how many of them the location can fill, if all so far */
    int64_t own[LOCATIONS_MAX];     /* of the current item: in the channel's own pool */
    int64_t all[LOCATIONS_MAX];     /* including the shared pool */
};

/* The planning of one order. For one thread. */
struct order_plan {
    const struct order *order;
    const struct channel *channel;
    struct demand demand;
    uint32_t items[LINES_MAX];               /* per line */
    const struct location *bound[LINES_MAX]; /* per line; NULL: free */
    uint32_t bound_lines;                    /* how many are bound */
    bool repeats;                            /* several lines have the same item */
    bool partial;                            /* as much as there is will do ... */
    bool may_be_empty;                       /* ... also if that is nothing */

    /* The result. */
    uint32_t draw_count;
    struct planned_draw draws[DRAWS_MAX]; /* in the order of the lines */
    uint16_t short_lines[LINES_MAX];      /* refused: which lines the failure's shorts are of ... */
    bool short_in_all;                    /* ... or the only one is of all lines of its item */
    bool one_pool; /* the order has one line, whose item the channel sells from one pool alone */

    /* While it plans. */
    bool undecided;                    /* a pool has too little, but perhaps only for the moment */
    uint8_t repeated[LINES_MAX];       /* per line: another line has the same item */
    uint16_t first[LINES_MAX];         /* per line: the first line with its item */
    int64_t wanted[LINES_MAX];         /* per first line: what free lines want of its item */
    uint64_t used[LOCATIONS_MAX / 64]; /* ranks of locations that lines draw from */
    struct item_map map;               /* lines by their items */
    struct candidates found;           /* of the current line */
    struct parcel parcel;
    struct demand_arrays arrays; /* what the demand may point to */
    struct planned planned;      /* only if any line is repeated */
    struct planned_draw merged[DRAWS_MAX];
    struct missing missing[LINES_MAX]; /* see engine/ops/order.h */
};

/* Sets the item and the location of one line. The caller sets the lines in order, from 0. */
void sourcing_set_line(struct order_plan *s, uint32_t line, uint32_t item,
                       const struct location *bound);

/* Plans the draws of an order whose lines and demand are set, in the pinned catalogue. CODE_OK,
 * CODE_DEFERRED, or why the order cannot be filled. A partial one is filled as far as it can be: it
 * is refused only if nothing is there, and not even then if it may be empty. */
enum code sourcing_plan(struct ctx *ctx, struct order_plan *s);

#endif
