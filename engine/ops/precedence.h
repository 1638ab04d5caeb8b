/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who comes first: while fewer units of a supply have come than were promised of it, they belong to
 * the promises in the order in which these were made, that is, of their reservations in the log. No
 * one who was promised earlier loses to one who came later.
 *
 * Each pool of expected units keeps a list of the reservations that drew from it, in blocks that
 * only grow. A fulfil that needs it walks that list: what earlier reservations have left must be
 * covered by what has come, too. The walk also finds up to where in the log all promises are
 * covered, so that most later fulfils need none. Once the pool is empty the list is freed.
 */
#ifndef STOCKD_ENGINE_OPS_PRECEDENCE_H
#define STOCKD_ENGINE_OPS_PRECEDENCE_H

#include "engine/ledger/ctx.h"

/* Lists the reservation of that LSN, whose entry the caller owns, for each pool of expected units
 * that it draws from. Each may need a block: set as many slots aside. Before the record is
 * published: so once the log's head has passed an LSN, all reservations up to it are listed. False:
 * there are too few slots. */
bool precedence_add_draws(struct ctx *ctx, struct id_entry *entry, uint64_t lsn);
/* For the start, if there were too few: any promise may be fulfilled of what has come. */
void precedence_give_up(struct ctx *ctx);

/* ---- walks, which may take several iterations ---- */

enum { STANDING_RANGES = 256, PROMISE_WALKS = 16 };

/* What is left of promises, by ranges of the log, up to an LSN up to which all are listed: not only
 * of those before the asker's, so that who asks next needs no walk. */
struct standing {
    uint32_t unit;
    const struct id_entry *op; /* the step's op or NULL: owned */
    struct id_entry *own;      /* the asker's reservation, likewise; NULL: there is none */
    uint64_t own_lsn;          /* of its promise */
    uint64_t from, top;
    int64_t earlier;                 /* units that are left of promises before the asker's ... */
    int64_t below;                   /* ... and of those before `from` */
    uint64_t least, most;            /* LSNs of what was counted; least is 0: nothing */
    unsigned shift;                  /* a range has 1 << shift LSNs ... */
    int64_t ranges[STANDING_RANGES]; /* ... and its place is its number modulo STANDING_RANGES */
    uint32_t draw;   /* of what was counted in them last: its first draw that is open */
    uint32_t resets; /* of the pool, before the walk */
    bool busy;       /* a reservation is being changed */
};

/* A look at the pool. */
struct come_look {
    uint64_t mark, word;
};

/* A place in the list: of a block, number + 1; 0: the end. */
struct promise_place_in_list {
    uint32_t link, place;
};

/* A walk for a fulfil, which is deferred until it is over. While the reservation has units there,
 * the pool is not empty, so the list stays (X3). */
struct promise_walk {
    struct standing standing; /* own: NULL: there is no walk */
    struct come_look before;  /* when it began ... */
    bool sure;                /* ... and whether that was so at one instant */
    uint64_t touched;         /* in which iteration of the context */
    struct promise_place_in_list at;
};

struct promise_walks {
    bool any; /* there are some */
    struct promise_walk at[PROMISE_WALKS];
};

/* ---- */

/* May the reservation be fulfilled so many units of what has come? The caller owns it, and the
 * entry of its step's op, if there is one. CODE_OK, CODE_DEFERRED, or CODE_INSUFFICIENT_STOCK:
 * there are only *there for it. */
enum code precedence_check(struct ctx *ctx, uint32_t unit, struct id_entry *entry,
                           const struct id_entry *op, int64_t qty, int64_t *there);

void precedence_forget(struct ctx *ctx, const struct id_entry *entry);

/* Call with the result of a step that may have asked that: if it is over, another begins anew. */
static inline void precedence_end(struct ctx *ctx, const struct id_entry *entry, enum code code)
{
    if (code != CODE_DEFERRED && ctx->promise_walks->any)
        precedence_forget(ctx, entry);
}

/* When the reservation, which the caller owns, was promised units of that pool: if that was at
 * several times, the last one up to an LSN. */
uint64_t promise_lsn(const struct ctx *ctx, struct id_entry *entry, uint32_t unit, uint64_t until);

/* A promise of a pool, among those of other pools: the earlier one comes first, and of one
 * reservation that draws from several pools, its earlier draw. */
struct promise_place {
    uint64_t lsn;
    uint32_t draw; /* the first of its draws that is open */
};

static inline bool promised_before(struct promise_place a, struct promise_place b)
{
    return a.lsn < b.lsn || (a.lsn == b.lsn && a.draw < b.draw);
}

/* The first promise of the pool that neither what has come nor what is expected covers; its LSN is
 * UINT64_MAX: none that is listed. CODE_DEFERRED: a reservation is being changed. The caller owns
 * no entry. */
enum code precedence_first_short(struct ctx *ctx, uint32_t unit, struct promise_place *first);
/* Likewise how many units the promises before that LSN lack. */
enum code precedence_short_before(struct ctx *ctx, uint32_t unit, uint64_t lsn, int64_t *lacking);

/* Up to where in the log is all that was promised of the pool covered by what has come? Orders that
 * no head of the log has passed may count as not covered. *lsn: of the promise that is covered
 * last, or behind it and before the next; EVERYTHING_COVERED; or 0. CODE_OK or CODE_DEFERRED. The
 * caller owns the entry of its step's op, if there is one, and no reservation. */
enum code precedence_covered(struct ctx *ctx, uint32_t unit, const struct id_entry *op,
                             uint64_t *lsn);

/* What has come to the pool is less than it was: others may be short now. */
void precedence_reset(struct ctx *ctx, uint32_t unit);

#endif
