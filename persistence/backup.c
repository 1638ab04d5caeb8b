/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/backup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "persistence/copying.h"
#include "persistence/journal_cursor.h"
#include "persistence/recovery_base.h"
#include "persistence/sealed.h"

struct making {
    const struct backup_options *options;
    const struct file_ops *files;
    struct backup_made *made;
    struct error *why;
    struct backup_paths to;
    struct path segments, snapshots; /* of the data directory */
    struct backup_mark before;       /* of the backup that is there; zero: none */
    struct segment_list list;
    struct sealed sealed;
    struct journal_position start; /* where copying begins */
    struct journal_position sealed_at;
    struct copying copying;
    struct journal_cursor cursor;
};

/* ---- where to begin ---- */

static int other_history(const struct making *m)
{
    return error_set(m->why, -EXDEV,
                     "%s holds changes up to lsn %" PRIu64 " that %s has not: it is of another "
                     "history of this data directory, give a new directory",
                     m->options->backup, m->before.end.lsn, m->options->directory);
}

/* The newest readable header tells whose segments these are. */
static int judge_directory(struct making *m, uint64_t *id)
{
    struct segment_header header;
    if (m->list.count == 0)
        return error_set(m->why, -ENOENT, "%s has no journal", m->options->directory);
    uint64_t sequence = m->list.sequences[m->list.count - 1];
    int fd = segment_open(m->files, m->segments.text, sequence, O_RDONLY);
    if (fd < 0)
        return error_system(m->why, fd, "cannot open %s", segment_name(sequence).text);
    int error = segment_read_header(m->files, fd, sequence, &header, m->why);
    m->files->close(m->files->context, fd);
    *id = header.directory_id;
    if (error)
        return error;
    if (m->options->directory_id != 0 && m->options->directory_id != *id)
        return error_set(m->why, -EXDEV, "%s is not the data directory of that engine",
                         m->options->directory);
    return 0;
}

static int find_start(struct making *m)
{
    uint64_t id = 0;
    const struct journal_position *before = &m->before.sealed;
    int error = judge_directory(m, &id);
    if (error)
        return error;
    if (!m->made->first && m->before.end.directory_id != id)
        return error_set(m->why, -EXDEV,
                         "%s holds a backup of another data directory: give a new directory",
                         m->options->backup);
    if (!m->made->first && m->sealed.sequence < before->sequence)
        return other_history(m);
    m->made->gap = !m->made->first && before->sequence + 1 < m->list.sequences[0];
    if (!m->made->first && !m->made->gap) {
        m->start = *before;
        return 0;
    }
    error = recovery_base_oldest(m->files, m->options->directory, &m->start, m->why);
    if (!error && m->start.sequence + 1 < m->list.sequences[0])
        error = error_set(m->why, -EILSEQ, "%s: no whole snapshot covers the segments before %s",
                          m->options->directory, segment_name(m->list.sequences[0]).text);
    return error;
}

/* ---- whether the directory continues the backup ---- */

static bool is_sealed(const struct making *m, uint64_t sequence)
{
    return sequence <= m->sealed.sequence;
}

static enum journal_step compare_segment(void *context, int error)
{
    struct making *m = context;
    m->cursor.directory_id = m->cursor.reader.header.directory_id;
    return journal_walk_judge(&m->cursor, error);
}

static enum journal_step compare_block(void *context, const struct journal_block *block)
{
    struct making *m = context;
    const struct segment_reader *reader = &m->cursor.reader;
    const struct journal_position *end = &m->before.end, *at = &m->copying.replay.at;
    if (block->verdict == BATCH_UNKNOWN)
        return journal_walk_refuse_unknown(&m->cursor);
    if (block->verdict == BATCH_INVALID && is_sealed(m, reader->sequence))
        return journal_walk_refuse(&m->cursor, -EILSEQ,
                                   "the journal is damaged here: see stock-journal verify");
    if (block->verdict != BATCH_VALID || !replay_continues(&m->copying.replay, block->header))
        return JOURNAL_SKIP;
    int error = copying_batch(&m->copying, &reader->header, reader->offset, block->bytes);
    if (error)
        return journal_walk_fail(&m->cursor, error);
    return at->number < end->number ? JOURNAL_ON : JOURNAL_END;
}

/* B4: goes on from the start to the batch with which the backup ends, and copies nothing. Behind a
 * gap that batch may be gone: then only numbers can speak against it. */
static int compare(struct making *m)
{
    const struct journal_visitor visitor = { .context = m,
                                             .segment = compare_segment,
                                             .block = compare_block };
    const struct journal_position *end = &m->before.end, *at = &m->copying.replay.at;
    int error = 0;
    if (m->made->first)
        return 0;
    copying_begin(&m->copying, m->files, &m->start, m->why);
    if (at->number < end->number)
        error = journal_walk(&m->cursor, &m->list, m->start.sequence + 1, &visitor, m->why);
    copying_end(&m->copying);
    if (error)
        return error;
    bool same = at->number == end->number && at->checksum == end->checksum;
    bool later = at->number > end->number && at->lsn >= end->lsn && at->time_ms >= end->time_ms;
    return same || later ? 0 : other_history(m);
}

/* ---- snapshots ---- */

/* Judges the copy, not what it was made of. */
static int judge_snapshot(struct making *m, uint64_t lsn)
{
    struct snapshot snapshot;
    int error = snapshot_open(&snapshot, m->files, m->to.snapshot.text, lsn, m->why);
    if (error)
        return error;
    error = snapshot_load(&snapshot, NULL, NULL, recovery_base_threads(m->files), m->why);
    snapshot_close(&snapshot);
    return error;
}

static int drop_snapshot(struct making *m, uint64_t lsn, int error)
{
    struct path path;
    if (path_join(&path, m->to.snapshot.text, snapshot_name(lsn).text) == 0)
        m->files->unlink(m->files->context, path.text);
    return error;
}

/* A damaged one is left out, unless the backup could not do without. */
static int copy_snapshot(struct making *m, uint64_t lsn)
{
    uint64_t bytes;
    bool needed = lsn == m->start.lsn && m->start.sequence > 0;
    int error = copy_file(m->files, m->snapshots.text, m->to.snapshot.text, snapshot_name(lsn).text,
                          &bytes, m->why);
    if (error == -ENOENT && !needed)
        return 0; /* a compaction has removed it */
    if (error || bytes == 0)
        return error;
    error = judge_snapshot(m, lsn);
    if (error)
        drop_snapshot(m, lsn, error);
    if (error == -EILSEQ && !needed) {
        m->made->damaged++;
        return 0;
    }
    m->made->bytes += bytes;
    m->made->snapshots++;
    return error;
}

static int copy_snapshots(struct making *m)
{
    struct snapshot_list list;
    int error = snapshot_list_read(&list, m->files, m->snapshots.text, m->why);
    bool begins = m->made->first || m->made->gap; /* older ones have no segments after them */
    for (size_t i = 0; i < list.count && !error; i++)
        if (!begins || list.lsns[i] >= m->start.lsn)
            error = copy_snapshot(m, list.lsns[i]);
    snapshot_list_free(&list);
    if (!error) {
        error = file_sync_directory_at(m->files, m->to.snapshot.text);
        if (error)
            error_system(m->why, error, "cannot sync %s", m->to.snapshot.text);
    }
    return error;
}

/* ---- segments ---- */

static enum journal_step on_segment(void *context, int error)
{
    struct making *m = context;
    uint64_t sequence = m->cursor.reader.sequence;
    if (error)
        return journal_walk_fail(&m->cursor, error);
    m->cursor.directory_id = m->cursor.reader.header.directory_id;
    m->copying.directory =
        is_sealed(m, sequence) ? m->to.journal.text : m->to.tails[m->made->mark.tail].text;
    return JOURNAL_ON;
}

/* A sealed segment ends with zeroes, behind its last batch. The other ones are being written: they
 * end where no batch continues the chain. */
static enum journal_step on_block(void *context, const struct journal_block *block)
{
    struct making *m = context;
    struct journal_cursor *cursor = &m->cursor;
    const struct segment_reader *reader = &cursor->reader;
    bool sealed = is_sealed(m, reader->sequence);
    if (block->verdict == BATCH_UNKNOWN)
        return journal_walk_refuse_unknown(cursor);
    bool next =
        block->verdict == BATCH_VALID && replay_continues(&m->copying.replay, block->header);
    if (next)
        return journal_walk_judge(
            cursor, copying_batch(&m->copying, &reader->header, reader->offset, block->bytes));
    if (sealed && block->verdict != BATCH_NONE)
        return journal_walk_refuse(cursor, -EILSEQ,
                                   "the journal is damaged here: see stock-journal verify");
    return JOURNAL_SKIP;
}

/* B4: what a backup holds must not be lost in a power cut, or what the engine does then would be
 * another history. What is sealed is on disk; of the rest nobody knows. */
static int sync_source(const struct making *m)
{
    const struct segment_reader *reader = &m->cursor.reader;
    if (is_sealed(m, reader->sequence))
        return 0;
    int error = m->files->sync(m->files->context, reader->fd);
    return error ? error_system(m->why, error, "cannot sync %s in %s",
                                segment_name(reader->sequence).text, m->segments.text)
                 : 0;
}

static enum journal_step on_leave(void *context)
{
    struct making *m = context;
    uint64_t sequence = m->cursor.reader.sequence;
    int error = copying_leave(&m->copying);
    if (!error)
        error = sync_source(m);
    if (!error && sequence == m->sealed.sequence) {
        m->sealed_at = m->copying.replay.at;
        if (m->sealed_at.number != m->sealed.number)
            error = error_set(m->why, -EILSEQ, "%s: batches are missing: see stock-journal verify",
                              segment_name(sequence).text);
    }
    return journal_walk_judge(&m->cursor, error);
}

static int sync_directories(struct making *m)
{
    int error = file_sync_directory_at(m->files, m->to.journal.text);
    if (!error)
        error = file_sync_directory_at(m->files, m->to.tails[m->made->mark.tail].text);
    return error ? error_system(m->why, error, "cannot sync %s", m->options->backup) : 0;
}

static int copy_segments(struct making *m)
{
    const struct journal_visitor visitor = {
        .context = m, .segment = on_segment, .block = on_block, .leave = on_leave
    };
    copying_begin(&m->copying, m->files, &m->start, m->why);
    m->sealed_at = m->start;
    int error = journal_walk(&m->cursor, &m->list, m->start.sequence + 1, &visitor, m->why);
    copying_end(&m->copying);
    m->made->bytes += m->copying.bytes;
    m->made->segments = m->copying.segments;
    if (!error && m->copying.segments == 0) /* what is sealed is followed by a batch (S7) */
        return error_set(m->why, -EILSEQ, "%s: no batch continues the journal",
                         m->options->directory);
    return error ? error : sync_directories(m);
}

/* ---- all of it ---- */

/* The tail that the mark does not name may hold what an interrupted backup left. */
static int empty_tail(struct making *m)
{
    struct segment_list list;
    const char *tail = m->to.tails[m->made->mark.tail].text;
    int error = segment_list_read(&list, m->files, tail, m->why);
    for (size_t i = 0; i < list.count && !error; i++) {
        struct path path;
        error = path_join(&path, tail, segment_name(list.sequences[i]).text);
        if (!error)
            error = m->files->unlink(m->files->context, path.text);
        if (error)
            error_system(m->why, error, "cannot empty %s", tail);
    }
    segment_list_free(&list);
    return error;
}

/* Sealed segments are found first: what is sealed by then is in the list. */
static int make(struct making *m)
{
    struct backup_mark *mark = &m->made->mark;
    int error = sealed_find(&m->sealed, m->files, m->segments.text, m->why);
    if (!error)
        error = segment_list_read(&m->list, m->files, m->segments.text, m->why);
    if (!error)
        error = find_start(m);
    if (!error)
        error = compare(m);
    if (!error)
        error = empty_tail(m);
    if (!error)
        error = copy_snapshots(m);
    if (!error)
        error = copy_segments(m);
    if (error)
        return error;
    mark->sealed = m->sealed_at;
    mark->end = m->copying.replay.at;
    mark->made_ms = m->options->now_ms;
    return backup_mark_write(mark, m->files, m->options->backup, m->why);
}

static int make_directories(struct making *m)
{
    const char *const paths[] = { m->options->backup, m->to.journal.text, m->to.snapshot.text,
                                  m->to.tails[0].text, m->to.tails[1].text };
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        int error = m->files->make_directory(m->files->context, paths[i]);
        if (error && error != -EEXIST)
            return error_system(m->why, error, "cannot create %s", paths[i]);
    }
    struct path parent;
    int error = path_join(&parent, m->options->backup, "..");
    if (!error)
        error = file_sync_directory_at(m->files, parent.text);
    return error ? error_system(m->why, error, "cannot sync %s", parent.text) : 0;
}

/* What a first backup that was interrupted may have left, and what a new file system has. */
static int foreign_name(void *argument, const char *name)
{
    static const char *const known[] = { "journal",   "snapshot", "tail-a",
                                         "tail-b",    "lock",     BACKUP_MARK_UNFINISHED,
                                         "lost+found" };
    (void)argument;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i]) == 0)
            return 0;
    return 1;
}

static int judge_target(const struct making *m)
{
    int found = m->files->list(m->files->context, m->options->backup, foreign_name, NULL);
    if (found < 0 && found != -ENOENT)
        return error_system(m->why, found, "cannot list %s", m->options->backup);
    return found > 0 ? error_set(m->why, -EEXIST,
                                 "%s holds other files, and no backup: give a new directory",
                                 m->options->backup)
                     : 0;
}

/* Something else may be there: a data directory, above all. */
static int read_mark(struct making *m)
{
    bool found;
    struct path lock;
    int error = backup_mark_read(&m->before, &found, m->files, m->options->backup, m->why);
    if (error)
        return error;
    m->made->first = !found;
    m->made->mark.tail = found ? 1 - m->before.tail : 0;
    if (found)
        return 0;
    error = path_join(&lock, m->options->backup, "snapshot/" SNAPSHOT_READERS);
    int fd = error ? error : m->files->open(m->files->context, lock.text, O_RDONLY);
    if (fd >= 0)
        m->files->close(m->files->context, fd);
    if (fd >= 0)
        return error_set(m->why, -EEXIST, "%s is a data directory, not a backup",
                         m->options->backup);
    return judge_target(m);
}

int backup_make(const struct backup_options *options, struct backup_made *made, struct error *why)
{
    struct making m = { .options = options, .files = options->files, .made = made, .why = why };
    *made = (struct backup_made){ 0 };
    int error = path_join(&m.segments, options->directory, "journal");
    if (!error)
        error = path_join(&m.snapshots, options->directory, "snapshot");
    if (!error)
        error = backup_paths_of(&m.to, options->backup);
    if (error)
        return error_system(why, error, "%s", options->directory);
    error = read_mark(&m);
    if (!error)
        error = make_directories(&m);
    int lock = error ? error : backup_lock(m.files, options->backup, why);
    if (lock < 0)
        return lock;
    error = read_mark(&m); /* again: who held the lock may have written it */
    int hold = error ? error : recovery_base_hold(m.files, options->directory, why);
    if (hold >= 0) {
        error = journal_cursor_init(&m.cursor, m.files, m.segments.text);
        error = error ? error_system(why, error, "cannot read %s", m.segments.text) : make(&m);
        journal_cursor_destroy(&m.cursor);
        m.files->close(m.files->context, hold);
    } else {
        error = hold;
    }
    segment_list_free(&m.list);
    m.files->close(m.files->context, lock);
    return error;
}
