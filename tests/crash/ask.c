/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/ask.h"

/* When what is expected comes: far ahead, and the same if it is asked again. */
static const uint64_t eta_ms = UINT64_C(4000000000000);

static void pack_sku(stockd_pack *pack, const struct life *life, int sku)
{
    char name[LIFE_NAME];
    life_sku_name(life, sku, name);
    stockd_pack_str(pack, name);
}

static void pack_op_name(stockd_pack *pack, const struct life *life, uint32_t op)
{
    char name[LIFE_NAME];
    life_op_name(life, op, name);
    stockd_pack_str(pack, name);
}

static void pack_order_name(stockd_pack *pack, const struct life *life, uint32_t order)
{
    char name[LIFE_NAME];
    life_order_name(life, order, name);
    stockd_pack_str(pack, name);
}

static void pack_one_line(stockd_pack *pack, const struct life *life, int sku, int64_t qty)
{
    stockd_pack_array(pack, 1);
    stockd_pack_array(pack, 2);
    pack_sku(pack, life, sku);
    stockd_pack_i64(pack, qty);
}

static void pack_own_op(stockd_pack *pack, const struct life *life, const struct op *op)
{
    stockd_pack_str(pack, "op");
    pack_op_name(pack, life, op->number);
}

/* As it was made: later steps have changed the order's state, but not its lines. */
static void pack_reserve(stockd_pack *pack, const struct life *life, const struct op *op)
{
    const struct order *order = &life->orders[op->order];
    int sku = order->line[0].sku;
    stockd_pack_array(pack, 4);
    pack_order_name(pack, life, op->order);
    stockd_pack_str(pack, sku == LIFE_EXPECTED ? "ahead" : "default");
    stockd_pack_array(pack, order->lines);
    for (unsigned i = 0; i < order->lines; i++) {
        stockd_pack_array(pack, 2);
        pack_sku(pack, life, order->line[i].sku);
        stockd_pack_i64(pack, order->line[i].qty);
    }
    stockd_pack_map(pack, sku == LIFE_WAITED ? 2 : 1);
    if (sku == LIFE_WAITED) {
        stockd_pack_str(pack, "backorder");
        stockd_pack_bool(pack, true);
    }
    stockd_pack_str(pack, op->confirms ? "confirm" : "ttl_ms");
    if (op->confirms)
        stockd_pack_bool(pack, true);
    else
        stockd_pack_i64(pack, 3600 * 1000);
}

static void pack_receive(stockd_pack *pack, const struct life *life, const struct op *op)
{
    stockd_pack_array(pack, 4);
    pack_op_name(pack, life, op->number);
    pack_sku(pack, life, op->sku);
    stockd_pack_str(pack, life_place_name(op->place));
    stockd_pack_i64(pack, op->qty);
}

static void pack_limit(stockd_pack *pack, const struct life *life, const struct op *op)
{
    stockd_pack_array(pack, 2);
    pack_sku(pack, life, op->sku);
    stockd_pack_map(pack, 1);
    stockd_pack_str(pack, "backorder_limit");
    stockd_pack_i64(pack, 1000000);
}

static void pack_reject(stockd_pack *pack, const struct life *life, const struct op *op)
{
    stockd_pack_array(pack, 4);
    pack_order_name(pack, life, op->order);
    stockd_pack_str(pack, "main");
    pack_one_line(pack, life, op->sku, 1);
    stockd_pack_map(pack, 2);
    pack_own_op(pack, life, op);
    stockd_pack_str(pack, "reason");
    stockd_pack_str(pack, op->busy ? "busy" : "not_found");
}

static void pack_expect(stockd_pack *pack, const struct life *life, const struct op *op)
{
    stockd_pack_array(pack, 4);
    pack_op_name(pack, life, op->number);
    stockd_pack_str(pack, "main");
    pack_one_line(pack, life, op->sku, op->qty);
    stockd_pack_map(pack, 1);
    stockd_pack_str(pack, "eta_ms");
    stockd_pack_u64(pack, eta_ms);
}

static void pack_arrive(stockd_pack *pack, const struct life *life, const struct op *op)
{
    stockd_pack_array(pack, 3);
    pack_op_name(pack, life, op->supply);
    pack_one_line(pack, life, op->sku, op->qty);
    stockd_pack_map(pack, 1);
    pack_own_op(pack, life, op);
}

static void pack_step(stockd_pack *pack, const struct life *life, const struct op *op)
{
    stockd_pack_array(pack, 1);
    pack_order_name(pack, life, op->order);
}

/* Of each kind. */
static const struct {
    const char *method;
    void (*pack)(stockd_pack *, const struct life *, const struct op *);
    bool repeats;
} asked[] = {
    [OP_RECEIVE] = { "receive", pack_receive, true },
    [OP_RESERVE] = { "reserve", pack_reserve, true },
    [OP_CONFIRM] = { "confirm", pack_step, false },
    [OP_FULFIL] = { "fulfil", pack_step, false },
    [OP_CANCEL] = { "cancel", pack_step, false },
    [OP_LIMIT] = { "item_set", pack_limit, false },
    [OP_REJECT] = { "reject", pack_reject, true },
    [OP_EXPECT] = { "expect", pack_expect, true },
    [OP_ARRIVE] = { "arrive", pack_arrive, true },
};

int ask(stockd_client *client, const struct life *life, const struct op *op)
{
    unsigned char buffer[512];
    stockd_pack pack;
    stockd_pack_init(&pack, buffer, sizeof buffer);
    asked[op->kind].pack(&pack, life, op);
    return stockd_send(client, asked[op->kind].method, pack.data, pack.len, NULL);
}

bool ask_repeats(const struct op *op)
{
    return asked[op->kind].repeats;
}
