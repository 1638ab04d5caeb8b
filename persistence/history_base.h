/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of the past (segments in the journal and in the archive, snapshots), and where a
 * walk to some moment begins: after the newest snapshot before it, if there is one.
 */
#ifndef STOCKD_PERSISTENCE_HISTORY_BASE_H
#define STOCKD_PERSISTENCE_HISTORY_BASE_H

#include "engine/history/history.h"
#include "persistence/id_index.h"
#include "persistence/segment.h"
#include "persistence/snapshot.h"

struct history_kept {
    struct segment_list segments;       /* of both, without a gap, up to the newest */
    struct journal_position *snapshots; /* ascending, each with the segments after it; owned */
    size_t snapshot_count;
    bool whole;          /* from the very beginning */
    uint64_t begins_lsn; /* nothing before it is kept */
};

/* The moment before which no events are needed: an LSN, or a time. */
struct history_moment {
    bool by_time;
    uint64_t at;
};

/* data: the data directory. 0, or -errno and why; -EILSEQ: what is kept has no beginning. */
int history_kept_read(struct history_kept *kept, const struct file_ops *files, const char *data,
                      struct error *why);
void history_kept_free(struct history_kept *kept);

/* Fills a fresh history from the newest snapshot that is not after the moment; failing that, from
 * the oldest, unless everything is kept from the beginning. Skips damaged ones. *position: where
 * the walk goes on, all zero for the very beginning. index: for a history by id, it rules out
 * blocks of snapshots, and learns; else NULL. 0, or -errno and why. */
int history_begin(struct history *history, const struct history_kept *kept,
                  const struct history_moment *moment, const struct file_ops *files,
                  const char *data, struct id_index *index, struct journal_position *position,
                  struct error *why);

#endif
