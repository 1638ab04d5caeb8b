/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Movements: receive, adjust, count, return. Each changes what is on hand at one location.
 *
 * What adds stock adds it to the shared pool, or to the damaged one. What takes stock away may take
 * it from the location's allotted pools too (place.h).
 */
#ifndef STOCKD_ENGINE_OPS_MOVEMENT_H
#define STOCKD_ENGINE_OPS_MOVEMENT_H

#include "engine/ledger/ledger.h"
#include "engine/log/record.h"
#include "engine/store/item.h"
#include "engine/txn/txn.h"

/* One movement on its way. */
struct moving {
    struct txn txn;
    const struct movement *asked;
    enum record_type record;
    enum movement_kind kind; /* of a RECORD_MOVEMENT */
    uint32_t item;
    bool unborn;         /* there is no such item yet: `item` means nothing */
    struct pool *pool;   /* that it adds to; NULL: there is none yet */
    struct pool_key key; /* of that pool */
    bool fresh;          /* this movement made the pool */
    _Atomic uint64_t
        *slot; /* of a return that names a reservation, taken; NULL: none (returns.h) */
    uint64_t slot_last;
    struct movement_result *result;
};

/* ---- what other operations that end as a movement share: their txn begins a struct moving ---- */

/* Of what was asked. kind: a number that is the operation's own, a movement_kind or a record_type
 * above them. */
uint64_t movement_fingerprint(const struct movement *m, unsigned kind);
/* The record, of that shape: all postings, the first one's pool first. */
uint32_t movement_build_record(struct ctx *ctx, struct txn *t);
/* The result is what its item has at its location then, in the record too. */
void movement_note_outcome(struct ctx *ctx, struct txn *t);
void movement_show(struct ctx *ctx, struct txn *t);
void movement_repeat(struct ctx *ctx, struct txn *t);

/* ---- planning ---- */

/* Brings the pool that it adds to into being, and its item; all or nothing. The caller has checked
 * all else: only another context's change can stop the movement now. */
enum code movement_make_pool(struct ctx *ctx, struct moving *move);

/* Posts an addition to the pool. counted: what must be on hand there still, or NOT_COUNTED. */
enum code movement_post_up(struct ctx *ctx, struct moving *move, int64_t delta, int32_t counted);

/* Plans a count. It finds the sum of one instant, and adds or takes the difference to what was
 * counted, if that is on hand still; else it is deferred, and looks again. */
enum code count_plan(struct ctx *ctx, struct moving *move);

/* Plans a return that names a reservation, and takes the reservation's slot: one return at a time
 * for each, so that none misses another (R1, R2 of returns.h). The slot is put when the movement
 * ends. */
enum code return_plan(struct ctx *ctx, struct moving *move);

#endif
