/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who answers questions about the past. A worker asks and goes on with other connections; when the
 * answer is there the question comes back through the worker's box (protocol/answers.h).
 */
#ifndef STOCKD_PROTOCOL_HISTORY_PORT_H
#define STOCKD_PROTOCOL_HISTORY_PORT_H

#include <stdbool.h>

#include "engine/history/history.h"
#include "protocol/answers.h"

struct history_port {
    void *self;
    /* Hands the question over, until it comes back to the box. False: too many wait already, and
     * the question stays the caller's. Any worker, at any time; never waits. */
    bool (*ask)(void *self, struct history_query *query, struct answer_box *box);
};

#endif
