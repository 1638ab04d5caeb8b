/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: writes the log to disk, and tracks how far it is durable.
 *
 * It has no thread. Any worker asks journal_next for a request, performs it on its own ring, and
 * hands the result to journal_done. Up to JOURNAL_SLOTS requests are in flight at once: batches,
 * one sync, one step of preallocating the next segment. The device sets the pace of group commit:
 * while the maximum of batches is in flight, records gather in the log, and the next batch takes
 * all of them. Batches may complete in any order; they are acknowledged in log order.
 *
 * No thread waits in here. A worker that finds another one inside leaves a note and goes; the one
 * inside looks again (persistence/combining_lock.h).
 *
 * What a reply waits for is a policy over watermarks (persistence/watermark.h): that of the disk,
 * or that of the kernel, or none (persistence/durability.h); in a cluster, that of what is
 * committed (persistence/journal_node.h). log->acknowledged moves in journal_done and
 * journal_committed only; if no reply waits, it is UINT64_MAX from the opening on.
 *
 * A failed or short write and a failed sync are final: log->failed is set, journal_next hands out
 * nothing, nothing more is acknowledged, no sync is retried. If only the next segment cannot be
 * preallocated (a full disk), the journal goes on as long as the current one has room.
 */
#ifndef STOCKD_PERSISTENCE_JOURNAL_H
#define STOCKD_PERSISTENCE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/log/log.h"
#include "persistence/durability.h"
#include "persistence/error.h"
#include "persistence/file.h"
#include "persistence/format.h"
#include "persistence/recovery_base.h"
#include "persistence/replication_port.h"

struct journal;

enum { JOURNAL_SLOTS = JOURNAL_BATCHES + 2 };

struct journal_options {
    const char *directory;        /* the data directory; created if absent */
    enum durability durability;   /* may differ from one opening to the next */
    uint64_t segment_bytes;       /* of new segments; 0: SEGMENT_BYTES_DEFAULT */
    bool init;                    /* the directory has no journal: begin one, whatever is there */
    struct log *log;              /* untouched since log_init; outlives the journal */
    const struct file_ops *files; /* NULL: file_system; outlives the journal */
    /* NULL: the engine works alone. Else it is a node of a cluster; then durability is `always`,
     * and what is said of opening in persistence/journal_node.h holds. Outlives the journal. */
    const struct replication_port *replication;
    uint64_t directory_id; /* of a cluster, which a journal must have; 0: any, a new one if fresh */

    void *context; /* first argument of the callbacks below, any of which may be NULL */
    /* This process has locked the directory, and has read nothing from it yet. */
    void (*locked)(void *context);
    /* Where to load a snapshot, before any record; NULL: there must be none. Its `fresh` is called
     * at least once. It has its own context. */
    const struct snapshot_target *snapshots;
    /* Each record at opening, in order; a non-zero result refuses to open, with that error. */
    int (*apply)(void *context, const struct record_head *record, uint64_t lsn, uint64_t time_ms);
    /* Only a hint, before `apply`: this record comes soon; stage 0, then stage 1. */
    void (*on_prefetch)(void *context, const struct record_head *record, unsigned stage);
    /* At opening: the log leaps (F17). Of the LSNs in between, none is any record's. */
    void (*on_leap)(void *context, uint64_t from, uint64_t to);
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes, at opening */
    /* A line for the operator: what was cut off, what failed; level: of syslog.h. Any thread. */
    void (*say)(void *context, int level, const char *line);
    uint64_t (*wall_ms)(
        void *context); /* for batches: stockd gives engine time. NULL: the real-time clock */
    uint64_t (*steady_ms)(void *context); /* NULL: the system's monotonic clock */
};

struct journal_opened {
    uint64_t recovered_lsn; /* where it ended */
    uint64_t lsn;           /* where the log begins now; greater if it has leapt */
    uint64_t last_time_ms; /* engine time of the last batch, 0 if none: time must not go below it */
    uint64_t records;
    uint64_t batches;          /* number of the last one */
    uint64_t cut_bytes;        /* of a torn tail */
    bool fresh;                /* the directory was empty */
    bool stopped;              /* the previous run ended with a clean stop */
    struct recovery_base base; /* the snapshot that recovery began with */
};

/* 0, or -EINVAL: segments of so many bytes cannot be made; 0 stands for the usual size. */
int journal_check_segment_bytes(uint64_t bytes, struct error *why);

/*
 * Locks the directory, recovers, cuts off a torn tail, and starts the log at the journal's end. If
 * it refuses, it changes nothing: -EWOULDBLOCK the directory is in use, -EILSEQ corruption,
 * -ENODATA no journal where there was one, -EEXIST a journal although `init` asks for a new one,
 * what apply returned, or the system's error; why says it in words. Performs its own I/O.
 */
int journal_open(struct journal **journal, const struct journal_options *options,
                 struct journal_opened *opened, struct error *why);

/*
 * Any worker: at the end of an iteration if log_has_claims(), and at journal_next_sync_ms(). True:
 * perform *request and hand the result to journal_done; then call again, until it returns false.
 *
 * idle: the worker has nothing else to do. Then more batches may be in flight, so new records do
 * not wait for the write in flight; under load, when the processor sets the pace, batches stay
 * large and few.
 */
bool journal_next(struct journal *journal, bool idle, struct file_request *request);

/*
 * The result of a request: bytes written, 0 for a sync, or -errno. Afterwards log->acknowledged may
 * have moved, or log->failed be set: the caller tells the other workers. Then it does what
 * journal_next does, not idle: true if there is a next request; then call journal_next until it
 * returns false.
 */
bool journal_done(struct journal *journal, const struct file_request *request, int result,
                  struct file_request *next);

/* Steady time at which journal_next may hand out a sync; UINT64_MAX: none is due. Every worker that
 * has completed a write must observe it, or the last write would stay unsynced. */
uint64_t journal_next_sync_ms(const struct journal *journal);

/*
 * Clean stop: writes what is in the log, makes everything durable, unlocks and frees. Performs its
 * own I/O. No thread may be inside, and no request in flight: if one never completed, nothing is
 * written (-EBUSY). 0, or -errno and why not everything is durable; it is closed either way.
 */
int journal_close(struct journal *journal, struct error *why);

/* As if the process had been killed: closes the files, writes nothing. For tests, and for an engine
 * that must exit at once. */
void journal_abandon(struct journal *journal);

struct journal_metrics {
    uint64_t written_lsn;   /* handed to the kernel up to here */
    uint64_t durable_lsn;   /* on disk up to here */
    uint64_t committed_lsn; /* in a cluster: committed up to here; else 0 */
    uint64_t recovered_lsn; /* where the journal ended at opening */
    uint64_t batches;       /* since opening, as are the next five */
    uint64_t records;
    uint64_t record_bytes;
    uint64_t file_bytes;    /* with headers and padding */
    uint64_t syncs;         /* separate ones; an O_DSYNC write does not count */
    uint64_t waits;         /* times that a batch had to wait for the next segment */
    uint64_t segments;      /* present now, including the spare one */
    uint64_t sequence;      /* of the current segment */
    uint64_t segment_used;  /* bytes of the current segment */
    uint64_t last_write_us; /* from handing out the last batch to its result */
    bool next_ready;
    bool direct; /* bypasses the page cache */
    enum durability durability;
    const char *directory, *directory_id; /* absolute path; hexadecimal. Live as long as it */
};

/* Any thread; each value is exact for some recent moment. */
void journal_metrics(const struct journal *journal, struct journal_metrics *metrics);

/* For a data directory without segments: -ENODATA and why, if it once had a journal; else 0. lived:
 * its lock file is not empty. */
int journal_refuse_lost(const struct file_ops *files, const char *directory, bool lived,
                        struct error *why);

/* A compaction has removed the segments before first_sequence. Any thread, one at a time. */
void journal_dropped(struct journal *journal, uint64_t first_sequence);

/* Why log->failed is set; "" if it is not set. Any thread. */
const char *journal_failure(const struct journal *journal);

#endif
