/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watermarks: named positions that say how far the log has come; and what is acknowledged, which is
 * a policy over them.
 *
 * W1  A watermark only rises, and one thread at a time raises it: the enum below says which. It is
 *     raised after what it states is true: release. Any thread reads it, with acquire: what it
 *     states happened before.
 * W2  Acknowledged is the least of the required watermarks; if none is required, it is UINT64_MAX:
 *     no reply waits.
 * W3  watermarks_acknowledge stores log->acknowledged, and nothing else does once the log has
 *     begun. It runs in the thread inside the journal's lock `order`, or in the only thread. So
 *     `acknowledged` only rises. That thread acquires the required watermarks and then releases
 *     `acknowledged`: a thread that acquires it sees all that they state.
 * W4  After raising a required watermark, the raiser enters the lock `order`. It is turned away
 *     only by a thread that will look again (G1): so no rise is left unacknowledged.
 */
#ifndef STOCKD_PERSISTENCE_WATERMARK_H
#define STOCKD_PERSISTENCE_WATERMARK_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/log/log.h"

/* A position in the log: everything up to there. */
struct log_position {
    uint64_t lsn;
    uint64_t number; /* of the last batch */
};

enum watermark {
    WATERMARK_KERNEL,    /* handed to the kernel: a kill loses nothing. The thread inside `order` */
    WATERMARK_DISK,      /* on the local disk. The thread inside `order`, if a completed write is
                       * durable; else the performer of the sync, one at a time */
    WATERMARK_COMMITTED, /* by the cluster, if there is one. The caller of journal_committed, one
                          * thread; before the journal leads, the thread that gives it batches */
    WATERMARKS,
};

struct watermarks {
    struct {
        _Atomic uint64_t lsn, number; /* W1 */
    } marks[WATERMARKS];
    unsigned required; /* bits 1 << enum watermark; const once the log has begun */
};

/* The two fields may belong to different positions, each of which was reached. */
static inline struct log_position watermark_read(const struct watermarks *watermarks,
                                                 enum watermark which)
{
    return (struct log_position){
        atomic_load_explicit(&watermarks->marks[which].lsn, memory_order_acquire),
        atomic_load_explicit(&watermarks->marks[which].number, memory_order_acquire),
    };
}

/* W1, W4. */
void watermark_raise(struct watermarks *watermarks, enum watermark which,
                     struct log_position position);

/* W2. */
uint64_t watermarks_least(const struct watermarks *watermarks);

/* Moves log->acknowledged to where the policy says (W3). */
void watermarks_acknowledge(const struct watermarks *watermarks, struct log *log);

#endif
