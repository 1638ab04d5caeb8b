/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Returns that name a reservation: in all never more units of an item than the reservation was
 * fulfilled with.
 *
 * The ledger forgets finished reservations; the journal does not. So such a return carries
 * evidence: what the journal says of the reservation and the item up to some LSN. Evidence knows
 * nothing of returns that claimed after it was gathered. Those are found by a table of fixed size:
 * by the hash of the reservation's id, the LSN of the last return that was claimed. Reservations
 * that share a slot cost each other a second look at the journal, and nothing else.
 *
 * R1  Any context takes a slot by swapping its busy bit in, with acquire, and puts it with the LSN
 * of the return that it claimed meanwhile, if any, with release. So the returns of one reservation
 *     follow each other, and each sees the LSN of the one before. Whoever finds the slot busy is
 *     deferred.
 * R2  Evidence is stale if it does not reach the slot's LSN. Evidence that reaches it counts every
 *     earlier return of the reservation: each claimed an LSN that was then, or is now, the slot's,
 *     and the slot's LSN only grows.
 * R3  A start leaves the table empty: all evidence is gathered afterwards, and reaches at least the
 *     log's tail at that time, which is behind every record that was replayed.
 */
#ifndef STOCKD_ENGINE_STORE_RETURNS_H
#define STOCKD_ENGINE_STORE_RETURNS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What the journal says of one reservation and one item. */
struct return_evidence {
    uint64_t upto;       /* everything up to this LSN counts */
    uint64_t begins_lsn; /* nothing is kept of what was before; 0: all is kept */
    bool known;          /* there was such a reservation */
    const char *state;   /* its last one that is known, static; NULL: none is */
    int64_t fulfilled;   /* units of the item; only those that returns are known of */
    int64_t returned;    /* units of the item, by returns that named it */
    int64_t unproven;    /* units that were fulfilled before begins_lsn: nobody knows how many of
                          * them were returned before it */
};

/* Units that may still be returned. */
static inline int64_t evidence_left(const struct return_evidence *e)
{
    return e->fulfilled > e->returned ? e->fulfilled - e->returned : 0;
}

enum { RETURN_SLOTS = 1 << 16 };

struct returns {
    _Atomic uint64_t *slots; /* R1: LSN << 1 | busy; owned */
};

/* 0 or -ENOMEM. */
int returns_init(struct returns *returns);
void returns_destroy(struct returns *returns);

/* Of a reservation, by the hash of its id. */
static inline _Atomic uint64_t *return_slot(const struct returns *returns, uint64_t hash)
{
    return &returns->slots[hash % RETURN_SLOTS];
}

/* False: another return is at it. *last: the LSN of the last return that was claimed; 0: none. */
bool return_slot_take(_Atomic uint64_t *slot, uint64_t *last);
void return_slot_put(_Atomic uint64_t *slot, uint64_t last);

#endif
