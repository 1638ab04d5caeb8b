/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of `locate`, one per context. */
#ifndef STOCKD_ENGINE_OPS_LOCATE_H
#define STOCKD_ENGINE_OPS_LOCATE_H

#include "engine/ledger/ledger.h"
#include "engine/store/item_map.h"

/* What a place has of the basket. */
struct place_units {
    uint32_t some, all;   /* skus of which it has any, and of which it has all that is wanted */
    uint32_t lead_time_s; /* the longest of what is there */
    uint64_t ready_ms;    /* the latest of what is expected there and needed; 0: none */
};

/* A place as it is compared with others. */
struct place_rank {
    bool complete;
    uint16_t rank, place;
    uint64_t ready_ms;
    double chord; /* see store/sphere.h; 0 if nobody asks for a distance */
};

/* When an order is ready wherever these opening hours and dispatch times apply. */
struct known_ready {
    uint64_t ready_ms;
    uint32_t lead_time_s;
    uint16_t schedule; /* 0: the slot is empty */
};

enum { READY_SLOTS = 256 };

/* Only what a query uses of it is ever touched: for a basket of a few skus, some kilobytes. */
struct locating {
    uint32_t sku_count;
    uint32_t items[LINES_MAX];
    struct text skus[LINES_MAX];
    int64_t wanted[LINES_MAX];
    struct item_map map; /* numbers of the skus by their items */
    struct place_units places[LOCATIONS_MAX];
    double distance[LOCATIONS_MAX];
    struct known_ready ready[READY_SLOTS];
    struct place_rank best[OPTIONS_MAX];
    struct place_option options[OPTIONS_MAX];
    uint32_t available[LINES_MAX * LOCATIONS_MAX]; /* a row of all places for each sku */
};

#endif
