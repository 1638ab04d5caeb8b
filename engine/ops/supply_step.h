/* SPDX-License-Identifier: Apache-2.0 */
/* What ship, withdraw and arrive share: a step of a supply, with one move for each line that it
 * changes. */
#ifndef STOCKD_ENGINE_OPS_SUPPLY_STEP_H
#define STOCKD_ENGINE_OPS_SUPPLY_STEP_H

#include "engine/ops/supply.h"

/* One step in progress. */
struct stepping_supply {
    struct txn txn; /* its id is the step's op */
    const struct supply_step *asked;
    enum record_type type;
    uint64_t eta_ms; /* of the supply, from now on */
    uint32_t owned_count;
    uint32_t owned[LINES_MAX]; /* units: pools that were taken for lines which do not name them */
    bool bracketed;            /* gives are under way on the items of its moves */
    struct supply_view *view;
};

uint64_t supply_step_fingerprint(const struct supply_step *step, enum record_type type);

/* Call once no refusal is possible but for lack of slots: sets aside what remembering an op
 * needs. */
enum code supply_step_prepare(struct ctx *ctx, const struct txn *t);
/* There is nothing to do: answers with the supply as it is. */
void supply_step_done(struct ctx *ctx, struct txn *t, struct supply_view *view);

/* Everything is taken: until the lines are settled no sum over their items counts, because their
 * pools and what is expected do not change at once. */
void supply_step_bracket(struct ctx *ctx, struct stepping_supply *s);
/* Call before it is planned again. */
void supply_step_unbracket(struct ctx *ctx, struct stepping_supply *s);
/* Call at the end, whatever the outcome: ends the bracket, sweeps what was noted, and gives back
 * slots that were set aside. */
void supply_step_end(struct ctx *ctx, struct stepping_supply *s);

/* Of each transaction kind. */
enum code supply_step_taken(struct ctx *ctx, struct txn *t);
uint32_t supply_step_record(struct ctx *ctx, struct txn *t);
void supply_step_show(struct ctx *ctx, struct txn *t);
void supply_step_repeat(struct ctx *ctx, struct txn *t);

/* Before a step is planned again. */
void supply_forget_moves(struct supply_work *w);

/* Posts what a move of an arrival, or of the withdrawal of expected units, changes. */
enum code supply_post_arrival(struct ctx *ctx, struct stepping_supply *s, uint32_t move);

#endif
