/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine says of a life's items and orders, and whether that is the life's state. */
#ifndef STOCKD_TESTS_CRASH_FOUND_H
#define STOCKD_TESTS_CRASH_FOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stockd/client.h>

#include "tests/crash/life.h"

enum { EXIT_WRONG = 1, EXIT_USAGE = 2 };

void give_up(int status, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

/* The engine must answer, and grant it. */
void must(stockd_client *client, int status);

struct found {
    struct life_stock stock[LIFE_ITEMS];
    uint32_t orders;
    char (*states)[16]; /* per order; "" if there is none */
    int64_t *waits;     /* per order: units of it that are at no place yet */
};

/* Asks. The caller has set how many orders there may be, and made room for them. */
void find(stockd_client *client, const struct life *life, struct found *found);

/* Is that the state after the ops that the life has drawn? If not, what differs. */
bool is_state(const struct life *life, const struct found *found, char *why, size_t size);

/* Does the engine still owe what it has to those who wait? It serves them soon. */
bool is_unsettled(const struct found *found);

#endif
