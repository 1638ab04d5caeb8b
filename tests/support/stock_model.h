/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A naive model of the ledger: what docs/PROTOCOL.md says, with plain arrays and loops, and nothing
 * shared with the engine but the names of its codes. It is slow, and meant to be obvious.
 *
 * Requests and answers consist of small numbers; ledger_driver.h gives the same request to the
 * engine. The model runs after the engine, and learns the LSN that the engine gave: it can compare
 * what it cannot know only when that comes again.
 */
#ifndef STOCKD_TESTS_SUPPORT_STOCK_MODEL_H
#define STOCKD_TESTS_SUPPORT_STOCK_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/error.h"

enum {
    MODEL_ITEMS = 12,
    MODEL_LOCATIONS = 7,
    MODEL_CHANNELS = 5,
    MODEL_GROUPS = 3,
    MODEL_PLACES = MODEL_LOCATIONS + MODEL_GROUPS, /* a place: a location, or behind them a group */
    MODEL_LINES = 6,
    MODEL_DRAWS = MODEL_LINES * MODEL_LOCATIONS * 2,
    MODEL_KEPT = 2 * MODEL_DRAWS, /* also what an amended order draws no longer */
    MODEL_SHORTS = 3 * MODEL_DRAWS,
    NOWHERE = -1, /* a location that is not given, or not found yet */
    MODEL_EVENTS = 4096,
    BAD_ID_EMPTY = -1,
    BAD_ID_LONG = -2,
};

enum request_kind {
    ASK_RECEIVE,
    ASK_ADJUST,
    ASK_COUNT,
    ASK_RETURN,
    ASK_ALLOT,
    ASK_SOLD,
    ASK_SHIFT,
    ASK_RESERVE,
    ASK_EXTEND,
    ASK_CONFIRM,
    ASK_FULFIL,
    ASK_CANCEL,
    ASK_READY,
    ASK_RESTOCK,
    ASK_AMEND,
    ASK_MOVE,
    ASK_REJECT,
    ASK_RESERVATION,
    ASK_AVAILABILITY,
    ASK_STOCK,
    ASK_SET_LOCATION,
    ASK_SET_CHANNEL,
    ASK_SET_ITEM,
    ASK_SET_STOCKING,
    ASK_KINDS
};

struct request_line {
    int item, location; /* move: from there */
    int to;             /* move */
    int64_t qty;
};

/* Fields that its kind does not use are zero, so that equal requests are equal bytes. */
struct request {
    enum request_kind kind;
    int id, op; /* from 1; 0: no op */
    int item, location, channel;
    int64_t qty;
    int ref;                 /* 0: none */
    int returned;            /* return: the reservation's id; 0: none */
    bool damaged, has_as_of; /* sold: has at_ms */
    uint64_t as_of_ms;
    bool has_if_on_hand;
    int64_t if_on_hand;
    int from_kind, to_kind; /* shift */
    bool shelf;             /* count */
    bool has_collect_by;    /* ready */
    uint64_t collect_by_ms;
    bool has_ttl, confirm;
    uint64_t ttl_ms;
    bool partial, backorder; /* reserve */
    int reason;              /* reject: an enum reject_reason */
    bool cancels;            /* reject */
    int at;                  /* fulfil, cancel: only what is drawn from there */
    int line_count;
    struct request_line lines[MODEL_LINES];
    /* settings; has: which are given */
    bool has_priority, has_lead_time, has_ships, has_pickup, has_active, has_groups;
    int priority, lead_time_s;
    bool ships, pickup, active;
    unsigned groups; /* a bit set */
    bool has_buffer, has_hold, has_sourcing, has_places;
    int64_t buffer, hold_ttl_ms;
    int sourcing; /* 0 priority, 1 fewest, 2 nearest, 3 balance */
    int place_count, places[MODEL_PLACES];
    bool has_low_stock, has_safety, has_ignore_safety, has_incoming, has_horizon, has_stocked;
    bool has_backorder_limit;
    int low_stock, backorder_limit;
    int safety; /* of a location, an item, or an item at a location */
    bool ignore_safety, incoming, stocked;
    int horizon_s;
};

enum model_part_step { PART_IS_OPEN, PART_IS_READY, PART_IS_LEFT_BEHIND };

struct answer_draw {
    int item, location;
    int kind; /* of the pool; the model's own, not in the answer */
    int64_t qty, fulfilled, cancelled;
    uint64_t ready_ms;
    /* the model's own, too */
    int64_t granted; /* at first; of what was drawn later, nothing */
    enum model_part_step step;
    uint64_t collect_by_ms; /* 0: whenever */
};

struct answer_part {
    int location;
    const char *step;
    uint64_t ready_ms, collect_by_ms;
};

struct answer_short {
    int item;
    int64_t wanted, available;
};

/* Kinds of pools; behind the last one, a pool for each channel's allotment. */
enum {
    MODEL_SHARED,
    MODEL_DAMAGED,
    MODEL_QUALITY,
    MODEL_DISPLAY,
    MODEL_OWED, /* its on hand is what is owed; in answers, less than nothing */
    MODEL_ALLOTTED,
    MODEL_KINDS = MODEL_ALLOTTED + MODEL_CHANNELS,
    /* Of a draw at NOWHERE, behind this: the place that alone may serve it, or NOWHERE. */
    MODEL_AWAITED = MODEL_KINDS + 1
};

struct answer_missing {
    int item;
    int64_t qty;
};

struct answer {
    enum code code;
    uint64_t lsn; /* ok: of the change, or of the first one */
    int64_t delta, on_hand, reserved, available;
    int64_t backlog; /* of ASK_STOCK */
    /* Of ASK_AVAILABILITY: so much less may be told, until the backlog is looked at again. */
    int64_t may_hide;
    const char *state; /* reservations; and wrong_state */
    int channel, ref;  /* ref: of reservation */
    uint64_t expires_ms;
    int draw_count;
    struct answer_draw draws[MODEL_KEPT];
    int missing_count; /* of a partial reserve */
    struct answer_missing missing[MODEL_LINES];
    int part_count; /* of ASK_RESERVATION */
    struct answer_part parts[MODEL_LOCATIONS];
    int short_count;
    struct answer_short shorts[MODEL_SHORTS];
    struct {
        int64_t on_hand, reserved;
    } pools[MODEL_LOCATIONS][MODEL_KINDS];
};

/* ---- inside ---- */

struct model_pool {
    bool made, unused; /* unused: made by what was refused then, so no record knows of it */
    int age;           /* its number in the order of creation, from 1 */
    int64_t on_hand, reserved;
};

struct model_location {
    bool known, ships, pickup, active;
    int age; /* likewise */
    int priority, lead_time_s, safety;
    unsigned groups;
    uint64_t lsn;
};

struct model_channel {
    bool known;
    int64_t buffer, hold_ttl_ms; /* 0: the default */
    int sourcing;
    bool ignore_safety, incoming, has_horizon;
    int horizon_s;
    int place_count, places[MODEL_PLACES];
    uint64_t lsn;
};

/* What is set for an item at a place; -1: not set. */
struct model_stocking {
    bool set, not_stocked;
    int safety, lead_time_s;
};

struct model_item {
    bool known, detailed, has_low_stock, has_safety;
    int low_stock, safety, backorder_limit; /* limit 0: none */
    bool has_backorder_limit;
    uint64_t lsn;
    int64_t awaited[1 + MODEL_LOCATIONS]; /* the backlog: of any place, and of each alone */
    bool changed;                         /* units of it were: its backlog is to be served */
    bool unsure; /* a setting was, and the backlog has not been served since */
    struct model_stocking stockings[MODEL_LOCATIONS];
    struct model_pool pools[MODEL_LOCATIONS][MODEL_KINDS];
    uint64_t counted_ms[MODEL_LOCATIONS]; /* the latest time as of which it was counted there */
};

enum model_use { USE_NOTHING, USE_MOVEMENT, USE_RESERVATION, USE_STEP };

/* What an id stands for. */
struct model_id {
    enum model_use use;
    enum model_use forgotten; /* what it stood for before it was forgotten */
    struct request asked;
    struct answer first; /* its first answer */
    /* of a reservation */
    const char *state;
    int channel, ref;
    uint64_t created_ms, expires_ms;
    uint64_t lsn_first, lsn_last, lsn_confirmed;
    enum request_kind last_step;    /* that changed it; ASK_KINDS: none */
    int slots;                      /* in the table of ids */
    bool collected;                 /* at a place */
    bool timed;                     /* ready later than at once, so that its draws have times */
    bool tracked;                   /* each of its draws has a step: they take more slots */
    bool rejected[MODEL_LOCATIONS]; /* never drawn from again */
    int draw_count;
    struct answer_draw draws[MODEL_KEPT]; /* also what it draws no longer */
    /* of all reservations that ever had this id: what the journal says, whatever is forgotten */
    bool was_reservation;
    int64_t fulfilled[MODEL_ITEMS], returned[MODEL_ITEMS];
};

struct model_move {
    uint64_t time_ms;
    int item, location, kind;
    int64_t delta;
};

enum model_event_type { MODEL_REJECTED, MODEL_UNSOURCED, MODEL_MOVED, MODEL_SOURCED };

struct model_event {
    enum model_event_type type;
    int id, channel, item, location;
    int64_t qty;
};

struct model_limits {
    int items, pools;
    int slots; /* for ids; 0: unlimited */
};

struct model {
    struct model_limits limits;
    uint64_t now_ms;
    struct model_location locations[MODEL_LOCATIONS];
    struct model_channel channels[MODEL_CHANNELS];
    struct model_item items[MODEL_ITEMS];
    int location_count, item_count, pool_count;
    int max_ids, id_count; /* the most there may be; those named so far */
    struct model_id *ids;  /* from 1 */
    int move_count;
    struct model_move *moves; /* every change of on hand */
    int first_count;
    int first[MODEL_ITEMS]; /* whose backlogs are served before those of other items */
    int event_count;
    struct model_event events[MODEL_EVENTS]; /* since the caller has set the count to 0 */
};

void model_init(struct model *m, const struct model_limits *limits, int max_ids, int max_moves);
void model_destroy(struct model *m);

/* Answers, and changes the model. engine_lsn: the LSN in the engine's answer. */
void model_ask(struct model *m, const struct request *r, uint64_t engine_lsn, struct answer *a);

/* Advances the time; holds whose deadline has come expire, those first of which the caller says
 * so. */
void model_pass(struct model *m, uint64_t now_ms);
/* The time, and nothing else yet. */
void model_set_time(struct model *m, uint64_t now_ms);
/* One hold expires. False: its deadline has not come. */
bool model_let_expire(struct model *m, int id);
/* What was freed serves the backlogs of its items; or of all items, as at a start. Which item comes
 * before another is the engine's choice, which the caller says in `first`. */
void model_serve_changed(struct model *m);
void model_serve_all(struct model *m);

/* The first id, from that one down, with fulfilled units, and an item of those; 0: none. */
int model_fulfilled(const struct model *m, int id, int *item);

/* Whether it is finished, so that an engine with few slots may have forgotten it. */
bool model_finished(const struct model *m, int id);
void model_forget(struct model *m, int id);
/* A restarted engine may remember it again. */
void model_recall(struct model *m, int id);

/* Slots of ids that cannot be forgotten: live reservations and their draws. */
int model_live_slots(const struct model *m);

/* ---- between the model's files ---- */

bool model_id_fits(int id);
bool model_state_final(const char *state);
bool model_same_lines(const struct request *a, const struct request *b);
struct model_id *model_find(struct model *m, int id);
bool model_slots_left(const struct model *m, int wanted);
void model_moved(struct model *m, int item, int location, int kind, int64_t delta);
void model_reserve(struct model *m, const struct request *r, uint64_t lsn, struct answer *a);
void model_extend(struct model *m, const struct request *r, uint64_t lsn, struct answer *a);
void model_confirm(struct model *m, const struct request *r, uint64_t lsn, struct answer *a);
void model_step(struct model *m, const struct request *r, uint64_t lsn, struct answer *a);
void model_reservation(struct model *m, const struct request *r, struct answer *a);
void model_expire(struct model *m, struct model_id *x, uint64_t lsn);
/* CODE_OK with the reservation. */
enum code model_find_reservation(struct model *m, int id, struct model_id **x);
enum code model_wrong_state(const struct model_id *x, struct answer *a);
void model_view(const struct model_id *x, struct answer *a);
int64_t model_left(const struct answer_draw *d);
/* The step is done: the state that follows. */
void model_step_done(struct model_id *x, const struct request *r, uint64_t lsn);

/* What an order wants of places. */
struct model_demand {
    int channel;
    bool pickup;          /* it is collected at places that do pickup */
    bool waits;           /* what is bound to a place may come from there in any case */
    const bool *excluded; /* of places; NULL: none */
    bool partial, may_be_empty;
};

/* Where the units of an order's lines come from; false: the answer says what falls short. */
struct model_plan {
    int count;
    int64_t got[MODEL_LINES]; /* by each line, of stock */
    struct answer_draw draws[MODEL_DRAWS];
};
bool model_plan(const struct model *m, const struct model_demand *demand, const struct request *r,
                struct model_plan *plan, struct answer *a);
int model_bound_to(const struct request *r, int line);
/* Reserves what is planned, behind what the reservation draws so far. */
void model_draw(struct model *m, struct model_id *x, const struct model_plan *plan);
/* The units that are reserved for such draws. */
int64_t *model_reserved(struct model *m, const struct answer_draw *d);

/* All that waits for an item. */
int64_t model_backlog(const struct model *m, int item);
/* Adds what the plan leaves the order short of as draws on backlogs, within the limits or not. */
enum code model_plan_backlog(const struct model *m, const struct request *r, bool limited,
                             struct model_plan *plan, struct answer *a);
/* Would anything serve the item's backlog now? */
bool model_would_serve(const struct model *m, int item);
/* Nobody draws what serves a backlog: that is served first. True: something was, plan again. */
bool model_serve_before(struct model *m, const struct model_plan *plan);
/* Settings of one item, or of places or channels, have changed. */
void model_unsure(struct model *m, int item);
void model_all_unsure(struct model *m);
void model_tell(struct model *m, enum model_event_type type, const struct model_id *x, int item,
                int location, int64_t qty);
enum code model_reject(struct model *m, struct model_id *x, const struct request *r,
                       struct answer *a);
/* Takes what is wanted of the item, there or (NOWHERE) anywhere, out of a list with a number for
 * each draw. Returns what is missing. */
int64_t model_take_out(const struct model_id *x, int64_t list[MODEL_KEPT], int item, int location,
                       int64_t wanted);

enum code model_ready(struct model *m, struct model_id *x, const struct request *r,
                      struct answer *a, bool *again);
enum code model_amend(struct model *m, struct model_id *x, const struct request *r,
                      struct answer *a, bool *again);
enum code model_move(struct model *m, struct model_id *x, const struct request *r, struct answer *a,
                     bool *again);
/* Slots for a reservation's draws beside its id, if it has so many. */
int model_blocks(const struct model_id *x, int draws);
/* It gets new slots for so many draws, while it has its old ones; `beside`: slots that something
 * else needs. False: they are not there. */
bool model_reshape(struct model *m, struct model_id *x, int draws, int beside);
/* The same for so many more draws, each with a step from now on. */
bool model_track(struct model *m, struct model_id *x, const struct request *r, int draws);
/* What a reservation draws from a place. */
struct model_part {
    int draws;
    int64_t left, fulfilled;
    enum model_part_step step;
    uint64_t ready_ms, collect_by_ms;
};
struct model_part model_part_at(const struct model_id *x, int location);
void model_view_parts(const struct model_id *x, struct answer *a);
/* Marks what nobody collected. */
void model_leave_behind(struct model *m, struct model_id *x);
/* Of the item at the location, so many units are set aside. */
int64_t model_aside(const struct model *m, int item, int location);
/* Is what is in a pool of that kind sold? */
bool model_sold_kind(int kind);
/* On hand as sellable at the location, whatever is owed. */
int64_t model_sellable(const struct model *m, int item, int location);
bool model_make_pool(struct model *m, struct model_pool *pool);
/* A ledger that starts knows nothing of unused pools. */
void model_forget_unused(struct model *m);
/* How many pools can still be made. */
int model_pool_room(const struct model *m);
/* Takes so many units that are there: first of that allotment, if one is given (else -1), then of
 * what nobody was promised, shared before allotted, then of what was. */
void model_lose(struct model *m, int item, int location, int first, int64_t missing,
                uint64_t time_ms);
/* Units come as sellable: they pay what is owed. False: they do not fit. */
bool model_come(struct model *m, int item, int location, int64_t qty);
/* Of a reservation's draws of the item, what is there is handed over first: adds that to part.
 * Returns how much of what is wanted is not there. */
int64_t model_choose_there(const struct model *m, const struct model_id *x, int item, int at,
                           int64_t wanted, int64_t part[MODEL_KEPT]);
enum code model_sell(struct model *m, const struct request *r, struct answer *a);
enum code model_shift(struct model *m, const struct request *r, struct answer *a);
/* Over the sellable pools at the location, less what is owed. */
void model_sum_place(const struct model *m, int item, int location, int64_t *on_hand,
                     int64_t *reserved);
/* How long an order of the item takes there; and how much of what is shared stays unsold. */
int model_lead_time_s(const struct model *m, int item, int location);
int64_t model_safety(const struct model *m, int item, int location);
int64_t model_channel_available(const struct model *m, int channel, int item);
void model_set_location(struct model *m, const struct request *r, uint64_t lsn, struct answer *a);
void model_set_channel(struct model *m, const struct request *r, uint64_t lsn, struct answer *a);
void model_set_item(struct model *m, const struct request *r, uint64_t lsn, struct answer *a);
void model_set_stocking(struct model *m, const struct request *r, struct answer *a);

#endif
