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
};

/* Places and channels, before the first request. */
void depot_pick_settings(struct random *random, struct depot *d);

void depot_pick(struct depot_maker *maker, struct depot_request *r);

#endif
