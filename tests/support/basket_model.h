/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A naive model of how an order finds its units, for property/baskets.c: a few places, items and
 * channels in plain arrays, and the contract's rules as loops over them. It shares nothing with the
 * engine.
 */
#ifndef STOCKD_TESTS_SUPPORT_BASKET_MODEL_H
#define STOCKD_TESTS_SUPPORT_BASKET_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { ITEMS = 3, PLACES = 7, CHANNELS = 4, LINES = 5, NO_PLACE = -1, NOW = 1000000 };
enum { ORDER_DRAWS = LINES * PLACES * 2 };

/* The sourcing rule of each channel. */
extern const char *const model_rules[CHANNELS];

/* ---- what was set, and what is there ---- */

struct stocked {
    bool refused;                                       /* not sold from there */
    int64_t safety, lead_time_s, shared, own[CHANNELS]; /* negative: not set */
};

struct shop {
    struct {
        int priority;
        bool ships, pickup, active, located;
        double lat, lon;
        int64_t safety, lead_time_s;
    } places[PLACES];
    struct {
        int64_t buffer;
        bool ignores;
        bool sells[PLACES];
    } channels[CHANNELS];
    int64_t item_safety[ITEMS]; /* negative: not set */
    struct stocked stock[ITEMS][PLACES];
};

/* An order. */
struct wish {
    int channel, line_count;
    struct {
        int item, place;
        int64_t qty;
    } lines[LINES];
    int at; /* NO_PLACE: not given */
    const char *mode;
    bool has_place, has_by;
    double lat, lon;
    uint64_t by_ms;
    bool excluded[PLACES];
};

struct model_draw {
    int item, place;
    int64_t qty;
};

/* What an order gets. */
struct outcome {
    int draw_count;
    struct model_draw draws[ORDER_DRAWS];
    int64_t missing[ITEMS];
};

/* What a place has of the items that an order names. */
struct spot {
    int place;
    bool complete;
    int64_t lead_time_s, units[ITEMS];
    double km;
};

/* When what the item's order takes there is ready, in seconds from now. */
int64_t model_lead_time(const struct shop *m, int item, int place);
/* INFINITY: it is not known where the place is. */
double model_km(const struct shop *m, double lat, double lon, int place);

/* What the order gets if it is partial. */
void model_order(const struct shop *m, const struct wish *w, struct outcome *o);

/* The places that have any of it, and are ready by then, best first; returns how many. within_km:
 * INFINITY if they may be anywhere. */
uint32_t model_locate(const struct shop *m, const struct wish *w, double within_km,
                      struct spot spots[PLACES]);

#endif
