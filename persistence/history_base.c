/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/history_base.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "persistence/archive_stream.h"
#include "persistence/snapshot_walk.h"

/* ---- segments ---- */

struct archived_segments {
    uint64_t *sequences;
    size_t count, room;
};

static int add_archived(void *argument, const char *name)
{
    struct archived_segments *archived = argument;
    uint64_t sequence = archive_sequence(name);
    if (sequence == 0)
        return 0;
    if (archived->count == archived->room) {
        size_t room = archived->room ? 2 * archived->room : 64;
        uint64_t *grown = realloc(archived->sequences, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        archived->sequences = grown;
        archived->room = room;
    }
    archived->sequences[archived->count++] = sequence;
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Merges both lists, sorted, each number once, and drops what is before a gap. */
static int merge(struct segment_list *list, const struct archived_segments *archived)
{
    size_t count = list->count + archived->count;
    if (count == 0)
        return 0;
    uint64_t *all = malloc(count * sizeof *all);
    if (!all)
        return -ENOMEM;
    if (list->count > 0)
        memcpy(all, list->sequences, list->count * sizeof *all);
    if (archived->count > 0)
        memcpy(all + list->count, archived->sequences, archived->count * sizeof *all);
    qsort(all, count, sizeof *all, compare);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && all[i] == all[kept - 1])
            continue;
        if (kept > 0 && all[i] != all[kept - 1] + 1)
            kept = 0;
        all[kept++] = all[i];
    }
    free(list->sequences);
    list->sequences = all;
    list->count = kept;
    return 0;
}

static int read_segments(struct history_kept *kept, const struct file_ops *files, const char *data,
                         struct error *why)
{
    struct path journal;
    struct path archive;
    struct archived_segments archived = { 0 };
    int error = path_join(&journal, data, "journal");
    if (!error)
        error = path_join(&archive, data, "archive");
    if (error)
        return error_system(why, error, "%s", data);
    error = segment_list_read(&kept->segments, files, journal.text, why);
    if (error)
        return error;
    error = files->list(files->context, archive.text, add_archived, &archived);
    if (!error || error == -ENOENT)
        error = merge(&kept->segments, &archived);
    free(archived.sequences);
    return error ? error_system(why, error, "cannot list %s", archive.text) : 0;
}

/* ---- snapshots ---- */

static bool has_segments_after(const struct history_kept *kept, uint64_t sequence)
{
    const struct segment_list *list = &kept->segments;
    return list->count > 0 && sequence + 1 >= list->sequences[0] &&
           sequence <= list->sequences[list->count - 1];
}

static int read_snapshots(struct history_kept *kept, const struct file_ops *files, const char *data,
                          struct error *why)
{
    struct path folder;
    struct snapshot_list list;
    struct snapshot snapshot;
    struct error ignored;
    int error = path_join(&folder, data, "snapshot");
    if (!error)
        error = snapshot_list_read(&list, files, folder.text, why);
    if (error || list.count == 0)
        return error;
    kept->snapshots = calloc(list.count, sizeof *kept->snapshots);
    for (size_t i = 0; i < list.count && kept->snapshots; i++) {
        if (snapshot_open(&snapshot, files, folder.text, list.lsns[i], &ignored) != 0)
            continue; /* damaged */
        if (has_segments_after(kept, snapshot.header.position.sequence))
            kept->snapshots[kept->snapshot_count++] = snapshot.header.position;
        snapshot_close(&snapshot);
    }
    snapshot_list_free(&list);
    return kept->snapshots ? 0 : error_system(why, -ENOMEM, "cannot list %s", folder.text);
}

int history_kept_read(struct history_kept *kept, const struct file_ops *files, const char *data,
                      struct error *why)
{
    *kept = (struct history_kept){ 0 };
    int error = read_segments(kept, files, data, why);
    if (!error)
        error = read_snapshots(kept, files, data, why);
    if (error)
        return error;
    kept->whole = kept->segments.count == 0 || kept->segments.sequences[0] == FIRST_SEQUENCE;
    if (kept->whole)
        return 0;
    if (kept->snapshot_count == 0)
        return error_set(why, -EILSEQ,
                         "segments are kept from %s on, but no snapshot from before it",
                         segment_name(kept->segments.sequences[0]).text);
    kept->begins_lsn = kept->snapshots[0].lsn;
    return 0;
}

void history_kept_free(struct history_kept *kept)
{
    segment_list_free(&kept->segments);
    free(kept->snapshots);
    *kept = (struct history_kept){ 0 };
}

/* ---- beginning ---- */

/* The loading of a snapshot into a history. */
struct history_loading {
    struct history *history;
    struct id_index *index; /* NULL: none */
    uint64_t lsn;           /* of the snapshot */
    uint64_t hash;          /* of the history's id */
    bool known;             /* the index knows every block */
};

static bool is_wanted(void *context, uint64_t block)
{
    const struct history_loading *loading = context;
    if (!loading->known)
        return true;
    const struct id_part *part = id_index_find(loading->index, id_key_snapshot(loading->lsn));
    return id_span_may_have(loading->index, part, (uint32_t)block, loading->hash);
}

static int load_block(void *context, enum contents_kind kind, const unsigned char *bytes,
                      uint32_t length)
{
    const struct history_loading *loading = context;
    int error = history_load(loading->history, kind, bytes, length);
    if (!error && loading->index && !loading->known)
        id_index_add_block(loading->index, loading->lsn, bytes,
                           kind == CONTENTS_ENTRIES ? length : 0);
    return error;
}

static int walk_snapshot(const struct snapshot *snapshot, struct history_loading *loading,
                         struct error *why)
{
    struct snapshot_walk walk = { loading, is_wanted, load_block };
    const struct history_filter *filter = &loading->history->filter;
    struct id_index *index = loading->index;
    uint64_t key = id_key_snapshot(loading->lsn);
    if (!index)
        return snapshot_walk(snapshot, &walk, why);
    const struct id_part *part = id_index_find(index, key);
    loading->hash = id_index_hash((struct text){ filter->id, filter->id_len });
    loading->known = part && part->complete;
    if (part && !part->complete)
        id_index_forget(index, key);
    int error = snapshot_walk(snapshot, &walk, why);
    if (error)
        id_index_forget(index, key);
    else
        id_index_complete_snapshot(index, loading->lsn, snapshot->footer.block_count);
    return error;
}

static int load(struct history *history, const struct journal_position *position,
                const struct file_ops *files, const char *data, struct id_index *index,
                struct error *why)
{
    struct path folder;
    struct snapshot snapshot;
    struct history_loading loading = { .history = history, .index = index, .lsn = position->lsn };
    int error = path_join(&folder, data, "snapshot");
    if (!error)
        error = snapshot_open(&snapshot, files, folder.text, position->lsn, why);
    if (error)
        return error;
    error = walk_snapshot(&snapshot, &loading, why);
    snapshot_close(&snapshot);
    return error;
}

/* The number of snapshots not after the moment. */
static size_t count_before(const struct history_kept *kept, const struct history_moment *moment)
{
    size_t count = 0;
    while (count < kept->snapshot_count &&
           (moment->by_time ? kept->snapshots[count].time_ms : kept->snapshots[count].lsn) <=
               moment->at)
        count++;
    return count;
}

int history_begin(struct history *history, const struct history_kept *kept,
                  const struct history_moment *moment, const struct file_ops *files,
                  const char *data, struct id_index *index, struct journal_position *position,
                  struct error *why)
{
    size_t count = count_before(kept, moment);
    int error = -EILSEQ;
    *position = (struct journal_position){ 0 };
    if (count == 0 && !kept->whole)
        count = 1; /* nothing before the oldest is kept */
    assert(count <= kept->snapshot_count);
    assert(count > 0 || kept->whole);
    while (count > 0 && error == -EILSEQ) {
        struct history_filter filter = history->filter;
        *position = kept->snapshots[--count];
        error = load(history, position, files, data, index, why);
        if (error) {
            history_close(history);
            history_open(history, &filter);
        }
    }
    if (error == -EILSEQ && kept->whole) {
        *position = (struct journal_position){ 0 };
        return 0;
    }
    return error;
}
