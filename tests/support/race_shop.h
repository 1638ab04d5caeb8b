/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few locations and channels whose settings change while threads race: what each was last set to,
 * and which settings may have been in force during a call.
 *
 * One thread at a time, the owner, sets each location and channel, so it knows at any time what the
 * setting must be, whatever others set meanwhile. All others ask what it may have been during a
 * call: before the call they open a window at the settings complete by then; afterwards all that
 * have begun since belong to it, too.
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

/* A further channel, to which units may be allotted. No order is ever placed on it. */
extern const char shop_closed[];

/* Makes the locations: all are open and in the hub, but for the cellar, which is in both groups and
 * never active. Channels sell from everywhere, and have no buffer. Before the race. */
void shop_open(struct race *race);

/* By the owner. The priority and the sourcing rule are arbitrary. Ends the program if what was last
 * set is no longer so. */
void shop_set_place(struct racer *racer, enum shop_place place, unsigned state);
void shop_set_channel(struct racer *racer, enum shop_channel channel, unsigned set, int64_t buffer);

/* What was last set; for the owner, or for all while no thread sets anything. */
unsigned shop_state(enum shop_place place);
unsigned shop_set(enum shop_channel channel);
int64_t shop_buffer(enum shop_channel channel);

struct shop_window {
    enum shop_channel channel;
    unsigned set_from, from[PLACES];
};

struct shop_window shop_window_open(enum shop_channel channel);
/* Whether that channel may have sold from there since the window was opened. A line bound to a
 * location need not be shipped. */
bool shop_may_sell(const struct shop_window *window, enum shop_place place, bool bound);

/* False: not that many are available. */
bool shop_allot(struct racer *racer, struct text id, enum shop_item item, enum shop_place place,
                const char *channel, int64_t qty);
/* These must be possible. */
void shop_receive(struct racer *racer, struct text id, enum shop_item item, enum shop_place place,
                  int64_t qty);
void shop_adjust(struct racer *racer, struct text id, enum shop_item item, enum shop_place place,
                 int64_t delta);

/* No pool of the item may be short, and no allotted unit reserved. Any time: each pool's numbers
 * are of one instant. */
void shop_look(struct racer *racer, enum shop_item item);

/* What the ledger says is available; and the available units where the channel may sell from now,
 * if no thread sets anything. */
int64_t shop_available(struct racer *racer, enum shop_channel channel, enum shop_item item);
int64_t shop_reach(struct racer *racer, enum shop_channel channel, enum shop_item item);

#endif
