/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of an open journal: what closing needs of them, for the last thread inside. What
 * workers call is in journal.h.
 */
#ifndef STOCKD_PERSISTENCE_JOURNAL_IO_H
#define STOCKD_PERSISTENCE_JOURNAL_IO_H

#include "persistence/journal_state.h"

/* Sets log->failed. Final; only the first failure counts. Any thread. */
void journal_fail(struct journal *journal, int error, const char *what);

/* A request was handed out, but its result was not handed in. */
bool journal_is_under_way(const struct journal *journal);

/* Performs all requests synchronously, until none is left. */
void journal_perform_all(struct journal *journal);

/* The same of what is made already: no batch. */
void journal_perform_syncs(struct journal *journal);

/* Accounts for files that a performed request opened or closed but whose result was not reaped, so
 * that each is closed once. */
void journal_settle_unseen(struct journal *journal);

#endif
