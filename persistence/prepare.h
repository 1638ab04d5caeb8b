/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The making of a segment before it is needed (F1), one request at a time, so that no batch ever
 * waits for the file system to find place, or a name:
 *
 *   IDLE -> OPENING -> ALLOCATING -> ZEROING -> HEADING -> SYNCING -> CLOSING -> RENAMING -> NAMING
 *        -> ENTERING -> READY -> IDLE (taken); found: IDLE -> ENTERING
 *   what fails: -> CLOSING, if it is open -> REMOVING -> FAILED
 *
 * Nothing here calls the file system, but for prepare_now and prepare_opened: each step is a
 * request, and its performer holds no other thread up.
 *
 * Why zeroes are written and not only place allocated: a write to blocks that the file system knows
 * to be unwritten must change its metadata too, which makes every durable write two.
 * One thread at a time; it performs the requests, or has them performed, and reports.
 */
#ifndef STOCKD_PERSISTENCE_PREPARE_H
#define STOCKD_PERSISTENCE_PREPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "persistence/error.h"
#include "persistence/file.h"
#include "persistence/segment.h"

enum prepare_step {
    PREPARE_IDLE,
    PREPARE_OPENING,    /* next.tmp is to be made */
    PREPARE_ALLOCATING, /* it is there, and empty */
    PREPARE_ZEROING,    /* it has place; zeroes go in */
    PREPARE_HEADING,    /* all but the first block is zeroed */
    PREPARE_SYNCING,    /* all is written */
    PREPARE_CLOSING,    /* synced; or it failed */
    PREPARE_RENAMING,   /* closed */
    PREPARE_NAMING,     /* renamed; the directory is not synced */
    PREPARE_ENTERING,   /* a segment (F1), to be opened as batches are written to it */
    PREPARE_READY,      /* open, and locked (F13) */
    PREPARE_REMOVING,   /* it failed; what was half made goes */
    PREPARE_FAILED,     /* for good; why says so */
};

struct prepare {
    const struct file_ops *files;
    const char *directory; /* borrowed */
    int directory_fd;      /* borrowed */
    uint64_t directory_id;
    bool direct;     /* past the page cache */
    int write_flags; /* how batches are written to it */

    enum prepare_step step;
    int fd; /* of next.tmp; READY: of the segment; -1 if it is not open */
    uint64_t sequence;
    uint64_t bytes;
    uint64_t zeroed;               /* up to here, without the first block */
    int error;                     /* FAILED: -errno */
    struct error why;              /* FAILED: the same for people */
    struct path unfinished, named; /* next.tmp, and the segment */
    unsigned char *memory;         /* a run of zeroes, never touched, then a block for the header */
};

/* 0, or -ENOMEM. The fields above `step` are filled in already. */
int prepare_init(struct prepare *prepare);
void prepare_destroy(struct prepare *prepare);

/* IDLE -> OPENING. */
void prepare_begin(struct prepare *prepare, uint64_t sequence, uint64_t bytes, uint64_t now_ms);

/* The request that the present step consists of. False: there is none (IDLE, READY, FAILED). */
bool prepare_request(struct prepare *prepare, struct file_request *request);

/* To be called by the performer of a request, also while another thread is at prepare_advance: what
 * was opened to be written is locked (F13). The result, or -errno. */
int prepare_opened(const struct prepare *prepare, const struct file_request *request, int result);

/* What came of it: one step further, or on the way to FAILED. */
void prepare_advance(struct prepare *prepare, const struct file_request *request, int result);

/* There is such a segment already, empty: IDLE -> ENTERING. */
void prepare_found(struct prepare *prepare, uint64_t sequence, uint64_t bytes);

/* READY -> IDLE: its user takes over the fd. */
int prepare_take(struct prepare *prepare);

/* Performs and advances until READY, or IDLE if nothing was begun. 0, or -errno, and why. */
int prepare_finish(struct prepare *prepare);

#endif
