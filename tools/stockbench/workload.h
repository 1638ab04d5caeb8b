/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workloads, as a table: what one connection sends, again and again.
 *
 * Most are a script of steps on one id: each step is one message, and after the last one the next
 * id follows. A step does not wait for the reply to the one before (the engine serves a connection
 * in order), except a follow-up, which is sent only once its reserve was granted.
 */
#ifndef TOOLS_STOCKBENCH_WORKLOAD_H
#define TOOLS_STOCKBENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ask {
    ASK_NONE,
    ASK_RESERVE,
    ASK_RESERVE_CONFIRMED, /* reserve with {confirm: true}; fulfilled once it is granted */
    ASK_CONFIRM,
    ASK_FULFIL,
    ASK_CANCEL,
    ASK_AVAILABILITY,
    ASK_LOCATE,
    ASK_TRANSFER, /* one unit to another place, shipped */
    ASK_ARRIVE,   /* of the script's transfer */
    ASK_RETURN,   /* replay only */
    ASK_ECHO,
    ASK_KINDS,
};

enum { STEPS_MAX = 4 };

enum driver { DRIVER_LOAD, DRIVER_CONNECT, DRIVER_REPLAY };

struct workload {
    const char *name;
    const char *help;
    enum driver driver;
    enum ask steps[STEPS_MAX]; /* ASK_NONE: the script ends here */
    uint32_t reads;            /* so many of 100 messages are reads instead of the next step */
    uint32_t lines_max;        /* lines of a reserve or a locate: 1 to this */
    uint32_t skus;             /* of an availability */
    uint32_t items;            /* 0: from the options */
    double zipf;               /* exponent; 0: uniform */
    bool flash;                /* finite stock; running out is no error */
    bool network;              /* its items are at the places of network.h */
    bool incoming;             /* whose channel also sells what is on its way */
};

/* NULL: no workload has that name. */
const struct workload *workload_find(const char *name);

/* All of them, until name is NULL. */
extern const struct workload workloads[];

/* The method's name, for people; "reserve" for both kinds. */
const char *ask_name(enum ask ask);

#endif
