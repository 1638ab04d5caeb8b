/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of the journal, and when they are valid. docs/FILE_FORMAT.md is the same for people.
 *
 *   DIR/lock                    locked by the engine while it runs
 *   DIR/journal/0000000001.seg  segments, numbered from 1 without a gap
 *   DIR/journal/next.tmp        an unfinished segment; never read
 *   DIR/journal/stopped         the clean-stop mark (persistence/stop_mark.h)
 *
 *   segment  = one header block, then batches, then zeroes to its full size
 *   batch    = a 72-byte header, whole records as they lay in the log, zeroes to the next block
 *   block    = 4096 bytes; every batch begins on a block boundary. All integers are little-endian
 *
 * A position (LSN) counts record bytes only: headers and padding have no positions. A segment does
 * not state its position, its first batch does: so a segment can be created, synced and named long
 * before its first position is known.
 *
 * Invariants, cited by code and tests:
 *
 * F1  A file gets the name of a segment only after its zeroes and its header are synced, and is
 *     used only after the directory is synced. So every *.seg has a valid header, or is damaged.
 * F2  Segments are numbered without a gap, and all carry the same directory id, which is not 0.
 * F3  A batch is valid by itself if its magic, flags and lengths are sound and both its checksums
 *     match: one of records and padding, and one of the header, which includes the first. Both
 *     are seeded with the directory id, which is random: bytes from another directory, or from a
 *     client, never form a valid batch.
 * F4  Batches form a chain: each lies where its predecessor ends, or first in the next segment;
 *     bears the next number; begins at the position where its predecessor ends; and repeats its
 *     predecessor's checksum.
 * F5  A batch is written in one go, over zeroes, and never rewritten.
 * F6  A batch header states the durable watermark: the number of the last batch that was durable,
 *     with all before it, when this batch was written.
 * F7  With durability `always` a batch is acknowledged only once it and all before it are durable,
 *     and at most JOURNAL_BATCHES are in flight: so a batch states that at least the one
 *     JOURNAL_BATCHES before it is durable. The writer leaves a segment only when all of it is
 *     durable: so the first batch of a segment states that all before it is.
 * F8  The journal's end is the first offset where no batch continues the chain. If a whole header
 *     (F16) beyond it states that the batch missing there was durable, durable data is gone: that
 *     is corruption, and nothing may be changed. Otherwise nothing states that what lies beyond was
 *     durable: it is a torn tail, and is cut off.
 * F9  A batch that is valid by itself and lies at the end in the same segment, or is the first one
 *     read, but does not continue the chain is corruption too: no crash makes one.
 * F10 To cut a tail off: remove the segments after the end's, the last one first, and sync the
 *     directory; then zero everything from the end on and sync. Nothing else is written before
 *     that. After a crash on the way F8 cuts the rest off again. Batches that a cluster never
 *     committed continue the chain: of these the end's segment is zeroed first, because one of them
 *     may lead on (F18).
 * F11 The records of a valid batch fill it exactly. If they do not, it is corruption anywhere.
 * F12 Each opening and each clean close writes a batch without records: what it states as durable
 *     turns damage to anything before it into corruption rather than a torn tail.
 * F13 The writer of a segment holds a lock on it through the same open file as its writes. The
 *     kernel keeps that file open until the last write is done, even if the process is killed.
 *
 * F14 A clean stop leaves a mark that names the last batch, and the next start removes it before it
 *     writes its first: while it is there, a chain that does not reach that batch is corruption.
 * F15 A file shorter than its segment reads as zeroes from there on. But no crash shortens a file:
 *     if it ends where the next batch of the chain would begin, or within that batch, the missing
 *     part may have held acknowledged batches, and that is corruption, unless a mark says that the
 *     chain ends there (F14).
 *
 * F16 A batch header has its own checksum: it may be whole although the batch behind it is torn or
 *     damaged. Then its batch was written here, and what it states was durable: it is believed as
 *     if the batch were valid. A header that is not whole states nothing. So no disk needs to write
 *     a sector atomically: half a header over zeroes (F5) is not whole.
 *
 * F17 A batch has the flag BATCH_EARLY if its run acknowledges batches that are not durable yet: a
 *     power cut may take back what was told. If such a run does not end with a clean stop, the next
 *     opening's batch (F12) has the flag BATCH_LEAP: it has no records, and the log goes on
 *     LSN_LEAP beyond it. No run has told of more than its unsynced segments hold: so no LSN that
 *     was told and lost is ever that of another record.
 *
 * F18 A batch with the flag BATCH_LEADS_ON states that the next segment has its name, durably (F1).
 *     The writer leaves a segment only after such a batch, where there is a block for it; and no
 *     start removes a segment that such a batch leads to, because the chain ends there at the
 *     earliest. So if the chain ends with such a batch and the next segment is missing, that is
 *     corruption, unless a mark says that the chain ends there (F14).
 *
 * F19 A batch with the flag BATCH_REPLICATED was made by a cluster's primary (docs/CLUSTER.md). The
 *     watermark that it states is that of the cluster: the last batch that was committed, which is
 *     at least the one JOURNAL_BATCHES before it. That need not be on this disk. What is: batch
 *     n + JOURNAL_BATCHES is written only once batch n is durable, by the primary that makes it
 *     and by a standby that is given it. So for F8 it states as durable the batch JOURNAL_BATCHES
 *     before it, and all before that.
 *
 * F20 Segments of a cluster are the same byte by byte on all nodes. So there a segment states no
 *     creation time, no batch is made at an opening or a clean stop (F12), and where a batch lies
 *     depends on nothing but what lies before it: in the next segment if the largest record might
 *     not fit in the current one and either its last batch leads on (F18) or it is full to its
 *     last block; else in the current one.
 *
 * F8 has a limit that no checksum can lift: damage to the last batches, which were in flight
 * together, looks like writes torn by a power cut. So damage there is cut off, although it may have
 * been acknowledged, until a later batch, or a clean close, states it durable (F6, F12). With
 * `always` that is at most JOURNAL_BATCHES, if the header of the last one is whole.
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
    FORMAT_VERSION = 3,
    FIRST_SEQUENCE = 1,
    JOURNAL_BATCHES = 3,       /* that are in flight at once, at most (F7) */
    BATCH_BYTES_MAX = 1 << 20, /* header, records and padding */
    /* In a cluster: header and records, as a log that others hold limits what it takes. */
    BATCH_REPLICATED_MAX = 128 << 10,
    BATCH_HEADER_BYTES = 72,
    /* Room for a batch of one record, whatever its size. */
    BATCH_ROOM_MIN =
        (BATCH_HEADER_BYTES + RECORD_MAX + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES,
    SEGMENT_BYTES_MIN = 16 * BLOCK_BYTES,
};

#define SEGMENT_BYTES_DEFAULT (UINT64_C(64) << 20)
#define SEGMENT_BYTES_MAX (UINT64_C(16) << 30)
#define LSN_LEAP (UINT64_C(64) << 30) /* F17 */
#define SEGMENT_MAGIC "SDSEGMT1"
#define BATCH_MAGIC "SDBATCH1"

/* F17 */
enum batch_flag {
    BATCH_EARLY = 1,
    BATCH_LEAP = 2,
    BATCH_LEADS_ON = 4,   /* F18 */
    BATCH_REPLICATED = 8, /* F19 */
    BATCH_FLAGS = BATCH_EARLY | BATCH_LEAP | BATCH_LEADS_ON | BATCH_REPLICATED,
};

/* The first 64 bytes of a segment's first block; the rest of the block is zero. */
struct segment_header {
    char magic[8];
    uint32_t version;
    uint32_t block_bytes; /* 4096 */
    uint64_t sequence;    /* as in the file's name */
    uint64_t bytes;       /* size of the file; a multiple of block_bytes */
    uint64_t directory_id;
    uint64_t created_ms; /* wall clock; 0: in a cluster (F20) */
    uint64_t zero;
    uint64_t checksum; /* XXH3 of the whole block with this field zero */
};

struct batch_header {
    char magic[8];
    uint64_t first_lsn; /* position of the first record's first byte */
    uint32_t length;    /* bytes of the records; a multiple of 8 */
    uint32_t flags;     /* of enum batch_flag; others are reserved for later versions */
    uint64_t number;    /* 1, 2, 3, ... over all segments */
    uint64_t promised;  /* the durable watermark (F6), or the committed one (F19); 0: none yet */
    uint64_t previous;  /* checksum of the previous batch; 0 in the very first */
    uint64_t time_ms;   /* engine time; never less than in the previous batch */
    uint64_t content;   /* XXH3 of what follows the header, to the end of the last block */
    uint64_t checksum;  /* XXH3 of the 64 bytes before: of the header alone (F16), and through
                         * `content` of the whole batch. Both are seeded with the directory id */
};

_Static_assert(sizeof(struct segment_header) == 64, "as in the file");
_Static_assert(sizeof(struct batch_header) == BATCH_HEADER_BYTES, "as in the file");
_Static_assert(sizeof(struct batch_header) <= 512, "in the first sector, whatever the disk's size");
_Static_assert(BATCH_ROOM_MIN <= BATCH_BYTES_MAX, "a batch takes any record");
_Static_assert(BATCH_ROOM_MIN <= BATCH_REPLICATED_MAX, "in a cluster, too");
_Static_assert(4 * SEGMENT_BYTES_MAX <= LSN_LEAP, "two unsynced segments, and the ring (F17)");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files hold integers as memory does");

/* Fills a whole zeroed block. */
void segment_header_make(void *block, uint64_t sequence, uint64_t bytes, uint64_t directory_id,
                         uint64_t created_ms);

enum segment_verdict {
    SEGMENT_VALID,
    SEGMENT_NOT_ONE,     /* magic or checksum is wrong */
    SEGMENT_OTHER_FORM,  /* a version or block size that this program does not know */
    SEGMENT_NOT_ALLOWED, /* the checksum matches, but the values are out of range */
};

/* Judges a whole block and copies the header out; the copy is meaningful only if it is valid. */
enum segment_verdict segment_header_check(const void *block, struct segment_header *header);

/* File bytes of a batch with `length` bytes of records. */
static inline uint32_t batch_span(uint32_t length)
{
    uint32_t bytes = (uint32_t)sizeof(struct batch_header) + length;
    return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

/* Where the log goes on after the batch. */
static inline uint64_t batch_end_lsn(const struct batch_header *header)
{
    return header->first_lsn + (header->flags & BATCH_LEAP ? LSN_LEAP : header->length);
}

/* F8: everything up to that batch was on this disk when that header was written there. */
static inline uint64_t batch_states_durable(const struct batch_header *header)
{
    if (!(header->flags & BATCH_REPLICATED))
        return header->promised;
    return header->number > JOURNAL_BATCHES ? header->number - JOURNAL_BATCHES : 0; /* F19 */
}

/* What batch_make needs besides the records. */
struct batch_seal {
    uint64_t directory_id;
    uint64_t first_lsn;
    uint32_t flags;
    uint64_t number;
    uint64_t promised;
    uint64_t previous;
    uint64_t time_ms;
};

/* Makes a batch of the records at batch + BATCH_HEADER_BYTES: adds header, padding, checksums. The
 * buffer holds batch_span(length) bytes. Returns the checksum. */
uint64_t batch_make(void *batch, uint32_t length, const struct batch_seal *seal);

enum batch_verdict {
    BATCH_VALID,
    BATCH_NONE,    /* the header is all zero: nothing was written here */
    BATCH_INVALID, /* not a batch, or not all of one */
    BATCH_UNKNOWN, /* its header is whole, with flags that this program does not know */
};

/* Judges the bytes at batch by themselves (F3); `available` of them can be read. */
enum batch_verdict batch_check(const void *batch, size_t available, uint64_t directory_id);

/* F16: true if the batch's header is whole, whatever follows it; copies it out. */
bool batch_header_check(const void *batch, size_t available, uint64_t directory_id,
                        struct batch_header *header);

/* F11: true if a record with this head fits where `left` bytes of records are left. */
static inline bool record_is_sound(const struct record_head *head, uint32_t left)
{
    return head->length >= sizeof *head && head->length % 8 == 0 && head->length <= left &&
           head->length <= RECORD_MAX;
}

/* The records of a batch, one after the other. */
struct record_cursor {
    const unsigned char *at; /* aligned to 8, as the batch must be */
    uint32_t left;           /* bytes; if not 0 after the last record, F11 is broken */
    uint64_t lsn;            /* where the last record returned ends */
};

static inline struct record_cursor records_of(const unsigned char *records, uint32_t length,
                                              uint64_t first_lsn)
{
    assert((uintptr_t)records % 8 == 0);
    return (struct record_cursor){ records, length, first_lsn };
}

/* NULL: no record is left, or what is left is not sound. */
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
