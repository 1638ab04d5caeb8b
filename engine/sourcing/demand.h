/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an order demands of the places that serve it: which may, how far each is, and by when it
 * must be ready. Arrays by location instead of tests, so that the walk over an item's pools asks
 * one byte of each.
 */
#ifndef STOCKD_ENGINE_SOURCING_DEMAND_H
#define STOCKD_ENGINE_SOURCING_DEMAND_H

#include "engine/ledger/ctx.h"

enum mode { MODE_SHIP, MODE_PICKUP };

struct demand {
    const bool *serves;       /* per location: it may serve a line that names none */
    const bool *serves_bound; /* per location: it may serve a line bound to it; NULL: any may */
    const double *distance;   /* per location: a chord, see store/sphere.h; NULL: no matter */
    uint64_t by_ms;           /* the latest that it may be ready; READY_NEVER: no matter */
    enum mode mode;           /* of its ready times */
    uint16_t sent_to;         /* where it is collected, index + 1: what is not there is sent there;
                                 0: nothing is sent */
};

/* In by_ms, of what is sent: whenever it is ready, but it must be sent. */
#define BY_WHENEVER (READY_NEVER - 1)

/* Is what is drawn from the pool of that key sent to where it is collected? A backlog is not. */
static inline bool demand_sends(const struct demand *demand, uint64_t key)
{
    uint16_t at = key_location(key);
    return demand->sent_to && at != demand->sent_to - 1 && at != NO_LOCATION;
}

/* Memory for a demand that differs from the usual one. */
struct demand_arrays {
    bool serves[LOCATIONS_MAX], serves_bound[LOCATIONS_MAX];
    double distance[LOCATIONS_MAX];
};

/* Of an order without terms: any place that ships; where it is bound, any place. */
static inline struct demand demand_usual(const struct ctx *ctx)
{
    return (struct demand){ .serves = ctx->catalogue->ships, .by_ms = READY_NEVER };
}

static inline bool terms_given(const struct order_terms *terms)
{
    return text_given(terms->mode) || terms->has_lat || terms->has_lon || terms->has_by ||
           terms->exclude_count > 0;
}

/* Changes the usual demand to what the order's terms say, in the pinned catalogue. CODE_OK, or why
 * they are refused. */
enum code demand_of_terms(struct ctx *ctx, const struct order *order, const struct channel *channel,
                          struct demand_arrays *arrays, struct demand *demand);

/* Only what can be collected, anywhere. */
static inline void demand_pickup(const struct ctx *ctx, struct demand *demand)
{
    demand->mode = MODE_PICKUP;
    demand->serves = demand->serves_bound = ctx->catalogue->pickup; /* @mode-binds */
}

/* Nothing may come from that location, either. */
void demand_exclude(const struct ctx *ctx, uint16_t location, struct demand_arrays *arrays,
                    struct demand *demand);
/* Changes the demand of an order with terms, which is collected at that place, to one of what is
 * sent there as well. */
void demand_send_to(const struct ctx *ctx, const struct channel *channel, const struct location *at,
                    struct demand_arrays *arrays, struct demand *demand);

/* Checks what needs no catalogue. */
enum code check_terms(struct ctx *ctx, const struct order_terms *terms);

/* The mode that is named; CODE_BAD_REQUEST if it is none. Not given: MODE_SHIP. */
enum code find_mode(struct ctx *ctx, const struct order_terms *terms, enum mode *mode);

/* The distance of each location from where the terms are. */
void measure_distances(const struct ctx *ctx, const struct order_terms *terms, double *distance);

#endif
