/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/prepare.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "engine/base/memory.h"

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
    assert(error < 0);
    prepare->error = error;
    error_system(&prepare->why, error, "cannot %s segment %s", what,
                 segment_name(prepare->sequence).text);
    prepare->step = prepare->fd >= 0 ? PREPARE_CLOSING : PREPARE_REMOVING;
}

static int set_sequence(struct prepare *prepare, uint64_t sequence, uint64_t bytes)
{
    assert(prepare->step == PREPARE_IDLE);
    assert(prepare->fd < 0);
    assert(bytes >= SEGMENT_BYTES_MIN);
    assert(sequence >= FIRST_SEQUENCE); /* F2 */
    prepare->sequence = sequence;
    prepare->bytes = bytes;
    prepare->error = 0;
    int error = path_join(&prepare->unfinished, prepare->directory, SEGMENT_UNFINISHED);
    if (!error)
        error = path_join(&prepare->named, prepare->directory, segment_name(sequence).text);
    return error;
}

void prepare_begin(struct prepare *prepare, uint64_t sequence, uint64_t bytes, uint64_t now_ms)
{
    assert(prepare->directory_id != 0); /* F2 */
    int error = set_sequence(prepare, sequence, bytes);
    prepare->zeroed = BLOCK_BYTES;
    memset(header_block(prepare), 0, BLOCK_BYTES);
    segment_header_make(header_block(prepare), sequence, bytes, prepare->directory_id, now_ms);
    prepare->step = PREPARE_OPENING;
    if (error)
        fail(prepare, error, "name");
}

static void ask_for_zeroes(const struct prepare *prepare, struct file_request *request)
{
    assert(prepare->zeroed >= BLOCK_BYTES && prepare->zeroed < prepare->bytes);
    uint64_t left = prepare->bytes - prepare->zeroed;
    request->kind = FILE_WRITE;
    request->buffer = prepare->memory;
    request->length = left < ZERO_BYTES ? (uint32_t)left : ZERO_BYTES;
    request->offset = prepare->zeroed;
}

static void ask_for_header(const struct prepare *prepare, struct file_request *request)
{
    assert(prepare->zeroed == prepare->bytes); /* F1: the header comes last */
    request->kind = FILE_WRITE;
    request->buffer = header_block(prepare);
    request->length = BLOCK_BYTES;
}

bool prepare_request(struct prepare *prepare, struct file_request *request)
{
    *request = (struct file_request){ .fd = prepare->fd,
                                      .path = prepare->unfinished.text,
                                      .to = prepare->named.text };
    switch (prepare->step) {
    case PREPARE_OPENING:
        request->kind = FILE_OPEN;
        request->flags = O_RDWR | O_CREAT | O_TRUNC | (prepare->direct ? O_DIRECT : 0);
        return true;
    case PREPARE_ALLOCATING:
        request->kind = FILE_ALLOCATE;
        request->offset = prepare->bytes;
        return true;
    case PREPARE_ZEROING:
        ask_for_zeroes(prepare, request);
        return true;
    case PREPARE_HEADING:
        ask_for_header(prepare, request);
        return true;
    case PREPARE_SYNCING:
        request->kind = FILE_SYNC;
        return true;
    case PREPARE_CLOSING:
        request->kind = FILE_CLOSE;
        return true;
    case PREPARE_RENAMING:
        request->kind = FILE_RENAME;
        return true;
    case PREPARE_NAMING:
        request->kind = FILE_SYNC_DIRECTORY;
        request->fd = prepare->directory_fd;
        return true;
    case PREPARE_ENTERING:
        request->kind = FILE_OPEN;
        request->path = prepare->named.text;
        request->flags = prepare->write_flags;
        return true;
    case PREPARE_REMOVING:
        request->kind = FILE_REMOVE;
        return true;
    case PREPARE_IDLE:
    case PREPARE_READY:
    case PREPARE_FAILED:
        break;
    }
    return false;
}

int prepare_opened(const struct prepare *prepare, const struct file_request *request, int result)
{
    const struct file_ops *files = prepare->files;
    if (request->kind != FILE_OPEN || (request->flags & O_CREAT) || result < 0)
        return result;
    int error = files->lock(files->context, result, FILE_LOCK_EXCLUSIVE);
    if (!error)
        return result;
    files->close(files->context, result);
    return error;
}

static const char *verb(const struct prepare *prepare)
{
    switch (prepare->step) {
    case PREPARE_OPENING:
        return "create";
    case PREPARE_ALLOCATING:
        return "find place for";
    case PREPARE_SYNCING:
        return "sync";
    case PREPARE_RENAMING:
        return "rename to";
    case PREPARE_NAMING:
        return "sync the directory of";
    case PREPARE_ENTERING:
        return "open or lock";
    default:
        return "write";
    }
}

/* What a result below 0 means for the present step: some are of no account. */
static bool has_failed(const struct prepare *prepare, int result)
{
    switch (prepare->step) {
    case PREPARE_ALLOCATING: /* then writing finds the place */
        return result < 0 && result != -EOPNOTSUPP && result != -ENOSYS;
    case PREPARE_CLOSING:
    case PREPARE_REMOVING:
        return false;
    default:
        return result < 0;
    }
}

static enum prepare_step step_after(const struct prepare *prepare)
{
    switch (prepare->step) {
    case PREPARE_OPENING:
        return PREPARE_ALLOCATING;
    case PREPARE_ALLOCATING:
        return PREPARE_ZEROING;
    case PREPARE_ZEROING:
        return prepare->zeroed == prepare->bytes ? PREPARE_HEADING : PREPARE_ZEROING;
    case PREPARE_HEADING:
        return PREPARE_SYNCING;
    case PREPARE_SYNCING:
        return PREPARE_CLOSING;
    case PREPARE_CLOSING:
        return prepare->error ? PREPARE_REMOVING : PREPARE_RENAMING;
    case PREPARE_RENAMING:
        return PREPARE_NAMING;
    case PREPARE_NAMING:
        return PREPARE_ENTERING;
    case PREPARE_ENTERING:
        return PREPARE_READY;
    case PREPARE_REMOVING:
        return PREPARE_FAILED;
    case PREPARE_IDLE:
    case PREPARE_READY:
    case PREPARE_FAILED:
        assert(false); /* a request was under way */
    }
    return prepare->step;
}

void prepare_advance(struct prepare *prepare, const struct file_request *request, int result)
{
    if (result >= 0 && request->kind == FILE_WRITE && (uint32_t)result < request->length)
        result = -ENOSPC; /* what a short write to a regular file means, nearly always */
    if (has_failed(prepare, result)) {
        fail(prepare, result, verb(prepare));
        return;
    }
    if (request->kind == FILE_OPEN)
        prepare->fd = result;
    else if (request->kind == FILE_CLOSE)
        prepare->fd = -1;
    else if (prepare->step == PREPARE_ZEROING)
        prepare->zeroed += request->length;
    assert(request->kind != FILE_RENAME || prepare->fd < 0); /* F1: it is synced and closed */
    prepare->step = step_after(prepare);
    assert(prepare->step != PREPARE_READY || prepare->fd >= 0); /* F13 */
}

void prepare_found(struct prepare *prepare, uint64_t sequence, uint64_t bytes)
{
    int error = set_sequence(prepare, sequence, bytes);
    prepare->step = PREPARE_ENTERING;
    if (error)
        fail(prepare, error, "name");
}

int prepare_take(struct prepare *prepare)
{
    int fd = prepare->fd;
    assert(prepare->step == PREPARE_READY);
    prepare->step = PREPARE_IDLE;
    prepare->fd = -1;
    return fd;
}

int prepare_finish(struct prepare *prepare)
{
    struct file_request request;
    while (prepare_request(prepare, &request)) {
        int result = file_perform(prepare->files, &request);
        prepare_advance(prepare, &request, prepare_opened(prepare, &request, result));
    }
    assert(prepare->step == PREPARE_IDLE || prepare->step == PREPARE_READY ||
           prepare->step == PREPARE_FAILED);
    return prepare->step == PREPARE_FAILED ? prepare->error : 0;
}
