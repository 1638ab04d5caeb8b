/* SPDX-License-Identifier: Apache-2.0 */
/* demo.h - the trial catalogue as data: generated from a fixed seed, always the same. */
#ifndef STOCKCTL_DEMO_H
#define STOCKCTL_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEMO_ITEMS 3000
#define DEMO_PLACES 9 /* number 0 is the warehouse */
#define DEMO_CHANNELS 5
#define DEMO_ORDERS 400
#define DEMO_LINES_MAX 4

struct demo_place {
    const char *code;
    const char *kind;
    const char *name;
    int priority;
    int lead_time_s;
    bool pickup;
    double lat;
    double lon;
};

struct demo_channel {
    const char *code;
    const char *kind;
    const char *name;
    const char *sourcing;
    int buffer;
    int64_t hold_ttl_ms;
    size_t first_place; /* sells from this location ... */
    size_t last_place;  /* ... up to this one */
    unsigned share;     /* of a hundred orders */
};

extern const struct demo_place demo_places[DEMO_PLACES];
extern const struct demo_channel demo_channels[DEMO_CHANNELS];

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
    int stock[DEMO_ITEMS][DEMO_PLACES];
    struct demo_order order[DEMO_ORDERS];
};

#define DEMO_SKU_SIZE 24
#define DEMO_NAME_SIZE 96
#define DEMO_BARCODE_SIZE 14

/* Fills it in. */
void demo_make(struct demo *demo);

void demo_sku(size_t item, char out[DEMO_SKU_SIZE]);
void demo_name(size_t item, char out[DEMO_NAME_SIZE]);
void demo_barcode(size_t item, char out[DEMO_BARCODE_SIZE]);

/* How well it sells: 0 is best. */
size_t demo_rank(size_t item);

#endif
