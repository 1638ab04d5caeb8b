/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of workloads locate and transfer: --places locations, N001, N002 and so on, spread
 * over a part of Europe. Their orders are collected and shipped; each has coordinates, one of three
 * calendars, lead time and safety stock, and every tenth has dispatch times. Channel "network"
 * sells from them; with transfer also what is on its way there.
 */
#ifndef TOOLS_STOCKBENCH_NETWORK_H
#define TOOLS_STOCKBENCH_NETWORK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <stockd/client.h>

#include "tools/stockbench/choice.h"
#include "tools/stockbench/options.h"

/* Degrees: where the places are, and where the questions come from. */
struct point {
    double lat;
    double lon;
};

/* Uniform over 43 to 54 degrees north and 2 west to 14 east. *random is never 0. */
static inline struct point network_point(uint64_t *random)
{
    double north = (double)(choice_random(random) >> 32) / 4294967296.0;
    double east = (double)(choice_random(random) >> 32) / 4294967296.0;

    return (struct point){ 43 + 11 * north, -2 + 16 * east };
}

enum { NETWORK_CODE = 8 };

/* place: from 0. */
static inline void network_place(size_t place, char code[NETWORK_CODE])
{
    snprintf(code, NETWORK_CODE, "N%03u", (unsigned)(place + 1) % 1000);
}

/* Sets it up; again, it changes nothing. False: it failed, and has reported why. */
bool network_make(const struct options *options, stockd_client *client);

#endif
