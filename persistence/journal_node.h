/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of a cluster's node (docs/CLUSTER.md): journal_options.replication is set.
 *
 *   journal_open       it follows: it makes no batch of its own
 *   journal_take       the next batch, as another node made it; journal_flush writes what was taken
 *   journal_lead       from here on it makes batches: workers call journal_next and journal_done
 *   journal_committed  what was appended is committed
 *   journal_close
 *
 * Segments are the same byte by byte on all nodes that have the same batches (F20). What only the
 * node itself says is not in them: the clean-stop mark, and which node it is
 * (persistence/node_mark.h).
 *
 * While it follows, one thread uses it, and performs its I/O; a worker may call journal_next, and
 * gets nothing. The log is not touched: whoever applies the batches moves it.
 */
#ifndef STOCKD_PERSISTENCE_JOURNAL_NODE_H
#define STOCKD_PERSISTENCE_JOURNAL_NODE_H

#include "persistence/journal.h"
#include "persistence/snapshot.h"
#include "persistence/watermark.h"

/* Where it ends: the last batch made or taken. While it follows: its thread. */
struct journal_position journal_end(const struct journal *journal);

/*
 * A batch that is committed: header and records, without the padding. It must continue the chain;
 * then it is the last one, and is written with the next ones: it is durable once journal_kept says
 * so, after JOURNAL_BATCHES more or journal_flush at the latest.
 *
 * 0; -EILSEQ: it is not the next batch of this journal, or is damaged; -ENOTSUP: a later version
 * made it; and why. In these cases nothing has changed, and the right batch may still come. Another
 * -errno: the journal has failed for good, as log->failed says, too.
 */
int journal_take(struct journal *journal, const void *batch, uint32_t length, struct error *why);

/* Returns once everything taken is durable; then preallocates a little, if that is due. 0, or
 * -errno and why: it has failed for good. */
int journal_flush(struct journal *journal, struct error *why);

/* What is both committed and on this disk. Any thread. */
struct log_position journal_kept(const struct journal *journal);

struct journal_lead {
    uint64_t number; /* of the batch that it made; committed once journal_committed says so */
    uint64_t from;   /* where the log was */
    uint64_t lsn;    /* where it begins now; greater if it has leapt (F17) */
};

/*
 * It leads: makes a batch without records, writes it and appends it. The log must stand where the
 * journal ends, with nothing claimed; from here on it may be claimed in. The port must be ready.
 * 0, or -errno and why: it has failed for good, and may or may not have appended the batch.
 */
int journal_lead(struct journal *journal, struct journal_lead *lead, struct error *why);

/*
 * All batches up to that number are committed; each was appended before, and the numbers never
 * fall. One thread, while it leads. Does not wait. Afterwards log->acknowledged may have moved: the
 * caller tells the workers, as after journal_done.
 *
 * True: there is something to write that found no slot, or a worker was turned away meanwhile. Then
 * the caller wakes a worker, one that sleeps included, and it calls journal_next until that returns
 * false. Otherwise such records could lie in the log until something else happens, because after
 * their last journal_done no worker has a reason to look.
 */
bool journal_committed(struct journal *journal, uint64_t number);

#endif
