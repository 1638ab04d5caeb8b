/* SPDX-License-Identifier: Apache-2.0 */
/* Whose journal it is, where no snapshot says so. */
#ifndef STOCKD_PERSISTENCE_SEGMENT_VOTE_H
#define STOCKD_PERSISTENCE_SEGMENT_VOTE_H

#include "persistence/journal_cursor.h"

/*
 * The directory id that more than half of the segments bear which bear any: one of another journal
 * that came in among them must not make all the others foreign. 0; -EILSEQ and why: none has
 * most of them; or another -errno.
 */
int segments_vote(struct journal_cursor *cursor, const struct segment_list *list, uint64_t *id,
                  struct error *why);

#endif
