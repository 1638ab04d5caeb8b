/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo.h - the trial shop as data: generated from a fixed seed, always the same (but for the years
 * whose holidays its calendars have).
 *
 * Its network has two warehouses and 300 stores in three countries. Orders are placed with the
 * first warehouse and eight large stores, the *main* places, so that what they leave is known; the
 * other stores are its *branches*. What is on its way is due at times that count from now.
 */
#ifndef STOCKCTL_DEMO_H
#define STOCKCTL_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stockd/client.h>

#include "tools/stockctl/demo_holidays.h"

#define DEMO_ITEMS 3000
#define DEMO_MAIN_PLACES 9 /* number 0 is the warehouse */
#define DEMO_PLACES 302    /* number 9 is the other warehouse; branches follow */
#define DEMO_CALENDARS 5
#define DEMO_CHANNELS 6
#define DEMO_ORDERS 400
#define DEMO_LINES_MAX 4
#define DEMO_STOCKINGS_MAX 2048
#define DEMO_SUPPLIES 8

#define DEMO_STORE_SAFETY 2 /* units of each item that stay in a large store */

struct demo_place {
    char code[32];
    char name[64];
    enum demo_country country;
    bool warehouse;
    bool ships;
    bool pickup;
    int priority;
    int lead_time_s;
    int safety;
    double lat;
    double lon;
};

struct demo_channel {
    const char *code;
    const char *kind;
    const char *name;
    const char *sourcing;
    const char *locations[2]; /* or groups */
    int buffer;
    int64_t hold_ttl_ms;
    bool ignore_safety;
    bool pickup;        /* its orders are collected */
    int horizon_s;      /* sells what is due within that time; 0: only what is on hand */
    size_t first_place; /* its orders of the demo are for these main places ... */
    size_t last_place;  /* ... up to this one */
    unsigned share;     /* of a hundred orders */
};

extern const struct demo_channel demo_channels[DEMO_CHANNELS];

/* The warehouse from which the trickle delivers. */
#define DEMO_WAREHOUSE "warehouse"

/* What is set for one item at one place. */
struct demo_stocking {
    size_t item;
    size_t place;
    bool stocked;
    int lead_time_s; /* -1: not set */
};

/* What becomes of an order. */
enum demo_fate {
    FATE_HELD,
    FATE_CONFIRMED,
    FATE_FULFILLED,
    FATE_PARTLY_FULFILLED,
    FATE_PARTLY_CANCELLED,
    FATE_CANCELLED,
    FATE_EXPIRED,
    FATE_RETURNED, /* fulfilled, then one unit returned */
    FATE_COUNT,
};

struct demo_line {
    size_t item;
    int qty;
};

struct demo_order {
    size_t channel;
    int place; /* collected there; -1: shipped */
    enum demo_fate fate;
    size_t lines;
    struct demo_line line[DEMO_LINES_MAX];
};

struct demo {
    int year; /* its calendars are for this year and the next */
    struct demo_place place[DEMO_PLACES];
    int stock[DEMO_ITEMS][DEMO_PLACES];
    struct demo_stocking stocking[DEMO_STOCKINGS_MAX];
    size_t stockings;
    struct demo_order order[DEMO_ORDERS];
};

#define DEMO_SKU_SIZE 24
#define DEMO_NAME_SIZE 96
#define DEMO_BARCODE_SIZE 14

/* Fills it in. */
void demo_make(struct demo *demo, int year);

void demo_sku(size_t item, char out[DEMO_SKU_SIZE]);
void demo_name(size_t item, char out[DEMO_NAME_SIZE]);
void demo_barcode(size_t item, char out[DEMO_BARCODE_SIZE]);

/* How well it sells: 0 is best. */
size_t demo_rank(size_t item);

/* Goods that branches only show, and goods that are made to order. */
bool demo_is_display(size_t item);
bool demo_is_made_to_order(size_t item);

/* A pseudo-random number below limit. */
unsigned demo_below(uint64_t *state, unsigned limit);

/* demo_supply.c: an item that no place has, and that is on its way. */
size_t demo_on_order(const struct demo *demo);

/* demo_network.c: fills in the places, the stock of all but the main ones, and the stockings. */
void demo_make_places(struct demo *demo);
void demo_make_network(struct demo *demo);

/* ---- demo_pack.c: requests of the catalogue ----------------------------------------------------
 */

/* One request of a step. The function that packs it defines what the numbers mean. */
struct demo_task {
    size_t what;
    size_t where;
};

/* Packs the parameters, and returns the method. */
typedef const char *demo_pack_fn(const struct demo *demo, const struct demo_task *task,
                                 stockd_pack *params);

demo_pack_fn demo_pack_calendar, demo_pack_place, demo_pack_channel, demo_pack_item,
    demo_pack_stocking, demo_pack_supply;

#endif
