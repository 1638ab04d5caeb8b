/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the history: its pools, open reservations and supplies, which history.h lets others set
 * and walk; and the telling of events. */
#ifndef STOCKD_ENGINE_HISTORY_HISTORY_INSIDE_H
#define STOCKD_ENGINE_HISTORY_HISTORY_INSIDE_H

#include "engine/history/history.h"
#include "engine/store/pool.h"

/* ---- what it knows ---- */

/* Finds or creates the pool; NULL: no memory. A pool stays where it is until one is created. */
struct history_pool *history_pool_of(struct history *history, const struct pool_key *key);

/* What is in the pool changes, and for a pool of expected units what has not come yet; and with it
 * the shared pool of the place. 0 or -ENOMEM. */
struct history_change {
    int64_t on_hand, reserved, expected;
};
int history_change_pool(struct history *history, const struct pool_key *key,
                        struct history_change change);

/* NULL: none is open under that id. */
struct history_hold *history_find_hold(const struct history *history, struct text id);
/* Frees it. */
void history_drop_hold(struct history *history, const struct history_hold *hold);

/* NULL: none is known under that id. */
struct history_supply *history_find_supply(const struct history *history, struct text id);
/* Adds one, in place of one with that id, and leaves its pools alone; see history_set_supply. NULL:
 * no memory. */
struct history_supply *history_add_supply(struct history *history, struct text id,
                                          const struct history_supply *of,
                                          const struct history_line *lines, uint32_t count);
/* Frees it: its pools are its own no longer. */
void history_drop_supply(struct history *history, const struct history_supply *supply);
void history_free_names(struct history_names *names);

static inline struct pool_key history_shared(uint32_t item, uint16_t location)
{
    return (struct pool_key){ item, location, owner_of(POOL_SHARED, 0) };
}

static inline struct pool_key history_expected(const struct history_supply *supply,
                                               const struct history_line *line)
{
    return (struct pool_key){ line->item, supply->location, owner_expected(line->slot) };
}

/* ---- telling ---- */

/* One record being taken into the history. */
struct taking {
    struct history *history;
    const struct record_head *record;
    uint64_t batch_ms;          /* engine time of its batch */
    struct history_event event; /* what all events of this record have in common */
    history_emit *emit;
    void *context;
};

bool history_asks_id(const struct history *history, struct text id);
bool history_asks_pool(const struct history *history, const struct pool_key *key);
/* A query by id does not know what is in the pools. */
static inline bool history_knows_pools(const struct history *history)
{
    return history->filter.subject != HISTORY_ID;
}

int history_tell(struct taking *taking, const struct history_event *event);
/* Tells what happened to a pool, which has changed. */
int history_tell_pool(struct taking *taking, const struct pool_key *key, int64_t qty);

/* Changes the pool, and tells what happened to it. A query by id does not track pools. */
int history_move(struct taking *taking, const struct pool_key *key, int64_t on_hand,
                 int64_t reserved, int64_t qty);

/* ---- the records of orders ---- */

/* Does the record concern other items only? */
bool history_order_of_others(const struct history *history, const struct record_head *record);
int history_take_order(struct taking *taking);
/* A reserve, as its record says. */
int history_take_granted(struct taking *taking, const struct reserve_fields *f);
/* And its transfers (history_sent.c). */
int history_take_sent(struct taking *taking);
/* ---- records of movements ---- */

/* Changes what is on hand in the pool, and emits the event. */
int history_move_units(struct taking *taking, const struct pool_key *key, int64_t delta);
/* All pools of a movement, which are of one item. */
int history_change_pools(struct taking *taking, const struct movement_fields *f);
int history_take_shift(struct taking *taking);
int history_take_sold(struct taking *taking);
int history_take_debt_sweep(struct taking *taking, const struct sweep_fields *f);
/* Does the sale concern other items only? */
bool history_sold_of_others(const struct history *history, const struct record_head *record);

/* ---- the records of supplies ---- */

/* Does the record concern others only? For an item that is cheap to see. */
/* A new supply; the event says what it is. left: the units have left the place that it comes from
 * already, and that was told. */
int history_begin_supply(struct taking *taking, struct text id, const struct history_supply *head,
                         const struct history_line *lines, uint32_t count, bool left);
bool history_supply_of_others(const struct history *history, const struct record_head *record);
int history_take_supply(struct taking *taking);

#endif
