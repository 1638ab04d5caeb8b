/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of the journal, and when they are valid. docs/FILE_FORMAT.md tells the same to people.
 *
 *   DIR/lock                   locked by the engine as long as it runs
 *   DIR/journal/0000000001.seg  segments, numbered from 1 without a gap
 *   DIR/journal/next.tmp        a segment in the making; never read
 *   DIR/journal/stopped         the mark of a clean stop (persistence/stop_mark.h)
 *
 *   segment  = one header block, then batches, then zeroes to its full size
 *   batch    = a 72-byte header, whole records as they lay in the log, zeroes to the next block
 *   block    = 4096 bytes; every batch begins at one. All integers are little-endian
 *
 * A position (LSN) counts record bytes only: headers and padding have no positions. A segment says
 * nothing of positions, its first batch does: so a segment can be made, synced and named long
 * before it is known at which position it will begin.
 *
 * What holds, by number; code and tests cite these:
 *
 * F1  A file gets the name of a segment only after its zeroes and its header were synced, and is
 *     used only after the directory was synced. So every *.seg has a valid header, or was damaged.
 * F2  Segments are numbered without a gap, and all carry the same directory id, which is not 0.
 * F3  A batch is valid by itself if its magic, flags and lengths are sound and its two checksums
 *     are right: one of records and padding, and one of the header, which includes the first. Both
 *     are seeded with the directory id, which is random: bytes that came from elsewhere, or from a
 *     client, are no batch.
 * F4  Batches form a chain: each lies where the one before it ended, or first in the segment after
 *     it; bears the next number; begins at the position where that one ended; repeats its checksum.
 * F5  A batch is written in one go, to place that is zero, and never written again.
 * F6  A batch carries a promise: the number of the last batch that had been made durable, with all
 *     before it, when it was written.
 * F7  With durability `always` nothing is acknowledged before it and all before it are durable, and
 *     at most JOURNAL_BATCHES are being written at once: there a batch promises at least the one
 *     that stands so many before it. A segment is left when all of it is durable: so the first
 *     batch of a segment promises all before it.
 * F8  The journal's end is the first place where no batch continues the chain. If any whole header
 *     (F16) lies beyond it and promises the number that is missing there, something durable is
 *     gone: that is corruption, and nothing may be changed. Else what lies beyond was never
 *     promised: a torn tail, which is cut off.
 * F9  A batch that is valid by itself, lies at the end in the same segment, or first of all that is
 *     read, but does not continue the chain is corruption too: no crash makes one.
 * F10 Cutting off: segments after the end's are removed, the last one first, and the directory is
 *     synced; then everything from the end on is zeroed and synced. Only then is anything written.
 *     A crash on the way leaves what F8 cuts off again.
 * F11 The records of a valid batch fill it exactly. If they do not, it is corruption anywhere.
 * F12 At each opening and each clean close a batch without records is written: its promise turns
 *     damage of anything before it into corruption rather than a torn tail.
 * F13 The writer of a segment holds a lock on it through the very file that the writes go to. The
 *     kernel keeps that open until the last of them is done, also after the process was killed.
 *
 * F14 A clean stop leaves a mark that names the last batch, and the next start removes it before it
 *     writes its first: while it is there, a chain that does not reach that batch is corruption.
 * F15 What a file lacks of its segment's size counts as zeroes. But no crash makes a file shorter:
 *     if it was cut off where the next batch of the chain would have begun, or within it, batches
 *     that were acknowledged may have been in the rest, and that is corruption; unless a mark says
 *     that the chain ends there (F14).
 *
 * F16 The header of a batch has a checksum of its own: it may be whole although the batch is torn
 *     or damaged behind it. Then its batch was written here, and what it promises was durable: it
 *     is believed as if the batch were valid. A header that is not whole promises nothing. So no
 *     disk needs to write a sector in one step: half of a header over zeroes (F5) is not whole.
 *
 * F8 has a limit that no checksum can lift: damage to the last batches, that were being written
 * at once, looks like writes that were torn by a power cut. So damage there is cut off, although
 * it may have been acknowledged, until a later batch, or a clean close, has promised it (F6, F12).
 * With `always` that is at most JOURNAL_BATCHES, if the header of the last one is whole.
 */
#ifndef STOCKD_PERSISTENCE_FORMAT_H
#define STOCKD_PERSISTENCE_FORMAT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/log/log.h"

enum {
    BLOCK_BYTES = 4096,
    FORMAT_VERSION = 2,
    FIRST_SEQUENCE = 1,
    BATCH_BYTES_MAX = 1 << 20, /* header, records and padding */
    BATCH_HEADER_BYTES = 72,
    /* Room that is sure to take a batch of one record, whatever its size. */
    BATCH_ROOM_MIN =
        (BATCH_HEADER_BYTES + RECORD_MAX + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES,
    SEGMENT_BYTES_MIN = 16 * BLOCK_BYTES,
};

#define SEGMENT_BYTES_DEFAULT (UINT64_C(64) << 20)
#define SEGMENT_BYTES_MAX (UINT64_C(16) << 30)
#define SEGMENT_MAGIC "SDSEGMT1"
#define BATCH_MAGIC "SDBATCH1"

/* The first 64 bytes of a segment's first block; the rest of the block is zero. */
struct segment_header {
    char magic[8];
    uint32_t version;
    uint32_t block_bytes; /* 4096 */
    uint64_t sequence;    /* as in the file's name */
    uint64_t bytes;       /* size of the file; a multiple of the block */
    uint64_t directory_id;
    uint64_t created_ms; /* wall clock */
    uint64_t zero;
    uint64_t checksum; /* XXH3 of the whole block with this field zero */
};

struct batch_header {
    char magic[8];
    uint64_t first_lsn; /* position of the first record's first byte */
    uint32_t length;    /* bytes of the records; a multiple of 8 */
    uint32_t flags;     /* 0; others are for versions to come */
    uint64_t number;    /* 1, 2, 3, ... over all segments */
    uint64_t promised;  /* F6; 0: none yet */
    uint64_t previous;  /* checksum of the batch before; 0 in the first of all */
    uint64_t time_ms;   /* wall clock; never less than in the batch before */
    uint64_t content;   /* XXH3 of what follows the header, to the end of the last block */
    uint64_t checksum;  /* XXH3 of the 64 bytes before: of the header by itself (F16), and through
                         * `content` of all. Both are seeded with the directory id */
};

_Static_assert(sizeof(struct segment_header) == 64, "as in the file");
_Static_assert(sizeof(struct batch_header) == BATCH_HEADER_BYTES, "as in the file");
_Static_assert(sizeof(struct batch_header) <= 512, "in the first sector, whatever the disk's size");
_Static_assert(BATCH_ROOM_MIN <= BATCH_BYTES_MAX, "a batch takes any record");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are in the file as they lie");

/* Fills a whole zeroed block. */
void segment_header_make(void *block, uint64_t sequence, uint64_t bytes, uint64_t directory_id,
                         uint64_t created_ms);

enum segment_verdict {
    SEGMENT_VALID,
    SEGMENT_NOT_ONE,     /* magic or checksum is wrong */
    SEGMENT_OTHER_FORM,  /* a version or block size that this program does not know */
    SEGMENT_NOT_ALLOWED, /* checksum is right, but the values are not */
};

/* Judges a whole block and copies the header out; the copy means something if it is valid. */
enum segment_verdict segment_header_check(const void *block, struct segment_header *header);

/* Bytes that a batch with that many bytes of records takes in the file. */
static inline uint32_t batch_span(uint32_t length)
{
    uint32_t bytes = (uint32_t)sizeof(struct batch_header) + length;
    return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

/* What seals a batch besides its records. */
struct batch_seal {
    uint64_t directory_id;
    uint64_t first_lsn;
    uint64_t number;
    uint64_t promised;
    uint64_t previous;
    uint64_t time_ms;
};

/* Makes a batch of the records that lie at batch + BATCH_HEADER_BYTES: header, padding, checksums.
 * The buffer holds batch_span(length) bytes. Returns the checksum. */
uint64_t batch_make(void *batch, uint32_t length, const struct batch_seal *seal);

enum batch_verdict {
    BATCH_VALID,
    BATCH_NONE,    /* the header is all zero: nothing was written here */
    BATCH_INVALID, /* something else, or not all of it is there */
    BATCH_UNKNOWN, /* its header is whole, with flags that this program does not know */
};

/* Judges what lies at batch, of which `available` bytes can be read, by itself (F3). */
enum batch_verdict batch_check(const void *batch, size_t available, uint64_t directory_id);

/* F16: true if the batch's header is whole, whatever there is behind it; copies it out. */
bool batch_header_check(const void *batch, size_t available, uint64_t directory_id,
                        struct batch_header *header);

/* F11: true if a record of that head may stand where `left` bytes of records are left. */
static inline bool record_is_sound(const struct record_head *head, uint32_t left)
{
    return head->length >= sizeof *head && head->length % 8 == 0 && head->length <= left &&
           head->length <= RECORD_MAX;
}

/* The records of a batch, one after the other. */
struct record_cursor {
    const unsigned char *at; /* aligned to 8, as they are in a batch that is */
    uint32_t left;           /* bytes; not 0 after the last: they are not sound (F11) */
    uint64_t lsn;            /* where the last one that it gave ends */
};

static inline struct record_cursor records_of(const unsigned char *records, uint32_t length,
                                              uint64_t first_lsn)
{
    assert((uintptr_t)records % 8 == 0);
    return (struct record_cursor){ records, length, first_lsn };
}

/* NULL: there are no more, or what is left is not sound. */
static inline const struct record_head *record_next(struct record_cursor *cursor)
{
    const struct record_head *record = (const struct record_head *)(const void *)cursor->at;
    if (cursor->left < sizeof *record || !record_is_sound(record, cursor->left))
        return NULL;
    cursor->at += record->length;
    cursor->left -= record->length;
    cursor->lsn += record->length;
    return record;
}

bool bytes_are_zero(const void *bytes, size_t length);

#endif
