/* SPDX-License-Identifier: Apache-2.0 */
/* A ring takes the requests that protocol/uring.h has, and no others. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "protocol/uring.h"

enum { IDS = 8, COMPLETIONS = 16, TAG = 7, INDEXES_BYTES = 4096 };

static struct uring *ring;

/* The same ring, as whoever is in the process can write into it. */
static struct io_uring_params params;
static unsigned char *indexes;
static struct io_uring_sqe *requests;

/* Where the kernel puts what depends on nothing but a ring's sizes: a second one tells. */
static void learn_the_layout(void)
{
    params = (struct io_uring_params){ .flags = IORING_SETUP_CQSIZE, .cq_entries = COMPLETIONS };
    int fd = (int)syscall(SYS_io_uring_setup, IDS, &params);
    cr_assert(fd >= 0);
    close(fd);
}

static void *map(size_t bytes, off_t what)
{
    int fd = uring_descriptor(ring);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, what);
    cr_assert(at != MAP_FAILED);
    return at;
}

static void make_ring(void)
{
    char why[256] = "";
    const struct uring_config config = {
        .ids = IDS, .completions = COMPLETIONS, .buffers = 2, .buffer_bytes = 4096, .rings = 1
    };
    ring = uring_create(&config, why, sizeof why);
    cr_assert(ring, "%s", why);
    learn_the_layout();
    cr_assert(uring_enable(ring) == 0);
    indexes = map(INDEXES_BYTES, IORING_OFF_SQ_RING);
    requests = map(IDS * sizeof *requests, IORING_OFF_SQES);
}

static void drop_ring(void)
{
    munmap(indexes, INDEXES_BYTES);
    munmap(requests, IDS * sizeof *requests);
    uring_destroy(ring);
}

TestSuite(uring, .init = make_ring, .fini = drop_ring);

/* The result of a request that none of the ring's functions made. */
static int submit(uint8_t opcode, uint8_t flags)
{
    struct completion completion = { .tag = 0 };
    _Atomic unsigned *tail = (_Atomic unsigned *)(void *)(indexes + params.sq_off.tail);
    unsigned *array = (unsigned *)(void *)(indexes + params.sq_off.array);
    unsigned at = atomic_load(tail) % IDS;
    requests[at] =
        (struct io_uring_sqe){ .opcode = opcode, .flags = flags, .fd = -1, .user_data = TAG };
    array[at] = at;
    atomic_fetch_add(tail, 1);
    cr_assert(syscall(SYS_io_uring_enter, uring_descriptor(ring), 1, 1, IORING_ENTER_GETEVENTS,
                      NULL, 0) == 1);
    cr_assert(uring_wait(ring, 0) == 0);
    cr_assert(uring_take(ring, &completion, 1) == 1);
    cr_assert(completion.tag == TAG);
    return completion.result;
}

Test(uring, refuses_other_requests)
{
    static const uint8_t others[] = { IORING_OP_NOP,     IORING_OP_CONNECT,   IORING_OP_SOCKET,
                                      IORING_OP_OPENAT2, IORING_OP_SPLICE,    IORING_OP_SENDMSG_ZC,
                                      IORING_OP_LINKAT,  IORING_OP_SYMLINKAT, IORING_OP_URING_CMD };
    for (size_t i = 0; i < sizeof others; i++)
        cr_expect(submit(others[i], 0) == -EACCES, "request %d", others[i]);
    cr_expect(submit(IORING_OP_FSYNC, IOSQE_IO_LINK) == -EACCES);
    cr_expect(submit(IORING_OP_FSYNC, 0) == -EBADF, "this one it has");
}

Test(uring, refuses_other_registrations)
{
    static const unsigned others[] = { IORING_REGISTER_PERSONALITY, IORING_REGISTER_RESTRICTIONS,
                                       IORING_REGISTER_PBUF_RING };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        long done = syscall(SYS_io_uring_register, uring_descriptor(ring), others[i], NULL, 0);
        cr_expect(done == -1 && errno == EACCES, "registration %u", others[i]);
    }
}
