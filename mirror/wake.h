/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the mirror's thread waits: for a time, for a socket, and for a wake-up by another thread.
 * Any thread may wake it or stop it; only the mirror's thread waits.
 */
#ifndef STOCKD_MIRROR_WAKE_H
#define STOCKD_MIRROR_WAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { LAST_WORDS_MS = 250 }; /* how long a stopping mirror may still send */

struct wake {
    int fd;                /* an eventfd; written after the flag that the wake-up is about */
    _Atomic bool stopping; /* set once, by any thread; release: the waiter sees all before it */
    uint64_t stop_by_ms;   /* only the mirror's thread: deadline of its end; 0: not stopping yet */
};

/* 0 or -errno. */
int wake_init(struct wake *wake);
void wake_destroy(struct wake *wake);

/* Any thread: ends the wait under way. */
void wake_tell(struct wake *wake);
void wake_stop(struct wake *wake);

/* The mirror's thread: true if it must stop. */
bool wake_stopping(struct wake *wake);

/* Waits for events on the descriptor (-1: none) until that time, or until the deadline of a stop.
 * True: events came. */
bool wake_wait(struct wake *wake, int fd, short events, uint64_t until_us);

/* Waits until that time or the next wake-up. */
void wake_pause(struct wake *wake, uint64_t until_us);

#endif
