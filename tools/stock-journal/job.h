/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of stock-journal share: their options, and the directory's lock. */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_JOB_H
#define STOCKD_TOOLS_STOCK_JOURNAL_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "persistence/recovery_base.h"
#include "persistence/replay_files.h"
#include "persistence/segment.h"

enum { EXIT_GOOD = 0, EXIT_DAMAGED = 1, EXIT_USAGE = 2 };

struct job {
    const char *directory; /* the data directory */
    bool json, csv, yes;
    const char *sku;   /* dump: only what concerns it; NULL: all */
    const char *since; /* dump: an LSN or a time; NULL: all */
    struct path segments;
    struct recovery_base base; /* where a start begins; so do verify and repair */
    int lock_fd, readers_fd;   /* -1: there is no such file */
};

/* Locks the directory, shared or exclusive, keeps a compaction that outlived its engine from
 * removing segments, and fills in job->segments. EXIT_GOOD, or EXIT_USAGE with the error
 * printed. */
int job_open(struct job *job, enum file_lock lock);
void job_close(struct job *job);

/* Finds job->base: judges the snapshots, as a start would. 0, or -errno and why. */
int job_find_base(struct job *job, struct error *why);

/* Replays the whole journal; context is that of the options. An exit code; errors are printed. */
int job_follow(struct job *job, struct replay_options *options, void *context,
               struct replay_result *result);

/* The commands, each with an exit code. */
int verify_journal(struct job *job);
int repair_journal_of(struct job *job);
int dump_journal(struct job *job);
int stat_journal(struct job *job);

/* "2025-03-01T14:05:00.123Z" */
struct time_text {
    char text[40];
};
struct time_text time_text(uint64_t ms);

#endif
