/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_ring.c - io_uring as the engine uses it: as many rings as it has workers, and on one of
 * them each kind of request that the journal makes, in a directory of its own, and a message
 * between two sockets.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tools/stockctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/uring.h"

enum { TAG = 1, ROOM = 4096, WORKERS_MAX = 63, LIMIT_NS = 2000000000 };

/* The first request that failed; NULL: none has. */
struct trial {
    struct uring *ring;
    char directory[64], file[96], renamed[96];
    int fd, pair[2];
    char text[ROOM];
    const char *failed;
    int error;
};

static int outcome(struct trial *trial, const char *what)
{
    struct completion done;
    int error = uring_wait(trial->ring, LIMIT_NS);

    if (error == 0)
        error = uring_take(trial->ring, &done, 1) == 1 ? done.result : -ETIME;
    if (error == 0 || error > 0)
        return error;
    trial->failed = what;
    trial->error = error;
    return error;
}

static void try_files(struct trial *trial)
{
    trial->fd = -1;
    uring_open(trial->ring, trial->file, O_RDWR | O_CREAT, TAG);
    int fd = outcome(trial, "open");
    if (fd < 0)
        return;
    uring_allocate(trial->ring, fd, ROOM, TAG);
    bool good = outcome(trial, "fallocate") >= 0;
    if (good)
        uring_write(trial->ring, fd, trial->text, ROOM, 0, TAG);
    good = good && outcome(trial, "write") >= 0;
    if (good)
        uring_sync(trial->ring, fd, true, TAG);
    good = good && outcome(trial, "fsync") >= 0;
    if (good)
        uring_read(trial->ring, fd, trial->text, ROOM, TAG);
    good = good && outcome(trial, "read") >= 0;
    if (good)
        uring_rename(trial->ring, trial->file, trial->renamed, TAG);
    good = good && outcome(trial, "rename") >= 0;
    if (good)
        uring_remove(trial->ring, trial->renamed, TAG);
    good = good && outcome(trial, "unlink") >= 0;
    uring_close(trial->ring, fd, TAG);
    if (good)
        outcome(trial, "close");
}

static void try_sockets(struct trial *trial)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, trial->pair) != 0)
        return; /* that is not about rings */
    uring_send(trial->ring, trial->pair[0], "x", 1, TAG);
    if (outcome(trial, "send") >= 0) {
        uring_receive(trial->ring, trial->pair[1], true, TAG);
        outcome(trial, "recv");
    }
    if (trial->failed == NULL) {
        uring_tell(trial->ring, uring_descriptor(trial->ring), 1, TAG, TAG);
        outcome(trial, "msg_ring");
    }
    close(trial->pair[0]);
    close(trial->pair[1]);
}

static void try_requests(struct doctor *doctor, struct uring *ring, uint64_t rings)
{
    struct trial trial = { .ring = ring, .directory = "/tmp/stockctl-doctor-XXXXXX" };

    if (mkdtemp(trial.directory) == NULL) {
        doctor_found(doctor, VERDICT_SKIPPED, "io_uring", NULL,
                     "%" PRIu64 " rings can be made; no place to try them: /tmp: %s", rings,
                     strerror(errno));
        return;
    }
    snprintf(trial.file, sizeof trial.file, "%s/one", trial.directory);
    snprintf(trial.renamed, sizeof trial.renamed, "%s/two", trial.directory);
    try_files(&trial);
    if (trial.failed == NULL)
        try_sockets(&trial);
    unlink(trial.file);
    unlink(trial.renamed);
    rmdir(trial.directory);
    if (trial.failed != NULL)
        doctor_found(doctor, VERDICT_BAD, "io_uring",
                     "stockd needs this request: use a kernel, or a container's profile, that "
                     "allows it",
                     "the request %s fails: %s", trial.failed, strerror(-trial.error));
    else
        doctor_found(doctor, VERDICT_WELL, "io_uring", NULL,
                     "%" PRIu64 " ring%s, each request that stockd makes is done", rings,
                     rings == 1 ? "" : "s");
}

/* As stockd does: one for every two processors. */
static uint64_t workers_by_default(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) / 2 : 1;
    return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (uint64_t)count;
}

/* kernel.io_uring_disabled. 1: only the group kernel.io_uring_group, and root, may make rings; 2:
 * nobody may. Kernels before 6.6 do not have it. */
static int disabled(void)
{
    int value = 0;
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");

    if (file != NULL && fscanf(file, "%d", &value) != 1)
        value = 0;
    if (file != NULL)
        fclose(file);
    return value;
}

static void too_few(struct doctor *doctor, uint64_t made, uint64_t wanted, const char *why)
{
    if (doctor->engine != 0 && made > 0)
        doctor_found(doctor, VERDICT_SKIPPED, "io_uring", NULL,
                     "%" PRIu64 " ring%s can be made beside those of the running engine", made,
                     made == 1 ? "" : "s");
    else
        doctor_found(doctor, VERDICT_BAD, "io_uring", why,
                     "%" PRIu64 " of %" PRIu64 " rings can be made", made, wanted);
}

void check_rings(struct doctor *doctor)
{
    struct uring *rings[WORKERS_MAX];
    uint64_t wanted = doctor->setup.workers > 0 ? doctor->setup.workers : workers_by_default();
    uint64_t made = 0;
    char why[512] = "";

    if (disabled() > 0)
        doctor_found(doctor, VERDICT_BAD, "io_uring", "sysctl -w kernel.io_uring_disabled=0",
                     "kernel.io_uring_disabled is %d: the engine's user may make no ring",
                     disabled());
    wanted = wanted > WORKERS_MAX ? WORKERS_MAX : wanted;
    struct uring_config config = uring_of_worker((unsigned)wanted);
    while (made < wanted && (rings[made] = uring_create(&config, why, sizeof why)) != NULL)
        made++;
    if (made < wanted)
        too_few(doctor, made, wanted, why);
    else if (uring_enable(rings[0]) != 0)
        doctor_found(doctor, VERDICT_BAD, "io_uring", "upgrade the kernel to Linux 6.1 or newer",
                     "a ring cannot be enabled");
    else
        try_requests(doctor, rings[0], made);
    while (made > 0)
        uring_destroy(rings[--made]);
}
