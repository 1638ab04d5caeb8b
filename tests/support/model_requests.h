/* SPDX-License-Identifier: Apache-2.0 */
/* Random requests for a small ledger, most of them about earlier requests. */
#ifndef STOCKD_TESTS_SUPPORT_MODEL_REQUESTS_H
#define STOCKD_TESTS_SUPPORT_MODEL_REQUESTS_H

#include "tests/support/random.h"
#include "tests/support/stock_model.h"

enum { ORDERS_REMEMBERED = 48 };

struct request_maker {
    struct random random;
    const struct model *model;
    bool waits; /* there are backlogs */
    uint64_t wall_ms;
    int next_id;
    int past_count, order_count;
    struct request *past;          /* all earlier ones; the caller appends each */
    int orders[ORDERS_REMEMBERED]; /* ids of the latest reserves */
};

void pick_request(struct request_maker *maker, struct request *q);

#endif
