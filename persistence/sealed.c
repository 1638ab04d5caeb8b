/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "engine/memory.h"

/* What the first batch of a segment says. */
struct first {
    bool valid; /* there is one */
    uint64_t number, promised;
};

/* A read beside the engine's write may see half a batch: then it is not valid yet. */
static int read_first(const struct file_ops *files, int fd, uint64_t sequence, void *buffer,
                      struct first *first, struct error *why)
{
    struct segment_header header;
    struct batch_header batch;
    *first = (struct first){ false, 0, 0 };
    int error = segment_read_header(files, fd, sequence, &header, why);
    if (error)
        return error;
    ssize_t n = file_read_all(files, fd, buffer, BATCH_BYTES_MAX, BLOCK_BYTES);
    if (n < 0)
        return error_system(why, (int)n, "%s: offset %d: cannot read", segment_name(sequence).text,
                            BLOCK_BYTES);
    if (batch_check(buffer, (size_t)n, header.directory_id) != BATCH_VALID)
        return 0;
    memcpy(&batch, buffer, sizeof batch);
    *first = (struct first){ true, batch.number, batch.promised };
    return 0;
}

static int look(const struct file_ops *files, const char *directory, uint64_t sequence,
                void *buffer, struct first *first, struct error *why)
{
    *first = (struct first){ false, 0, 0 };
    int fd = segment_open(files, directory, sequence, O_RDONLY);
    if (fd == -ENOENT)
        return 0; /* a start has cut it off */
    if (fd < 0)
        return error_system(why, fd, "cannot open %s", segment_name(sequence).text);
    int error = read_first(files, fd, sequence, buffer, first, why);
    files->close(files->context, fd);
    return error;
}

static int find(struct sealed *sealed, const struct file_ops *files, const char *directory,
                const struct segment_list *list, void *buffer, struct error *why)
{
    struct first later = { false, 0, 0 }; /* of the segment after next */
    for (size_t i = list->count; i > 1; i--) {
        uint64_t next = list->sequences[i - 1];
        struct first first;
        int error = look(files, directory, next, buffer, &first, why);
        if (error)
            return error;
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
    *sealed = (struct sealed){ 0, 0 };
    int error = segment_list_read(&list, files, directory, why);
    if (error)
        return error;
    void *buffer = memory_reserve(BATCH_BYTES_MAX);
    if (buffer)
        error = find(sealed, files, directory, &list, buffer, why);
    else
        error = error_system(why, -ENOMEM, "cannot read %s", directory);
    memory_release(buffer, BATCH_BYTES_MAX);
    segment_list_free(&list);
    return error;
}
