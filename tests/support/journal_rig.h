/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal on a bench: records whose number determines them, one thread that performs what the
 * journal asks for, and a check of what comes back at opening.
 *
 * The seed and n determine the length and the bytes of record n. So what a journal gives back can
 * be checked without keeping what it was given: it must be records 0, 1, 2, ... up to some n.
 */
#ifndef STOCKD_TESTS_SUPPORT_JOURNAL_RIG_H
#define STOCKD_TESTS_SUPPORT_JOURNAL_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/log/log.h"
#include "persistence/format.h"
#include "persistence/journal.h"

/* A small segment: it holds eight batches of a block, then the largest record might not fit. */
#define RIG_SEGMENT_BYTES ((uint64_t)BATCH_ROOM_MIN + 9 * BLOCK_BYTES)

struct rig {
    /* Set before rig_open. */
    const char *directory;
    enum durability durability;
    uint64_t segment_bytes;
    bool init;
    const struct file_ops *files;               /* NULL: the real ones */
    const struct replication_port *replication; /* NULL: alone */
    uint64_t directory_id;                      /* of a cluster */
    uint64_t seed;
    uint32_t longest; /* bytes of the longest record; 0: 256 */
    uint64_t wall_ms;
    uint64_t steady_ms;
    bool talkative; /* prints what the journal says */

    struct log log;
    struct journal *journal; /* NULL: not open */
    struct journal_opened opened;
    struct error why;
    uint64_t found;    /* records that the last opening gave back */
    bool wrong;        /* one of them was not what it should be */
    uint64_t appended; /* records that should exist now: found, and those appended since */
    unsigned leaps;    /* at the last opening */
    unsigned lines;    /* that the journal said */
    bool said_inside;  /* one of them inside a combining lock */
    char last_line[512];
};

/* Builds record n: returns its length. buffer: RECORD_MAX bytes, aligned to 8. */
uint32_t rig_record(const struct rig *rig, uint64_t n, void *buffer);

/* As journal_open; the log is made here. */
int rig_open(struct rig *rig);

/* As journal_lead, once the log stands where the journal ends: all that it was given was applied.
 * records: that should exist now. */
int rig_lead(struct rig *rig, uint64_t records);

/* Puts the next record in the log; returns its LSN, or 0 if there is no room. */
uint64_t rig_append(struct rig *rig);

/* Performs requests until the journal has none. */
void rig_drive(struct rig *rig);

/* The number of records up to there; not less than were found at the opening. */
uint64_t rig_records_up_to(const struct rig *rig, uint64_t lsn);

/* The number of acknowledged records: those that the journal may not lose. */
uint64_t rig_acknowledged(const struct rig *rig);

/* Clean close; as journal_close. */
int rig_close(struct rig *rig);
/* As if killed. */
void rig_abandon(struct rig *rig);

#endif
