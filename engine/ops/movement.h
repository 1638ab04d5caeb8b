/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Movements: receive, adjust, count, return. Each changes what is on hand at one location.
 *
 * A movement adds stock to the shared pool or to the damaged one, and may take stock away from the
 * location's allotted pools too (place.h).
 */
#ifndef STOCKD_ENGINE_OPS_MOVEMENT_H
#define STOCKD_ENGINE_OPS_MOVEMENT_H

#include "engine/ledger/ledger.h"
#include "engine/log/record.h"
#include "engine/store/item.h"
#include "engine/txn/txn.h"

/* One movement in progress. */
struct moving {
    struct txn txn;
    const struct movement *asked;
    enum record_type record;
    enum movement_kind kind; /* of a RECORD_MOVEMENT */
    uint32_t item;
    bool unborn;            /* the item does not exist yet: `item` means nothing */
    struct pool *pool;      /* the pool that it adds to; NULL: not created yet */
    struct pool_key key;    /* of that pool */
    bool fresh;             /* this movement created the pool */
    int32_t counted;        /* what must still be on hand in that pool, or NOT_COUNTED */
    uint16_t channel;       /* of a return's reservation: index + 1; 0: none, or not known */
    _Atomic uint64_t *slot; /* of a return that names a reservation, taken; else NULL */
    uint64_t slot_last;
    struct movement_result *result;
};

/* ---- for operations that end as a movement: their txn begins a struct moving ---- */

/* The fingerprint of a request. kind: the operation's own number, a movement_kind or a record_type
 * above them. */
uint64_t movement_fingerprint(const struct movement *m, unsigned kind);
/* Builds the record: all postings, the first one's pool first. */
uint32_t movement_build_record(struct ctx *ctx, struct txn *t);
/* Puts what the item then has at the location into the result and the record. */
void movement_note_outcome(struct ctx *ctx, struct txn *t);
void movement_show(struct ctx *ctx, struct txn *t);
void movement_repeat(struct ctx *ctx, struct txn *t);

/* ---- planning ---- */

/* Creates the pool that the movement adds to, and its item; all or nothing. The caller has checked
 * all else: only another context's change can stop the movement now. */
enum code movement_make_pool(struct ctx *ctx, struct moving *move);

/* Posts an addition to the pool, of which what is owed at the place is paid first. counted: what
 * must still be on hand there, or NOT_COUNTED. */
enum code movement_post_up(struct ctx *ctx, struct moving *move, int64_t delta, int32_t counted);
/* Posts an addition to the pool, which exists. */
enum code movement_post_give(struct ctx *ctx, struct moving *move, int64_t delta, int32_t counted);

/* The option if_on_hand, if it was given: CODE_OK if so many are on hand at the location, else
 * CODE_STALE; CODE_DEFERRED if that is not certain. What the movement then changes must still be as
 * it was found; as with a count, its other pools may have moved meanwhile. */
enum code movement_check_on_hand(struct ctx *ctx, struct moving *move);

/* Its location has more pools of the item than a movement can look at. */
enum code movement_place_is_crowded(struct ctx *ctx, const struct moving *move);

/* Plans a count: finds the sum of one instant, and adds or takes its difference to the counted
 * quantity, provided that the pools still have the same on hand; otherwise it is deferred, and
 * looks again. */
enum code count_plan(struct ctx *ctx, struct moving *move);

/* Plans a return that names a reservation, and takes the reservation's slot: one return at a time
 * per reservation, so that none misses another (R1, R2 of returns.h). The slot is put when the
 * movement ends. */
enum code return_plan(struct ctx *ctx, struct moving *move);

#endif
