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
#include "engine/ledger/orders.h"
#include "engine/ledger/supply.h"
#include "protocol/out.h"

/* A page of `supplies` so far. */
struct supplies_page {
    struct supply_walk walk;
    uint32_t lines;
    uint64_t changed_lsn; /* of the latest change that it shows */
    uint32_t last_len;
    char last[ID_MAX]; /* the id of the last supply on it */
};

/* A page of `orders` so far. */
struct orders_page {
    struct order_walk walk;
    uint32_t lines;
    uint64_t changed_lsn; /* of the latest change that it shows */
    uint32_t last_len;
    char last[ID_MAX]; /* the id of the last order on it */
};

/* What a connection keeps of such a request; its worker only. */
struct slicing {
    uint64_t lsn;
    uint32_t next;                  /* index of the first sku, item or calendar not answered */
    uint32_t count;                 /* rows */
    struct out rows;                /* the packed answers so far */
    struct stock_look look;         /* of the method stock */
    struct stocking_walk stockings; /* of the method stockings */
    struct supplies_page supplies;  /* of the method supplies */
    struct orders_page orders;      /* of the method orders */
};

/* NULL: no memory. */
struct slicing *slicing_begin(struct chunk_pool *pool, uint64_t lsn);
/* May come before the end, if the connection has gone. NULL is ignored. */
void slicing_end(struct slicing *slicing);

#endif
