/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A read request that takes more than one iteration. In each call the method answers a part of it,
 * until the call's quantum of work is used up, and returns CODE_DEFERRED; a later iteration calls
 * it again and it continues where it stopped. Meanwhile its connection's other requests wait, in
 * order.
 *
 * The reply's lsn is that of the first part: all parts include every change up to there.
 */
#ifndef STOCKD_PROTOCOL_SLICING_H
#define STOCKD_PROTOCOL_SLICING_H

#include <stdint.h>

#include "engine/ledger/ledger.h"
#include "protocol/out.h"

/* What a connection keeps of such a request; its worker only. */
struct slicing {
    uint64_t lsn;
    uint32_t next;                  /* index of the first sku, item or calendar not answered */
    uint32_t count;                 /* rows */
    struct out rows;                /* the packed answers so far */
    struct stock_look look;         /* of the method stock */
    struct stocking_walk stockings; /* of the method stockings */
};

/* NULL: no memory. */
struct slicing *slicing_begin(struct chunk_pool *pool, uint64_t lsn);
/* May come before the end, if the connection has gone. NULL is ignored. */
void slicing_end(struct slicing *slicing);

#endif
