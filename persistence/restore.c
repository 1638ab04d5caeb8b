/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/restore.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/memory.h"
#include "persistence/copying.h"
#include "persistence/journal_cursor.h"
#include "persistence/recovery_base.h"
#include "persistence/stop_mark.h"

struct restoring {
    const struct restore_options *options;
    const struct file_ops *files;
    struct restored *restored;
    struct error *why;
    struct backup_mark mark;
    struct backup_paths from;
    struct path unfinished, journal, snapshot; /* what is made; it is renamed in the end */
    struct journal_position base;
    struct copying copying;
    struct journal_cursor cursor;
    unsigned char *cut; /* BATCH_BYTES_MAX: the last batch, if it is cut */
    bool reached;       /* the moment to restore */
    bool begun;         /* `unfinished` is of this restore */
};

static bool writes(const struct restoring *r)
{
    return r->options->directory != NULL;
}

/* ---- the moment ---- */

static int judge_moment(const struct restoring *r)
{
    const struct restore_options *o = r->options;
    const struct journal_position *end = &r->mark.end;
    if (o->to == RESTORE_LSN && o->at > end->lsn)
        return error_set(r->why, -ERANGE, "the backup ends at lsn %" PRIu64, end->lsn);
    if (o->to == RESTORE_TIME && o->at > end->time_ms)
        return error_set(r->why, -ERANGE,
                         "the backup ends earlier, at lsn %" PRIu64 ": leave out --to for that",
                         end->lsn);
    return 0;
}

static bool is_after(const struct restoring *r, const struct journal_position *position)
{
    const struct restore_options *o = r->options;
    return (o->to == RESTORE_LSN && position->lsn > o->at) ||
           (o->to == RESTORE_TIME && position->time_ms > o->at);
}

/* ---- where to begin ---- */

static void say(const struct restoring *r, const char *what)
{
    char line[640];
    snprintf(line, sizeof line, "snapshot passed over: %s", what);
    if (r->options->say)
        r->options->say(r->options->context, line);
}

/* *fits: it is whole, and not after the moment. */
static int try_snapshot(struct restoring *r, uint64_t lsn, bool *fits)
{
    struct snapshot snapshot;
    *fits = false;
    int error = snapshot_open(&snapshot, r->files, r->from.snapshot.text, lsn, r->why);
    if (!error) {
        const struct journal_position *position = &snapshot.header.position;
        *fits = !is_after(r, position) && position->sequence <= r->mark.sealed.sequence &&
                position->directory_id == r->mark.end.directory_id;
        if (*fits)
            error = snapshot_load(&snapshot, NULL, NULL, recovery_base_threads(r->files), r->why);
        if (*fits && !error)
            r->base = snapshot.header.position;
        snapshot_close(&snapshot);
    }
    if (error != -EILSEQ)
        return error;
    *fits = false;
    say(r, r->why->text);
    return 0;
}

static int find_base(struct restoring *r)
{
    struct snapshot_list list;
    bool fits = false;
    int error = snapshot_list_read(&list, r->files, r->from.snapshot.text, r->why);
    for (size_t i = list.count; !error && !fits && i > 0; i--)
        if (list.lsns[i - 1] <= r->mark.end.lsn)
            error = try_snapshot(r, list.lsns[i - 1], &fits);
    snapshot_list_free(&list);
    return error;
}

/* ---- segments ---- */

static int end_of_backup(const struct restoring *r)
{
    return error_set(r->why, -EILSEQ,
                     "the backup is damaged: its batches end at lsn %" PRIu64
                     ", and should reach lsn %" PRIu64,
                     r->copying.replay.at.lsn, r->mark.end.lsn);
}

/* Makes a batch of the records of that one up to the LSN, perhaps of none. Returns their bytes. */
static uint32_t cut_batch(struct restoring *r, const struct batch_header *header, uint64_t lsn)
{
    const unsigned char *bytes = (const unsigned char *)header + BATCH_HEADER_BYTES;
    struct record_cursor records = records_of(bytes, header->length, header->first_lsn);
    uint32_t length = 0;
    while (record_next(&records) && records.lsn <= lsn)
        length = (uint32_t)(records.lsn - header->first_lsn);
    const struct batch_seal seal = {
        .directory_id = r->mark.end.directory_id,
        .first_lsn = header->first_lsn,
        .number = header->number,
        .promised = header->promised,
        .previous = header->previous,
        .time_ms = length > 0 ? header->time_ms : r->copying.replay.at.time_ms,
    };
    memset(r->cut, 0, BATCH_BYTES_MAX);
    memcpy(r->cut + BATCH_HEADER_BYTES, bytes, length);
    batch_make(r->cut, length, &seal);
    return length;
}

/* A whole batch, or the part of it that belongs to the moment; then the walk ends. If that is the
 * end of the snapshot, the part is a batch without records, because an engine needs a segment. */
static int take_batch(struct restoring *r, const struct batch_header *header)
{
    const struct restore_options *o = r->options;
    const struct segment_reader *reader = &r->cursor.reader;
    const void *batch = header;
    bool later = o->to == RESTORE_TIME && header->time_ms > o->at;
    bool cut = o->to == RESTORE_LSN && batch_end_lsn(header) > o->at; /* @cut */
    if (later && r->copying.replay.at.number == 0)
        return error_set(r->why, -ERANGE, "the backup does not hold that moment: it begins later");
    r->reached = later || cut || header->number == r->mark.end.number;
    if (later || cut) {
        uint32_t length = cut_batch(r, header, later ? 0 : o->at);
        if (length == 0 && r->copying.segments > 0)
            return 0;
        batch = r->cut;
    }
    return copying_batch(&r->copying, &reader->header, reader->offset, batch);
}

static enum journal_step on_block(void *context, const struct journal_block *block)
{
    struct restoring *r = context;
    struct journal_cursor *cursor = &r->cursor;
    if (r->reached)
        return JOURNAL_SKIP;
    if (block->verdict == BATCH_UNKNOWN)
        return journal_walk_refuse_unknown(cursor);
    if (block->verdict == BATCH_NONE)
        return JOURNAL_SKIP;
    if (block->verdict != BATCH_VALID)
        return journal_walk_refuse(cursor, -EILSEQ, "the backup is damaged here");
    int error = take_batch(r, block->header);
    if (error == -EILSEQ) /* it does not continue the chain */
        return journal_walk_refuse(cursor, error,
                                   "the backup is damaged: batches before this lack");
    return journal_walk_judge(cursor, error);
}

static enum journal_step on_segment(void *context, int error)
{
    struct restoring *r = context;
    r->cursor.directory_id = r->mark.end.directory_id;
    return r->reached ? JOURNAL_END : journal_walk_judge(&r->cursor, error);
}

static enum journal_step on_leave(void *context)
{
    struct restoring *r = context;
    return journal_walk_judge(&r->cursor, copying_leave(&r->copying));
}

static enum journal_step on_missing(void *context, uint64_t first, uint64_t last)
{
    struct restoring *r = context;
    (void)last;
    return journal_walk_fail(&r->cursor,
                             error_set(r->why, -ERANGE,
                                       "the backup does not hold that moment: it lacks what comes "
                                       "after lsn %" PRIu64 " (segment %s)",
                                       r->copying.replay.at.lsn, segment_name(first).text));
}

/* Segments of that directory from `first` on, up to `last`. */
static int walk(struct restoring *r, const char *directory, uint64_t first, uint64_t last)
{
    static const struct segment_list none;
    struct segment_list list = none;
    const struct journal_visitor visitor = { .context = r,
                                             .missing = on_missing,
                                             .segment = on_segment,
                                             .block = on_block,
                                             .leave = on_leave };
    int error = segment_list_read(&list, r->files, directory, r->why);
    while (list.count > 0 && list.sequences[list.count - 1] > last)
        list.count--; /* B2 */
    r->cursor.directory = directory;
    if (!error)
        error = journal_walk(&r->cursor, &list, first, &visitor, r->why);
    segment_list_free(&list);
    return error;
}

static int copy_segments(struct restoring *r)
{
    uint64_t first = r->base.sequence + 1, sealed = r->mark.sealed.sequence;
    int error = journal_cursor_init(&r->cursor, r->files, r->from.journal.text);
    if (error)
        return error_system(r->why, error, "cannot read %s", r->from.journal.text);
    copying_begin(&r->copying, r->files, &r->base, r->why);
    r->copying.whole = true;
    r->copying.directory = writes(r) ? r->journal.text : NULL;
    if (first <= sealed)
        error = walk(r, r->from.journal.text, first, sealed);
    if (!error && !r->reached)
        error = walk(r, r->from.tails[r->mark.tail].text, first > sealed ? first : sealed + 1,
                     UINT64_MAX);
    copying_end(&r->copying);
    journal_cursor_destroy(&r->cursor);
    if (!error && !r->reached)
        error = end_of_backup(r);
    r->restored->bytes += r->copying.bytes;
    return error;
}

/* ---- the directory ---- */

static int found_name(void *argument, const char *name)
{
    (void)argument, (void)name;
    return 1;
}

static int make_directories(struct restoring *r)
{
    const char *const paths[] = { r->unfinished.text, r->journal.text, r->snapshot.text };
    int found = r->files->list(r->files->context, r->options->directory, found_name, NULL);
    if (found != 0 && found != -ENOENT)
        return found < 0 ? error_system(r->why, found, "cannot list %s", r->options->directory)
                         : error_set(r->why, -EEXIST, "%s is not empty: give a new directory",
                                     r->options->directory);
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        int error = r->files->make_directory(r->files->context, paths[i]);
        if (error == -EEXIST)
            return error_set(r->why, error,
                             "%s is what an interrupted restore left: remove it first", paths[i]);
        if (error)
            return error_system(r->why, error, "cannot create %s", paths[i]);
        r->begun = true;
    }
    struct path parent;
    int error = path_join(&parent, r->unfinished.text, "..");
    if (!error)
        error = file_sync_directory_at(r->files, parent.text);
    if (!error)
        error = file_sync_directory_at(r->files, r->unfinished.text);
    return error ? error_system(r->why, error, "cannot sync %s", r->unfinished.text) : 0;
}

static int take_name(void *argument, const char *name)
{
    struct path *taken = argument;
    snprintf(taken->text, sizeof taken->text, "%s", name);
    return 1;
}

static void remove_with_files(const struct restoring *r, const char *directory)
{
    const struct file_ops *files = r->files;
    struct path name, path;
    int error = 0;
    while (!error && files->list(files->context, directory, take_name, &name) > 0) {
        error = path_join(&path, directory, name.text);
        if (!error)
            error = files->unlink(files->context, path.text);
    }
    files->remove_directory(files->context, directory);
}

/* What failed leaves nothing behind. What cannot be removed stays; the next restore names it. */
static void undo(const struct restoring *r)
{
    remove_with_files(r, r->journal.text);
    remove_with_files(r, r->snapshot.text);
    r->files->remove_directory(r->files->context, r->unfinished.text);
}

static int copy_base(struct restoring *r)
{
    uint64_t bytes = 0;
    if (r->base.sequence == 0 || !writes(r))
        return 0;
    int error = copy_file(r->files, r->from.snapshot.text, r->snapshot.text,
                          snapshot_name(r->base.lsn).text, &bytes, r->why);
    r->restored->bytes += bytes;
    return error;
}

static int mark_end(const struct restoring *r)
{
    const struct journal_position *end = &r->copying.replay.at;
    const struct stop_mark mark = {
        .directory_id = end->directory_id,
        .sequence = r->copying.last.sequence,
        .offset = r->copying.last.offset,
        .lsn = end->lsn,
        .number = end->number,
        .batch_checksum = end->checksum,
        .time_ms = end->time_ms,
    };
    return stop_mark_write(&mark, r->files, r->journal.text, r->why);
}

/* An empty directory of that name is replaced. */
static int give_name(const struct restoring *r)
{
    const char *const synced[] = { r->journal.text, r->snapshot.text, r->unfinished.text };
    const char *directory = r->options->directory;
    struct path parent;
    int error = 0;
    for (unsigned i = 0; i < sizeof synced / sizeof *synced && !error; i++)
        error = file_sync_directory_at(r->files, synced[i]);
    if (!error)
        error = r->files->rename(r->files->context, r->unfinished.text, directory);
    if (!error)
        error = path_join(&parent, directory, "..");
    if (!error)
        error = file_sync_directory_at(r->files, parent.text);
    return error ? error_system(r->why, error, "cannot make %s", directory) : 0;
}

static int make(struct restoring *r)
{
    int error = writes(r) ? make_directories(r) : 0;
    if (!error)
        error = copy_base(r);
    if (!error)
        error = copy_segments(r);
    if (!error && writes(r))
        error = mark_end(r);
    if (!error && writes(r))
        error = give_name(r);
    if (error && r->begun)
        undo(r);
    if (error)
        return error;
    r->restored->end = r->copying.replay.at;
    r->restored->snapshot_lsn = r->base.lsn;
    return 0;
}

static int name_paths(struct restoring *r)
{
    const char *directory = r->options->directory;
    int error = backup_paths_of(&r->from, r->options->backup);
    if (error || !directory)
        return error;
    size_t length = strlen(directory);
    while (length > 1 && directory[length - 1] == '/')
        length--;
    int made = snprintf(r->unfinished.text, sizeof r->unfinished.text, "%.*s.unfinished",
                        (int)length, directory);
    if (made < 0 || (size_t)made >= sizeof r->unfinished.text)
        return -ENAMETOOLONG;
    error = path_join(&r->journal, r->unfinished.text, "journal");
    return error ? error : path_join(&r->snapshot, r->unfinished.text, "snapshot");
}

static int restore_locked(struct restoring *r)
{
    bool found;
    int error = backup_mark_read(&r->mark, &found, r->files, r->options->backup, r->why);
    if (!error && !found)
        error = error_set(r->why, -ENODATA, "%s holds no finished backup", r->options->backup);
    if (!error)
        error = judge_moment(r);
    if (!error)
        error = find_base(r);
    return error ? error : make(r);
}

int backup_restore(const struct restore_options *options, struct restored *restored,
                   struct error *why)
{
    struct restoring r = {
        .options = options, .files = options->files, .restored = restored, .why = why
    };
    *restored = (struct restored){ 0 };
    int error = name_paths(&r);
    if (error)
        return error_system(why, error, "%s", options->backup);
    r.cut = memory_reserve(BATCH_BYTES_MAX);
    if (!r.cut)
        return error_system(why, -ENOMEM, "cannot restore");
    int lock = backup_lock(r.files, options->backup, why);
    error = lock < 0 ? lock : restore_locked(&r);
    if (lock >= 0)
        r.files->close(r.files->context, lock);
    memory_release(r.cut, BATCH_BYTES_MAX);
    return error;
}
