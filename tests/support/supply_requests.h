/* SPDX-License-Identifier: Apache-2.0 */
/* Random requests for the model of supply and for an engine: most are about what is open. */
#ifndef STOCKD_TESTS_SUPPORT_SUPPLY_REQUESTS_H
#define STOCKD_TESTS_SUPPORT_SUPPLY_REQUESTS_H

#include "tests/support/random.h"
#include "tests/support/supply_model.h"

struct depot_maker {
    struct random random;
    const struct depot *depot;
    int next_id;
    int items;   /* that requests are about */
    bool scarce; /* what is on hand is little, and more is promised of what comes than does come */
};

/* Places, channels and what requests are like, before the first one. */
void depot_pick_settings(struct depot_maker *maker, struct depot *d);

void depot_pick(struct depot_maker *maker, struct depot_request *r);

#endif
