/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in the journal an id may be found: a filter for every MiB or so that a query by id has
 * walked through once. The next query reads only what the filters do not rule out.
 *
 * D1  A span is a run of whole batches of one segment, or a block of a snapshot. Its filter has all
 *     ids by which a query may reach a record in it (record_ids). Neither ever changes (F5, S2), so
 *     what a filter rules out is ruled out for good.
 * D2  The spans of a segment are contiguous from its first batch on. The last one may be open: it
 *     grows with the segment, and is a set of hashes until it is closed.
 * D3  A segment is complete if its last span ends where the first batch of the next segment begins:
 *     then nothing more is ever written to it.
 *
 * It belongs to one thread. It is built on demand, lives in memory only, and keeps to its bound,
 * not counting the set of the one open span. Parts that the current query has not used yet are
 * dropped, least recently used first; if there are none, new parts are not kept. So queries that
 * walk through more than fits the bound still find most of what they found the last time.
 */
#ifndef STOCKD_PERSISTENCE_ID_INDEX_H
#define STOCKD_PERSISTENCE_ID_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/text.h"

struct batch_header;

enum { ID_INDEX_BYTES = 64 << 20, ID_SPAN_BYTES = 1 << 20 };

/* A blocked Bloom filter: an id sets ID_FILTER_HASHES bits of one cache line. */
struct id_filter {
    uint32_t lines; /* 0: it has no ids */
    unsigned char (*bits)[64];
};

struct id_span {
    uint64_t offset, end;        /* in the segment */
    uint64_t first_lsn, end_lsn; /* of its records: after first_lsn, up to end_lsn */
    struct id_filter filter;     /* once it is closed */
};

/* A segment, or a snapshot. */
struct id_part {
    uint64_t key;
    uint64_t used; /* number of the last query that used it */
    bool complete; /* D3; of a snapshot: all its blocks have a filter */
    bool open;     /* its last span is open */
    struct id_span *spans;
    uint32_t span_count, span_room;
    size_t bytes;
};

/* The ids of the one span that is open: hashes, in a table with open addressing. */
struct id_set {
    uint64_t *slots;
    size_t room, count;
};

struct id_index {
    size_t bytes_max, bytes; /* allowed, in use */
    size_t ids;              /* distinct within each span, in all filters */
    uint64_t query;          /* number of the current query */
    bool full;               /* it can keep nothing more */
    struct id_part **parts;  /* by key */
    size_t count, room;
    struct id_set set;
};

void id_index_init(struct id_index *index, size_t bytes_max);
void id_index_destroy(struct id_index *index);

/* A new query begins. */
void id_index_begin(struct id_index *index);

uint64_t id_index_hash(struct text id);

/* Keys of parts. */
static inline uint64_t id_key_segment(uint64_t sequence)
{
    return sequence << 1;
}

static inline uint64_t id_key_snapshot(uint64_t lsn)
{
    return lsn << 1 | 1;
}

/* The part with that key, or NULL. Borrowed until something is added. */
struct id_part *id_index_find(struct id_index *index, uint64_t key);

/* False: no record of the span concerns the id with that hash. */
bool id_span_may_have(const struct id_index *index, const struct id_part *part, uint32_t span,
                      uint64_t hash);

/* Adds the batch at that offset of a segment, if it follows the last span. records: all of the
 * batch's. If memory runs out, or a record is not sound, it forgets the part. */
void id_index_add_batch(struct id_index *index, uint64_t sequence, uint64_t offset,
                        const struct batch_header *header, const unsigned char *records);
/* The first batch of the segment after that one begins at lsn (D3). */
void id_index_complete(struct id_index *index, uint64_t sequence, uint64_t lsn);

/* Adds the next block of a snapshot; ids: its whole id entry records, if any. */
void id_index_add_block(struct id_index *index, uint64_t lsn, const unsigned char *ids,
                        size_t length);
/* That was the last of so many blocks. */
void id_index_complete_snapshot(struct id_index *index, uint64_t lsn, uint64_t blocks);

void id_index_forget(struct id_index *index, uint64_t key);

#endif
