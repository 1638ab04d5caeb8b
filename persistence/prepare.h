/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The making of a segment before it is needed (F1), one request at a time, so that no batch ever
 * waits for the file system to find place:
 *
 *   IDLE -> ZEROING -> HEADING -> SYNCING -> NAMING -> READY -> IDLE (taken)
 *
 * Why zeroes are written and not only place allocated: a write to blocks that the file system knows
 * to be unwritten must change its metadata too, which makes every durable write two.
 * One thread at a time; it performs the requests, or has them performed, and reports.
 */
#ifndef STOCKD_PERSISTENCE_PREPARE_H
#define STOCKD_PERSISTENCE_PREPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "persistence/file.h"
#include "persistence/reason.h"
#include "persistence/segment.h"

enum prepare_step {
    PREPARE_IDLE,
    PREPARE_ZEROING, /* next.tmp is there; zeroes go in */
    PREPARE_HEADING, /* all but the first block is zeroed */
    PREPARE_SYNCING, /* all is written */
    PREPARE_NAMING,  /* synced and renamed; the directory is not synced */
    PREPARE_READY,   /* a segment (F1) */
    PREPARE_FAILED,  /* for good; the reason says why */
};

struct prepare {
    const struct file_ops *files;
    const char *directory; /* borrowed */
    int directory_fd;      /* borrowed */
    uint64_t directory_id;
    bool direct; /* past the page cache */

    enum prepare_step step;
    int fd; /* of next.tmp, -1 if it is not open */
    uint64_t sequence;
    uint64_t bytes;
    uint64_t zeroed;       /* up to here, without the first block */
    int error;             /* FAILED: -errno */
    struct reason reason;  /* FAILED: the same for people */
    unsigned char *memory; /* a run of zeroes, never touched, then a block for the header */
};

/* 0, or -ENOMEM. The fields above `step` are filled in already. */
int prepare_init(struct prepare *prepare);
void prepare_destroy(struct prepare *prepare);

/* IDLE -> ZEROING, or FAILED. */
void prepare_begin(struct prepare *prepare, uint64_t sequence, uint64_t bytes, uint64_t now_ms);

/* The request that the present step consists of. False: there is none (IDLE, READY, FAILED). */
bool prepare_request(struct prepare *prepare, struct file_request *request);

/* What came of it: one step further, or FAILED. */
void prepare_advance(struct prepare *prepare, const struct file_request *request, int result);

/* There is such a segment already, empty: IDLE -> READY. */
void prepare_found(struct prepare *prepare, uint64_t sequence, uint64_t bytes);

/* READY -> IDLE: somebody uses it now. */
void prepare_take(struct prepare *prepare);

/* Begins, performs and advances until READY. 0, or -errno, and the reason. */
int prepare_now(struct prepare *prepare, uint64_t sequence, uint64_t bytes, uint64_t now_ms);

#endif
