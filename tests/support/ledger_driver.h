/* SPDX-License-Identifier: Apache-2.0 */
/* Gives the naive model's requests to the engine, and compares both answers. */
#ifndef STOCKD_TESTS_SUPPORT_LEDGER_DRIVER_H
#define STOCKD_TESTS_SUPPORT_LEDGER_DRIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/ledger/ledger.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/stock_model.h"

/* A name in a buffer of its own. */
struct driver_name {
    char at[SKU_MAX + 1];
    uint32_t len;
};

struct text driver_sku(struct driver_name *buffer, int item);
struct text driver_location(struct driver_name *buffer, int location); /* absent for NOWHERE */
struct text driver_channel(struct driver_name *buffer, int channel);
struct text driver_id(struct driver_name *buffer, int id); /* absent for 0 */
int driver_number(struct text name);                       /* likewise */
int driver_place(struct text location);                    /* NOWHERE for an absent one */

/* What waits for the item. */
int64_t driver_backlog(struct ctx *ctx, int item);

/* Gives the request to the context; DEFERRED is left to the caller. */
void driver_ask(struct ledger_rig *rig, struct ctx *ctx, const struct request *r, struct answer *a);

/* Compares, except what the model did not know (LSN 0). */
bool driver_agrees(const struct request *r, const struct answer *engine, const struct answer *model,
                   char *why, size_t size);

/* One line for people. */
void driver_print(const struct request *r);

#endif
