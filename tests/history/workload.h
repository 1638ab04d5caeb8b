/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workload: what the clients ask, chosen by seeded dice so that they get in each other's way: few
 * items with few units, orders that cross, several hands on one reservation, the same id by two at
 * once, and questions in between.
 */
#ifndef STOCKD_TESTS_HISTORY_WORKLOAD_H
#define STOCKD_TESTS_HISTORY_WORKLOAD_H

#include <pthread.h>

#include "stockd/client.h"
#include "tests/support/random.h"

enum {
    REQUEST_BYTES = 512,
    ORDER_LINES = 3,
    BOARD_ORDERS = 16,
    BOARD_SUPPLIES = 8,
    SUPPLY_LINES = 2,
    ETA_KINDS = 3,
    ASKED_BEFORE = 4
};

struct request {
    const char *method; /* static */
    size_t length;      /* of the packed params */
    unsigned char params[REQUEST_BYTES];
};

struct order_note {
    char id[STOCKD_ID_MAX + 1]; /* empty: none yet */
    unsigned lines;
    unsigned item[ORDER_LINES];
};

struct supply_note {
    char id[STOCKD_ID_MAX + 1]; /* empty: none yet */
    bool transfer;
    unsigned lines;
    unsigned item[SUPPLY_LINES];
};

/* What the clients know of each other. Every field under the lock. */
struct board {
    pthread_mutex_t lock;
    struct order_note orders[BOARD_ORDERS]; /* granted lately, by anyone */
    unsigned next_order;
    struct supply_note supplies[BOARD_SUPPLIES]; /* made lately, by anyone */
    unsigned next_supply;
    struct request change; /* asked last, by anyone; method NULL: none yet */
};

/* One client's dice and memory; its thread only. */
struct workload {
    struct board *board;
    struct random random;
    unsigned client, number, items;
    bool settings;   /* it changes safety stock, and what is stocked where */
    bool backorders; /* it promises what is not there, places reject orders, and supply comes */
    bool supplies;   /* most of what it asks is about supplies, and what is promised of them */
    uint64_t eta_ms[ETA_KINDS]; /* the latest of each kind that it gave: soon late, near, far */
    int wanting;                /* the item that it was refused last; -1: none */
    struct order_note order;    /* of the request at hand, if it is a fresh reserve */
    struct supply_note supply;  /* likewise, if it is a fresh supply */
    struct request before[ASKED_BEFORE];
    unsigned asked;
};

void board_init(struct board *board);

/* Chooses the next request. */
void workload_next(struct workload *workload, struct request *request);

/* Learns from the answer to it. */
void workload_learn(struct workload *workload, const struct request *request, bool granted);

#endif
