/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/life.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLENTY = 1000000, RECENT = 48, WAITING_MOST = 12 };

const char *order_state_name(enum order_state state)
{
    static const char *const names[] = { "held", "confirmed", "fulfilled", "cancelled" };
    return names[state];
}

const char *life_place_name(enum life_place place)
{
    return place == LIFE_MAIN ? "main" : "annex";
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

/* ---- what is there ---- */

static int64_t less(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Whatever is there serves what waits. */
static void serve(struct life_stock *stock, enum life_place place)
{
    int64_t units = less(stock->on_hand[place] - stock->reserved[place], stock->backlog);
    stock->reserved[place] += units;
    stock->backlog -= units;
}

/* What nobody has waits. */
static void want(struct life_stock *stock, enum life_place place, int64_t qty)
{
    stock->backlog += qty;
    serve(stock, place);
}

static void want_no_more(struct life_stock *stock, enum life_place place, int64_t qty)
{
    int64_t waiting = less(stock->backlog, qty);
    stock->backlog -= waiting;
    stock->reserved[place] -= qty - waiting;
}

static void receive(struct life *life, struct op *op, int sku, enum life_place place, int64_t qty)
{
    op->kind = OP_RECEIVE;
    op->sku = sku;
    op->qty = qty;
    op->place = place;
    life->stock[sku].on_hand[place] += qty;
    serve(&life->stock[sku], place);
}

/* ---- orders ---- */

static struct order *new_order(struct life *life, struct op *op, enum order_state state)
{
    if (life->order_count == life->order_room) {
        life->order_room = life->order_room * 2 + 256;
        life->orders = realloc(life->orders, life->order_room * sizeof *life->orders);
        if (!life->orders)
            abort();
    }
    op->kind = OP_RESERVE;
    op->order = life->order_count;
    op->confirms = state == ORDER_CONFIRMED;
    struct order *order = &life->orders[life->order_count++];
    memset(order, 0, sizeof *order);
    order->state = state;
    return order;
}

static void reserve(struct life *life, struct op *op)
{
    struct random *r = &life->random;
    struct order *order = new_order(life, op, random_chance(r, 30) ? ORDER_CONFIRMED : ORDER_HELD);
    order->lines = random_chance(r, 70) ? 1 : (unsigned)random_between(r, 2, LIFE_LINES);
    for (unsigned i = 0; i < order->lines; i++) {
        order->line[i].sku = random_below(r, LIFE_SKUS);
        order->line[i].qty = random_between(r, 1, 3);
        life->stock[order->line[i].sku].reserved[LIFE_MAIN] += order->line[i].qty;
    }
}

/* A confirmed order of one of the items that are not the usual ones. */
static void reserve_one(struct life *life, struct op *op, int sku, int64_t qty)
{
    struct order *order = new_order(life, op, ORDER_CONFIRMED);
    order->lines = 1;
    order->line[0].sku = sku;
    order->line[0].qty = qty;
    if (sku == LIFE_WAITED)
        want(&life->stock[sku], LIFE_MAIN, qty);
    else
        life->stock[sku].reserved[LIFE_MAIN] += qty;
}

/* What the order has of a line at `main` is reserved there no longer. */
static void leave(struct life *life, const struct order *order, bool fulfil)
{
    for (unsigned i = 0; i < order->lines; i++) {
        struct life_stock *stock = &life->stock[order->line[i].sku];
        int64_t away = order->line[i].away, here = order->line[i].qty - away;
        if (order->line[i].sku == LIFE_WAITED)
            want_no_more(stock, LIFE_MAIN, here);
        else
            stock->reserved[LIFE_MAIN] -= here;
        want_no_more(stock, LIFE_ANNEX, away);
        if (!fulfil)
            continue;
        stock->on_hand[LIFE_MAIN] -= here;
        stock->on_hand[LIFE_ANNEX] -= away;
    }
}

/* `main` cannot give a unit of one of its lines; false if it gives none. */
static bool reject(struct life *life, struct op *op, struct order *order)
{
    for (unsigned i = 0; i < order->lines; i++) {
        int sku = order->line[i].sku;
        struct life_stock *stock = &life->stock[sku];
        if (sku == LIFE_WAITED || sku == LIFE_EXPECTED || order->line[i].qty == order->line[i].away)
            continue;
        if (sku == LIFE_LONE && stock->backlog == WAITING_MOST)
            continue;
        op->kind = OP_REJECT;
        op->sku = sku;
        op->busy = random_chance(&life->random, 50);
        order->line[i].away++;
        stock->reserved[LIFE_MAIN]--;
        stock->on_hand[LIFE_MAIN] -= !op->busy;
        want(stock, LIFE_ANNEX, 1);
        return true;
    }
    return false;
}

/* Is it of what waits, or is sold ahead? Then it is cancelled, and never fulfilled: when the engine
 * has served it is up to the engine. */
static bool is_promise(const struct order *order)
{
    return order->line[0].sku >= LIFE_SKUS;
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
    bool cancel = random_chance(r, 40) || is_promise(order);
    op->order = number;
    if (order->state == ORDER_HELD && !cancel) {
        op->kind = OP_CONFIRM;
        order->state = ORDER_CONFIRMED;
        return true;
    }
    if (order->state == ORDER_CONFIRMED && random_chance(r, 30) && reject(life, op, order))
        return true;
    op->kind = cancel ? OP_CANCEL : OP_FULFIL;
    order->state = cancel ? ORDER_CANCELLED : ORDER_FULFILLED;
    leave(life, order, !cancel);
    return true;
}

/* ---- supply ---- */

static void expect(struct life *life, struct op *op)
{
    op->kind = OP_EXPECT;
    op->sku = LIFE_EXPECTED;
    op->qty = random_between(&life->random, 2, 9);
    life->under_way[life->supply_count].op = op->number;
    life->under_way[life->supply_count++].left = op->qty;
    life->stock[LIFE_EXPECTED].expected += op->qty;
}

static void arrive(struct life *life, struct op *op)
{
    unsigned i = (unsigned)random_below(&life->random, (int)life->supply_count);
    op->kind = OP_ARRIVE;
    op->sku = LIFE_EXPECTED;
    op->supply = life->under_way[i].op;
    op->qty = random_between(&life->random, 1, (int)life->under_way[i].left);
    life->under_way[i].left -= op->qty;
    if (life->under_way[i].left == 0)
        life->under_way[i] = life->under_way[--life->supply_count];
    life->stock[LIFE_EXPECTED].expected -= op->qty;
    life->stock[LIFE_EXPECTED].on_hand[LIFE_MAIN] += op->qty;
}

/* ---- the next one ---- */

static void begin(struct life *life, struct op *op)
{
    int number = (int)op->number;
    if (number < LIFE_SKUS)
        receive(life, op, number, LIFE_MAIN, PLENTY);
    else if (number < 2 * LIFE_SKUS)
        receive(life, op, number - LIFE_SKUS, LIFE_ANNEX, PLENTY);
    else if (number == 2 * LIFE_SKUS)
        receive(life, op, LIFE_LONE, LIFE_MAIN, PLENTY);
    else
        *op = (struct op){ .kind = OP_LIMIT, .number = op->number, .sku = LIFE_WAITED };
}

/* What waits, what a place rejects, and what is on its way. */
static void go_beyond(struct life *life, struct op *op)
{
    struct random *r = &life->random;
    const struct life_stock *ahead = &life->stock[LIFE_EXPECTED];
    int64_t unsold = ahead->on_hand[LIFE_MAIN] + ahead->expected - ahead->reserved[LIFE_MAIN];
    int dice = random_below(r, 7);
    if (dice == 0 && life->stock[LIFE_WAITED].backlog < WAITING_MOST)
        reserve_one(life, op, LIFE_WAITED, random_between(r, 1, 3));
    else if (dice <= 1)
        receive(life, op, LIFE_WAITED, LIFE_MAIN, random_between(r, 1, 3));
    else if (dice == 2 && life->stock[LIFE_LONE].backlog < WAITING_MOST)
        reserve_one(life, op, LIFE_LONE, random_between(r, 1, 3));
    else if (dice <= 3)
        receive(life, op, LIFE_LONE, LIFE_ANNEX, random_between(r, 1, 2));
    else if (dice == 4 && unsold > 2)
        reserve_one(life, op, LIFE_EXPECTED, random_between(r, 1, 3));
    else if (life->supply_count == 0 || (dice == 5 && life->supply_count < LIFE_UNDER_WAY))
        expect(life, op);
    else
        arrive(life, op);
}

void life_next(struct life *life, struct op *op)
{
    *op = (struct op){ .number = life->ops++ };
    if (op->number < 2 * LIFE_SKUS + 2)
        begin(life, op);
    else if (random_chance(&life->random, 10))
        receive(life, op, random_below(&life->random, LIFE_SKUS), LIFE_MAIN,
                random_between(&life->random, 1, 9));
    else if (random_chance(&life->random, 25))
        go_beyond(life, op);
    else if (random_chance(&life->random, 50) || !go_on(life, op))
        reserve(life, op);
}

void life_waits(const struct life *life, int64_t *waits)
{
    int64_t there = life->stock[LIFE_WAITED].on_hand[LIFE_MAIN];
    for (uint32_t i = 0; i < life->order_count; i++) {
        const struct order *order = &life->orders[i];
        waits[i] = 0;
        if (order->line[0].sku != LIFE_WAITED || order->state != ORDER_CONFIRMED)
            continue;
        int64_t served = less(order->line[0].qty, there);
        waits[i] = order->line[0].qty - served;
        there -= served;
    }
}
