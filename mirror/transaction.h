/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that Redis applies as one, and for each the item whose hash it changes, so that a failed
 * command tells which item it left wrong. Owned by one thread.
 */
#ifndef STOCKD_MIRROR_TRANSACTION_H
#define STOCKD_MIRROR_TRANSACTION_H

#include <stdint.h>

#include "mirror/commands.h"

enum { NO_ITEM = UINT32_MAX };

/* Empty if all zero. */
struct transaction {
    struct commands commands;
    uint32_t *items; /* of each command */
    uint32_t capacity;
};

void transaction_clear(struct transaction *t);
void transaction_free(struct transaction *t);

/* Call after each command: it changes that item's hash, or with NO_ITEM none. */
void transaction_note(struct transaction *t, uint32_t item);

#endif
