/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One order in a race, from its grant to its end, and what its thread knows of it: no other thread
 * touches it, so each reply must match that. A mismatch ends the program.
 */
#ifndef STOCKD_TESTS_SUPPORT_RACE_DEAL_H
#define STOCKD_TESTS_SUPPORT_RACE_DEAL_H

#include "tests/support/race_shop.h"

enum { DEAL_LINES = 4, DEAL_DRAWS = 2 * DEAL_LINES * PLACES, FREE = PLACES };

struct deal_draw {
    enum shop_item item;
    enum shop_place place;
    int64_t qty;
};

struct deal {
    bool live, confirmed, shipped; /* shipped: something of it */
    enum shop_channel channel;
    struct race_name name;
    struct order order; /* its id and its lines are below */
    struct order_line lines[DEAL_LINES];
    unsigned bound[ITEMS]; /* a location, or FREE */
    int64_t wanted[ITEMS], left[ITEMS];
    uint64_t lsn;
    uint32_t draw_count;
    struct deal_draw draws[DEAL_DRAWS];
};

/* Begins an order, with an id of that number; then the caller adds lines and asks for it. All its
 * lines are free unless the caller writes bound before adding them; likewise order.at, ttl_ms and
 * confirm. */
void deal_begin(struct deal *deal, enum shop_channel channel, char letter, uint64_t number);
void deal_add(struct deal *deal, enum shop_item item, int64_t qty);

/* CODE_OK: it is live, and each draw is from a location that its channel may have sold from. Or
 * CODE_INSUFFICIENT_STOCK, and the failure has the short lines. */
enum code deal_ask(struct racer *racer, struct deal *deal);

/* These must be possible, because the order was granted. */
void deal_ask_again(struct racer *racer, const struct deal *deal);
void deal_confirm(struct racer *racer, struct deal *deal);
/* All that is left, which `gone` then has. */
void deal_end(struct racer *racer, struct deal *deal, bool ship, int64_t gone[ITEMS]);
/* A part: at most what is left of that item. */
void deal_step(struct racer *racer, struct deal *deal, bool ship, struct text op,
               enum shop_item item, int64_t qty);

#endif
