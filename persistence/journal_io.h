/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of an open journal. What workers call is in journal.h; here is what closing needs.
 * For the last thread inside.
 */
#ifndef STOCKD_PERSISTENCE_JOURNAL_IO_H
#define STOCKD_PERSISTENCE_JOURNAL_IO_H

#include "persistence/journal_state.h"

/* A request was handed out and its result was never handed in. */
bool journal_is_under_way(const struct journal *journal);

/* Performs all requests that there are, here and now. */
void journal_perform_all(struct journal *journal);

/* Accounts for files that a performed request opened or closed and whose result nobody has looked
 * at, so that each is closed once. */
void journal_settle_unseen(struct journal *journal);

#endif
