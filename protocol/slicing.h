/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question that takes more than one iteration. A method answers a part of it in each call, until
 * the call's quantum of work is through, and then says CODE_DEFERRED; it is called again in a later
 * turn and goes on where it stopped. Meanwhile its connection's other requests wait, in order.
 *
 * The reply's lsn is that of the first part: whatever is up to there is in all parts.
 */
#ifndef STOCKD_PROTOCOL_SLICING_H
#define STOCKD_PROTOCOL_SLICING_H

#include <stdint.h>

#include "engine/ledger/ledger.h"
#include "protocol/out.h"

/* What a connection keeps of such a question; its worker only. */
struct slicing {
    uint64_t lsn;
    uint32_t next;          /* index of the first sku or item that is not answered yet */
    uint32_t count;         /* rows */
    struct out rows;        /* the packed answers so far */
    struct stock_look look; /* of the method stock */
};

/* NULL: no memory. */
struct slicing *slicing_begin(struct chunk_pool *pool, uint64_t lsn);
/* Before its end, too: who asked has gone. NULL is nothing. */
void slicing_end(struct slicing *slicing);

#endif
