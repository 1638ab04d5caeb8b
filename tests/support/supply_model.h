/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A naive model of supply, for property/supply.c: what docs/PROTOCOL.md says of documents, of what
 * is promised from them, and of what is on hand, with plain arrays and loops. It shares nothing
 * with the engine but the names of its codes.
 *
 * At each place the units of an item are loose (anyone may have them), a channel's own, damaged, or
 * kept: those have come from a supply and are promised. What is promised from a supply is listed in
 * the draws of the reservations, so that every sum is a loop over them.
 */
#ifndef STOCKD_TESTS_SUPPORT_SUPPLY_MODEL_H
#define STOCKD_TESTS_SUPPORT_SUPPLY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/error.h"

enum {
    DEPOT_ITEMS = 3,
    DEPOT_PLACES = 3,
    DEPOT_CHANNELS = 5,
    DEPOT_OWNER = 1, /* the channel that has allotments */
    DEPOT_LINES = 4,
    DEPOT_DRAWS = 96,
    DEPOT_IDS = 1700,
    DEPOT_SENDS = DEPOT_PLACES - 1, /* numbers behind a reserve's that belong to its transfers */
    RESCHEDULES_TOLD_APART = 4,     /* see engine/store/incoming.h */
    NO_PLACE = -1,
};

enum depot_kind {
    DO_RECEIVE,
    DO_ADJUST,
    DO_COUNT,
    DO_RETURN,
    DO_ALLOT,
    DO_EXPECT,
    DO_TRANSFER,
    DO_SHIP,
    DO_ARRIVE,
    DO_RESCHEDULE,
    DO_WITHDRAW,
    DO_RESERVE,
    DO_CONFIRM,
    DO_FULFIL,
    DO_CANCEL,
};

struct depot_asked_line {
    int item, place;
    int64_t qty, rejected;
};

/* Fields that its kind does not use are zero, so that equal requests are equal bytes. */
struct depot_request {
    enum depot_kind kind;
    int id, op; /* from 1; op: 0 if there is none */
    int item, place, to, channel;
    int at; /* reserve: where it is collected, and sent: place + 1; 0: nowhere */
    int64_t qty;
    bool damaged, all, has_eta, hold, close, confirm;
    uint64_t eta_ms, ttl_ms;
    int line_count;
    struct depot_asked_line lines[DEPOT_LINES];
};

/* Where a draw is from: a supply, whose number is its id's, or one of these. */
enum { FROM_LOOSE = 0, FROM_OWN = -1 };

struct depot_draw {
    int item, place, from;
    int64_t qty, fulfilled, cancelled;
    uint64_t promised_ms, ready_ms; /* when it is ready: at first, and now */
    uint64_t handed_ms; /* when it was to be, when some of it was handed over last; or 0 */
    bool vague;         /* its supply was rescheduled more often than the engine tells apart */
};

struct depot_line {
    int item;
    int64_t qty, shipped, accepted, rejected, lost;
    int64_t way;  /* units that have not come yet */
    int64_t kept; /* units that have come, for those to whom they are promised */
};

enum depot_use { USED_NOT, USED_MOVEMENT, USED_SUPPLY, USED_RESERVATION, USED_STEP };

struct depot_answer {
    enum code code;
    uint64_t lsn;
    const char *state;
    int64_t on_hand, available; /* of a movement, at its place */
    uint64_t expires_ms, eta_ms;
    int draw_count, line_count;
    struct depot_draw draws[DEPOT_DRAWS];
    struct depot_line lines[DEPOT_LINES];
};

/* What an id stands for. */
struct depot_id {
    enum depot_use use;
    struct depot_request asked;
    struct depot_answer first;
    const char *state; /* of a supply or a reservation */
    /* a supply */
    int from, to; /* from: NO_PLACE if it is from outside */
    int of;       /* the reservation that it was made with; 0: none */
    uint64_t eta_ms;
    bool withdrawn;  /* the last of it that could be */
    int rescheduled; /* how often */
    uint64_t number; /* in the order of promises; of a reservation, too */
    int line_count;
    struct depot_line lines[DEPOT_LINES];
    /* a reservation */
    uint64_t expires_ms;
    enum depot_kind last; /* the step that changed it last */
    bool awaits, ready;   /* what is sent for it: is not ready yet; was made ready */
    int draw_count;
    struct depot_draw draws[DEPOT_DRAWS];
};

struct depot_stock {
    int64_t loose, own, damaged;
    int64_t own_reserved;
};

struct depot_channel {
    bool incoming, ignore_safety, sells[DEPOT_PLACES];
    int64_t buffer, horizon_s; /* horizon_s: -1 if there is none */
};

struct depot {
    uint64_t now_ms;
    bool in_order; /* what has come goes to those to whom it was promised first */
    bool known[DEPOT_ITEMS];
    int64_t safety[DEPOT_ITEMS][DEPOT_PLACES], lead_time_s[DEPOT_PLACES];
    struct depot_channel channels[DEPOT_CHANNELS];
    struct depot_stock stock[DEPOT_ITEMS][DEPOT_PLACES];
    int64_t tally[DEPOT_ITEMS][DEPOT_PLACES]; /* received, arrived and so on, less what has left */
    uint64_t promises;
    int last_id; /* the highest that was named */
    struct depot_id ids[DEPOT_IDS + 1];
};

/* Answers, and changes the model; the LSN is what the engine says. */
void depot_ask(struct depot *d, const struct depot_request *r, uint64_t lsn,
               struct depot_answer *a);

/* Advances the time: supplies become late, and holds are due. */
void depot_pass(struct depot *d, uint64_t now_ms);
/* The hold expires. False, and nothing changes, if it is not one that is due. */
bool depot_expire(struct depot *d, int id);
/* A hold that is due and has not expired; 0: there is none. */
int depot_overdue(const struct depot *d);
/* What nobody was promised goes where it belongs: what is kept to what is loose, what is loose to
 * the promises that are short. Requests do so by themselves. */
void depot_settle(struct depot *d);

void depot_view(const struct depot_id *x, struct depot_answer *a);
/* What one reserve on the channel could take now. */
int64_t depot_available(const struct depot *d, int channel, int item);

/* ---- sums ---- */

/* What is promised of what is loose; what is kept there; and what is promised from that line. */
int64_t depot_loose_promised(const struct depot *d, int item, int place);
int64_t depot_kept(const struct depot *d, int item, int place);
int64_t depot_line_promised(const struct depot *d, int supply, int item);
/* Of what is promised from the line, what is promised of units that have not come yet. */
int64_t depot_way_promised(const struct depot *d, int supply, int item);
/* Over loose, kept and the channel's own. */
int64_t depot_on_hand(const struct depot *d, int item, int place);
int64_t depot_reserved(const struct depot *d, int item, int place);

static inline int64_t draw_open(const struct depot_draw *draw)
{
    return draw->qty - draw->fulfilled - draw->cancelled;
}

/* Of what is promised there, may it be certain which promises lose if so many units are gone? */
bool depot_may_lose(const struct depot *d, int item, int place, int64_t units);

/* Is more promised from the line than has come and is expected? */
bool depot_is_short(const struct depot *d, int supply, int item);

/* What is missing to whom: to a reservation, or a transfer that is held. */
struct depot_short {
    int id, item, place, from;
    int64_t qty;
};

enum { DEPOT_SHORTS = 4 * DEPOT_IDS };

/* Lists all that are short. Returns how many. */
int depot_shorts(const struct depot *d, struct depot_short shorts[DEPOT_SHORTS]);

/* ---- ship to store ---- */

/* When it comes that is sent from there now. */
uint64_t depot_send_eta(const struct depot *d, int from);
/* A restart makes ready what has come by then. */
void depot_restart(struct depot *d);
/* Of the part where the reservation's first draw is. */
const char *depot_part_step(const struct depot_id *x);

/* ---- between the model's files ---- */

/* Makes the transfers of a planned order; its draws are of them then. */
enum code depot_send(struct depot *d, const struct depot_request *r, struct depot_answer *plan);
/* If all of it has come that was sent for the reservation, its part is ready. */
void depot_look_ready(struct depot *d, int id);
/* Units that are there for that draw. */
int64_t depot_there_for(const struct depot *d, const struct depot_id *x,
                        const struct depot_draw *draw);

struct depot_line *depot_line_of(struct depot *d, int supply, int item);
void depot_reserve(struct depot *d, const struct depot_request *r, struct depot_id *x,
                   struct depot_answer *a);
void depot_confirm(struct depot *d, const struct depot_request *r, struct depot_answer *a);
void depot_step(struct depot *d, const struct depot_request *r, struct depot_answer *a);
void depot_promise_anew(struct depot *d, int supply);
void depot_refuse(struct depot_answer *a, enum code code, const char *state);

#endif
