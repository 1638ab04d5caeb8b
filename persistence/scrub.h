/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scrub: where replay stops at the first damage, the scrub goes on. It looks at every block,
 * resumes at the next batch that is valid by itself, and lists everything wrong, with what was lost
 * in between. It only reads, and is for a journal that nothing writes to.
 */
#ifndef STOCKD_PERSISTENCE_SCRUB_H
#define STOCKD_PERSISTENCE_SCRUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/log/log.h"
#include "persistence/error.h"
#include "persistence/file.h"
#include "persistence/format.h"
#include "persistence/snapshot.h"
#include "persistence/stop_mark.h"

enum finding_kind {
    FINDING_DAMAGED,  /* bytes that are no valid batch */
    FINDING_ABSENT,   /* zeroes, where a batch should be */
    FINDING_MISSING,  /* a whole segment, or a run of them */
    FINDING_STRAY,    /* a valid batch that does not belong there */
    FINDING_RECORDS,  /* a valid batch with records that do not fill it */
    FINDING_HEADER,   /* a segment header is damaged, or another directory's */
    FINDING_CUT,      /* the file was truncated where a batch may have been (F15) */
    FINDING_MARK,     /* the clean-stop mark is damaged, or another journal's; sequence is 0 */
    FINDING_SNAPSHOT, /* that of the start is of another history (S8): no cut helps */
};

struct finding {
    enum finding_kind kind;
    uint64_t sequence;
    uint64_t last_sequence; /* the same, except for a run of missing segments */
    uint64_t offset;
    uint64_t bytes; /* affected from there on; 0: there are none */
    /* The lost records: those after first_lsn, up to end_lsn; equal: none. */
    uint64_t first_lsn, end_lsn;
    uint64_t first_number, last_number; /* of the lost batches; 0: none */
    bool promised;                      /* they were on disk (F8): this is damage, not a crash */
    bool whole; /* FINDING_HEADER: the segment has batches of this journal all the same */
};

/* The last point up to which everything is whole; if number is 0, nothing is. */
struct scrub_cut {
    bool needed;
    uint64_t sequence;
    uint64_t offset;
    uint64_t lsn, number, time_ms;
    bool leads_on; /* its batch says that another segment follows that one (F18) */
};

struct scrub {
    struct finding *findings; /* owned; in the order of the journal */
    size_t count, room;
    struct scrub_cut cut; /* the journal's end if not needed */
    uint64_t directory_id;
    uint64_t last_sequence;    /* 0: there are no segments */
    uint64_t batches, records; /* valid ones, before the cut and beyond */
    uint64_t record_bytes;
    uint64_t kept_records; /* of them, before the cut */
    uint64_t end_lsn;      /* of the last valid batch */
    uint64_t end_time_ms;
    struct stop_mark stop; /* number 0: there is none, or it is damaged */
    bool open;             /* nothing valid comes after the last finding */
};

struct scrub_options {
    const struct file_ops *files;
    const char *directory;                /* of the segments */
    const struct journal_position *start; /* where to begin; NULL: at the very beginning */
    void *context;
    /* A record of a valid batch; beyond: it comes after the first damage. May be NULL. */
    int (*on_record)(void *context, const struct record_head *record, uint64_t lsn,
                     uint64_t time_ms, bool beyond);
};

/* 0, what on_record returned, or -errno and why: -ENOTSUP if any of it is in a later version of the
 * format, which is no damage; or the error of a failed read. Free the scrub in any case. */
int scrub_journal(const struct scrub_options *options, struct scrub *scrub, struct error *why);
void scrub_free(struct scrub *scrub);

/* The kind in a few words; static. */
const char *finding_words(enum finding_kind kind);

#endif
