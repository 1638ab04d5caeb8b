/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/preallocation.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "engine/base/memory.h"

/* Small enough not to delay a batch for long, large enough to be worth a request. */
enum { ZERO_BYTES = 512 << 10 };

int preallocation_init(struct preallocation *preallocation)
{
    preallocation->step = PREALLOCATION_IDLE;
    preallocation->fd = -1;
    preallocation->memory = memory_reserve(ZERO_BYTES + BLOCK_BYTES);
    return preallocation->memory ? 0 : -ENOMEM;
}

static void close_file(struct preallocation *preallocation)
{
    if (preallocation->fd >= 0)
        preallocation->files->close(preallocation->files->context, preallocation->fd);
    preallocation->fd = -1;
}

void preallocation_destroy(struct preallocation *preallocation)
{
    close_file(preallocation);
    memory_release(preallocation->memory, ZERO_BYTES + BLOCK_BYTES);
    preallocation->memory = NULL;
}

static unsigned char *header_block(const struct preallocation *preallocation)
{
    return preallocation->memory + ZERO_BYTES;
}

/* Removes the unfinished file; if that fails, the next opening removes it. */
static void fail(struct preallocation *preallocation, int error, const char *what)
{
    assert(error < 0);
    preallocation->error = error;
    error_system(&preallocation->why, error, "cannot %s segment %s", what,
                 segment_name(preallocation->sequence).text);
    preallocation->step = preallocation->fd >= 0 ? PREALLOCATION_CLOSING : PREALLOCATION_REMOVING;
}

static int set_sequence(struct preallocation *preallocation, uint64_t sequence, uint64_t bytes)
{
    assert(preallocation->step == PREALLOCATION_IDLE);
    assert(preallocation->fd < 0);
    assert(bytes >= SEGMENT_BYTES_MIN);
    assert(sequence >= FIRST_SEQUENCE); /* F2 */
    preallocation->sequence = sequence;
    preallocation->bytes = bytes;
    preallocation->error = 0;
    int error = path_join(&preallocation->unfinished, preallocation->directory, SEGMENT_UNFINISHED);
    if (!error)
        error =
            path_join(&preallocation->named, preallocation->directory, segment_name(sequence).text);
    return error;
}

void preallocation_begin(struct preallocation *preallocation, uint64_t sequence, uint64_t bytes,
                         uint64_t now_ms)
{
    assert(preallocation->directory_id != 0); /* F2 */
    int error = set_sequence(preallocation, sequence, bytes);
    preallocation->zeroed = BLOCK_BYTES;
    memset(header_block(preallocation), 0, BLOCK_BYTES);
    segment_header_make(header_block(preallocation), sequence, bytes, preallocation->directory_id,
                        now_ms);
    preallocation->step = PREALLOCATION_OPENING;
    if (error)
        fail(preallocation, error, "name");
}

static void ask_for_zeroes(const struct preallocation *preallocation, struct file_request *request)
{
    assert(preallocation->zeroed >= BLOCK_BYTES && preallocation->zeroed < preallocation->bytes);
    uint64_t left = preallocation->bytes - preallocation->zeroed;
    request->kind = FILE_WRITE;
    request->buffer = preallocation->memory;
    request->length = left < ZERO_BYTES ? (uint32_t)left : ZERO_BYTES;
    request->offset = preallocation->zeroed;
}

static void ask_for_header(const struct preallocation *preallocation, struct file_request *request)
{
    assert(preallocation->zeroed == preallocation->bytes); /* F1: the header comes last */
    request->kind = FILE_WRITE;
    request->buffer = header_block(preallocation);
    request->length = BLOCK_BYTES;
}

bool preallocation_request(struct preallocation *preallocation, struct file_request *request)
{
    *request = (struct file_request){ .fd = preallocation->fd,
                                      .path = preallocation->unfinished.text,
                                      .to = preallocation->named.text };
    switch (preallocation->step) {
    case PREALLOCATION_OPENING:
        request->kind = FILE_OPEN;
        request->flags = O_RDWR | O_CREAT | O_TRUNC | (preallocation->direct ? O_DIRECT : 0);
        return true;
    case PREALLOCATION_ALLOCATING:
        request->kind = FILE_ALLOCATE;
        request->offset = preallocation->bytes;
        return true;
    case PREALLOCATION_ZEROING:
        ask_for_zeroes(preallocation, request);
        return true;
    case PREALLOCATION_HEADING:
        ask_for_header(preallocation, request);
        return true;
    case PREALLOCATION_SYNCING:
        request->kind = FILE_SYNC;
        return true;
    case PREALLOCATION_CLOSING:
        request->kind = FILE_CLOSE;
        return true;
    case PREALLOCATION_RENAMING:
        request->kind = FILE_RENAME;
        return true;
    case PREALLOCATION_NAMING:
        request->kind = FILE_SYNC_DIRECTORY;
        request->fd = preallocation->directory_fd;
        return true;
    case PREALLOCATION_ENTERING:
        request->kind = FILE_OPEN;
        request->path = preallocation->named.text;
        request->flags = preallocation->write_flags;
        return true;
    case PREALLOCATION_REMOVING:
        request->kind = FILE_REMOVE;
        return true;
    case PREALLOCATION_IDLE:
    case PREALLOCATION_READY:
    case PREALLOCATION_FAILED:
        break;
    }
    return false;
}

int preallocation_opened(const struct preallocation *preallocation,
                         const struct file_request *request, int result)
{
    const struct file_ops *files = preallocation->files;
    if (request->kind != FILE_OPEN || (request->flags & O_CREAT) || result < 0)
        return result;
    int error = files->lock(files->context, result, FILE_LOCK_EXCLUSIVE);
    if (!error)
        return result;
    files->close(files->context, result);
    return error;
}

static const char *verb(const struct preallocation *preallocation)
{
    switch (preallocation->step) {
    case PREALLOCATION_OPENING:
        return "create";
    case PREALLOCATION_ALLOCATING:
        return "allocate space for";
    case PREALLOCATION_SYNCING:
        return "sync";
    case PREALLOCATION_RENAMING:
        return "rename to";
    case PREALLOCATION_NAMING:
        return "sync the directory of";
    case PREALLOCATION_ENTERING:
        return "open or lock";
    default:
        return "write";
    }
}

/* Whether a result below 0 fails the current step: some do not matter. */
static bool has_failed(const struct preallocation *preallocation, int result)
{
    switch (preallocation->step) {
    case PREALLOCATION_ALLOCATING: /* if unsupported, writing the zeroes allocates */
        return result < 0 && result != -EOPNOTSUPP && result != -ENOSYS;
    case PREALLOCATION_CLOSING:
    case PREALLOCATION_REMOVING:
        return false;
    default:
        return result < 0;
    }
}

static enum preallocation_step step_after(const struct preallocation *preallocation)
{
    switch (preallocation->step) {
    case PREALLOCATION_OPENING:
        return PREALLOCATION_ALLOCATING;
    case PREALLOCATION_ALLOCATING:
        return PREALLOCATION_ZEROING;
    case PREALLOCATION_ZEROING:
        return preallocation->zeroed == preallocation->bytes ? PREALLOCATION_HEADING
                                                             : PREALLOCATION_ZEROING;
    case PREALLOCATION_HEADING:
        return PREALLOCATION_SYNCING;
    case PREALLOCATION_SYNCING:
        return PREALLOCATION_CLOSING;
    case PREALLOCATION_CLOSING:
        return preallocation->error ? PREALLOCATION_REMOVING : PREALLOCATION_RENAMING;
    case PREALLOCATION_RENAMING:
        return PREALLOCATION_NAMING;
    case PREALLOCATION_NAMING:
        return PREALLOCATION_ENTERING;
    case PREALLOCATION_ENTERING:
        return PREALLOCATION_READY;
    case PREALLOCATION_REMOVING:
        return PREALLOCATION_FAILED;
    case PREALLOCATION_IDLE:
    case PREALLOCATION_READY:
    case PREALLOCATION_FAILED:
        assert(false); /* no request is in flight in these */
    }
    return preallocation->step;
}

void preallocation_advance(struct preallocation *preallocation, const struct file_request *request,
                           int result)
{
    if (result >= 0 && request->kind == FILE_WRITE && (uint32_t)result < request->length)
        result = -ENOSPC; /* nearly always the reason for a short write to a regular file */
    if (has_failed(preallocation, result)) {
        fail(preallocation, result, verb(preallocation));
        return;
    }
    if (request->kind == FILE_OPEN)
        preallocation->fd = result;
    else if (request->kind == FILE_CLOSE)
        preallocation->fd = -1;
    else if (preallocation->step == PREALLOCATION_ZEROING)
        preallocation->zeroed += request->length;
    assert(request->kind != FILE_RENAME || preallocation->fd < 0); /* F1: synced and closed */
    preallocation->step = step_after(preallocation);
    assert(preallocation->step != PREALLOCATION_READY || preallocation->fd >= 0); /* F13 */
}

void preallocation_found(struct preallocation *preallocation, uint64_t sequence, uint64_t bytes)
{
    int error = set_sequence(preallocation, sequence, bytes);
    preallocation->step = PREALLOCATION_ENTERING;
    if (error)
        fail(preallocation, error, "name");
}

int preallocation_take(struct preallocation *preallocation)
{
    int fd = preallocation->fd;
    assert(preallocation->step == PREALLOCATION_READY);
    preallocation->step = PREALLOCATION_IDLE;
    preallocation->fd = -1;
    return fd;
}

int preallocation_finish(struct preallocation *preallocation)
{
    struct file_request request;
    while (preallocation_request(preallocation, &request)) {
        int result = file_perform(preallocation->files, &request);
        preallocation_advance(preallocation, &request,
                              preallocation_opened(preallocation, &request, result));
    }
    assert(preallocation->step == PREALLOCATION_IDLE ||
           preallocation->step == PREALLOCATION_READY ||
           preallocation->step == PREALLOCATION_FAILED);
    return preallocation->step == PREALLOCATION_FAILED ? preallocation->error : 0;
}
