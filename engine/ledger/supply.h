/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supply: what is on its way to a place, from outside (expect) or from another place (transfer).
 *
 * A supply is a document, named by the id that made it. Its lines say how much of each item it
 * brings, and what became of it. docs/PLACES.md explains supply to its users.
 */
#ifndef STOCKD_ENGINE_LEDGER_SUPPLY_H
#define STOCKD_ENGINE_LEDGER_SUPPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/error.h"
#include "engine/base/text.h"

struct ctx;

/* One line of a request. Several lines of one sku are added up. */
struct supply_line {
    struct text sku;
    int64_t qty;      /* units; arrive: accepted, 0 or more; otherwise 1 or more */
    int64_t rejected; /* arrive: units that came and cannot be sold, 0 or more */
};

/* A new supply. */
struct supply_order {
    struct text id;
    struct text from; /* absent: from outside */
    struct text location;
    struct text ref; /* optional */
    const struct supply_line *lines;
    uint32_t line_count;
    bool has_eta;
    bool hold;       /* transfer: the units stay held at `from` until they are shipped */
    uint64_t eta_ms; /* wall clock, in the future */
};

/* A change of a supply. */
struct supply_step {
    struct text id;
    struct text op; /* optional: the step's own id */
    bool all;       /* all that is left; else the lines */
    const struct supply_line *lines;
    uint32_t line_count;
    bool has_eta; /* ship: optional; reschedule: always */
    uint64_t eta_ms;
    bool close; /* arrive: what has not come by now is lost */
};

struct supply_line_view {
    struct text sku;
    int64_t qty, shipped, accepted, rejected, lost;
    int64_t under_way; /* shipped, less what has come of it and what is lost: accepted and rejected
                          also count what was not expected */
};

struct supply_view {
    uint64_t lsn;
    struct text id;
    const char *state; /* "held", "in_transit", "arrived", "withdrawn"; static */
    const char *kind;  /* "expect", "transfer"; static. NULL: the answer to a repeated step, which
                          has no more than id, LSN, state, ETA and lines */
    struct text from;  /* absent: from outside */
    struct text location, ref;
    struct text reservation; /* for which it is sent; absent: none. Then it has no ref */
    uint64_t eta_ms;         /* wall clock; 0: not known */
    uint32_t line_count;
    const struct supply_line_view *lines; /* borrowed from the context */
};

enum code ledger_expect(struct ctx *ctx, const struct supply_order *order,
                        struct supply_view *view);
/* Without an ETA a transfer that is not held arrives at once. */
enum code ledger_transfer(struct ctx *ctx, const struct supply_order *order,
                          struct supply_view *view);
enum code ledger_ship(struct ctx *ctx, const struct supply_step *step, struct supply_view *view);
enum code ledger_arrive(struct ctx *ctx, const struct supply_step *step, struct supply_view *view);
enum code ledger_reschedule(struct ctx *ctx, const struct supply_step *step,
                            struct supply_view *view);
enum code ledger_withdraw(struct ctx *ctx, const struct supply_step *step,
                          struct supply_view *view);
enum code ledger_supply(struct ctx *ctx, struct text id, struct supply_view *view);

/* Which supplies to list. */
struct supply_filter {
    struct text location; /* that they go to; absent: any */
    struct text state;    /* absent: any */
    struct text after;    /* the id of the last one listed before; absent: from the start */
    bool has_late, late;  /* only those that are late, or only those that are not */
};

/* A walk over the supplies, in an order that stays as long as they are remembered. */
struct supply_walk {
    uint16_t location; /* index + 1; 0: any */
    uint8_t state;     /* 0: any */
    uint32_t at;
};

/* Checks the filter. */
enum code ledger_supplies_begin(struct ctx *ctx, const struct supply_filter *filter,
                                struct supply_walk *walk, uint64_t *lsn);
/* Refuses the filter's `after`, as that of a supply that is not remembered: for who may not know
 * that it is. */
enum code ledger_supplies_forgotten(struct ctx *ctx, const struct supply_filter *filter);

enum supply_found { SUPPLY_FOUND, SUPPLY_NOT_YET, SUPPLY_END };

/* Looks at entries up to the budget, in some nanoseconds each. NOT_YET: the budget is used up, or
 * another context is changing the next supply; call again later. */
enum supply_found ledger_supplies_next(struct ctx *ctx, const struct supply_filter *filter,
                                       struct supply_walk *walk, uint32_t *budget,
                                       struct supply_view *view);

#endif
