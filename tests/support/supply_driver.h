/* SPDX-License-Identifier: Apache-2.0 */
/* Gives the requests of the model of supply to an engine, and compares what both say. */
#ifndef STOCKD_TESTS_SUPPORT_SUPPLY_DRIVER_H
#define STOCKD_TESTS_SUPPORT_SUPPLY_DRIVER_H

#include <stddef.h>

#include "engine/ledger/ledger.h"
#include "tests/support/supply_model.h"

/* Gives an engine the places and channels of the model. */
void depot_set_up(struct ctx *ctx, const struct depot *d);

/* Gives the request to the context; DEFERRED is left to the caller. */
void depot_drive(struct ctx *ctx, const struct depot_request *r, struct depot_answer *a);

/* The hold whose expiry that is; 0: it is another record. */
int depot_expired(const struct record_head *record);

/* The promise that the record tells of as short; its supply is any. False: it is another record. */
bool depot_told_short(struct ctx *ctx, const struct record_head *record, struct depot_short *told);

/* Each compares an engine with the model. False, and why. */
bool depot_answers_agree(const struct depot_request *r, const struct depot_answer *engine,
                         const struct depot_answer *model, char *why, size_t size);
bool depot_item_agrees(struct ctx *ctx, const struct depot *d, int item, char *why, size_t size);
bool depot_id_agrees(struct ctx *ctx, const struct depot *d, int id, char *why, size_t size);
bool depot_list_agrees(struct ctx *ctx, const struct depot *d, int place, bool late, char *why,
                       size_t size);

/* One line for people. */
void depot_print(const struct depot_request *r);

#endif
