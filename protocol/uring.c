/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/uring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Completions of this tag are dropped. */
enum { TAG_IGNORED = 0 };

enum { BUFFER_GROUP = 0 };

struct uring {
    struct io_uring ring;
    struct io_uring_buf_ring *buffers; /* the kernel takes from it */
    size_t buffers_bytes;
    unsigned char *memory; /* of all buffers */
    unsigned buffer_bytes;
    unsigned buffer_count;
    unsigned returned; /* added to buffers but not yet visible to the kernel */
};

/* ---- making ---- */

struct uring_config uring_of_worker(unsigned workers)
{
    return (struct uring_config){
        .ids = 1024,
        .completions = 8192,
        .buffers = 64, /* few: they are reused, and should stay in the cache */
        .buffer_bytes = 16384,
        .rings = workers,
    };
}

static size_t whole_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* Its requests, its completions with the requests' indexes and some counters, and the ring of
 * buffers. Exact on Linux 6.18, as measured. */
size_t uring_locked_bytes(const struct uring_config *config)
{
    enum { COUNTERS = 1024 };
    return whole_pages(config->ids * sizeof(struct io_uring_sqe)) +
           whole_pages(config->completions * sizeof(struct io_uring_cqe) +
                       config->ids * sizeof(unsigned) + COUNTERS) +
           whole_pages(config->buffers * sizeof(struct io_uring_buf));
}

/* Linux 6.18 counts it against RLIMIT_MEMLOCK, over all processes of a user, unless the process has
 * CAP_IPC_LOCK. */
static void say_no_memory(const struct uring_config *config, char *why, size_t size)
{
    struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
    size_t needed = config->rings * uring_locked_bytes(config);
    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur == RLIM_INFINITY)
        snprintf(why, size,
                 "no memory for %u io_urings of %zu KiB: raise the memory limit of the container "
                 "or the service, or use fewer --workers",
                 config->rings, uring_locked_bytes(config) >> 10);
    else
        snprintf(why, size,
                 "no memory for %u io_urings: they need %zu KiB of locked memory, and the limit "
                 "(ulimit -l) is %" PRIu64 " KiB for all processes of this user: raise it "
                 "(LimitMEMLOCK= of a systemd unit), or use fewer --workers",
                 config->rings, needed >> 10, (uint64_t)limit.rlim_cur >> 10);
}

static void say_why(const struct uring_config *config, int error, char *why, size_t size)
{
    switch (error) {
    case -EPERM:
    case -EACCES:
        snprintf(why, size,
                 "io_uring is forbidden here: allow it with sysctl kernel.io_uring_disabled=0, and "
                 "in a container with a seccomp profile that allows io_uring_setup, "
                 "io_uring_enter and io_uring_register");
        break;
    case -ENOSYS:
        snprintf(why, size,
                 "io_uring is not available: it needs Linux 6.1 or newer, and in a container a "
                 "seccomp profile that allows io_uring_setup, io_uring_enter and "
                 "io_uring_register");
        break;
    case -EINVAL:
        snprintf(why, size, "this kernel's io_uring is too old: Linux 6.1 or newer is needed");
        break;
    case -ENOMEM:
        say_no_memory(config, why, size);
        break;
    default:
        snprintf(why, size, "cannot set up io_uring: %s", strerror(-error));
    }
}

static void *map_memory(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void add_buffer(struct uring *uring, unsigned index, unsigned offset)
{
    io_uring_buf_ring_add(uring->buffers, uring->memory + (size_t)index * uring->buffer_bytes,
                          uring->buffer_bytes, (unsigned short)index,
                          io_uring_buf_ring_mask(uring->buffer_count), (int)offset);
}

static int make_buffers(struct uring *uring, const struct uring_config *config)
{
    assert((config->buffers & (config->buffers - 1)) == 0);
    uring->buffer_count = config->buffers;
    uring->buffer_bytes = config->buffer_bytes;
    uring->buffers_bytes = config->buffers * sizeof(struct io_uring_buf);
    uring->buffers = map_memory(uring->buffers_bytes);
    uring->memory = map_memory((size_t)config->buffers * config->buffer_bytes);
    if (!uring->buffers || !uring->memory)
        return -ENOMEM;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)uring->buffers,
        .ring_entries = config->buffers,
        .bgid = BUFFER_GROUP,
    };
    int error = io_uring_register_buf_ring(&uring->ring, &registration, 0);
    if (error)
        return error;
    io_uring_buf_ring_init(uring->buffers);
    for (unsigned i = 0; i < config->buffers; i++)
        add_buffer(uring, i, i);
    io_uring_buf_ring_advance(uring->buffers, (int)config->buffers);
    return 0;
}

/*
 * The kernel executes a ring's requests without asking the process's filter of system calls
 * (tools/stockd/confinement.h), so the ring gets one of its own: what the functions below prepare,
 * and nothing else. It holds from uring_enable on.
 */
static int restrict_requests(struct uring *uring)
{
    static const uint8_t used[] = {
        IORING_OP_ACCEPT,   IORING_OP_RECV,         IORING_OP_SEND,     IORING_OP_SENDMSG,
        IORING_OP_READ,     IORING_OP_WRITE,        IORING_OP_FSYNC,    IORING_OP_OPENAT,
        IORING_OP_CLOSE,    IORING_OP_FALLOCATE,    IORING_OP_RENAMEAT, IORING_OP_UNLINKAT,
        IORING_OP_MSG_RING, IORING_OP_ASYNC_CANCEL,
    };
    static const uint8_t registered[] = { IORING_REGISTER_ENABLE_RINGS, IORING_REGISTER_RING_FDS,
                                          IORING_UNREGISTER_RING_FDS };
    enum { USED = sizeof used, REGISTERED = sizeof registered, COUNT = USED + REGISTERED + 1 };
    struct io_uring_restriction list[COUNT];
    memset(list, 0, sizeof list);
    for (unsigned i = 0; i < USED; i++) {
        list[i].opcode = IORING_RESTRICTION_SQE_OP;
        list[i].sqe_op = used[i];
    }
    for (unsigned i = 0; i < REGISTERED; i++) {
        list[USED + i].opcode = IORING_RESTRICTION_REGISTER_OP;
        list[USED + i].register_op = registered[i];
    }
    list[COUNT - 1].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    list[COUNT - 1].sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_ASYNC | IOSQE_CQE_SKIP_SUCCESS;
    /* liburing 2.3 declares io_uring_register_restrictions, but its shared library lacks it. */
    int error =
        io_uring_register((unsigned)uring->ring.ring_fd, IORING_REGISTER_RESTRICTIONS, list, COUNT);
    return error < 0 ? error : 0;
}

struct uring *uring_create(const struct uring_config *config, char *why, size_t size)
{
    struct uring *uring = calloc(1, sizeof *uring);
    if (!uring) {
        say_why(config, -ENOMEM, why, size);
        return NULL;
    }
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
        .cq_entries = config->completions,
    };
    int error = io_uring_queue_init_params(config->ids, &uring->ring, &params);
    if (error) {
        say_why(config, error, why, size);
        free(uring);
        return NULL;
    }
    error = make_buffers(uring, config);
    if (!error)
        error = restrict_requests(uring);
    if (error) {
        say_why(config, error, why, size);
        uring_destroy(uring);
        return NULL;
    }
    return uring;
}

void uring_destroy(struct uring *uring)
{
    io_uring_queue_exit(&uring->ring);
    if (uring->buffers)
        munmap(uring->buffers, uring->buffers_bytes);
    if (uring->memory)
        munmap(uring->memory, (size_t)uring->buffer_count * uring->buffer_bytes);
    free(uring);
}

int uring_enable(struct uring *uring)
{
    /* liburing 2.3 declares io_uring_enable_rings, but its shared library lacks it. */
    int error =
        io_uring_register((unsigned)uring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (error < 0)
        return error;
    uring->ring.flags &= ~(unsigned)IORING_SETUP_R_DISABLED;
    io_uring_register_ring_fd(&uring->ring); /* an optimisation: it may fail */
    return 0;
}

int uring_descriptor(const struct uring *uring)
{
    return uring->ring.ring_fd;
}

/* ---- requests ---- */

static struct io_uring_sqe *next_request(struct uring *uring)
{
    struct io_uring_sqe *request = io_uring_get_sqe(&uring->ring);
    while (!request) {
        int error = io_uring_submit(&uring->ring);
        assert(error >= 0 || error == -EAGAIN || error == -EBUSY || error == -EINTR);
        request = io_uring_get_sqe(&uring->ring);
    }
    return request;
}

void uring_accept(struct uring *uring, int fd, uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_multishot_accept(request, fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(request, tag);
}

void uring_receive(struct uring *uring, int fd, bool once, uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    if (once)
        io_uring_prep_recv(request, fd, NULL, 0, 0);
    else
        io_uring_prep_recv_multishot(request, fd, NULL, 0, 0);
    request->flags |= IOSQE_BUFFER_SELECT;
    request->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data64(request, tag);
}

void uring_send(struct uring *uring, int fd, const void *bytes, size_t length, uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_send(request, fd, bytes, length, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(request, tag);
}

void uring_send_message(struct uring *uring, int fd, const struct msghdr *message, uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_sendmsg(request, fd, message, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(request, tag);
}

void uring_read(struct uring *uring, int fd, void *buffer, unsigned length, uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_read(request, fd, buffer, length, 0);
    io_uring_sqe_set_data64(request, tag);
}

void uring_write(struct uring *uring, int fd, const void *buffer, unsigned length, uint64_t offset,
                 uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_write(request, fd, buffer, length, offset);
    io_uring_sqe_set_data64(request, tag);
}

void uring_sync(struct uring *uring, int fd, bool data_only, uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_fsync(request, fd, data_only ? IORING_FSYNC_DATASYNC : 0);
    io_uring_sqe_set_data64(request, tag);
}

void uring_open(struct uring *uring, const char *path, int flags, uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_openat(request, AT_FDCWD, path, flags | O_CLOEXEC, 0640);
    io_uring_sqe_set_data64(request, tag);
}

void uring_allocate(struct uring *uring, int fd, uint64_t length, uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_fallocate(request, fd, 0, 0, (off_t)length);
    io_uring_sqe_set_data64(request, tag);
}

void uring_close(struct uring *uring, int fd, uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_close(request, fd);
    request->flags |= IOSQE_ASYNC; /* the last close may wait for the disk */
    io_uring_sqe_set_data64(request, tag);
}

void uring_rename(struct uring *uring, const char *path, const char *to, uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_renameat(request, AT_FDCWD, path, AT_FDCWD, to, 0);
    io_uring_sqe_set_data64(request, tag);
}

void uring_remove(struct uring *uring, const char *path, uint64_t tag)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_unlinkat(request, AT_FDCWD, path, 0);
    io_uring_sqe_set_data64(request, tag);
}

void uring_cancel(struct uring *uring, uint64_t target)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_cancel64(request, target, 0);
    io_uring_sqe_set_data64(request, TAG_IGNORED);
}

void uring_tell(struct uring *uring, int other, int32_t value, uint64_t tag, uint64_t if_failed)
{
    struct io_uring_sqe *request = next_request(uring);
    io_uring_prep_msg_ring(request, other, (unsigned)value, tag, 0);
    request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(request, if_failed);
}

/* ---- completions ---- */

int uring_wait(struct uring *uring, int64_t timeout_ns)
{
    struct io_uring_cqe *first;
    int error;
    if (uring->returned > 0) {
        io_uring_buf_ring_advance(uring->buffers, (int)uring->returned);
        uring->returned = 0;
    }
    if (timeout_ns == 0) {
        error = io_uring_submit_and_get_events(&uring->ring);
    } else if (timeout_ns < 0) {
        error = io_uring_submit_and_wait(&uring->ring, 1);
    } else {
        struct __kernel_timespec timeout = { .tv_sec = timeout_ns / 1000000000,
                                             .tv_nsec = timeout_ns % 1000000000 };
        error = io_uring_submit_and_wait_timeout(&uring->ring, &first, 1, &timeout, NULL);
    }
    bool passing =
        error >= 0 || error == -ETIME || error == -EINTR || error == -EAGAIN || error == -EBUSY;
    return passing ? 0 : error;
}

bool uring_has_completions(const struct uring *uring)
{
    return io_uring_cq_ready(&uring->ring) > 0;
}

unsigned uring_take(struct uring *uring, struct completion *completions, unsigned max)
{
    struct io_uring_cqe *entry;
    unsigned head;
    unsigned seen = 0;
    unsigned taken = 0;
    io_uring_for_each_cqe(&uring->ring, head, entry)
    {
        if (taken == max)
            break;
        seen++;
        if (entry->user_data == TAG_IGNORED)
            continue;
        struct completion *completion = &completions[taken++];
        completion->tag = entry->user_data;
        completion->result = entry->res;
        completion->more = entry->flags & IORING_CQE_F_MORE;
        completion->has_buffer = entry->flags & IORING_CQE_F_BUFFER;
        completion->buffer = (uint16_t)(entry->flags >> IORING_CQE_BUFFER_SHIFT);
        completion->bytes = uring->memory + (size_t)completion->buffer * uring->buffer_bytes;
    }
    io_uring_cq_advance(&uring->ring, seen);
    return taken;
}

void uring_return_buffer(struct uring *uring, uint16_t buffer)
{
    assert(buffer < uring->buffer_count);
    add_buffer(uring, buffer, uring->returned++);
}
