/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/node_mark.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "persistence/mark_file.h"

static uint64_t checksum_of(const struct node_mark *mark)
{
    return XXH3_64bits(mark, offsetof(struct node_mark, checksum));
}

static struct mark_file file_in(const struct file_ops *files, const char *directory)
{
    return (struct mark_file){ files, directory, NODE_MARK_NAME, NODE_MARK_UNFINISHED };
}

static int judge(const struct node_mark *mark, size_t bytes, struct error *why)
{
    bool whole = bytes == sizeof *mark && mark->checksum == checksum_of(mark) &&
                 memcmp(mark->magic, NODE_MARK_MAGIC, sizeof mark->magic) == 0;
    if (whole && mark->version != NODE_MARK_VERSION)
        return error_set(why, -ENOTSUP,
                         "%s: written in version %" PRIu32 " of the format; this program knows %d",
                         NODE_MARK_NAME, mark->version, NODE_MARK_VERSION);
    if (!whole || mark->id == 0 || mark->name[NODE_NAME_MAX] != '\0')
        return error_set(why, -EILSEQ, "%s: offset 0: the node's mark is damaged", NODE_MARK_NAME);
    return 0;
}

int node_mark_read(struct node_mark *mark, const struct file_ops *files, const char *directory,
                   struct error *why)
{
    const struct mark_file file = file_in(files, directory);
    unsigned char bytes[sizeof *mark + 1]; /* one more, to detect a longer file */
    *mark = (struct node_mark){ .id = 0 };
    ssize_t n = mark_file_read(&file, bytes, sizeof bytes, why);
    if (n < 0)
        return n == -ENOENT ? 0 : (int)n;
    memcpy(mark, bytes, sizeof *mark);
    int error = judge(mark, (size_t)n, why);
    if (error)
        mark->id = 0;
    return error;
}

int node_mark_write(const struct node_mark *mark, const struct file_ops *files,
                    const char *directory, struct error *why)
{
    const struct mark_file file = file_in(files, directory);
    struct node_mark made = { .version = NODE_MARK_VERSION,
                              .id = mark->id,
                              .log_id = mark->log_id };
    assert(mark->id != 0);
    assert(mark->name[NODE_NAME_MAX] == '\0');
    memcpy(made.magic, NODE_MARK_MAGIC, sizeof made.magic);
    memcpy(made.name, mark->name, strlen(mark->name));
    made.checksum = checksum_of(&made);
    int error = mark_file_write(&file, &made, sizeof made);
    return error ? error_system(why, error, "cannot write the node's mark in %s", directory) : 0;
}
