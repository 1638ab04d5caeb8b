/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sourcing/demand.h"

#include <assert.h>
#include <string.h>

#include "engine/ledger/find.h"

/* ---- checks ---- */

enum code find_mode(struct ctx *ctx, const struct order_terms *terms, enum mode *mode)
{
    *mode = MODE_SHIP;
    if (!text_given(terms->mode) || text_equal(terms->mode, text_of("ship")))
        return CODE_OK;
    *mode = MODE_PICKUP;
    if (text_equal(terms->mode, text_of("pickup")))
        return CODE_OK;
    return fail_param(
        ctx, CODE_BAD_REQUEST, "mode", "mode must be \"ship\" or \"pickup\", not \"%.*s\"",
        (int)(terms->mode.len < CODE_MAX ? terms->mode.len : CODE_MAX), terms->mode.at);
}

/* False for NaN. */
static bool is_within(double degrees, double most)
{
    return degrees >= -most && degrees <= most;
}

enum code check_terms(struct ctx *ctx, const struct order_terms *terms)
{
    enum mode mode;
    enum code code = find_mode(ctx, terms, &mode);
    if (code)
        return code;
    if (terms->has_lat != terms->has_lon)
        return fail_param(ctx, CODE_BAD_REQUEST, terms->has_lat ? "lon" : "lat",
                          "lat and lon: give both, not %s alone", terms->has_lat ? "lat" : "lon");
    if (terms->has_lat && !is_within(terms->lat, 90))
        return fail_param(ctx, CODE_BAD_REQUEST, "lat", "lat must be a number from -90 to 90");
    if (terms->has_lon && !is_within(terms->lon, 180))
        return fail_param(ctx, CODE_BAD_REQUEST, "lon", "lon must be a number from -180 to 180");
    if (terms->exclude_count > LOCATIONS_MAX)
        return fail_param(ctx, CODE_TOO_LARGE, "exclude",
                          "exclude: %u codes exceed the limit of %d", terms->exclude_count,
                          LOCATIONS_MAX);
    return CODE_OK;
}

/* What is collected must be collected somewhere. */
static enum code check_pickup(struct ctx *ctx, const struct order *order)
{
    uint32_t i = 0;
    while (i < order->line_count && text_given(order->lines[i].location))
        i++;
    if (text_given(order->at) || i == order->line_count)
        return CODE_OK;
    return fail_param(ctx, CODE_BAD_REQUEST, "at",
                      "mode \"pickup\" needs `at`, or a location in every line: lines[%u] has none",
                      i);
}

/* ---- arrays ---- */

void measure_distances(const struct ctx *ctx, const struct order_terms *terms, double *distance)
{
    const struct catalogue *catalogue = ctx->catalogue;
    struct unit_vector from = unit_vector_of(terms->lat, terms->lon);
    for (uint16_t i = 0; i < catalogue->location_count; i++)
        distance[i] = chord_between(from, catalogue->vectors[i]);
}

/* The demand has arrays of its own from now on. */
static void own_arrays(const struct ctx *ctx, struct demand_arrays *arrays, struct demand *demand)
{
    uint16_t count = ctx->catalogue->location_count;
    if (demand->serves == arrays->serves)
        return;
    memcpy(arrays->serves, demand->serves, count * sizeof arrays->serves[0]);
    if (demand->serves_bound)
        memcpy(arrays->serves_bound, demand->serves_bound, count * sizeof arrays->serves[0]);
    else
        memset(arrays->serves_bound, true, count * sizeof arrays->serves[0]);
    demand->serves = arrays->serves;
    demand->serves_bound = arrays->serves_bound;
}

void demand_exclude(const struct ctx *ctx, uint16_t location, struct demand_arrays *arrays,
                    struct demand *demand)
{
    assert(location < ctx->catalogue->location_count);
    own_arrays(ctx, arrays, demand);
    arrays->serves[location] = arrays->serves_bound[location] = false;
}

/* Takes the excluded locations out of what serves. */
static enum code exclude(struct ctx *ctx, const struct order_terms *terms,
                         struct demand_arrays *arrays, struct demand *demand)
{
    for (uint32_t i = 0; i < terms->exclude_count; i++) {
        const struct location *location;
        enum code code = find_location(ctx, "exclude", terms->exclude[i], &location);
        if (code)
            return code;
        demand_exclude(ctx, location_index(ctx->catalogue, location), arrays, demand);
    }
    return CODE_OK;
}

enum code demand_of_terms(struct ctx *ctx, const struct order *order, const struct channel *channel,
                          struct demand_arrays *arrays, struct demand *demand)
{
    const struct order_terms *terms = &order->terms;
    enum code code = CODE_OK;
    if (text_given(terms->mode)) {
        code = find_mode(ctx, terms, &demand->mode);
        demand->serves_bound = demand->serves;
        if (demand->mode == MODE_PICKUP)
            demand_pickup(ctx, demand);
        if (!code && demand->mode == MODE_PICKUP)
            code = check_pickup(ctx, order);
        if (text_given(order->supply))
            demand->serves = ctx->catalogue->ships;
    }
    if (!code && terms->exclude_count > 0)
        code = exclude(ctx, terms, arrays, demand);
    if (terms->has_lat && channel->sourcing == SOURCE_NEAREST) {
        measure_distances(ctx, terms, arrays->distance);
        demand->distance = arrays->distance;
    }
    if (terms->has_by)
        demand->by_ms = terms->by_ms;
    return code;
}

/* What is on hand where it is collected serves if customers collect there, and the order does not
 * exclude it. What is elsewhere is sent to no place that the channel does not sell from. */
void demand_send_to(const struct ctx *ctx, const struct channel *channel, const struct location *at,
                    struct demand_arrays *arrays, struct demand *demand)
{
    const struct catalogue *catalogue = ctx->catalogue;
    uint16_t to = location_index(catalogue, at), count = catalogue->location_count;
    own_arrays(ctx, arrays, demand);
    arrays->serves[to] = demand->serves_bound[to];
    if (!catalogue->pickup[to] || channel->rank[to] == RANK_NEVER)
        memset(arrays->serves, false, count * sizeof arrays->serves[0]);
    demand->sent_to = (uint16_t)(to + 1);
    if (demand->by_ms == READY_NEVER)
        demand->by_ms = BY_WHENEVER;
}
