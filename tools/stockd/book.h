/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that answers questions about the past from the journal's files. */
#ifndef STOCKD_TOOLS_STOCKD_BOOK_H
#define STOCKD_TOOLS_STOCKD_BOOK_H

#include "persistence/journal.h"
#include "protocol/book_port.h"

struct book_thread;

/* Signals are to be blocked already: the thread inherits that. directory and journal outlive it. 0
 * or -errno. */
int book_start(struct book_thread **book, const char *directory, const struct journal *journal);

/* Once no worker runs any more. What waits is given back unanswered. */
void book_stop(struct book_thread *book);

struct book_port book_port_of(struct book_thread *book);

#endif
