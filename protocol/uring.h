/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's io_uring: all that it asks of the kernel while it serves.
 *
 * Requests are batched and go to the kernel with the next uring_wait, in one system call. Each
 * carries a tag that its completion returns. What a request points to must stay valid until then.
 *
 * From uring_enable on, only one thread uses a ring. Needs Linux 6.1, whose rings can run their
 * completions in uring_wait only (DEFER_TASKRUN), so nothing interrupts a worker.
 */
#ifndef STOCKD_PROTOCOL_URING_H
#define STOCKD_PROTOCOL_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uring;
struct msghdr;

struct uring_config {
    unsigned ids; /* requests that fit between two waits without an extra system call */
    unsigned completions;
    unsigned buffers; /* for receiving; a power of two */
    unsigned buffer_bytes;
    unsigned rings; /* that the process makes in all, for error texts */
};

/* A worker's, of a server with so many of them. */
struct uring_config uring_of_worker(unsigned workers);

/* The memory that the kernel charges to a ring's user. */
size_t uring_locked_bytes(const struct uring_config *config);

/* NULL on failure, with one line in why (size bytes) that says what to do about it. */
struct uring *uring_create(const struct uring_config *config, char *why, size_t size);
void uring_destroy(struct uring *ring);

/* Called once by the thread that will use the ring. 0 or -errno. */
int uring_enable(struct uring *ring);

/* The descriptor by which other rings address it. */
int uring_descriptor(const struct uring *ring);

/* ---- requests ---- */

/* Completes once per connection, with its descriptor, until a completion says that no more come. */
void uring_accept(struct uring *ring, int fd, uint64_t tag);

/* Completes once per piece, in a buffer of the ring, until a completion says that no more come: at
 * the end (0), on an error, or when the ring has run out of buffers (-ENOBUFS). `once`: after the
 * first piece. */
void uring_receive(struct uring *ring, int fd, bool once, uint64_t tag);

void uring_send(struct uring *ring, int fd, const void *bytes, size_t length, uint64_t tag);
void uring_send_message(struct uring *ring, int fd, const struct msghdr *message, uint64_t tag);
void uring_read(struct uring *ring, int fd, void *buffer, unsigned length, uint64_t tag);
void uring_write(struct uring *ring, int fd, const void *buffer, unsigned length, uint64_t offset,
                 uint64_t tag);
void uring_sync(struct uring *ring, int fd, bool data_only, uint64_t tag);

/* Changes to file names and space; a slow file system holds up a kernel thread instead of the
 * worker. Paths must not change until the request is done. The fd opened is close-on-exec. */
void uring_open(struct uring *ring, const char *path, int flags, uint64_t tag);
void uring_allocate(struct uring *ring, int fd, uint64_t length, uint64_t tag);
void uring_close(struct uring *ring, int fd, uint64_t tag);
void uring_rename(struct uring *ring, const char *path, const char *to, uint64_t tag);
void uring_remove(struct uring *ring, const char *path, uint64_t tag);

/* Cancels the request of that tag; the cancel itself yields no completion. */
void uring_cancel(struct uring *ring, uint64_t target);

/* Completes on the other ring with value as its result and that tag. Completes on this one only if
 * that failed, with the tag if_failed. */
void uring_tell(struct uring *ring, int other, int32_t value, uint64_t tag, uint64_t if_failed);

/* ---- completions ---- */

struct completion {
    uint64_t tag;
    int32_t result;
    bool more;       /* the request continues */
    bool has_buffer; /* a buffer of the ring holds `result` bytes */
    uint16_t buffer;
    unsigned char *bytes;
};

/* Submits all batched requests to the kernel and waits for a completion, for at most timeout_ns (0:
 * does not wait, negative: no limit). Returns 0, or -errno if the ring is unusable. */
int uring_wait(struct uring *ring, int64_t timeout_ns);

/* Whether there are completions to take. */
bool uring_has_completions(const struct uring *ring);

/* Takes at most max completions; returns how many. */
unsigned uring_take(struct uring *ring, struct completion *completions, unsigned max);

/* Returns a completion's buffer to the ring; its bytes are no longer valid. */
void uring_return_buffer(struct uring *ring, uint16_t buffer);

#endif
