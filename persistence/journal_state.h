/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's inside, for journal_open.c (opening and closing), journal_directory.c (what is
 * before that), journal_frame.c (batches and segments) and journal_io.c (what workers do).
 *
 * J1  What is marked "requests" below is read and written only by the thread inside that lock, or
 *     while no worker is there yet or any more.
 * J2  A slot belongs to the performer of its request from the store of SLOT_OUT until the
 *     performer's release-store of SLOT_DONE; the thread inside the lock acquires that and frees
 *     it.
 * J3  Batch n goes out on slot n % JOURNAL_BATCHES, and only when batch n - JOURNAL_BATCHES was
 *     taken back. Batches come back in any order; the thread inside the lock `order` takes them in
 *     theirs. So the watermarks rise in order, and never past one that is not back.
 * J4  At most two segments hold what is not durable: the current one, and the retired one before
 *     it. Until the retired one is synced and closed the current one is not left; nor while a batch
 *     of it is under way.
 * J5  The thread inside either lock calls no function of the file system, not even to open or to
 *     close: a slow one would hold up a thread that only hands in a result. All is requests. Nor
 *     does it say anything to the operator, whose terminal or pipe may be stuck: it notes it in
 *     `untold`, and a thread that has found nothing more to do says it, outside.
 */
#ifndef STOCKD_PERSISTENCE_JOURNAL_STATE_H
#define STOCKD_PERSISTENCE_JOURNAL_STATE_H

#include <stdatomic.h>

#include "persistence/combining_lock.h"
#include "persistence/journal.h"
#include "persistence/preallocation.h"
#include "persistence/watermark.h"

/* Of JOURNAL_BATCHES, as long as workers have other things to do than to wait. */
enum { BATCHES_WHILE_BUSY = 2 };

/* Between two syncs of DURABILITY_EVERYSEC. */
enum { SYNC_INTERVAL_MS = 1000 };

/* The batches' slots come first. */
enum { SLOT_SYNC = JOURNAL_BATCHES, SLOT_PREPARE };
_Static_assert(SLOT_PREPARE + 1 == JOURNAL_SLOTS, "as the header says");

/* Bits of journal->untold. */
enum { UNTOLD_NO_NEXT = 1, UNTOLD_FAILED = 2 };

enum { SLOT_FREE, SLOT_OUT, SLOT_DONE };

/*
 * Of a batch, DONE is taken back by the thread inside the lock `order` (J3), else by the one inside
 * `requests`.
 */
struct io_slot {
    _Atomic unsigned state; /* J2 */
    struct file_request request;
    struct log_position end; /* BATCH, SYNC: written or durable up to there once it is done */
    uint64_t started_us;
    bool retired; /* SYNC: it is the retired segment's, to be synced or closed */
    int result;
};

struct segment {
    int fd; /* -1: there is none */
    uint64_t sequence;
    uint64_t bytes;
    uint64_t used;
    struct log_position end; /* of the last batch in it */
};

/* Each written by one thread at a time (last_write_us: by any), read by anybody for the metrics
 * only: relaxed. */
struct journal_counters {
    _Atomic uint64_t batches;
    _Atomic uint64_t records;
    _Atomic uint64_t record_bytes;
    _Atomic uint64_t file_bytes;
    _Atomic uint64_t syncs;
    _Atomic uint64_t waits;
    _Atomic uint64_t segments; /* that were there at opening, and were made since */
    _Atomic uint64_t dropped;  /* of those, by the caller of journal_dropped */
    _Atomic uint64_t sequence;
    _Atomic uint64_t segment_used;
    _Atomic uint64_t last_write_us;
    _Atomic bool next_ready;
};

struct journal {
    /* Constant once opened. */
    const struct file_ops *files;
    struct log *log;
    enum durability durability;
    uint64_t segment_bytes;
    uint64_t directory_id;
    uint64_t first_sequence; /* of the segments that there were at opening */
    bool direct;
    void *context;
    void (*say)(void *context, const char *line);
    uint64_t (*wall_ms)(void *context);
    uint64_t (*steady_ms)(void *context);
    struct path directory; /* of the segments */
    int directory_fd;
    int lock_fd;
    bool lived;             /* an engine had a journal here: its process number is in the lock */
    unsigned char *buffers; /* BATCH_BYTES_MAX for each batch; its own while it is out */

    struct combining_lock requests;
    struct combining_lock order; /* J3 */

    /* requests (J1) */
    struct segment current;
    struct segment retired; /* full, not yet synced and closed */
    bool retired_synced;    /* it is only to be closed */
    struct preallocation next;
    struct log_position framed; /* the last batch that was made */
    uint64_t previous;          /* its checksum */
    uint64_t time_ms;           /* its wall clock */
    bool waiting;               /* a batch waits for the next segment */

    struct io_slot slots[JOURNAL_SLOTS];
    struct watermarks watermarks; /* who raises which: W1 */
    /* Steady time of the last sync's start. The thread inside `requests` writes it; any worker
     * reads it to know how long to wait: relaxed, for nothing else depends on it. */
    _Atomic uint64_t last_sync_ms;

    struct journal_counters counters;

    /* Lines that the operator has not been told yet. A bit is set after what it is about was
     * written: release. The thread that takes the bits reads that: acquire. */
    _Atomic unsigned untold;

    _Atomic bool failing; /* the thread that sets it first writes why; relaxed exchange */
    struct error failure; /* constant once log->failed is set, which releases it */
};

/* One thread at a time, so it need not be one step. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

static inline void counter_set(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* Makes the data directory, locks it, opens the segments' directory, and judges whether a journal
 * is to be there. 0, or as journal_open. */
int journal_open_directory(struct journal *journal, const struct journal_options *options,
                           struct error *why);

/* Into the lock, for people, and for the next start, which looks for a journal where it finds it.
 * So in a new directory it is written once there is one. */
void journal_write_process_number(const struct journal *journal);

#endif
