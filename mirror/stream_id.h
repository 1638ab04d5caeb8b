/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDs of the stream's entries: <lsn>-<n>, which Redis wants to ascend. A change gets its own LSN as
 * long as that is over the last one; else the last ID's LSN and the next n. So an ID's LSN is never
 * less than the change's, and a reader that goes on from an ID misses nothing: not even if the
 * stream stands further than the engine, because an engine that wrote to it has lost its end.
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

/* Moves the last ID on to that of a change. */
static inline void stream_id_next(struct stream_id *last, uint64_t lsn)
{
    *last = lsn > last->lsn ? (struct stream_id){ lsn, 0 }
                            : (struct stream_id){ last->lsn, last->n + 1 };
}

/* Returns the length, without a terminating zero. */
unsigned stream_id_format(struct stream_id id, char text[STREAM_ID_MAX]);
bool stream_id_parse(struct stream_id *id, const char *text, size_t length);

#endif
