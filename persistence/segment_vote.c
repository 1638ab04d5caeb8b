/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/segment_vote.h"

#include <assert.h>
#include <errno.h>

struct ballot {
    struct journal_cursor *cursor;
    uint64_t candidate; /* after the first round, no other id can have a majority */
    size_t lead;        /* of the candidate, over the others */
    bool second;        /* the second round counts the candidate's votes */
    size_t bearing, votes;
};

static void cast_vote(struct ballot *ballot, uint64_t id)
{
    if (ballot->second) {
        ballot->bearing++;
        ballot->votes += id == ballot->candidate;
        return;
    }
    if (ballot->lead == 0)
        ballot->candidate = id;
    ballot->lead += id == ballot->candidate ? 1 : -(size_t)1;
}

/* Votes for the id that a header names if the header is valid; a damaged one counts only if some
 * batch after it confirms its id. */
static enum journal_step vote_of_header(void *context, int error)
{
    struct ballot *ballot = context;
    struct journal_cursor *cursor = ballot->cursor;
    const struct segment_reader *reader = &cursor->reader;
    struct segment_header header;
    if (reader->fd < 0)
        return JOURNAL_SKIP;
    if (!error || error == -ENOTSUP) { /* a later version's is whole, and is refused later */
        cast_vote(ballot, reader->header.directory_id);
        return JOURNAL_SKIP;
    }
    ssize_t n = file_read_all(reader->files, reader->fd, &header, sizeof header, 0);
    cursor->directory_id = header.directory_id;
    return n == (ssize_t)sizeof header ? JOURNAL_ON : JOURNAL_SKIP;
}

static enum journal_step vote_of_block(void *context, const struct journal_block *block)
{
    struct ballot *ballot = context;
    if (block->verdict != BATCH_VALID)
        return JOURNAL_ON;
    cast_vote(ballot, ballot->cursor->directory_id);
    return JOURNAL_SKIP;
}

static enum journal_step pass_over(void *context, uint64_t first, uint64_t last)
{
    (void)context, (void)first, (void)last;
    return JOURNAL_ON;
}

int segments_vote(struct journal_cursor *cursor, const struct segment_list *list, uint64_t *id,
                  struct error *why)
{
    struct ballot ballot = { .cursor = cursor };
    const struct journal_visitor visitor = {
        .context = &ballot, .missing = pass_over, .segment = vote_of_header, .block = vote_of_block
    };
    int error = journal_walk(cursor, list, FIRST_SEQUENCE, &visitor, why);
    ballot.second = true;
    assert(error || ballot.lead <= list->count);
    if (!error)
        error = journal_walk(cursor, list, FIRST_SEQUENCE, &visitor, why);
    if (error)
        return error;
    if (ballot.bearing == 0)
        return error_set(why, -EILSEQ,
                         "%s: no segment has a usable directory id: valid batches cannot be told "
                         "from other bytes",
                         cursor->directory);
    assert(ballot.votes <= ballot.bearing && ballot.bearing <= list->count);
    if (2 * ballot.votes <= ballot.bearing)
        return error_set(why, -EILSEQ,
                         "%s: its segments are from several journals, none of which has a "
                         "majority: move away those that do not belong here",
                         cursor->directory);
    *id = ballot.candidate;
    return 0;
}
