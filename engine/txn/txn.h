/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: how every change of stock, and of a reservation, goes through the ledger.
 *
 * An operation is a planner: it checks the request, reads the pools, and fills in postings, each a
 * change of one pool with its condition. All else is the same for every operation and is written
 * once, in txn_run.h, in the only order that rules T, G and O of docs/CONCURRENCY.md allow:
 *
 *     plan      reads the pools, posts the changes; or refuses
 *      |  ^
 *      |  `---- a pool no longer meets its condition: plan again a few times, then defer
 *      v
 *     take      T: the postings that take, in ascending order of pools, all or none
 *     taken     the operation's last conditions; on a refusal the takes are undone
 *     record    is built, so that its length is known
 *     claim     the LSN: from here on the operation happens
 *     give      G: the postings that give; one that no longer fits: void, undo, defer
 *     outcome   completes the record with what the pools say now
 *     publish   the items' versions are raised, then the record is published
 *     show      O: the objects get their new state, the id its result
 *     decide    tentative takes become final
 *
 * No later step trusts what a plan has read: each posting carries its condition. An operation with
 * an id runs once: its id is looked up first, and a known id answers with its first result, or with
 * a conflict.
 */
#ifndef STOCKD_ENGINE_TXN_TXN_H
#define STOCKD_ENGINE_TXN_TXN_H

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/store/id_table.h"
#include "engine/store/pool.h"

struct item;
struct ctx;
struct txn;

/* The change of one pool, and its terms. In 32 bits each, because sorting copies them: all that
 * an operation posts to a pool is there or has room, so even merged they stay below 2^31. */
struct posting {
    uint32_t pool; /* its number, see struct items; POOL_UNMADE: `taken` creates the pool and
                                fills this in */
    int32_t on_hand, reserved; /* change of each, in units */
    int32_t needs;             /* units that must be available, or NEEDS_NONE */
    int32_t floor;             /* what must stay on hand: units that have not come yet */
    bool stays; /* the units do not come to the location, nor leave it: no recent change */
    bool fits;  /* of a give: it was made sure that the pool has room */
    union {
        struct {             /* until it is applied */
            int32_t counted; /* what must be on hand in the pool, or NOT_COUNTED */
            int32_t keeps;   /* of `needs`, units that stay: merged postings keep them once */
        };
        uint64_t after; /* then: the pool's word as written, or as it failed the condition */
    };
};

_Static_assert(sizeof(struct posting) == 32, "two in a cache line");
_Static_assert(2 * QUANTITY_MAX + WORD_ON_HAND_MOST <= INT32_MAX, "needs fit");

#define NEEDS_NONE INT32_MIN
#define POOL_UNMADE UINT32_MAX

/* A reserve takes from so many pools; and an arrival may change three for each of its lines. */
enum { POSTINGS_MAX = 3 * LINES_MAX };

_Static_assert((int)POSTINGS_MAX > (int)DRAWS_MAX, "all of an order's draws fit");

struct postings {
    uint32_t count;
    uint32_t takes; /* of them; the first ones once postings_order has run */
    struct posting at[POSTINGS_MAX];
};

/* Does the posting need stock (rule T)? Otherwise it is a give (rule G), or changes nothing and
 * only raises the item's version. */
static inline bool posting_takes(const struct posting *p)
{
    return p->on_hand < 0 || p->reserved > 0;
}

static inline void post(struct postings *postings, struct posting posting)
{
    assert(postings->count < POSTINGS_MAX);
    postings->takes += posting_takes(&posting);
    postings->at[postings->count++] = posting;
}

/* The parts of one operation. `taken` and `outcome` may be NULL; without an id, so may `repeat`. */
struct txn_kind {
    const char *id_name;        /* the request's parameter; NULL: the operation has no id */
    enum entry_kind remembered; /* what its id stands for afterwards */
    bool takes, gives;          /* which postings it may have */
    bool preclaims;             /* it may use a preclaimed position; only gives may */
    /* Fills the context's postings from the current pools; may run several times. CODE_OK,
     * CODE_DEFERRED, or a refusal. */
    enum code (*plan)(struct ctx *ctx, struct txn *t);
    /* Runs when everything is taken. If not CODE_OK, the takes are undone. */
    enum code (*taken)(struct ctx *ctx, struct txn *t);
    /* Builds the record in the context's buffer. Returns its length in bytes. */
    uint32_t (*record)(struct ctx *ctx, struct txn *t);
    void (*outcome)(struct ctx *ctx, struct txn *t);
    /* Shows the new state of the objects that it owns, puts them, and fills the result. */
    void (*show)(struct ctx *ctx, struct txn *t);
    /* Fills in the first result again from the id's entry, which stays owned. */
    void (*repeat)(struct ctx *ctx, struct txn *t);
};

/* A transaction in progress: the first member of each operation's own struct. Used by one thread
 * only. */
struct txn {
    struct text id;   /* absent: the operation has none */
    uint64_t content; /* fingerprint of the request */

    /* Set by the plan. */
    struct id_entry *reservation; /* the one that it changes, owned; NULL: none. `show` puts it; if
                                     nothing is done, or the plan refuses, the run does */
    uint64_t word;                /* state of the reservation */
    bool may_undo;                /* even a single take may be undone, so it is tentative */
    bool done;                    /* there is nothing to do, and the plan has filled the result */

    /* Set by the transaction. */
    struct id_entry *entry; /* of the id, owned: a fresh one; for `repeat`, a known one */
    uint64_t entry_word;
    uint64_t lsn;
};

/* Sorts the postings, takes first and in the canonical order, and merges takes from one pool. */
void postings_order(struct postings *postings);

/* ---- for txn_run.h ---- */

/* Changes one pool. A change that may make units available, or moves them, is bracketed for threads
 * that sum over the item's pools. */
enum pool_outcome txn_apply(struct ctx *ctx, struct posting *p, bool tentative);
/* Gives what must be given, after the first give: it may fill the pool beyond the maximum. */
void txn_give_more(struct ctx *ctx, struct posting *p);
/* Gives back the first `count` takes, which are undecided, and records that. */
void txn_undo(struct ctx *ctx, uint32_t count);
/* Units that move between pools are in neither meanwhile, so no sum over their items counts until
 * then. */
void txn_bracket(struct ctx *ctx, void (*edge)(struct item *));
/* Ends those brackets. Each counts as a give, so what backlogs wait in vain for is found anew. */
void txn_moved(struct ctx *ctx);
/* Has who follows the item's changes look at it again, though nothing has changed. */
void txn_tell(struct ctx *ctx, uint32_t item);
/* How often the transaction in progress, whose takes are done, brackets that item itself. */
uint32_t txn_own_brackets(const struct ctx *ctx, uint32_t item);
/* How many gives of the item it has begun, with those brackets: its takes from what is on hand are
 * bracketed, too. */
uint32_t txn_own_gives(const struct ctx *ctx, uint32_t item);
enum code txn_conflict(struct ctx *ctx, const char *id_name, struct text id);

#endif
