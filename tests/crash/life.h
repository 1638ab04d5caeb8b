/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one connection asks of the engine between two crashes, and what must be there after any
 * prefix of it. Both follow from a seed, so nothing needs to be written down but how many requests
 * went out and which were acknowledged.
 *
 * A connection has items of its own, so each of its requests succeeds and nobody else changes what
 * it counts. Of the usual items both places have plenty. Of three others:
 *
 *   WAITED    comes in small numbers to `main`; orders of it are promised what is not there, and
 *             are served in their order
 *   LONE      `main` has plenty, and rejects units now and then; such units wait until some come to
 *             `annex`
 *   EXPECTED  is on its way to `main`, and arrives in parts; it is sold ahead
 */
#ifndef STOCKD_TESTS_CRASH_LIFE_H
#define STOCKD_TESTS_CRASH_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/random.h"

enum {
    LIFE_SKUS = 4, /* the usual ones */
    LIFE_WAITED = LIFE_SKUS,
    LIFE_LONE,
    LIFE_EXPECTED,
    LIFE_ITEMS,
    LIFE_LINES = 3,
    LIFE_NAME = 40,
    LIFE_UNDER_WAY = 4, /* supplies at once */
};

enum life_place { LIFE_MAIN, LIFE_ANNEX, LIFE_PLACES };

enum order_state { ORDER_HELD, ORDER_CONFIRMED, ORDER_FULFILLED, ORDER_CANCELLED };

/* As the protocol calls them; static. */
const char *order_state_name(enum order_state state);
const char *life_place_name(enum life_place place);

struct order {
    enum order_state state;
    unsigned lines;
    struct {
        int sku;
        int64_t qty;
        int64_t away; /* so many units of it `main` has rejected */
    } line[LIFE_LINES];
};

enum op_kind {
    OP_RECEIVE,
    OP_RESERVE,
    OP_CONFIRM,
    OP_FULFIL,
    OP_CANCEL,
    OP_LIMIT, /* of WAITED: any number may be promised */
    OP_REJECT,
    OP_EXPECT,
    OP_ARRIVE,
};

struct op {
    enum op_kind kind;
    uint32_t number;       /* of the op, from 0 */
    uint32_t order;        /* reserve, its steps, reject */
    int sku;               /* receive, limit, reject, expect, arrive */
    int64_t qty;           /* receive, expect, arrive */
    enum life_place place; /* receive */
    uint32_t supply;       /* arrive: the op that expected it */
    bool confirms;         /* reserve: at once */
    bool busy;             /* reject: the place has the units still */
};

/* What is there of an item. */
struct life_stock {
    int64_t on_hand[LIFE_PLACES], reserved[LIFE_PLACES]; /* reserved: of what is expected, too */
    int64_t backlog, expected;
};

struct life {
    uint64_t number; /* of the life */
    unsigned connection;
    struct random random;
    uint32_t ops; /* so many were drawn, and are in what follows */
    struct life_stock stock[LIFE_ITEMS];
    struct order *orders;
    uint32_t order_count, order_room;
    struct {
        uint32_t op; /* that expected it */
        int64_t left;
    } under_way[LIFE_UNDER_WAY];
    unsigned supply_count;
};

void life_start(struct life *life, uint64_t seed, uint64_t number, unsigned connection);
void life_end(struct life *life);

/* The next op, as if all before it were done. */
void life_next(struct life *life, struct op *op);

/* For how many units each order of WAITED waits: the oldest have what came. In `waits`, one number
 * for each order; 0 for all others. */
void life_waits(const struct life *life, int64_t *waits);

/* Names, in a buffer of LIFE_NAME bytes. */
void life_sku_name(const struct life *life, int sku, char *name);
void life_order_name(const struct life *life, uint32_t order, char *name);
void life_op_name(const struct life *life, uint32_t op, char *name);

#endif
