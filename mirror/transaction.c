/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/transaction.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 1024 };

void transaction_clear(struct transaction *t)
{
    commands_clear(&t->commands);
}

void transaction_free(struct transaction *t)
{
    commands_free(&t->commands);
    free(t->items);
    t->items = NULL;
    t->capacity = 0;
}

static bool has_room(struct transaction *t)
{
    if (t->commands.count < t->capacity)
        return true;
    uint32_t capacity = t->capacity ? 2 * t->capacity : FIRST_CAPACITY;
    uint32_t *items = realloc(t->items, capacity * sizeof *items);
    if (!items) {
        t->commands.incomplete = true;
        return false;
    }
    t->items = items;
    t->capacity = capacity;
    return true;
}

void transaction_note(struct transaction *t, uint32_t item)
{
    assert(t->commands.count > 0);
    if (has_room(t))
        t->items[t->commands.count - 1] = item;
}
