/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/segment.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct segment_name segment_name(uint64_t sequence)
{
    struct segment_name name;
    snprintf(name.text, sizeof name.text, "%010" PRIu64 ".seg", sequence);
    return name;
}

/* 0 if it is not the name of a segment. */
static uint64_t sequence_of(const char *name)
{
    uint64_t sequence = 0;
    for (const char *at = name; *at >= '0' && *at <= '9' && at - name < 10; at++)
        sequence = sequence * 10 + (uint64_t)(*at - '0');
    struct segment_name canonical = segment_name(sequence);
    return strcmp(canonical.text, name) == 0 ? sequence : 0;
}

int path_join(struct path *path, const char *directory, const char *name)
{
    int length = snprintf(path->text, sizeof path->text, "%s/%s", directory, name);
    return length < 0 || (size_t)length >= sizeof path->text ? -ENAMETOOLONG : 0;
}

int segment_open(const struct file_ops *files, const char *directory, uint64_t sequence, int flags)
{
    struct path path;
    int error = path_join(&path, directory, segment_name(sequence).text);
    return error ? error : files->open(files->context, path.text, flags);
}

int segment_read_header(const struct file_ops *files, int fd, uint64_t sequence,
                        struct segment_header *header, struct error *why)
{
    _Alignas(BLOCK_BYTES) unsigned char block[BLOCK_BYTES];
    struct segment_name name = segment_name(sequence);
    ssize_t n = file_read_all(files, fd, block, sizeof block, 0);
    if (n < 0)
        return error_system(why, (int)n, "%s: offset 0: cannot read", name.text);
    if ((size_t)n < sizeof block)
        return error_set(why, -EILSEQ, "%s: offset 0: truncated within the segment header",
                         name.text);
    switch (segment_header_check(block, header)) {
    case SEGMENT_NOT_ONE:
        return error_set(why, -EILSEQ, "%s: offset 0: the segment header is damaged", name.text);
    case SEGMENT_OTHER_FORM:
        return error_set(why, -ENOTSUP,
                         "%s: offset 0: written in version %" PRIu32 " of the format with blocks "
                         "of %" PRIu32 " bytes; this program knows version %d with %d",
                         name.text, header->version, header->block_bytes, FORMAT_VERSION,
                         BLOCK_BYTES);
    case SEGMENT_NOT_ALLOWED:
        return error_set(why, -EILSEQ, "%s: offset 0: the segment header has values out of range",
                         name.text);
    case SEGMENT_VALID:
        break;
    }
    if (header->sequence != sequence)
        return error_set(why, -EILSEQ, "%s: offset 0: this is segment %" PRIu64 ", renamed",
                         name.text, header->sequence);
    return 0;
}

uint64_t segment_readable(uint64_t file_bytes, uint64_t segment_bytes)
{
    if (file_bytes >= segment_bytes)
        return segment_bytes;
    uint64_t blocks = (file_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
    uint64_t end = blocks * BLOCK_BYTES + (segment_bytes == UINT64_MAX ? 0 : BATCH_BYTES_MAX);
    return end < segment_bytes ? end : segment_bytes;
}

ssize_t segment_read(const struct file_ops *files, int fd, void *buffer, size_t length,
                     uint64_t offset)
{
    ssize_t n = file_read_all(files, fd, buffer, length, offset);
    if (n < 0)
        return n;
    assert((size_t)n <= length);
    memset((char *)buffer + n, 0, length - (size_t)n);
    return (ssize_t)length;
}

/* ---- the list ---- */

static int add_name(void *argument, const char *name)
{
    struct segment_list *list = argument;
    if (strcmp(name, SEGMENT_UNFINISHED) == 0)
        list->unfinished = true;
    uint64_t sequence = sequence_of(name);
    if (sequence == 0)
        return 0;
    if ((list->count & (list->count + 1)) == 0) { /* grows at 0, 1, 3, 7, ... */
        size_t room = 2 * list->count + 1;
        uint64_t *grown = realloc(list->sequences, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        list->sequences = grown;
    }
    list->sequences[list->count++] = sequence;
    return 0;
}

static int compare_sequences(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

int segment_list_read(struct segment_list *list, const struct file_ops *files,
                      const char *directory, struct error *why)
{
    *list = (struct segment_list){ 0 };
    int error = files->list(files->context, directory, add_name, list);
    if (error) {
        segment_list_free(list);
        return error_system(why, error, "cannot list %s", directory);
    }
    if (list->count > 0)
        qsort(list->sequences, list->count, sizeof *list->sequences, compare_sequences);
    return 0;
}

void segment_list_drop_before(struct segment_list *list, uint64_t first)
{
    size_t before = 0;
    while (before < list->count && list->sequences[before] < first)
        before++;
    list->count -= before;
    if (before > 0 && list->count > 0)
        memmove(list->sequences, list->sequences + before, list->count * sizeof *list->sequences);
}

int segment_list_from(struct segment_list *list, uint64_t first, const char *directory,
                      struct error *why)
{
    segment_list_drop_before(list, first);
    for (size_t i = 0; i < list->count; i++) {
        uint64_t expected = first + i;
        if (list->sequences[i] == expected)
            continue;
        assert(list->sequences[i] > expected);
        return error_set(why, -EILSEQ, "%s: segment %s is missing%s", directory,
                         segment_name(expected).text,
                         i > 0                     ? ""
                         : first == FIRST_SEQUENCE ? ", and no snapshot replaces it"
                                                   : ", the first one after the snapshot");
    }
    return 0;
}

void segment_list_free(struct segment_list *list)
{
    free(list->sequences);
    *list = (struct segment_list){ 0 };
}
