/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: brings the log to the disk, and says how far it has come.
 *
 * It has no thread. Any worker asks journal_next for a request, performs it on a ring of its own,
 * and gives the result to journal_done. Up to JOURNAL_SLOTS requests are under way at once: some
 * batches, one sync, one step towards the next segment. The device sets the pace of group commit:
 * while as many batches are under way as may be, records gather in the log, and the next batch
 * takes all of them. Batches may come back in any order; they are acknowledged in their own.
 *
 * Nobody waits in here. A worker that comes while another one is inside leaves a note and goes;
 * the one inside goes round again (persistence/combining_lock.h).
 *
 * What a reply waits for is a policy over watermarks (persistence/watermark.h): that of the disk,
 * or that of the kernel, or none (persistence/durability.h). log->acknowledged moves in
 * journal_done, and nowhere else; if no reply waits, it is UINT64_MAX from the opening on.
 *
 * A failed or short write and a failed sync are final: log->failed is set, journal_next has nothing
 * more to do, nothing more is acknowledged, no sync is tried again. If it is only the next segment
 * that cannot be made (a full disk), the journal goes on as long as the current one has room.
 */
#ifndef STOCKD_PERSISTENCE_JOURNAL_H
#define STOCKD_PERSISTENCE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/log/log.h"
#include "persistence/durability.h"
#include "persistence/error.h"
#include "persistence/file.h"
#include "persistence/recovery_base.h"

struct journal;

enum { JOURNAL_BATCHES = 3, JOURNAL_SLOTS = JOURNAL_BATCHES + 2 };

struct journal_options {
    const char *directory;        /* the data directory; made if it is not there */
    enum durability durability;   /* may differ from one opening to the next */
    uint64_t segment_bytes;       /* of new segments; 0: SEGMENT_BYTES_DEFAULT */
    bool init;                    /* the directory has no journal: begin one, whatever is there */
    struct log *log;              /* untouched since log_init; outlives the journal */
    const struct file_ops *files; /* NULL: file_system; outlives the journal */

    void *context; /* first argument of what follows; any of them may be NULL */
    /* The directory is this process's own now; nothing of it has been read yet. */
    void (*locked)(void *context);
    /* What a snapshot is loaded into, before any record; NULL: there must be none. It gives a fresh
     * ledger at least once. Its context is its own. */
    const struct snapshot_target *snapshots;
    /* Each record at opening, in order; non-zero refuses to open, with that error. */
    int (*apply)(void *context, const struct record_head *record, uint64_t lsn, uint64_t time_ms);
    /* Purely a hint, before that: such a record comes soon; stage 0, then stage 1. */
    void (*on_prefetch)(void *context, const struct record_head *record, unsigned stage);
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes, at opening */
    /* A line for the operator: what was cut off, what failed. Any thread. */
    void (*say)(void *context, const char *line);
    uint64_t (*wall_ms)(void *context);   /* NULL: the system's real-time clock */
    uint64_t (*steady_ms)(void *context); /* NULL: the system's monotonic clock */
};

struct journal_opened {
    uint64_t lsn;          /* where the log stands now */
    uint64_t last_time_ms; /* wall clock of the last batch, 0 if none: time may not go behind it */
    uint64_t records;
    uint64_t batches;
    uint64_t cut_bytes;        /* of a torn tail */
    bool fresh;                /* the directory was empty */
    bool stopped;              /* the life before it ended with a clean stop */
    struct recovery_base base; /* the snapshot that it began with */
};

/*
 * Locks the directory, recovers, cuts off a torn tail, starts the log at the journal's end, and is
 * ready. Nothing is changed if it refuses: -EWOULDBLOCK the directory is in use, -EILSEQ
 * corruption, -ENODATA no journal where there was one, -EEXIST a journal that `init` is not for,
 * what apply returned, or the system's error; why says it in words. Performs its I/O itself.
 */
int journal_open(struct journal **journal, const struct journal_options *options,
                 struct journal_opened *opened, struct error *why);

/*
 * Any worker: at the end of an iteration if log_has_claims(), and when journal_next_sync_ms() has
 * come. True: perform *request and hand the result to journal_done; then ask again, until it says
 * false.
 *
 * idle: the worker has nothing else to do. Then more batches go out beside each other: as long as
 * there is time nobody waits for another one's write; under load, when the processor sets the pace,
 * batches stay large and few.
 */
bool journal_next(struct journal *journal, bool idle, struct file_request *request);

/*
 * The result of a request: bytes written, 0 for a sync, or -errno. Afterwards log->acknowledged may
 * have moved, or log->failed be set: time to tell the other workers. Then as journal_next, not
 * idle: true if there is a next request, and then it is to be asked again until it says false.
 */
bool journal_done(struct journal *journal, const struct file_request *request, int result,
                  struct file_request *next);

/* Steady time at which journal_next may have a sync to hand out; UINT64_MAX: none is foreseen. Any
 * worker that has ended a write is to mind it, or the last write would stay unsynced. */
uint64_t journal_next_sync_ms(const struct journal *journal);

/*
 * Clean stop: writes what is in the log, makes everything durable, unlocks and frees. Performs its
 * I/O itself. No thread may be inside, and no request under way: if one never came back, nothing is
 * written (-EBUSY). 0, or why not everything is durable now; it is closed either way.
 */
int journal_close(struct journal *journal, struct error *why);

/* As if the process had been killed: closes the files, writes nothing. For tests, and for an engine
 * that must go. */
void journal_abandon(struct journal *journal);

struct journal_metrics {
    uint64_t written_lsn; /* handed to the kernel up to here */
    uint64_t durable_lsn; /* on disk up to here */
    uint64_t batches;     /* since opening, as are the next five */
    uint64_t records;
    uint64_t record_bytes;
    uint64_t file_bytes;    /* with headers and padding */
    uint64_t syncs;         /* apart from those that come with a write */
    uint64_t waits;         /* times that a batch had to wait for the next segment */
    uint64_t segments;      /* there are now, the spare one among them */
    uint64_t sequence;      /* of the current one */
    uint64_t segment_used;  /* bytes of the current one */
    uint64_t last_write_us; /* from handing out the last batch to its result */
    bool next_ready;
    bool direct; /* past the page cache */
    enum durability durability;
};

/* Any thread; each figure is exact for some recent moment. */
void journal_metrics(const struct journal *journal, struct journal_metrics *metrics);

/* For a data directory without segments: -ENODATA and why, if an engine has lived there; else 0.
 * lived: its lock file has been written to. */
int journal_refuse_lost(const struct file_ops *files, const char *directory, bool lived,
                        struct error *why);

/* Segments before that one are gone: somebody else has removed them. One thread, any one. */
void journal_dropped(struct journal *journal, uint64_t first_sequence);

/* Why log->failed is set; "" if it is not. Any thread. */
const char *journal_failure(const struct journal *journal);

#endif
