/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/sealed.h"

#include <assert.h>
#include <errno.h>

#include "persistence/segment_reader.h"

/* What the first batch of a segment states. */
struct first {
    bool valid;
    uint64_t number, promised;
};

/* A batch read while the engine writes it is not valid yet. */
static int look(struct segment_reader *reader, const char *directory, uint64_t sequence,
                struct first *first, struct error *why)
{
    const unsigned char *at;
    size_t available;
    *first = (struct first){ false, 0, 0 };
    int error = segment_reader_open(reader, directory, sequence, why);
    if (error == -ENOENT)
        return 0; /* a start has removed it */
    if (error)
        return error;
    if (reader->end > BLOCK_BYTES + BATCH_BYTES_MAX)
        reader->end = BLOCK_BYTES + BATCH_BYTES_MAX;
    int verdict = segment_reader_look(reader, reader->header.directory_id, &at, &available, why);
    if (verdict < 0)
        return verdict;
    if (verdict == BATCH_VALID) {
        const struct batch_header *batch = (const struct batch_header *)(const void *)at;
        *first = (struct first){ true, batch->number, batch->promised };
    }
    return 0;
}

static int find(struct sealed *sealed, struct segment_reader *reader, const char *directory,
                const struct segment_list *list, struct error *why)
{
    struct first later = { false, 0, 0 }; /* of the segment after next */
    for (size_t i = list->count; i > 1; i--) {
        uint64_t next = list->sequences[i - 1];
        struct first first;
        int error = look(reader, directory, next, &first, why);
        if (error)
            return error;
        assert(!first.valid || first.promised < first.number); /* F6 */
        bool adjacent = list->sequences[i - 2] + 1 == next;
        bool promised = first.valid && (first.promised + 1 >= first.number ||
                                        (later.valid && later.promised + 1 >= first.number));
        if (promised && adjacent) {
            *sealed = (struct sealed){ next - 1, first.number - 1 };
            return 0;
        }
        later = first;
    }
    return 0;
}

int sealed_find(struct sealed *sealed, const struct file_ops *files, const char *directory,
                struct error *why)
{
    struct segment_list list;
    struct segment_reader reader;
    *sealed = (struct sealed){ 0, 0 };
    int error = segment_list_read(&list, files, directory, why);
    if (error)
        return error;
    error = segment_reader_init(&reader, files);
    if (error)
        error = error_system(why, error, "cannot read %s", directory);
    else
        error = find(sealed, &reader, directory, &list, why);
    segment_reader_destroy(&reader);
    segment_list_free(&list);
    return error;
}
