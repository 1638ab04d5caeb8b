/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ship to store: an order that is collected at a place, and what is not on hand there is sent there
 * from other places of the channel.
 *
 * The reservation and its transfers, one for each place and time at which a parcel leaves, are made
 * in one transaction and one record. The units leave the places where they are. Each line of a
 * transfer has a pool of expected units where it goes, as of any transfer; but they come into that
 * pool reserved, in one swap, so they are available to nobody at any time. From then on they are
 * promised supply like any other, and the transfers are documents like any other, which know their
 * reservation.
 *
 * Once all has come the part there is made ready by an internal transaction right after the arrival
 * (sent_come.h).
 */
#ifndef STOCKD_ENGINE_OPS_SEND_H
#define STOCKD_ENGINE_OPS_SEND_H

#include "engine/ledger/ctx.h"
#include "engine/log/record.h"
#include "engine/sourcing/sourcing.h"
#include "engine/txn/txn.h"

/* A transfer in progress. */
struct send {
    struct id_entry *entry; /* owned */
    uint64_t word;
    uint64_t eta_ms;
    uint16_t from; /* the place's index */
    uint32_t id_len;
    char id[ID_MAX];
};

/* One of its lines. */
struct send_line {
    uint32_t item, qty;
    uint32_t pool; /* of expected units, once it has one */
    uint32_t next; /* line of the same item, of another transfer: index + 1 */
    uint16_t send;
};

/* A draw that is sent. */
struct sent_draw {
    uint16_t draw, line;
    uint16_t owner; /* of the pool that it leaves */
};

/* The transfers of one order, which one thread plans; begin with zeroes. */
struct send_work {
    uint32_t send_count; /* 0: all is there */
    uint32_t held;       /* the first ones that have an entry; more than that, after another plan */
    struct send sends[SENDS_MAX];
    uint32_t line_count, owned; /* owned: the first ones that have a pool */
    struct send_line lines[DRAWS_MAX];
    uint32_t sent_count;
    struct sent_draw sent[DRAWS_MAX];
    struct item_map map; /* the last line of each item: index + 1 */
    bool bracketed;      /* units of its items are being moved */
};

/* The order that the transfers are for. */
struct send_order {
    struct text id;
    uint64_t content;
    struct text ref;
};

/* Before the order is planned again, and at the end. */
void send_drop_plan(struct ctx *ctx);
/* Gathers the transfers of the plan, whose draws are timed, and takes their ids. *blocks: how many
 * slots to set aside for them. CODE_OK, CODE_DEFERRED or a refusal. */
enum code send_gather(struct ctx *ctx, const struct order_plan *s, const struct send_order *order,
                      uint32_t *blocks);
/* Once the takes are posted: the draws are of the transfers' pools from now on. */
enum code send_post(struct ctx *ctx, struct order_plan *s);
/* Everything is taken: no unit is on its way between pools any more. */
void send_taken(struct ctx *ctx);
/* How many gives of the item it has begun by that. */
uint32_t send_own_gives(const struct ctx *ctx, uint32_t item);
/* But it must be undone. */
void send_undone(struct ctx *ctx);
/* The record of the reservation, which is filled in, and of its transfers. */
uint32_t send_build_record(struct ctx *ctx, const struct order_plan *s,
                           const struct send_order *order, struct id_entry *entry, unsigned flags);
/* Shows the transfers. */
void send_show(struct ctx *ctx, const struct send_order *order, uint64_t lsn);
/* Whatever the outcome: gives up what was not used. */
void send_end(struct ctx *ctx);

/* The fingerprint under which a transfer's own id is remembered. */
uint64_t send_content(uint64_t of_order, uint32_t send);

#endif
