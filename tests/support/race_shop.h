/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few locations and channels whose settings change while threads race: what each was set to last,
 * and what of it may have been in force while a call went on.
 *
 * Each location and channel is set by one thread at a time, its owner, who so knows at any time
 * what it must be, whatever others set meanwhile. Everybody else asks what it may have been during
 * a call: before the call a window is opened at the settings that were done by then; afterwards all
 * that have begun since belong to it, too.
 */
#ifndef STOCKD_TESTS_SUPPORT_RACE_SHOP_H
#define STOCKD_TESTS_SUPPORT_RACE_SHOP_H

#include "tests/support/race_rig.h"

enum shop_place { MAIN, NORTH, SOUTH, BARE, ANNEX, CELLAR, PLACES };
enum { HUB = PLACES, FAR, NAMES }; /* groups of locations */
enum shop_channel { WEB, SHOP, STEADY, CAREFUL, HOP, CHANNELS };
enum shop_item { RED, BLUE, OWN, SHUTTLE, KEPT, HOPPER, ITEMS };

/* What a channel sells from: a bit for each location and group that it names, or anywhere. */
enum { ANYWHERE = 1 << NAMES };
/* A location's state: the bits of the groups that it is in, and these. */
enum { ACTIVE = 1 << 0, SHIPS = 1 << 1, OPEN = ACTIVE | SHIPS, GROUPS = 1 << HUB | 1 << FAR };

_Static_assert(!(OPEN & GROUPS), "they are bits of one word");

struct text shop_name(unsigned place_or_group);
const char *shop_channel(enum shop_channel channel);
const char *shop_item(enum shop_item item);
/* PLACES: none of them. */
enum shop_place shop_place_of(struct text code);
/* It must be one of them. */
enum shop_item shop_item_of(struct text sku);

/* A channel besides, for whom units may be put away. Nobody ever orders on it. */
extern const char shop_closed[];

/* Makes the locations: all are open and in the hub, but for the cellar, which is in both groups and
 * never active. Channels sell from everywhere, and have no buffer. Before the race. */
void shop_open(struct race *race);

/* By the owner. The priority and the sourcing rule are any. Ends the program if what was set last
 * does not stand any more. */
void shop_set_place(struct racer *racer, enum shop_place place, unsigned state);
void shop_set_channel(struct racer *racer, enum shop_channel channel, unsigned set, int64_t buffer);

/* What was set last; for the owner, or for all when nobody sets anything. */
unsigned shop_state(enum shop_place place);
unsigned shop_set(enum shop_channel channel);
int64_t shop_buffer(enum shop_channel channel);

struct shop_window {
    enum shop_channel channel;
    unsigned set_from, from[PLACES];
};

struct shop_window shop_window_open(enum shop_channel channel);
/* May that channel have sold from there since the window was opened? What an order binds to a place
 * need not be shipped. */
bool shop_may_sell(const struct shop_window *window, enum shop_place place, bool bound);

/* False: so many are not free. */
bool shop_allot(struct racer *racer, struct text id, enum shop_item item, enum shop_place place,
                const char *channel, int64_t qty);
/* These must be possible. */
void shop_receive(struct racer *racer, struct text id, enum shop_item item, enum shop_place place,
                  int64_t qty);
void shop_adjust(struct racer *racer, struct text id, enum shop_item item, enum shop_place place,
                 int64_t delta);

/* No pool of the item may be short, and of what is put away nothing promised. Any time: each pool's
 * metrics are of one instant. */
void shop_look(struct racer *racer, enum shop_item item);

/* What the ledger says is available; and what lies free where the channel may sell from now, if
 * nobody sets anything. */
int64_t shop_available(struct racer *racer, enum shop_channel channel, enum shop_item item);
int64_t shop_reach(struct racer *racer, enum shop_channel channel, enum shop_item item);

#endif
