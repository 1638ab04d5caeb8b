/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_system.c - the kernel, limits, memory and the clock. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* adjtimex */
#endif
#include "tools/stockctl/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>

#include "protocol/uring.h"

/* ---- the kernel ----------------------------------------------------------------------------- */

void check_kernel(struct doctor *doctor)
{
    struct utsname name;
    unsigned major = 0, minor = 0;

    uname(&name);
    bool known = sscanf(name.release, "%u.%u", &major, &minor) == 2;
    if (!known || major < 6 || (major == 6 && minor < 1))
        doctor_found(doctor, VERDICT_BAD, "kernel",
                     "stockd needs Linux 6.1 or newer: upgrade the kernel of this machine", "%s %s",
                     name.sysname, name.release);
    else
        doctor_found(doctor, VERDICT_WELL, "kernel", NULL, "%s %s", name.sysname, name.release);
}

/* ---- limits --------------------------------------------------------------------------------- */

enum { CONNECTIONS_USUAL = 10000, SPARE_DESCRIPTORS = 64 };

/* A line of /proc/PID/limits, such as "Max open files  1024  65536  files": its hard limit. */
static bool limit_of_process(pid_t pid, const char *name, rlim_t *limit)
{
    char path[64], line[256], hard[32];
    bool found = false;

    snprintf(path, sizeof path, "/proc/%ld/limits", (long)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 &&
            sscanf(line + strlen(name), " %*s %31s", hard) == 1) {
            *limit = strcmp(hard, "unlimited") == 0 ? RLIM_INFINITY : strtoull(hard, NULL, 10);
            found = true;
        }
    if (file != NULL)
        fclose(file);
    return found;
}

/* Of the running engine; if there is none, of this shell. *whose says it. */
static rlim_t limit_of(const struct doctor *doctor, const char *name, int resource,
                       const char **whose)
{
    struct rlimit mine = { RLIM_INFINITY, RLIM_INFINITY };
    rlim_t limit;

    *whose = "of the running engine";
    if (doctor->engine != 0 && limit_of_process(doctor->engine, name, &limit))
        return limit;
    *whose = "of this shell; a service has its own";
    getrlimit(resource, &mine);
    return resource == RLIMIT_NOFILE ? mine.rlim_max : mine.rlim_cur; /* it raises that one */
}

/* To be freed. */
static char *limit_text(rlim_t limit, unsigned shift, const char *unit)
{
    return limit == RLIM_INFINITY ? text_format("no limit")
                                  : text_format("%ju%s at most", (uintmax_t)(limit >> shift), unit);
}

static void check_open_files(struct doctor *doctor)
{
    const char *whose;
    rlim_t files = limit_of(doctor, "Max open files", RLIMIT_NOFILE, &whose);
    char *text = limit_text(files, 0, "");

    if (files == RLIM_INFINITY || files >= CONNECTIONS_USUAL + SPARE_DESCRIPTORS)
        doctor_found(doctor, VERDICT_WELL, "open files", NULL, "%s (%s)", text, whose);
    else
        doctor_found(doctor, VERDICT_WARNING, "open files",
                     "raise it (LimitNOFILE=65536 in the unit, or ulimit -n), or lower "
                     "--max-connections",
                     "%s (%s): too few for %d connections", text, whose, CONNECTIONS_USUAL);
    free(text);
}

/* The rings that check_rings makes may be root's, for whom there is no limit. */
static void check_locked_memory(struct doctor *doctor)
{
    const char *whose;
    rlim_t locked = limit_of(doctor, "Max locked memory", RLIMIT_MEMLOCK, &whose);
    uint64_t workers = doctor->setup.workers > 0 ? doctor->setup.workers : 1;
    struct uring_config config = uring_of_worker((unsigned)workers);
    uint64_t needed = workers * uring_locked_bytes(&config);
    char *text = limit_text(locked, 10, " KiB");

    if (locked == RLIM_INFINITY || locked >= needed)
        doctor_found(doctor, VERDICT_WELL, "locked memory", NULL, "%s (%s)", text, whose);
    else
        doctor_found(doctor, VERDICT_WARNING, "locked memory",
                     "raise it (LimitMEMLOCK=64M in the unit, or ulimit -l)",
                     "%s (%s): the rings of %" PRIu64 " worker%s need %" PRIu64 " KiB", text, whose,
                     workers, workers == 1 ? "" : "s", needed >> 10);
    free(text);
}

void check_limits(struct doctor *doctor)
{
    check_open_files(doctor);
    check_locked_memory(doctor);
}

/* ---- memory --------------------------------------------------------------------------------- */

static bool read_line(const char *path, char *line, size_t size)
{
    FILE *file = fopen(path, "re");
    bool good = file != NULL && fgets(line, (int)size, file) != NULL;

    if (file != NULL)
        fclose(file);
    if (good)
        line[strcspn(line, "\n")] = '\0';
    return good;
}

void check_memory(struct doctor *doctor)
{
    char line[128];

    if (!read_line("/proc/sys/vm/overcommit_memory", line, sizeof line))
        doctor_found(doctor, VERDICT_SKIPPED, "overcommit", NULL,
                     "vm.overcommit_memory cannot be read");
    else if (strcmp(line, "2") == 0)
        doctor_found(doctor, VERDICT_WARNING, "overcommit",
                     "sysctl vm.overcommit_memory=0; or size --items, --pools and --reservations "
                     "for what the machine has",
                     "vm.overcommit_memory is 2: the engine's tables count in full, used or not");
    else
        doctor_found(doctor, VERDICT_WELL, "overcommit", NULL, "vm.overcommit_memory is %s", line);

    if (!read_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line))
        doctor_found(doctor, VERDICT_SKIPPED, "huge pages", NULL,
                     "transparent huge pages cannot be seen");
    else if (strstr(line, "[never]") != NULL)
        doctor_found(doctor, VERDICT_WARNING, "huge pages",
                     "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
                     "transparent huge pages are off: large ledgers are slower to reach");
    else
        doctor_found(doctor, VERDICT_WELL, "huge pages", NULL, "%s", line);
}

/* ---- the clock ------------------------------------------------------------------------------ */

enum { STEP_NS = 100 * 1000 * 1000 };

static int64_t nanoseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct clock_look clock_look(void)
{
    int64_t steady = nanoseconds(CLOCK_MONOTONIC);
    return (struct clock_look){ .wall_ahead_ns = nanoseconds(CLOCK_REALTIME) - steady };
}

void check_clock(struct doctor *doctor, struct clock_look before)
{
    static const char follow[] =
        "run a time service: systemctl enable --now systemd-timesyncd (or chrony)";
    struct timex about = { .modes = 0 };
    int64_t moved = clock_look().wall_ahead_ns - before.wall_ahead_ns;
    int state = adjtimex(&about);

    if (moved > STEP_NS || moved < -STEP_NS)
        doctor_found(doctor, VERDICT_WARNING, "clock", follow,
                     "it was set by %+" PRId64 " ms just now: orders keep their deadlines, but "
                     "times in histories and reports jump",
                     moved / 1000000);
    else if (state < 0)
        doctor_found(doctor, VERDICT_SKIPPED, "clock", NULL, "adjtimex: %s", strerror(errno));
    else if (state == TIME_ERROR || (about.status & STA_UNSYNC) != 0)
        doctor_found(doctor, VERDICT_WARNING, "clock", follow,
                     "the kernel does not know it as synchronised: counts with a time "
                     "(as_of) and opening hours rely on it");
    else
        doctor_found(doctor, VERDICT_WELL, "clock", NULL, "synchronised, %.1f ms off at most",
                     (double)about.maxerror / 1000);
}
