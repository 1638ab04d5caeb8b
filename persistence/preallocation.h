/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The making of a segment before it is needed (F1), one request at a time, so that no batch ever
 * waits for the file system to find place, or a name:
 *
 *   IDLE -> OPENING -> ALLOCATING -> ZEROING -> HEADING -> SYNCING -> CLOSING -> RENAMING -> NAMING
 *        -> ENTERING -> READY -> IDLE (taken); found: IDLE -> ENTERING
 *   what fails: -> CLOSING, if it is open -> REMOVING -> FAILED
 *
 * Nothing here calls the file system, but for preallocation_now and preallocation_opened: each step
 * is a request, and its performer holds no other thread up.
 *
 * Why zeroes are written and not only place allocated: a write to blocks that the file system knows
 * to be unwritten must change its metadata too, which makes every durable write two.
 * One thread at a time; it performs the requests, or has them performed, and reports.
 */
#ifndef STOCKD_PERSISTENCE_PREALLOCATION_H
#define STOCKD_PERSISTENCE_PREALLOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "persistence/error.h"
#include "persistence/file.h"
#include "persistence/segment.h"

enum preallocation_step {
    PREALLOCATION_IDLE,
    PREALLOCATION_OPENING,    /* next.tmp is to be made */
    PREALLOCATION_ALLOCATING, /* it is there, and empty */
    PREALLOCATION_ZEROING,    /* it has place; zeroes go in */
    PREALLOCATION_HEADING,    /* all but the first block is zeroed */
    PREALLOCATION_SYNCING,    /* all is written */
    PREALLOCATION_CLOSING,    /* synced; or it failed */
    PREALLOCATION_RENAMING,   /* closed */
    PREALLOCATION_NAMING,     /* renamed; the directory is not synced */
    PREALLOCATION_ENTERING,   /* a segment (F1), to be opened as batches are written to it */
    PREALLOCATION_READY,      /* open, and locked (F13) */
    PREALLOCATION_REMOVING,   /* it failed; what was half made goes */
    PREALLOCATION_FAILED,     /* for good; why says so */
};

struct preallocation {
    const struct file_ops *files;
    const char *directory; /* borrowed */
    int directory_fd;      /* borrowed */
    uint64_t directory_id;
    bool direct;     /* past the page cache */
    int write_flags; /* how batches are written to it */

    enum preallocation_step step;
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
int preallocation_init(struct preallocation *preallocation);
void preallocation_destroy(struct preallocation *preallocation);

/* IDLE -> OPENING. */
void preallocation_begin(struct preallocation *preallocation, uint64_t sequence, uint64_t bytes,
                         uint64_t now_ms);

/* The request that the present step consists of. False: there is none (IDLE, READY, FAILED). */
bool prepare_request(struct preallocation *preallocation, struct file_request *request);

/* To be called by the performer of a request, also while another thread is at
 * preallocation_advance: what was opened to be written is locked (F13). The result, or -errno. */
int preallocation_opened(const struct preallocation *preallocation,
                         const struct file_request *request, int result);

/* What came of it: one step further, or on the way to FAILED. */
void preallocation_advance(struct preallocation *preallocation, const struct file_request *request,
                           int result);

/* There is such a segment already, empty: IDLE -> ENTERING. */
void preallocation_found(struct preallocation *preallocation, uint64_t sequence, uint64_t bytes);

/* READY -> IDLE: its user takes over the fd. */
int preallocation_take(struct preallocation *preallocation);

/* Performs and advances until READY, or IDLE if nothing was begun. 0, or -errno, and why. */
int preallocation_finish(struct preallocation *preallocation);

#endif
