/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine's log tells of its own accord, to be compared with the naive model: in which
 * order holds expired and the backlogs of several items were served, which is the engine's choice,
 * and the events of orders that are rejected, move, wait, and are served.
 */
#ifndef STOCKD_TESTS_SUPPORT_MODEL_TOLD_H
#define STOCKD_TESTS_SUPPORT_MODEL_TOLD_H

#include "engine/events/events.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/stock_model.h"

struct told {
    struct events events;
    size_t taken;   /* records up to there */
    uint64_t count; /* events that were read */
};

void told_init(struct told *told);
void told_destroy(struct told *told);

/* Are the events of the records since the last time those of the model? Which item is served before
 * another is the engine's choice. The model's are forgotten. */
bool told_agrees(struct told *told, const struct ledger_rig *rig, struct model *m, char *why,
                 size_t size);

/* Tells the model in which order the engine has served the backlogs of items, in the records from
 * that offset on until a hold expires. */
void told_order(const struct ledger_rig *rig, size_t from, struct model *m);

/* Lets holds expire in the model as they did in the records from that offset on. What the engine
 * frees without serving anybody in between serves at once. False: one was not due. */
bool told_expiries(const struct ledger_rig *rig, size_t from, struct model *m, char *why,
                   size_t size);

/* The end of the last record from that offset on that a request has made: a backlog is served in
 * records of their own. `from`, if there is none. */
size_t told_by_request(const struct ledger_rig *rig, size_t from);

#endif
