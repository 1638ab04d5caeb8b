/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The internals of replay_files, for its two walks: along the chain (replay_files.c), and beyond
 * its end (replay_tail.c).
 */
#ifndef STOCKD_PERSISTENCE_REPLAY_WALK_H
#define STOCKD_PERSISTENCE_REPLAY_WALK_H

#include "persistence/journal_cursor.h"
#include "persistence/replay_files.h"
#include "persistence/stop_mark.h"

/* Bytes of segment files read so far: those of all segments before the current one, and how far
 * that one is read. */
struct replay_progress {
    uint64_t before;
    uint64_t sequence, bytes; /* of the current one */
    uint64_t told;            /* end of the window at the last report */
};

struct replay_walk {
    const struct replay_options *options;
    struct replay_result *result;
    struct error *why;
    struct segment_list list; /* without a gap, from the beginning on */
    struct stop_mark stop;    /* number 0: there is none, or it does not matter */
    struct journal_cursor cursor;
    struct replay_progress progress;
};

/* Judges a segment that was just opened; `error` is what opening it returned. It must belong to the
 * directory of the ones before it, and so must the mark (F2, F14). 0, or -errno and why. */
int replay_walk_segment(struct replay_walk *walk, int error);

/* Reports the progress, if more was read since the last report. */
void replay_walk_progress(struct replay_walk *walk);

#endif
