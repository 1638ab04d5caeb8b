/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the mirror's thread waits: for a time, for a socket, and for being told to stop or to look.
 * Whoever tells it is any thread; the waits are the mirror's thread's own.
 */
#ifndef STOCKD_MIRROR_WAKE_H
#define STOCKD_MIRROR_WAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { LAST_WORDS_MS = 250 }; /* what is left to do when it is told to stop may take that long */

struct wake {
    int fd; /* an eventfd; written by who tells, after its flag */
    _Atomic bool
        stopping;        /* set once, by any thread; release, so that the thread sees all before */
    uint64_t stop_by_ms; /* the thread's own: when it must have ended; 0: not told yet */
};

/* 0 or -errno. */
int wake_init(struct wake *wake);
void wake_destroy(struct wake *wake);

/* Any thread: ends the waits under way. */
void wake_tell(struct wake *wake);
void wake_stop(struct wake *wake);

/* The mirror's thread: has it been told to stop? */
bool wake_stopping(struct wake *wake);

/* Waits for the events of the descriptor (-1: of none) until that time, or until it must have ended
 * as it was told to stop. True: they came. */
bool wake_wait(struct wake *wake, int fd, short events, uint64_t until_us);

/* Waits until that time, or until it is told anything. */
void wake_pause(struct wake *wake, uint64_t until_us);

#endif
