/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's io_uring: everything that it asks of the kernel while it serves.
 *
 * Requests gather and go to the kernel with the next uring_wait, in one system call. Each carries a
 * tag that its completion brings back. What a request points to must stay until then.
 *
 * One thread uses a ring, from uring_enable on. Needs Linux 6.1: rings that run their completions
 * in uring_wait only (DEFER_TASKRUN), so that nothing interrupts a worker.
 */
#ifndef STOCKD_PROTOCOL_URING_H
#define STOCKD_PROTOCOL_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uring;
struct msghdr;

struct uring_config {
    unsigned ids; /* requests that fit between two waits, without an extra system call */
    unsigned completions;
    unsigned buffers; /* for receiving; a power of two */
    unsigned buffer_bytes;
    unsigned rings; /* that the process makes in all, for what an error says */
};

/* NULL, and in why (size bytes) one line that says what to do about it. */
struct uring *uring_create(const struct uring_config *config, char *why, size_t size);
void uring_destroy(struct uring *ring);

/* Called once by the thread that will use the ring. 0 or -errno. */
int uring_enable(struct uring *ring);

/* What other rings name it by. */
int uring_descriptor(const struct uring *ring);

/* ---- requests ---- */

/* Completes once for each connection, with its descriptor, until it says that no more come. */
void uring_accept(struct uring *ring, int fd, uint64_t tag);

/* Completes once for each piece that comes, in a buffer of the ring, until it says that no more
 * come: at the end (0), an error, or when the ring ran out of buffers (-ENOBUFS). `once`: after
 * the first piece. */
void uring_receive(struct uring *ring, int fd, bool once, uint64_t tag);

void uring_send(struct uring *ring, int fd, const void *bytes, size_t length, uint64_t tag);
void uring_send_message(struct uring *ring, int fd, const struct msghdr *message, uint64_t tag);
void uring_read(struct uring *ring, int fd, void *buffer, unsigned length, uint64_t tag);
void uring_write(struct uring *ring, int fd, const void *buffer, unsigned length, uint64_t offset,
                 uint64_t tag);
void uring_sync(struct uring *ring, int fd, bool data_only, uint64_t tag);

/* What changes names and places; a slow file system holds up a thread of the kernel's. Paths stay
 * as they are until it is done. The fd that is opened is closed on exec. */
void uring_open(struct uring *ring, const char *path, int flags, uint64_t tag);
void uring_allocate(struct uring *ring, int fd, uint64_t length, uint64_t tag);
void uring_close(struct uring *ring, int fd, uint64_t tag);
void uring_rename(struct uring *ring, const char *path, const char *to, uint64_t tag);
void uring_remove(struct uring *ring, const char *path, uint64_t tag);

/* Ends the request of that tag; the cancel's own completion is not shown. */
void uring_cancel(struct uring *ring, uint64_t target);

/* Completes on the other ring, with value as its result and that tag. Here it completes only if
 * that failed, with the tag if_failed. */
void uring_tell(struct uring *ring, int other, int32_t value, uint64_t tag, uint64_t if_failed);

/* ---- completions ---- */

struct completion {
    uint64_t tag;
    int32_t result;
    bool more;       /* the request goes on */
    bool has_buffer; /* bytes are in a buffer of the ring: result of them */
    uint16_t buffer;
    const unsigned char *bytes;
};

/* Hands all gathered requests to the kernel and waits for a completion, for at most timeout_ns; 0:
 * does not wait, negative: for ever. 0, or -errno if the ring is of no more use. */
int uring_wait(struct uring *ring, int64_t timeout_ns);

/* Whether there are completions to take. */
bool uring_has_completions(const struct uring *ring);

/* Takes at most max completions; returns how many. */
unsigned uring_take(struct uring *ring, struct completion *completions, unsigned max);

/* Gives a completion's buffer back; its bytes are gone. */
void uring_return_buffer(struct uring *ring, uint16_t buffer);

#endif
