/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Returns that name a reservation: together never more units of an item than were fulfilled.
 *
 * The ledger forgets finished reservations; the journal does not. So such a return carries
 * evidence: what the journal says of the reservation and the item up to some LSN. Evidence lacks
 * the returns that claimed after it was gathered. A table of fixed size detects those: it has, by
 * the hash of the reservation's id, the LSN of the last claimed return. Reservations that share a
 * slot cost each other a second look at the journal, and nothing else.
 *
 * R1  Any context takes a slot by swapping its busy bit in, with acquire, and puts it with the LSN
 *     of the return that it claimed meanwhile, if any, with release. So the returns of one
 *     reservation follow each other, and each sees the LSN of the one before. A thread that finds
 *     the slot busy is deferred.
 * R2  Evidence is stale if it does not reach the slot's LSN. Evidence that reaches it counts every
 *     earlier return of the reservation: each claimed an LSN that was then, or is now, the slot's,
 *     and the slot's LSN only grows.
 * R3  A start leaves the table empty: all evidence is gathered afterwards, and reaches at least the
 *     log's tail at that time, which is behind every replayed record.
 */
#ifndef STOCKD_ENGINE_STORE_RETURNS_H
#define STOCKD_ENGINE_STORE_RETURNS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What the journal says of one reservation and one item. */
struct return_evidence {
    uint64_t upto;       /* everything up to this LSN counts */
    uint64_t begins_lsn; /* the journal keeps nothing before this; 0: it keeps all */
    bool known;          /* the reservation existed */
    const char *state;   /* its last known one, static; NULL: unknown */
    uint16_t channel;    /* that it was sold on: index + 1; 0: unknown */
    int64_t fulfilled;   /* units of the item; only those whose returns are known */
    int64_t returned;    /* units of the item, by returns that named it */
    int64_t unproven;    /* units fulfilled before begins_lsn: how many of them came back before it
                            is unknown */
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

/* The slot of a reservation, by the hash of its id. */
static inline _Atomic uint64_t *return_slot(const struct returns *returns, uint64_t hash)
{
    return &returns->slots[hash % RETURN_SLOTS];
}

/* False: another return holds it. *last: the LSN of the last claimed return; 0: none. */
bool return_slot_take(_Atomic uint64_t *slot, uint64_t *last);
void return_slot_put(_Atomic uint64_t *slot, uint64_t last);

#endif
