/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scrub: where replay stops at the first damage, this goes on. It looks at every block,
 * takes up again at the next batch that is valid by itself, and lists all that is wrong, with what
 * was lost between. It only reads, and is for a journal that nobody writes.
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
    FINDING_DAMAGED, /* bytes that are no valid batch */
    FINDING_ABSENT,  /* zeroes, where a batch should be */
    FINDING_MISSING, /* a whole segment, or a run of them */
    FINDING_STRAY,   /* a valid batch that does not belong there */
    FINDING_RECORDS, /* a valid batch with records that do not fill it */
    FINDING_HEADER,  /* the header of a segment, or it is another directory's */
    FINDING_CUT,     /* the file was cut off where a batch may have been (F15) */
    FINDING_MARK,    /* the mark of a clean stop, or it is another journal's; sequence is 0 */
};

struct finding {
    enum finding_kind kind;
    uint64_t sequence;
    uint64_t last_sequence; /* the same, but for a run of missing segments */
    uint64_t offset;
    uint64_t bytes; /* from there on that are affected; 0: none are there */
    /* The records that are gone: those after first_lsn, up to end_lsn; equal: none. */
    uint64_t first_lsn, end_lsn;
    uint64_t first_number, last_number; /* the batches; 0: none */
    bool promised; /* they had been on disk (F8): this is damage, and no crash */
    bool whole;    /* FINDING_HEADER: batches of this journal are in it all the same */
};

/* The last place up to which everything is whole. Nothing is if its number is 0. */
struct scrub_cut {
    bool needed;
    uint64_t sequence;
    uint64_t offset;
    uint64_t lsn, number, time_ms;
};

struct scrub {
    struct finding *findings; /* owned; in the order of the journal */
    size_t count, room;
    struct scrub_cut cut; /* its place is the journal's end if it is not needed */
    uint64_t directory_id;
    uint64_t last_sequence;    /* 0: there are none */
    uint64_t batches, records; /* valid ones, wherever they are */
    uint64_t record_bytes;
    uint64_t kept_records; /* of them before the cut */
    uint64_t end_lsn;      /* of the last valid batch */
    uint64_t end_time_ms;
    struct stop_mark stop; /* its number is 0 if there is none, or it is damaged */
    bool open;             /* the last finding goes to the end: nothing valid comes after it */
};

struct scrub_options {
    const struct file_ops *files;
    const char *directory;                /* of the segments */
    const struct journal_position *start; /* what is up to there is not needed; NULL: nothing is */
    void *context;
    /* A record of a valid batch; beyond: it comes after the first damage. May be NULL. */
    int (*on_record)(void *context, const struct record_head *record, uint64_t lsn,
                     uint64_t time_ms, bool beyond);
};

/* 0, what on_record returned, or -errno and why: -ENOTSUP if any of it is of a later version
 * of the format, which is no damage; or it cannot be read. The scrub is to be freed in any case.
 */
int scrub_journal(const struct scrub_options *options, struct scrub *scrub, struct error *why);
void scrub_free(struct scrub *scrub);

/* What it is, in a few words; static. */
const char *finding_words(enum finding_kind kind);

#endif
