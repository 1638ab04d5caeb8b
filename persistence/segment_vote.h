/* SPDX-License-Identifier: Apache-2.0 */
/* Which directory id a journal has, where no snapshot says so. */
#ifndef STOCKD_PERSISTENCE_SEGMENT_VOTE_H
#define STOCKD_PERSISTENCE_SEGMENT_VOTE_H

#include "persistence/journal_cursor.h"

/*
 * The directory id in more than half of the segments that bear one: a stray segment of another
 * journal must not make all the others foreign. 0; -EILSEQ and why: no id has a majority; or
 * another -errno.
 */
int segments_vote(struct journal_cursor *cursor, const struct segment_list *list, uint64_t *id,
                  struct error *why);

#endif
