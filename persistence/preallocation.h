/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preallocation: makes a segment before it is needed (F1), one request at a time, so that no batch
 * ever waits for the file system to find space, or a name:
 *
 *   IDLE -> OPENING -> ALLOCATING -> ZEROING -> HEADING -> SYNCING -> CLOSING -> RENAMING -> NAMING
 *        -> ENTERING -> READY -> IDLE (taken); found: IDLE -> ENTERING
 *   on failure: -> CLOSING, if it is open -> REMOVING -> FAILED
 *
 * Nothing here calls the file system, except preallocation_finish and preallocation_opened: each
 * step is a request, and its performer holds up no other thread.
 *
 * It writes zeroes instead of only allocating space, because a write to blocks that the file system
 * knows to be unwritten changes its metadata too, which makes every durable write two.
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
    PREALLOCATION_OPENING,    /* next.tmp does not exist yet */
    PREALLOCATION_ALLOCATING, /* it is empty */
    PREALLOCATION_ZEROING,    /* its space is allocated */
    PREALLOCATION_HEADING,    /* all but the first block is zeroed */
    PREALLOCATION_SYNCING,    /* all is written */
    PREALLOCATION_CLOSING,    /* synced; or failed */
    PREALLOCATION_RENAMING,   /* closed */
    PREALLOCATION_NAMING,     /* renamed; the directory is not synced */
    PREALLOCATION_ENTERING,   /* a segment (F1), not yet open for batches */
    PREALLOCATION_READY,      /* open, and locked (F13) */
    PREALLOCATION_REMOVING,   /* failed; the unfinished file is not removed yet */
    PREALLOCATION_FAILED,     /* final; see error and why */
};

struct preallocation {
    const struct file_ops *files;
    const char *directory; /* borrowed */
    int directory_fd;      /* borrowed */
    uint64_t directory_id;
    bool direct;     /* bypasses the page cache */
    int write_flags; /* to open it with for batches */

    enum preallocation_step step;
    int fd; /* of next.tmp; READY: of the segment; -1 if it is not open */
    uint64_t sequence;
    uint64_t bytes;
    uint64_t zeroed;               /* up to here, except the first block */
    int error;                     /* FAILED: -errno */
    struct error why;              /* FAILED: the same in words */
    struct path unfinished, named; /* next.tmp, and the segment */
    unsigned char *memory;         /* a run of zeroes, never touched, then a block for the header */
};

/* 0, or -ENOMEM. The fields above `step` are filled in already. */
int preallocation_init(struct preallocation *preallocation);
void preallocation_destroy(struct preallocation *preallocation);

/* IDLE -> OPENING. */
void preallocation_begin(struct preallocation *preallocation, uint64_t sequence, uint64_t bytes,
                         uint64_t now_ms);

/* The request of the current step. False: there is none (IDLE, READY, FAILED). */
bool preallocation_request(struct preallocation *preallocation, struct file_request *request);

/* The performer of a request calls it, even while another thread is in preallocation_advance: locks
 * a file opened for batches (F13). The result, or -errno. */
int preallocation_opened(const struct preallocation *preallocation,
                         const struct file_request *request, int result);

/* Takes the result: one step further, or on the way to FAILED. */
void preallocation_advance(struct preallocation *preallocation, const struct file_request *request,
                           int result);

/* That segment exists already, and is empty: IDLE -> ENTERING. */
void preallocation_found(struct preallocation *preallocation, uint64_t sequence, uint64_t bytes);

/* READY -> IDLE: the caller takes over the fd. */
int preallocation_take(struct preallocation *preallocation);

/* Performs and advances until READY, or IDLE if nothing was begun. 0, or -errno, and why. */
int preallocation_finish(struct preallocation *preallocation);

#endif
