/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The redrawing of a reservation, in one transaction: what amend, move, reject and the serving of a
 * backlog have in common. Each chooses what is given back of each draw, and what is to be drawn
 * anew; redraw.c does the rest.
 */
#ifndef STOCKD_ENGINE_OPS_REDRAWING_H
#define STOCKD_ENGINE_OPS_REDRAWING_H

#include "engine/ledger/ctx.h"
#include "engine/ops/taking.h"
#include "engine/sourcing/sourcing.h"

struct redrawing;

struct redraw_kind {
    enum record_type record;
    const char *verb; /* "amended" */
    bool confirmed;   /* only of a reservation that is confirmed */
    bool serves;      /* it serves the backlog, so that it waits for nobody */
    /* Takes the reservation; NULL: it is found by its id. */
    enum code (*hold)(struct ctx *ctx, struct redrawing *r);
    /* Sets the parts' quantities, and lists what is to be drawn anew (draw_anew). */
    enum code (*choose)(struct ctx *ctx, struct redrawing *r);
    /* What has been planned leaves lines short; it may change the plan and the parts. NULL: none
     * are. */
    enum code (*fell_short)(struct ctx *ctx, struct redrawing *r);
    /* Posts what is given back; NULL: all of it is reserved no longer. */
    enum code (*post)(struct ctx *ctx, struct redrawing *r);
    /* Looks once everything is taken; NULL: nothing to look at. */
    enum code (*taken)(struct ctx *ctx, const struct redrawing *r);
    /* Builds the record; NULL: that of record_redraw. */
    uint32_t (*build)(struct ctx *ctx, const struct redrawing *r);
    uint64_t (*fingerprint)(const struct redrawing *r);
};

struct redrawing {
    struct txn txn; /* its id is the step's op */
    const struct redraw_kind *kind;
    struct text of;          /* the reservation's id */
    const void *asked;       /* the kind's own */
    struct order order;      /* what is to be drawn anew; perhaps no lines */
    struct order_plan *plan; /* the context's */
    struct taking taking;
    uint32_t part_count;
    struct step_part *parts; /* what is given back: the context's */
    uint32_t first;          /* the place of the first new draw */
    uint32_t excludes;       /* reject: the location that nothing is drawn from, its index + 1 */
    bool done_before;        /* there is nothing to do; the op stands for that */
    enum entry_state to;     /* the resulting state */
    struct reservation_view *result;
};

/* A line that is to be drawn anew; location absent: from anywhere. */
void draw_anew(struct ctx *ctx, struct redrawing *r, struct text sku, int64_t qty,
               struct text location);

/* Lets a line keep what was fulfilled of it, and then what is reserved, from its location (an
 * index) or from any (-1): of the draws that the context lists, by their items. Returns how much it
 * wants beyond that. */
int64_t keep_drawn(struct ctx *ctx, struct redrawing *r, uint32_t item, int location,
                   int64_t wanted);

/* Lets a line count what was fulfilled of its item, anywhere, and counts for no line yet. Returns
 * how much it wants beyond that. */
int64_t keep_fulfilled(struct ctx *ctx, struct redrawing *r, uint32_t item, int64_t wanted);

/* Refuses a line that names more than is drawn from there. */
enum code too_little_there(struct ctx *ctx, const struct redrawing *r, struct text sku,
                           struct text location, int64_t wanted, int64_t left);

/* Adds the plan's draws to the record. */
void record_add_drawn(struct record_builder *b, const struct order_plan *plan);

/* Checks the ids of a step of a reservation. */
enum code check_step_ids(struct ctx *ctx, struct text id, struct text op);

/* Runs it. CODE_OK, also if there was nothing to do. */
enum code redraw_run(struct ctx *ctx, struct redrawing *r);

#endif
