/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay: takes the batches of a journal, in order, and hands on each of their records. It knows no
 * files: its caller pushes batches. A start pushes those of its segments
 * (persistence/replay_files.h); a running standby could push what it is sent.
 *
 *   replay_begin   at a position: the very beginning, or the end of a snapshot
 *   replay_batch   the batch that continues the chain; any other is refused
 *   replay_end     the position reached
 *
 * A batch is judged before any of its records is handed on: it must continue the chain (F4), and
 * its records must fill it (F11). So a refused batch changes nothing, and the missing one may still
 * be pushed. Only if on_record refuses a record is its batch applied in part; then replay takes no
 * more batches.
 *
 * One thread at a time.
 */
#ifndef STOCKD_PERSISTENCE_REPLAY_H
#define STOCKD_PERSISTENCE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/log/log.h"
#include "persistence/error.h"
#include "persistence/format.h"
#include "persistence/snapshot.h"

struct replay_target {
    void *context; /* first argument of the callbacks, each of which may be NULL */
    /* One record that ends at lsn, in a batch of that engine time. Non-zero refuses it. The bytes
     * are borrowed for the call, and aligned to 8. */
    int (*on_record)(void *context, const struct record_head *record, uint64_t lsn,
                     uint64_t time_ms);
    /* Only a hint: this record comes soon; stage 0, then 1, before on_record. */
    void (*on_prefetch)(void *context, const struct record_head *record, unsigned stage);
    /* The log leaps (F17): of the LSNs in between, none is any record's. */
    void (*on_leap)(void *context, uint64_t from, uint64_t to);
};

struct replay {
    struct replay_target target;
    struct journal_position at; /* after the last batch; its sequence is that of the beginning */
    uint64_t records;           /* handed on */
    bool over;                  /* a record was refused, or replay_end was called */
};

/* from: NULL for the very beginning. */
void replay_begin(struct replay *replay, const struct replay_target *target,
                  const struct journal_position *from);

/* F4, except for the file offset: the batch with that header is the one after `at`. */
bool batch_continues(const struct journal_position *at, const struct batch_header *header);

/* F11: the records of a batch fill it; aligned to 8. */
bool batch_is_filled(const struct batch_header *header, const unsigned char *records);

/* The same, after the last batch. */
bool replay_continues(const struct replay *replay, const struct batch_header *header);

/*
 * header: of a batch of this journal that is valid by itself (F3); records: its header->length
 * bytes, aligned to 8. 0; -EILSEQ and why: it does not continue the chain, or its records do not
 * fill it, and none was handed on; or what on_record returned.
 */
int replay_batch(struct replay *replay, const struct batch_header *header,
                 const unsigned char *records, struct error *why);

/* Takes no more batches; returns where the journal goes on. Not after a record was refused. */
struct journal_position replay_end(struct replay *replay);

#endif
