/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's internals, for journal_open.c (opening and closing), journal_directory.c (locking
 * the directory first), journal_frame.c (batches and segments), journal_io.c (requests) and
 * journal_node.c (a cluster's node).
 *
 * J1  Fields marked "requests" below are read and written only by the thread inside that lock, or
 *     before the first worker starts or after the last one ends.
 * J2  A slot belongs to the performer of its request from the store of SLOT_OUT until the
 *     performer's release-store of SLOT_DONE; the thread inside the lock acquires that and frees
 *     the slot.
 * J3  Batch n goes out on slot n % JOURNAL_BATCHES, and only once batch n - JOURNAL_BATCHES is
 *     reaped, and in a cluster also committed: until both, that one has the slot's buffer and its
 *     `end`. Batches complete in any order; the thread inside the lock `order` reaps them in
 *     theirs. So the watermarks rise in order, and never past a batch that is not complete.
 * J4  At most two segments hold data that is not durable: the current one, and the retired one
 *     before it. The writer does not leave the current one until the retired one is synced and
 *     closed, nor while a batch of the current one is in flight.
 * J5  The thread inside either lock makes no file system call, not even open or close: a slow one
 *     would hold up a thread that only hands in a result. Everything is a request. Nor does it
 *     write to the operator, whose terminal or pipe may be stuck: it sets a bit in `untold`, and a
 *     thread that has found nothing more to do writes the line, outside the lock.
 * J6  In a cluster a journal first follows: one thread gives it batches, and performs its own I/O.
 *     From the opening until it leads that thread is inside `requests`; so no other makes a batch,
 *     and J5 does not hold: whoever is turned away waits for nothing.
 */
#ifndef STOCKD_PERSISTENCE_JOURNAL_STATE_H
#define STOCKD_PERSISTENCE_JOURNAL_STATE_H

#include <stdatomic.h>

#include "persistence/combining_lock.h"
#include "persistence/journal.h"
#include "persistence/preallocation.h"
#include "persistence/watermark.h"

/* Of JOURNAL_BATCHES, while workers have other work to do. */
enum { BATCHES_WHILE_BUSY = 2 };

/* Between two syncs of DURABILITY_EVERYSEC. */
enum { SYNC_INTERVAL_MS = 1000 };

/* The batches' slots come first. */
enum { SLOT_SYNC = JOURNAL_BATCHES, SLOT_PREALLOCATION };
_Static_assert(SLOT_PREALLOCATION + 1 == JOURNAL_SLOTS, "as the header says");

/* Batches that a journal which follows was given, and has not written yet: one after the other in
 * `buffers`, as they will lie in the current segment. */
struct given_batches {
    unsigned count;
    uint32_t bytes;
    uint64_t offset; /* of the first one, in the segment */
};

/* Bits of journal->untold. */
enum { UNTOLD_NO_NEXT = 1, UNTOLD_FAILED = 2 };

enum { SLOT_FREE, SLOT_OUT, SLOT_DONE };

/*
 * A DONE batch is reaped by the thread inside the lock `order` (J3), anything else by the one
 * inside `requests`.
 */
struct io_slot {
    _Atomic unsigned state; /* J2 */
    struct file_request request;
    struct log_position end; /* BATCH, SYNC: written or durable up to there once it is done */
    uint64_t started_us;
    bool retired; /* SYNC: it syncs or closes the retired segment */
    int result;
};

struct segment {
    int fd; /* -1: none */
    uint64_t sequence;
    uint64_t bytes;
    uint64_t used;
    struct log_position end; /* of the last batch in it */
};

/* Each is written by one thread at a time (last_write_us: by any), and read by any thread, only for
 * the metrics: relaxed. */
struct journal_counters {
    _Atomic uint64_t batches;
    _Atomic uint64_t records;
    _Atomic uint64_t record_bytes;
    _Atomic uint64_t file_bytes;
    _Atomic uint64_t syncs;
    _Atomic uint64_t waits;
    _Atomic uint64_t segments; /* present at opening, or created since */
    _Atomic uint64_t dropped;  /* of those, as journal_dropped says */
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
    uint32_t batch_bytes_max;                   /* header and records */
    const struct replication_port *replication; /* NULL: alone */
    uint64_t directory_id;
    uint64_t first_sequence; /* of the segments at opening */
    uint64_t recovered_lsn;  /* where they ended */
    bool direct;
    void *context;
    void (*say)(void *context, int level, const char *line);
    uint64_t (*wall_ms)(void *context);
    uint64_t (*steady_ms)(void *context);
    struct path directory; /* of the segments */
    struct path data;      /* absolute, of the data directory; for people */
    char id_text[17];      /* directory_id in hexadecimal; likewise */
    int directory_fd;
    int lock_fd;
    bool lived;             /* an engine had a journal here: its process number is in the lock */
    unsigned char *buffers; /* BATCH_BYTES_MAX for each batch slot, which owns it while in flight */

    struct combining_lock requests;
    struct combining_lock order; /* J3 */

    /* requests (J1) */
    struct segment current;
    struct segment retired; /* full, not yet synced and closed */
    bool retired_synced;    /* only the close is left */
    struct preallocation next;
    struct log_position framed; /* the last batch made */
    uint64_t previous;          /* its checksum */
    uint64_t time_ms;           /* its time */
    bool leads_on;              /* it says that the next segment is there (F18) */
    bool waiting;               /* a batch waits for the next segment */
    bool follows;               /* J6 */
    bool leaps;                 /* J6: the first batch that it makes leaps (F17) */
    struct given_batches given; /* J6 */

    struct io_slot slots[JOURNAL_SLOTS];
    struct watermarks watermarks; /* which thread raises which: W1 */
    /* Steady time of the last sync's start. The thread inside `requests` writes it; any worker
     * reads it to know how long to wait: relaxed, because nothing else depends on it. */
    _Atomic uint64_t last_sync_ms;

    struct journal_counters counters;

    /* Lines not yet written to the operator. A bit is set after the data that its line reports:
     * release. The thread that takes the bits reads that data: acquire. */
    _Atomic unsigned untold;

    _Atomic bool failing; /* the thread that sets it first writes `failure`; relaxed exchange */
    struct error failure; /* constant once log->failed is set, which releases it */
};

/* One thread at a time, so it need not be a read-modify-write. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

static inline void counter_set(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* Creates the data directory, locks it, opens the segments' directory, and judges whether there
 * should be a journal. 0, or as journal_open. */
int journal_open_directory(struct journal *journal, const struct journal_options *options,
                           struct error *why);

/* Into the lock file, for people, and for the next start, which expects a journal where it finds a
 * number. So in a new directory it is written only once there is a journal. */
void journal_write_process_number(const struct journal *journal);

#endif
