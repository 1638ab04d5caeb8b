/* SPDX-License-Identifier: Apache-2.0 */
/* The list of orders, that is, of reservations: what a place has to do, or a channel has sold. */
#ifndef STOCKD_ENGINE_LEDGER_ORDERS_H
#define STOCKD_ENGINE_LEDGER_ORDERS_H

#include "engine/ledger/ledger.h"

/*
 * An order whose `supply` is "any" is collected at `at`, and what is not on hand there is sent
 * there from other places, by transfers that are made with the reservation. They are named after
 * it: the id of the one with that number, from 1 on. Returns its length.
 */
uint32_t ledger_send_id(struct text reservation, unsigned number, char id[ID_MAX]);

/* Which orders to list; what is absent does not restrict. */
struct order_filter {
    struct text location; /* that they draw from; then `step` and `late` are about the part there */
    struct text channel;
    struct text state;
    struct text step;    /* that a part of them is at */
    struct text after;   /* the id of the last one listed before */
    bool has_late, late; /* only those with a part that is late, or only those without */
};

/* A walk over the orders, in an order that stays as long as they are remembered. */
struct order_walk {
    uint16_t location, channel; /* index + 1; 0: any */
    uint8_t states;             /* those that may match, as bits */
    uint8_t step;               /* its number + 1; 0: any */
    uint32_t at;                /* the next slot of the id table */
    uint64_t candidates;        /* inside a chunk of slots: those of it that may match, from `at` */
    uint32_t id_len;
    char id[ID_MAX]; /* of the one that was found */
};

/* Checks the filter. */
enum code ledger_orders_begin(struct ctx *ctx, const struct order_filter *filter,
                              struct order_walk *walk, uint64_t *lsn);

/* Refuses the filter's `after`, as that of an order that is not remembered: for who may not know
 * that it is. */
enum code ledger_orders_forgotten(struct ctx *ctx, const struct order_filter *filter);

enum order_found { ORDER_FOUND, ORDER_NOT_YET, ORDER_END };

/* Goes on until it has found one, or the context's work (ctx_work) has reached work_end; at least
 * one step. NOT_YET: it has, or another context is changing the next order; call again later. */
enum order_found ledger_orders_next(struct ctx *ctx, const struct order_filter *filter,
                                    struct order_walk *walk, uint64_t work_end,
                                    struct reservation_view *view);

#endif
