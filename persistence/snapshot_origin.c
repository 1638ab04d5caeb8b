/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/snapshot_origin.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "persistence/journal_cursor.h"

/* Looks for one batch of a segment, by whole headers (F16): it may be damaged otherwise. */
struct search {
    struct journal_cursor cursor;
    const struct journal_position *position;
    bool first; /* the segment's first batch, if it continues the position; else the position's */
    bool found;
};

static enum journal_step search_segment(void *context, int error)
{
    struct search *search = context;
    search->cursor.directory_id = search->position->directory_id;
    /* What is wrong with the header is for replay to say. */
    return journal_walk_judge(&search->cursor, error == -EILSEQ ? 0 : error);
}

static enum journal_step search_block(void *context, const struct journal_block *block)
{
    struct search *search = context;
    const struct journal_position *position = search->position;
    struct batch_header header;
    bool whole =
        batch_header_check(block->bytes, block->available, position->directory_id, &header);
    if (search->first)
        search->found =
            whole && header.number == position->number + 1 && header.previous == position->checksum;
    else
        search->found =
            whole && header.number == position->number && header.checksum == position->checksum;
    return search->first || search->found ? JOURNAL_END : JOURNAL_ON;
}

static int find(struct search *search, uint64_t sequence, struct error *why)
{
    const struct segment_list only = { .sequences = &sequence, .count = 1 };
    const struct journal_visitor visitor = { .context = search,
                                             .segment = search_segment,
                                             .block = search_block };
    search->found = false;
    return journal_walk(&search->cursor, &only, sequence, &visitor, why);
}

static int refuse_missing(const char *directory, const struct journal_position *position,
                          uint64_t last, struct error *why)
{
    return error_set(why, -EILSEQ,
                     "%s: segment %s is missing, the first one after the snapshot of lsn %" PRIu64
                     "; the last one there is %s",
                     directory, segment_name(position->sequence + 1).text, position->lsn,
                     segment_name(last).text);
}

static int refuse_other(const char *directory, const struct journal_position *position,
                        struct error *why)
{
    return error_set(why, -EILSEQ,
                     "%s: segment %s does not hold batch %" PRIu64 ", with which the snapshot of "
                     "lsn %" PRIu64 " ends: the snapshot is of another history",
                     directory, segment_name(position->sequence).text, position->number,
                     position->lsn);
}

static bool has(const struct segment_list *list, uint64_t sequence)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->sequences[i] == sequence)
            return true;
    return false;
}

static int judge(struct search *search, const struct segment_list *list,
                 enum snapshot_origin *origin, struct error *why)
{
    const struct journal_position *position = search->position;
    const char *directory = search->cursor.directory;
    bool next = has(list, position->sequence + 1);
    search->first = true;
    int error = next ? find(search, position->sequence + 1, why) : 0;
    if (error || (next && search->found))
        return error;
    search->first = false;
    if (has(list, position->sequence)) {
        error = find(search, position->sequence, why);
        if (error)
            return error;
        if (!search->found) {
            *origin = ORIGIN_OTHER;
            return refuse_other(directory, position, why);
        }
    }
    if (next || list->count == 0)
        return 0;
    *origin = ORIGIN_MISSING;
    return refuse_missing(directory, position, list->sequences[list->count - 1], why);
}

int snapshot_judge_origin(const struct file_ops *files, const char *directory,
                          const struct journal_position *position, enum snapshot_origin *origin,
                          struct error *why)
{
    struct segment_list list;
    struct search search = { .position = position };
    assert(position->sequence > 0);
    *origin = ORIGIN_NOT_DENIED;
    int error = segment_list_read(&list, files, directory, why);
    if (error)
        return error;
    error = journal_cursor_init(&search.cursor, files, directory);
    if (error)
        error_system(why, error, "cannot read %s", directory);
    else
        error = judge(&search, &list, origin, why);
    journal_cursor_destroy(&search.cursor);
    segment_list_free(&list);
    return error;
}
