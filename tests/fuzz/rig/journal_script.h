/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journals made to order: bytes say what a writer does, what it gets wrong before the checksums are
 * made, and what is damaged after. So a fuzzer comes behind the checksums, which no bytes of chance
 * would pass.
 *
 * A script is a sequence of steps. A step's first byte is its kind in the low four bits and a small
 * number n in the high four; what follows is little-endian, and reads as zeroes beyond the end. Any
 * bytes are a script.
 */
#ifndef STOCKD_TESTS_FUZZ_RIG_JOURNAL_SCRIPT_H
#define STOCKD_TESTS_FUZZ_RIG_JOURNAL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "persistence/snapshot.h"
#include "tests/support/memory_file.h"

enum script_step {
    STEP_BATCH,   /* n records, each u8 words, u8 type; promises all but the last u8 % 8 batches */
    STEP_SEGMENT, /* the next segment is begun, and written to from now on */
    STEP_TWIST,   /* u64: put into field n of the next header, or added to it if n is 8 or more */
    STEP_TWIST_RECORD, /* u32: length of record n of the next batch */
    STEP_FLIP,         /* u16 offset, u8 mask: in segment n, after all is written */
    STEP_ZERO,         /* u16 offset, u16 length: likewise */
    STEP_COPY,         /* u8 block from, u8 block to: likewise */
    STEP_CUT,          /* u16 length of segment n: likewise */
    STEP_REMOVE,       /* segment n: likewise */
    STEP_SKIP,         /* n blocks are left out */
    STEP_BACK,         /* n blocks back: what is there is written over */
    STEP_TEAR,         /* u16: so many bytes of the last batch got there; the rest is zero */
    STEP_MARK,         /* a mark of a clean stop after the last batch; a twist is in field n */
    STEP_FLIP_MARK,    /* u8 offset, u8 mask */
    STEP_START,        /* there is a snapshot of all up to here: what is before it is not read */
    STEP_REPEAT,       /* as if the last batch had not been written, but it stays where it is */
};

enum { SCRIPT_SEGMENTS_MAX = 4, SCRIPT_BLOCKS = 18, SCRIPT_SEGMENT = SCRIPT_BLOCKS * 4096 };

struct script_journal {
    struct memory_disk disk;
    struct journal_position start; /* its sequence is 0: from the beginning */
    uint64_t directory_id;
};

/* The journal that the script writes. To be closed. */
void script_journal_make(struct script_journal *journal, const uint8_t *data, size_t size);
void script_journal_close(struct script_journal *journal);

/* The segment of that number; NULL: there is none. */
struct memory_file *script_segment(struct script_journal *journal, uint64_t sequence);

#endif
