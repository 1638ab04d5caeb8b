/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/life.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLENTY = 1000000, RECENT = 48 };

const char *order_state_name(enum order_state state)
{
    static const char *const names[] = { "held", "confirmed", "fulfilled", "cancelled" };
    return names[state];
}

void life_start(struct life *life, uint64_t seed, uint64_t number, unsigned connection)
{
    memset(life, 0, sizeof *life);
    life->number = number;
    life->connection = connection;
    life->random.state = seed + number * 1000003 + connection;
    random_next(&life->random);
}

void life_end(struct life *life)
{
    free(life->orders);
    life->orders = NULL;
}

void life_sku_name(const struct life *life, int sku, char *name)
{
    snprintf(name, LIFE_NAME, "S%" PRIu64 "-%u-%d", life->number, life->connection, sku);
}

void life_order_name(const struct life *life, uint32_t order, char *name)
{
    snprintf(name, LIFE_NAME, "o%" PRIu64 "-%u-%" PRIu32, life->number, life->connection, order);
}

void life_op_name(const struct life *life, uint32_t op, char *name)
{
    snprintf(name, LIFE_NAME, "r%" PRIu64 "-%u-%" PRIu32, life->number, life->connection, op);
}

static void receive(struct life *life, struct op *op, int sku, int64_t qty)
{
    op->kind = OP_RECEIVE;
    op->sku = sku;
    op->qty = qty;
    life->on_hand[sku] += qty;
}

static void reserve(struct life *life, struct op *op)
{
    struct random *r = &life->random;
    if (life->order_count == life->order_room) {
        life->order_room = life->order_room * 2 + 256;
        life->orders = realloc(life->orders, life->order_room * sizeof *life->orders);
        if (!life->orders)
            abort();
    }
    op->kind = OP_RESERVE;
    op->order = life->order_count;
    struct order *order = &life->orders[life->order_count++];
    order->state = random_chance(r, 30) ? ORDER_CONFIRMED : ORDER_HELD;
    order->lines = random_chance(r, 70) ? 1 : (unsigned)random_between(r, 2, LIFE_LINES);
    for (unsigned i = 0; i < order->lines; i++) {
        order->line[i].sku = random_below(r, LIFE_SKUS);
        order->line[i].qty = random_between(r, 1, 3);
        life->reserved[order->line[i].sku] += order->line[i].qty;
    }
}

/* A step of a recent order that is not over; false if the one that was picked is. */
static bool go_on(struct life *life, struct op *op)
{
    struct random *r = &life->random;
    if (life->order_count == 0)
        return false;
    uint32_t back = (uint32_t)random_below(r, RECENT);
    uint32_t number = back < life->order_count ? life->order_count - 1 - back : 0;
    struct order *order = &life->orders[number];
    if (order->state > ORDER_CONFIRMED)
        return false;
    bool cancel = random_chance(r, 40);
    op->order = number;
    if (order->state == ORDER_HELD && !cancel) {
        op->kind = OP_CONFIRM;
        order->state = ORDER_CONFIRMED;
        return true;
    }
    op->kind = cancel ? OP_CANCEL : OP_FULFIL;
    order->state = cancel ? ORDER_CANCELLED : ORDER_FULFILLED;
    for (unsigned i = 0; i < order->lines; i++) {
        life->reserved[order->line[i].sku] -= order->line[i].qty;
        if (!cancel)
            life->on_hand[order->line[i].sku] -= order->line[i].qty;
    }
    return true;
}

void life_next(struct life *life, struct op *op)
{
    *op = (struct op){ .number = life->ops++ };
    if (op->number < LIFE_SKUS)
        receive(life, op, (int)op->number, PLENTY);
    else if (random_chance(&life->random, 15))
        receive(life, op, random_below(&life->random, LIFE_SKUS),
                random_between(&life->random, 1, 9));
    else if (random_chance(&life->random, 50) || !go_on(life, op))
        reserve(life, op);
}
