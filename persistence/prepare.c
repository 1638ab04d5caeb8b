/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/prepare.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "engine/memory.h"

/* Small enough not to stand long in the way of a batch, large enough to be worth the trip. */
enum { ZERO_BYTES = 512 << 10 };

int prepare_init(struct prepare *prepare)
{
    prepare->step = PREPARE_IDLE;
    prepare->fd = -1;
    prepare->memory = memory_reserve(ZERO_BYTES + BLOCK_BYTES);
    return prepare->memory ? 0 : -ENOMEM;
}

static void close_file(struct prepare *prepare)
{
    if (prepare->fd >= 0)
        prepare->files->close(prepare->files->context, prepare->fd);
    prepare->fd = -1;
}

void prepare_destroy(struct prepare *prepare)
{
    close_file(prepare);
    memory_release(prepare->memory, ZERO_BYTES + BLOCK_BYTES);
    prepare->memory = NULL;
}

static unsigned char *header_block(const struct prepare *prepare)
{
    return prepare->memory + ZERO_BYTES;
}

/* A half-made file is of no use to anybody; if it cannot be removed now, the next opening does. */
static void fail(struct prepare *prepare, int error, const char *what)
{
    const struct file_ops *files = prepare->files;
    struct path path;
    prepare->error = error;
    reason_system(&prepare->reason, error, "cannot %s segment %s", what,
                  segment_name(prepare->sequence).text);
    close_file(prepare);
    if (path_join(&path, prepare->directory, SEGMENT_UNFINISHED) == 0)
        files->unlink(files->context, path.text);
    prepare->step = PREPARE_FAILED;
}

void prepare_begin(struct prepare *prepare, uint64_t sequence, uint64_t bytes, uint64_t now_ms)
{
    const struct file_ops *files = prepare->files;
    struct path path;
    assert(prepare->step == PREPARE_IDLE);
    assert(prepare->fd < 0);
    assert(bytes >= SEGMENT_BYTES_MIN);
    prepare->sequence = sequence;
    prepare->bytes = bytes;
    prepare->zeroed = BLOCK_BYTES;
    memset(header_block(prepare), 0, BLOCK_BYTES);
    segment_header_make(header_block(prepare), sequence, bytes, prepare->directory_id, now_ms);

    int error = path_join(&path, prepare->directory, SEGMENT_UNFINISHED);
    if (!error) {
        int flags = O_RDWR | O_CREAT | O_TRUNC | (prepare->direct ? O_DIRECT : 0);
        prepare->fd = files->open(files->context, path.text, flags);
        error = prepare->fd < 0 ? prepare->fd : 0;
    }
    if (error) {
        fail(prepare, error, "create");
        return;
    }
    error = files->allocate(files->context, prepare->fd, bytes);
    if (error && error != -EOPNOTSUPP && error != -ENOSYS) /* then writing finds the place */
        fail(prepare, error, "find place for");
    else
        prepare->step = PREPARE_ZEROING;
}

bool prepare_request(struct prepare *prepare, struct file_request *request)
{
    *request = (struct file_request){ .fd = prepare->fd };
    switch (prepare->step) {
    case PREPARE_ZEROING: {
        uint64_t left = prepare->bytes - prepare->zeroed;
        request->kind = FILE_WRITE;
        request->buffer = prepare->memory;
        request->length = left < ZERO_BYTES ? (uint32_t)left : ZERO_BYTES;
        request->offset = prepare->zeroed;
        return true;
    }
    case PREPARE_HEADING:
        request->kind = FILE_WRITE;
        request->buffer = header_block(prepare);
        request->length = BLOCK_BYTES;
        return true;
    case PREPARE_SYNCING:
        request->kind = FILE_SYNC;
        return true;
    case PREPARE_NAMING:
        request->kind = FILE_SYNC_DIRECTORY;
        request->fd = prepare->directory_fd;
        return true;
    case PREPARE_IDLE:
    case PREPARE_READY:
    case PREPARE_FAILED:
        break;
    }
    return false;
}

/* SYNCING -> NAMING. */
static void give_name(struct prepare *prepare)
{
    const struct file_ops *files = prepare->files;
    struct path from;
    struct path to;
    close_file(prepare);
    int error = path_join(&from, prepare->directory, SEGMENT_UNFINISHED);
    if (!error)
        error = path_join(&to, prepare->directory, segment_name(prepare->sequence).text);
    if (!error)
        error = files->rename(files->context, from.text, to.text);
    if (error)
        fail(prepare, error, "rename to");
    else
        prepare->step = PREPARE_NAMING;
}

static const char *verb(const struct prepare *prepare)
{
    switch (prepare->step) {
    case PREPARE_SYNCING:
        return "sync";
    case PREPARE_NAMING:
        return "sync the directory of";
    default:
        return "write";
    }
}

void prepare_advance(struct prepare *prepare, const struct file_request *request, int result)
{
    if (result >= 0 && request->kind == FILE_WRITE && (uint32_t)result < request->length)
        result = -ENOSPC; /* what a short write to a regular file means, nearly always */
    if (result < 0) {
        fail(prepare, result, verb(prepare));
        return;
    }
    switch (prepare->step) {
    case PREPARE_ZEROING:
        prepare->zeroed += request->length;
        if (prepare->zeroed == prepare->bytes)
            prepare->step = PREPARE_HEADING;
        break;
    case PREPARE_HEADING:
        prepare->step = PREPARE_SYNCING;
        break;
    case PREPARE_SYNCING:
        give_name(prepare);
        break;
    case PREPARE_NAMING:
        prepare->step = PREPARE_READY;
        break;
    case PREPARE_IDLE:
    case PREPARE_READY:
    case PREPARE_FAILED:
        assert(false); /* a request was under way */
    }
}

void prepare_found(struct prepare *prepare, uint64_t sequence, uint64_t bytes)
{
    assert(prepare->step == PREPARE_IDLE);
    prepare->sequence = sequence;
    prepare->bytes = bytes;
    prepare->step = PREPARE_READY;
}

void prepare_take(struct prepare *prepare)
{
    assert(prepare->step == PREPARE_READY);
    prepare->step = PREPARE_IDLE;
}

int prepare_now(struct prepare *prepare, uint64_t sequence, uint64_t bytes, uint64_t now_ms)
{
    struct file_request request;
    prepare_begin(prepare, sequence, bytes, now_ms);
    while (prepare_request(prepare, &request)) {
        int result = file_perform(prepare->files, &request);
        prepare_advance(prepare, &request, result);
    }
    return prepare->step == PREPARE_READY ? 0 : prepare->error;
}
