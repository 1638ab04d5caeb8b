/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one connection asks of the engine between two crashes, and what must be there after any
 * prefix of it. Both follow from a seed, so nothing needs to be written down but how many requests
 * went out and which were acknowledged.
 *
 * A connection has items of its own, and enough of them, so each of its requests succeeds and
 * nobody else changes what it counts.
 */
#ifndef STOCKD_TESTS_CRASH_LIFE_H
#define STOCKD_TESTS_CRASH_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/random.h"

enum { LIFE_SKUS = 4, LIFE_LINES = 3, LIFE_NAME = 40 };

enum order_state { ORDER_HELD, ORDER_CONFIRMED, ORDER_FULFILLED, ORDER_CANCELLED };

/* As the protocol calls it; static. */
const char *order_state_name(enum order_state state);

struct order {
    enum order_state state;
    unsigned lines;
    struct {
        int sku;
        int64_t qty;
    } line[LIFE_LINES];
};

enum op_kind { OP_RECEIVE, OP_RESERVE, OP_CONFIRM, OP_FULFIL, OP_CANCEL };

struct op {
    enum op_kind kind;
    uint32_t number; /* of the op, from 0 */
    uint32_t order;  /* all but receive */
    int sku;         /* receive */
    int64_t qty;     /* receive */
};

struct life {
    uint64_t number; /* of the life */
    unsigned connection;
    struct random random;
    uint32_t ops; /* so many were drawn, and are in the metrics below */
    int64_t on_hand[LIFE_SKUS], reserved[LIFE_SKUS];
    struct order *orders;
    uint32_t order_count, order_room;
};

void life_start(struct life *life, uint64_t seed, uint64_t number, unsigned connection);
void life_end(struct life *life);

/* The next op, as if all before it were done. */
void life_next(struct life *life, struct op *op);

/* Names, in a buffer of LIFE_NAME bytes. */
void life_sku_name(const struct life *life, int sku, char *name);
void life_order_name(const struct life *life, uint32_t order, char *name);
void life_op_name(const struct life *life, uint32_t op, char *name);

#endif
