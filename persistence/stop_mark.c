/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/stop_mark.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "persistence/mark_file.h"
#include "persistence/segment.h"

static uint64_t checksum_of(const struct stop_mark *mark)
{
    return XXH3_64bits(mark, offsetof(struct stop_mark, checksum));
}

static int judge(const struct stop_mark *mark, ssize_t bytes, struct error *why)
{
    bool whole = bytes == (ssize_t)sizeof *mark && mark->checksum == checksum_of(mark) &&
                 memcmp(mark->magic, STOP_MARK_MAGIC, sizeof mark->magic) == 0;
    if (whole && mark->version != STOP_MARK_VERSION)
        return error_set(why, -ENOTSUP,
                         "%s: written in version %" PRIu32 " of the format; this program knows %d",
                         STOP_MARK_NAME, mark->version, STOP_MARK_VERSION);
    if (!whole || mark->number == 0)
        return error_set(why, -EILSEQ, "%s: offset 0: the clean-stop mark is damaged",
                         STOP_MARK_NAME);
    return 0;
}

static struct mark_file file_in(const struct file_ops *files, const char *directory)
{
    return (struct mark_file){ files, directory, STOP_MARK_NAME, STOP_MARK_UNFINISHED };
}

int stop_mark_read(struct stop_mark *mark, const struct file_ops *files, const char *directory,
                   struct error *why)
{
    const struct mark_file file = file_in(files, directory);
    unsigned char bytes[sizeof *mark + 1]; /* one more, to detect a longer file */
    *mark = (struct stop_mark){ .number = 0 };
    ssize_t n = mark_file_read(&file, bytes, sizeof bytes, why);
    if (n < 0)
        return n == -ENOENT ? 0 : (int)n;
    memcpy(mark, bytes, sizeof *mark);
    int error = judge(mark, n, why);
    if (error)
        mark->number = 0;
    return error;
}

int stop_mark_write(const struct stop_mark *mark, const struct file_ops *files,
                    const char *directory, struct error *why)
{
    const struct mark_file file = file_in(files, directory);
    struct stop_mark made = *mark;
    assert(mark->number > 0);
    assert(mark->sequence >= FIRST_SEQUENCE && mark->directory_id != 0);    /* F2 */
    assert(mark->offset >= BLOCK_BYTES && mark->offset % BLOCK_BYTES == 0); /* F4 */
    memcpy(made.magic, STOP_MARK_MAGIC, sizeof made.magic);
    made.version = STOP_MARK_VERSION;
    made.checksum = checksum_of(&made);
    int error = mark_file_write(&file, &made, sizeof made);
    return error ? error_system(why, error, "cannot write the clean-stop mark in %s", directory)
                 : 0;
}

int stop_mark_remove(const struct file_ops *files, const char *directory, struct error *why)
{
    struct path path;
    int error = path_join(&path, directory, STOP_MARK_NAME);
    if (!error)
        error = files->unlink(files->context, path.text);
    if (error == -ENOENT)
        return 0;
    if (!error)
        error = file_sync_directory_at(files, directory);
    return error ? error_system(why, error, "cannot remove %s/%s", directory, STOP_MARK_NAME) : 0;
}
