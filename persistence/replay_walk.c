/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/replay_walk.h"

#include <assert.h>
#include <errno.h>

static void count_segment(struct replay_progress *progress, const struct segment_reader *reader)
{
    progress->told = 0;
    if (reader->sequence <= progress->sequence)
        return; /* opened again, to judge its tail */
    progress->before += progress->bytes;
    progress->sequence = reader->sequence;
    progress->bytes = reader->header.bytes;
}

int replay_walk_segment(struct replay_walk *walk, int error)
{
    const struct segment_reader *reader = &walk->cursor.reader;
    struct replay_result *result = walk->result;
    uint64_t id = reader->header.directory_id;
    if (error)
        return error;
    assert(id != 0); /* F2 */
    if (result->directory_id == 0)
        result->directory_id = id;
    if (id != result->directory_id)
        return error_set(walk->why, -EILSEQ,
                         "%s: offset 0: the segment is from another data directory",
                         segment_name(reader->sequence).text);
    if (walk->stop.number != 0 && walk->stop.directory_id != id)
        return error_set(walk->why, -EILSEQ,
                         "%s: offset 0: the clean-stop mark is from another data directory",
                         STOP_MARK_NAME);
    walk->cursor.directory_id = id;
    count_segment(&walk->progress, reader);
    return 0;
}

void replay_walk_progress(struct replay_walk *walk)
{
    const struct replay_options *options = walk->options;
    const struct segment_reader *reader = &walk->cursor.reader;
    struct replay_progress *progress = &walk->progress;
    uint64_t read = reader->window_offset + reader->window_length;
    if (!options->on_progress || read == progress->told)
        return;
    progress->told = read;
    uint64_t done = progress->before + read;
    uint64_t last = options->until ? options->until : walk->result->last_sequence;
    uint64_t left = last > reader->sequence ? last - reader->sequence : 0;
    uint64_t total = progress->before + (left + 1) * progress->bytes;
    options->on_progress(options->context, done < total ? done : total, total);
}
