/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the journal. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "engine/base/memory.h"
#include "persistence/journal_frame.h"
#include "persistence/journal_io.h"
#include "persistence/journal_node.h"
#include "persistence/recovery.h"
#include "persistence/stop_mark.h"

/* ---- the current segment ---- */

/* How the current segment is opened. */
static int write_flags(const struct journal *journal)
{
    int flags = O_RDWR;
    if (journal->durability == DURABILITY_ALWAYS)
        flags |= O_DSYNC | (journal->direct ? O_DIRECT : 0);
    return flags;
}

static int open_current(struct journal *journal, uint64_t sequence, uint64_t bytes, uint64_t used,
                        struct error *why)
{
    int fd = segment_open(journal->files, journal->directory.text, sequence, write_flags(journal));
    if (fd < 0)
        return error_system(why, fd, "cannot open %s for writing", segment_name(sequence).text);
    int error = journal->files->lock(journal->files->context, fd, FILE_LOCK_EXCLUSIVE); /* F13 */
    if (error) {
        journal->files->close(journal->files->context, fd);
        return error_system(why, error, "cannot lock %s", segment_name(sequence).text);
    }
    struct segment segment = { fd, sequence, bytes, used, journal->framed };
    journal_use_segment(journal, &segment);
    return 0;
}

/* While no worker runs: all that was written is durable. */
static void raise_all(struct journal *journal, struct log_position position)
{
    watermark_raise(&journal->watermarks, WATERMARK_DISK, position);
    watermark_raise(&journal->watermarks, WATERMARK_KERNEL, position);
    if (journal->replication)
        watermark_raise(&journal->watermarks, WATERMARK_COMMITTED, position);
}

/* Writes a batch without records, which states that all before it is durable (F12). Synchronous.
 * flags: BATCH_LEAP or 0. */
static int write_empty_batch(struct journal *journal, uint32_t flags)
{
    uint32_t span;
    uint64_t offset = journal->current.used;
    unsigned char *batch = journal_buffer(journal);
    assert(offset + BLOCK_BYTES <= journal->current.bytes);
    journal_frame(journal, 0, flags, &span);
    int error = file_write_all(journal->files, journal->current.fd, batch, span, offset);
    if (!error)
        error = journal->files->sync(journal->files->context, journal->current.fd);
    if (error)
        return error;
    raise_all(journal, journal->framed);
    return 0;
}

/* ---- opening ---- */

/* Whether the file system supports direct writes; tried on a scratch file. */
static bool takes_direct_writes(const struct journal *journal)
{
    const struct file_ops *files = journal->files;
    struct path path;
    if (path_join(&path, journal->directory.text, SEGMENT_UNFINISHED) != 0)
        return false;
    int fd = files->open(files->context, path.text, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT);
    int error = fd < 0 ? fd : file_write_all(files, fd, journal->buffers, BLOCK_BYTES, 0);
    if (fd >= 0)
        files->close(files->context, fd);
    files->unlink(files->context, path.text); /* also if a killed process left it */
    return error == 0;
}

static int start_fresh(struct journal *journal, uint64_t directory_id, struct error *why)
{
    journal->directory_id = directory_id;
    if (directory_id != 0)
        return 0;
    if (getrandom(&journal->directory_id, sizeof journal->directory_id, 0) !=
        (ssize_t)sizeof journal->directory_id)
        return error_system(why, -EIO, "cannot get random bytes");
    if (journal->directory_id == 0) /* means none (F2) */
        journal->directory_id = 1;
    return 0;
}

/* F20: an empty segment of an engine that ran alone is made anew, under its name. */
static int judge_empty(const struct journal *journal, uint64_t sequence, bool *usable,
                       struct error *why)
{
    const struct file_ops *files = journal->files;
    struct segment_header header;
    *usable = true;
    if (!journal->replication)
        return 0;
    int fd = segment_open(files, journal->directory.text, sequence, O_RDONLY);
    if (fd < 0)
        return error_system(why, fd, "cannot open %s", segment_name(sequence).text);
    int error = segment_read_header(files, fd, sequence, &header, why);
    files->close(files->context, fd);
    *usable = !error && header.created_ms == 0 && header.bytes == journal->segment_bytes;
    return error;
}

/* Opens the segment where recovery ended; an empty segment after it becomes the next one. */
static int open_found(struct journal *journal, const struct replay_result *found, struct error *why)
{
    bool usable = true;
    int error = 0;
    assert(found->end_sequence <= found->last_sequence); /* F8 */
    assert(found->end_offset % BLOCK_BYTES == 0);
    counter_set(&journal->counters.segments, found->segments);
    journal->first_sequence = found->last_sequence - found->segments + 1;
    if (found->last_sequence > found->end_sequence)
        error = judge_empty(journal, found->last_sequence, &usable, why);
    if (!error && found->last_sequence > found->end_sequence && usable)
        preallocation_found(&journal->next, found->last_sequence, found->next_bytes);
    if (!error && found->end_offset == BLOCK_BYTES)
        error = judge_empty(journal, found->end_sequence, &usable, why);
    if (error)
        return error;
    if (found->end_offset == BLOCK_BYTES && !usable) {
        journal->current.sequence = found->end_sequence - 1;
        return 0;
    }
    if (found->end_offset == 0) { /* no segment after the snapshot: open_next creates one */
        journal->current.sequence = found->end_sequence;
        return 0;
    }
    return open_current(journal, found->end_sequence, found->segment_bytes, found->end_offset, why);
}

/* Moves on to the next segment if the current one is full. */
static void leave_full(struct journal *journal)
{
    bool leaves = journal->replication ? journal_must_leave(journal) /* F20 */
                                       : segment_room(&journal->current) < BATCH_ROOM_MIN;
    if (!leaves)
        return;
    if (journal->current.fd >= 0) /* recovery has synced all of it */
        journal->files->close(journal->files->context, journal->current.fd);
    journal->current.fd = -1;
    journal_take_next(journal);
}

/* Opens the current segment, and the next one; makes that if the current one is full. */
static int open_segments(struct journal *journal, const struct replay_result *found,
                         struct error *why)
{
    int error = 0;
    struct preallocation *next = &journal->next;
    journal->current = (struct segment){ .fd = -1, .sequence = FIRST_SEQUENCE - 1 };
    journal->first_sequence = FIRST_SEQUENCE;
    if (found->last_sequence > 0)
        error = open_found(journal, found, why);
    if (!error && segment_room(&journal->current) < BATCH_ROOM_MIN &&
        next->step == PREALLOCATION_IDLE) {
        journal_begin_next(journal);
        counter_add(&journal->counters.segments, 1);
    }
    /* Also opens one that was found, so that it is ready at once. */
    if (!error)
        error = preallocation_finish(next);
    if (error && !why->text[0])
        *why = next->why;
    atomic_store_explicit(&journal->counters.next_ready, next->step == PREALLOCATION_READY,
                          memory_order_relaxed);
    return error;
}

/* F17: the last run may have told of what is lost. If nothing of it is left to say whether it was
 * early, and no batch may be behind the snapshot, it was as this one is. */
static bool must_leap(const struct journal *journal, const struct journal_opened *opened,
                      const struct replay_result *found)
{
    if (found->number == 0 || found->stopped)
        return false;
    if (found->number == opened->base.position.number)
        return journal->durability != DURABILITY_ALWAYS;
    return (found->flags & BATCH_EARLY) != 0;
}

/* The opening's batch. In a cluster there is none: what it would say, the first one says that this
 * journal makes, if it does. The thread that opens it stays inside the lock (J6). */
static int begin_to_follow(struct journal *journal, const struct replay_result *found,
                           struct journal_opened *opened)
{
    bool alone = combining_lock_enter(&journal->requests);
    assert(alone);
    (void)alone;
    journal->follows = true;
    journal->leaps = must_leap(journal, opened, found);
    opened->lsn = journal->framed.lsn;
    return 0;
}

static int write_first_batch(struct journal *journal, const struct journal_options *options,
                             const struct replay_result *found, struct journal_opened *opened)
{
    if (journal->replication)
        return begin_to_follow(journal, found, opened);
    bool leaps = must_leap(journal, opened, found);
    int error = write_empty_batch(journal, leaps ? BATCH_LEAP : 0);
    if (error)
        return error;
    opened->lsn = journal->framed.lsn;
    if (leaps && options->on_leap)
        options->on_leap(options->context, opened->recovered_lsn, opened->lsn);
    return 0;
}

static int find_base(const struct journal *journal, const struct journal_options *options,
                     struct recovery_base *base, struct error *why)
{
    struct recovery_base_options how = { .files = journal->files,
                                         .directory = options->directory,
                                         .target = options->snapshots,
                                         .context = options->context,
                                         .say = options->say };
    *base = (struct recovery_base){ 0 };
    return options->snapshots ? recovery_base_load(&how, base, why) : 0;
}

static int recover(struct journal *journal, const struct journal_options *options,
                   struct journal_opened *opened, struct replay_result *found, struct error *why)
{
    int error = find_base(journal, options, &opened->base, why);
    if (error)
        return error;
    struct replay_options follow = {
        .files = journal->files,
        .directory = journal->directory.text,
        .start = &opened->base.position,
        .replication = journal->replication,
        .context = options->context,
        .on_record = options->apply,
        .on_prefetch = options->on_prefetch,
        .on_leap = options->on_leap,
        .on_progress = options->progress,
    };
    error = journal_recover(&follow, options->say, found, why);
    if (error)
        return error;
    journal->directory_id = found->directory_id;
    journal->recovered_lsn = found->lsn;
    journal->framed = (struct log_position){ found->lsn, found->number };
    journal->previous = found->checksum;
    journal->time_ms = found->time_ms;
    journal->leads_on = found->leads_on;
    raise_all(journal, journal->framed);
    *opened = (struct journal_opened){
        .base = opened->base,
        .recovered_lsn = found->lsn,
        .last_time_ms = found->time_ms,
        .records = found->records,
        .batches = found->number,
        .cut_bytes = found->tail_bytes,
        .fresh = found->last_sequence == 0,
        .stopped = found->stopped,
    };
    if (opened->fresh)
        return start_fresh(journal, options->directory_id, why);
    if (options->directory_id == 0 || options->directory_id == found->directory_id)
        return 0;
    return error_set(why, -EXDEV,
                     "%s has the journal %016" PRIx64 ", and the cluster's is %016" PRIx64,
                     options->directory, found->directory_id, options->directory_id);
}

static void start_log(struct journal *journal)
{
    log_start_at(journal->log, journal->framed.lsn);
    assert(watermark_read(&journal->watermarks, WATERMARK_DISK).lsn ==
           journal->framed.lsn); /* F12 */
    assert(log_head(journal->log) == journal->framed.lsn);
    watermarks_acknowledge(&journal->watermarks, journal->log);
}

int journal_check_segment_bytes(uint64_t bytes, struct error *why)
{
    if (bytes == 0)
        return 0;
    if (bytes >= SEGMENT_BYTES_MIN && bytes <= SEGMENT_BYTES_MAX && bytes % BLOCK_BYTES == 0)
        return 0;
    return error_set(why, -EINVAL,
                     "segment size %" PRIu64 ": must be a multiple of %d, from %d to %" PRIu64,
                     bytes, BLOCK_BYTES, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
}

static int open_all(struct journal *journal, const struct journal_options *options,
                    struct journal_opened *opened, struct error *why)
{
    struct replay_result found;
    int error = journal_check_segment_bytes(journal->segment_bytes, why);
    if (!error && journal->replication && journal->durability != DURABILITY_ALWAYS)
        error = error_set(why, -EINVAL, "a cluster syncs: durability must be \"%s\"",
                          durability_name(DURABILITY_ALWAYS));
    if (!error)
        error = journal_open_directory(journal, options, why);
    if (error)
        return error;
    int hold = recovery_base_hold(journal->files, options->directory, why);
    if (hold < 0)
        return hold;
    error = recover(journal, options, opened, &found, why);
    journal->files->close(journal->files->context, hold);
    if (error)
        return error;
    journal->buffers = memory_reserve(JOURNAL_BATCHES * BATCH_BYTES_MAX);
    if (!journal->buffers)
        return error_system(why, -ENOMEM, "cannot open the journal");
    journal->direct = takes_direct_writes(journal);
    journal->next.files = journal->files;
    journal->next.directory = journal->directory.text;
    journal->next.directory_fd = journal->directory_fd;
    journal->next.directory_id = journal->directory_id;
    journal->next.direct = journal->direct;
    journal->next.write_flags = write_flags(journal);
    error = preallocation_init(&journal->next);
    if (error)
        return error_system(why, error, "cannot open the journal");
    error = open_segments(journal, &found, why);
    if (!error)
        error = stop_mark_remove(journal->files, journal->directory.text, why); /* F14 */
    if (error)
        return error;
    leave_full(journal);
    error = write_first_batch(journal, options, &found, opened);
    if (error)
        return error_system(why, error, "cannot write to %s",
                            segment_name(journal->current.sequence).text);
    if (!journal->lived)
        journal_write_process_number(journal);
    start_log(journal);
    return 0;
}

static void journal_free(struct journal *journal)
{
    const struct file_ops *files = journal->files;
    journal_settle_unseen(journal);
    int fds[] = { journal->current.fd, journal->retired.fd, journal->directory_fd,
                  journal->lock_fd };
    preallocation_destroy(&journal->next);
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) { /* the lock last */
        if (fds[i] >= 0)
            files->close(files->context, fds[i]);
    }
    memory_release(journal->buffers, JOURNAL_BATCHES * BATCH_BYTES_MAX);
    free(journal);
}

/* A path that another process can use, unless the directory is no real one, as in tests. */
static void name_itself(struct journal *journal, const char *directory)
{
    if (!realpath(directory, journal->data.text))
        snprintf(journal->data.text, sizeof journal->data.text, "%s", directory);
    snprintf(journal->id_text, sizeof journal->id_text, "%016" PRIx64, journal->directory_id);
}

int journal_open(struct journal **journal, const struct journal_options *options,
                 struct journal_opened *opened, struct error *why)
{
    assert(options->log);
    assert(options->directory);
    *why = (struct error){ 0 };
    *opened = (struct journal_opened){ 0 };
    assert(options->durability <= DURABILITY_NONE);
    assert(!options->replication ||
           (options->replication->append && options->replication->compare));
    struct journal *made = aligned_alloc(64, (sizeof *made + 63) / 64 * 64);
    if (!made)
        return error_system(why, -ENOMEM, "cannot open the journal");
    memset(made, 0, sizeof *made);
    made->files = options->files ? options->files : &file_system;
    made->log = options->log;
    made->durability = options->durability;
    made->replication = options->replication;
    made->batch_bytes_max = made->replication ? BATCH_REPLICATED_MAX : BATCH_BYTES_MAX;
    made->watermarks.required =
        made->replication ? 1U << WATERMARK_COMMITTED : durability_requires(options->durability);
    made->segment_bytes = options->segment_bytes ? options->segment_bytes : SEGMENT_BYTES_DEFAULT;
    made->context = options->context;
    made->say = options->say;
    journal_set_clocks(made, options);
    made->directory_fd = made->lock_fd = made->current.fd = made->retired.fd = made->next.fd = -1;

    int error = open_all(made, options, opened, why);
    if (error) {
        journal_free(made);
        return error;
    }
    name_itself(made, options->directory);
    *journal = made;
    return 0;
}

/* ---- closing ---- */

/* All that was made or taken is written. What a primary has not made into a batch yet is dropped:
 * nobody was told of it. */
static int finish_batches(struct journal *journal, struct error *why)
{
    int error = 0;
    if (!journal->replication)
        journal_perform_all(journal);
    else if (journal->follows)
        error = journal_flush(journal, why);
    else
        journal_perform_syncs(journal);
    if (log_has_failed(journal->log)) {
        *why = journal->failure;
        return -EIO;
    }
    assert(journal->replication || !log_has_claims(journal->log));
    assert(journal->retired.fd < 0); /* it was synced and closed */
    return error;
}

/* Alone: with the batch of a clean stop (F12). */
static int sync_all(struct journal *journal, struct error *why)
{
    const struct file_ops *files = journal->files;
    int error = files->sync(files->context, journal->current.fd);
    assert(error ||
           watermark_read(&journal->watermarks, WATERMARK_KERNEL).lsn == journal->framed.lsn);
    if (!error && !journal->replication) {
        raise_all(journal, journal->framed);
        error = write_empty_batch(journal, 0);
    }
    return error ? error_system(why, error, "cannot close the journal") : 0;
}

static int close_in_order(struct journal *journal, struct error *why)
{
    const struct file_ops *files = journal->files;
    if (journal_is_under_way(journal))
        return error_set(why, -EBUSY, "a journal request never completed");
    int error = finish_batches(journal, why);
    if (!error)
        error = sync_all(journal, why);
    if (error)
        return error;
    if (journal->framed.number == 0)
        return 0; /* a node that has got nothing yet */
    assert(watermark_read(&journal->watermarks, WATERMARK_DISK).number == journal->framed.number);
    struct stop_mark stop = {
        .directory_id = journal->directory_id,
        .sequence = journal->current.sequence,
        .offset = journal->current.used,
        .lsn = journal->framed.lsn,
        .number = journal->framed.number,
        .batch_checksum = journal->previous,
        .time_ms = journal->time_ms,
    };
    return stop_mark_write(&stop, files, journal->directory.text, why); /* F14 */
}

int journal_close(struct journal *journal, struct error *why)
{
    *why = (struct error){ 0 };
    int error = close_in_order(journal, why);
    journal_free(journal);
    return error;
}

void journal_abandon(struct journal *journal)
{
    journal_free(journal);
}
