/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDs of the stream's entries: <lsn>-<n>. Redis requires that they ascend. A change gets its own
 * LSN if that is greater than the last ID's; otherwise the last ID's LSN and the next n. So the LSN
 * of an ID is never less than that of the change, and a reader that continues from an ID misses
 * nothing, even if the stream is ahead of the engine because an engine lost its latest changes
 * after writing them there.
 */
#ifndef STOCKD_MIRROR_STREAM_ID_H
#define STOCKD_MIRROR_STREAM_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream_id {
    uint64_t lsn;
    uint64_t n;
};

enum { STREAM_ID_MAX = 48 };

static inline bool stream_id_less(struct stream_id a, struct stream_id b)
{
    return a.lsn < b.lsn || (a.lsn == b.lsn && a.n < b.n);
}

/* Advances the last ID to that of a change with this LSN. */
static inline void stream_id_next(struct stream_id *last, uint64_t lsn)
{
    *last = lsn > last->lsn ? (struct stream_id){ lsn, 0 }
                            : (struct stream_id){ last->lsn, last->n + 1 };
}

/* Returns the length; writes no terminating zero. */
unsigned stream_id_format(struct stream_id id, char text[STREAM_ID_MAX]);
bool stream_id_parse(struct stream_id *id, const char *text, size_t length);

#endif
