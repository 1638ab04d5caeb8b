/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ledger with its journal in a directory, for one thread: random operations, starts and ends, and
 * compactions in between.
 */
#ifndef STOCKD_TESTS_SUPPORT_STORE_RIG_H
#define STOCKD_TESTS_SUPPORT_STORE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/ledger/ledger.h"
#include "persistence/compact.h"
#include "persistence/journal.h"
#include "tests/support/random.h"

struct store {
    /* Set before store_open. */
    const char *directory;
    const struct file_ops *files;
    enum durability durability;
    struct ledger_config config; /* .log is set by the store */
    struct random random;

    struct log log;
    struct ledger *ledger;
    struct journal *journal; /* NULL: not open */
    struct journal_opened opened;
    struct error why;
    uint64_t now_ms;
    int next_id;
    unsigned lines; /* that the journal said */
    char last_line[512];
};

/* As journal_open; the ledger is a fresh one, in store->ledger. */
int store_open(struct store *store);
/* That many random operations; all of them are acknowledged, unless the journal fails. */
void store_trade(struct store *store, int operations);
/* A clean close; as journal_close. The ledger stays. */
int store_close(struct store *store);
/* As if killed. The ledger stays. */
void store_abandon(struct store *store);
void store_forget_ledger(struct store *store);

/* Compacts its directory, open or not. As compact(). */
int store_compact(const struct store *store, bool archive, struct compact_result *result,
                  struct error *why);

#endif
