/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's port to the history. A worker hands over a query and continues with other
 * connections; the answered query comes back through the worker's box (protocol/answers.h).
 */
#ifndef STOCKD_PROTOCOL_HISTORY_PORT_H
#define STOCKD_PROTOCOL_HISTORY_PORT_H

#include <stdbool.h>

#include "engine/history/history.h"
#include "protocol/answers.h"

struct history_port {
    void *self;
    /* Hands over the query until it comes back to the box. False: too many are waiting, and the
     * query stays the caller's. Any worker, at any time; never waits. */
    bool (*ask)(void *self, struct history_query *query, struct answer_box *box);
};

#endif
