/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_data.c - the data directory: whose it is, its disk, and what is in it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE */
#endif
#include "tools/stockctl/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* ---- whose it is ---------------------------------------------------------------------------- */

/* To be freed. */
static char *user_name(uid_t uid)
{
    const struct passwd *user = getpwuid(uid);
    return user != NULL ? text_format("%s", user->pw_name) : text_format("%ju", (uintmax_t)uid);
}

/* Of the running engine; the owner's own, if none runs. The files in /proc of an engine with
 * secrets are root's, so their owner does not tell. */
static uid_t engine_user(const struct doctor *doctor, const struct stat *directory)
{
    char path[64], line[128];
    unsigned long user = directory->st_uid;

    snprintf(path, sizeof path, "/proc/%ld/status", (long)doctor->engine);
    FILE *file = doctor->engine != 0 ? fopen(path, "re") : NULL;
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Uid: %lu", &user) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return (uid_t)user;
}

static void check_owner(struct doctor *doctor, const struct stat *directory)
{
    const char *path = doctor->setup.data;
    unsigned mode = directory->st_mode & 07777;
    uid_t user = engine_user(doctor, directory);
    char *owner = user_name(directory->st_uid);
    char *wanted = user_name(user);
    char *narrow = text_format("chmod 0700 %s", path);
    char *give = text_format("chown -R %s: %s", wanted, path);

    if (user != directory->st_uid)
        doctor_found(doctor, VERDICT_BAD, "data directory", give,
                     "%s belongs to %s, and the engine runs as %s", path, owner, wanted);
    else if (mode & (S_IWGRP | S_IWOTH))
        doctor_found(doctor, VERDICT_BAD, "data directory", narrow,
                     "%s: other users may write to it (mode %04o)", path, mode);
    else if (mode & S_IRWXO)
        doctor_found(doctor, VERDICT_WARNING, "data directory", narrow,
                     "%s: other users may enter it (mode %04o)", path, mode);
    else
        doctor_found(doctor, VERDICT_WELL, "data directory", NULL, "%s of %s, mode %04o", path,
                     owner, mode);
    free(owner);
    free(wanted);
    free(narrow);
    free(give);
}

/* ---- its disk ------------------------------------------------------------------------------- */

enum { MI = 1 << 20, SEGMENT_BYTES = 64 * MI };

static void check_file_system(struct doctor *doctor)
{
    struct statfs about;

    if (statfs(doctor->setup.data, &about) != 0)
        return;
    if (about.f_type == TMPFS_MAGIC || about.f_type == RAMFS_MAGIC)
        doctor_found(doctor, VERDICT_BAD, "file system", "put the data directory on a disk",
                     "it is in memory: all stock is lost with a restart of the machine");
    else if (about.f_type == OVERLAYFS_SUPER_MAGIC)
        doctor_found(doctor, VERDICT_WARNING, "file system", "mount a volume there",
                     "it is in a container's own layer: all stock is lost with the container");
    else if (about.f_type == NFS_SUPER_MAGIC)
        doctor_found(doctor, VERDICT_WARNING, "file system",
                     "use a local disk: the network is in the way of each order",
                     "the data directory is on NFS");
    else
        doctor_found(doctor, VERDICT_WELL, "file system", NULL, "on a disk");
}

static void check_free(struct doctor *doctor)
{
    static const char make_room[] =
        "make room, or enlarge the file system: a full disk makes the engine read-only";
    struct statvfs about;

    if (statvfs(doctor->setup.data, &about) != 0) {
        doctor_found(doctor, VERDICT_SKIPPED, "free disk", NULL, "%s", strerror(errno));
        return;
    }
    uint64_t free_bytes = (uint64_t)about.f_bavail * about.f_frsize;
    uint64_t size = (uint64_t)about.f_blocks * about.f_frsize;
    double percent = size > 0 ? 100.0 * (double)free_bytes / (double)size : 0;
    enum verdict verdict = free_bytes < 2 * (uint64_t)SEGMENT_BYTES || percent < 5 ? VERDICT_BAD
                           : percent < 15                                          ? VERDICT_WARNING
                                                                                   : VERDICT_WELL;
    doctor_found(doctor, verdict, "free disk", verdict == VERDICT_WELL ? NULL : make_room,
                 "%" PRIu64 " MiB, %.0f %% of the file system", free_bytes / MI, percent);
}

/* ---- how fast it syncs ---------------------------------------------------------------------- */

enum { SYNCS = 32, SYNCS_LEAST = 3, BLOCK = 4096, LONGEST_MS = 2000, SLOW_US = 10000 };

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* A file without a name, so that none is left behind; else one whose name goes at once. */
static int open_nameless(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || errno == EACCES || errno == EROFS)
        return fd;
    char *path = text_format("%s/doctor-XXXXXX", directory);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    free(path);
    return fd;
}

/* Writes and syncs block after block, as the journal does: into space that is there already.
 * Returns how many times were taken, or -errno. */
static int time_syncs(int fd, uint64_t *took)
{
    static const char block[BLOCK] = "the journal's";
    uint64_t end = now_us() + LONGEST_MS * 1000;
    int count = 0;

    if (fallocate(fd, 0, 0, SYNCS * BLOCK) != 0 && errno != EOPNOTSUPP)
        return -errno;
    for (; count < SYNCS && (count < SYNCS_LEAST || now_us() < end); count++) {
        uint64_t start = now_us();
        if (pwrite(fd, block, BLOCK, (off_t)count * BLOCK) != BLOCK || fdatasync(fd) != 0)
            return errno != 0 ? -errno : -EIO;
        took[count] = now_us() - start;
    }
    qsort(took, (size_t)count, sizeof *took, by_size);
    return count;
}

static void report_syncs(struct doctor *doctor, const uint64_t *took, int count)
{
    const char *durability = doctor->setup.durability;
    uint64_t half = took[count / 2], most = took[count - 1];
    bool waits = durability == NULL || strcmp(durability, "always") == 0;

    if (half > SLOW_US && waits)
        doctor_found(doctor, VERDICT_WARNING, "disk sync",
                     "use a disk whose cache survives a power cut (an NVMe of the data centre "
                     "kind); or accept the loss of a second with --durability everysec",
                     "p50 %.2f ms, max %.2f ms: with durability always each change waits that long",
                     (double)half / 1000, (double)most / 1000);
    else
        doctor_found(doctor, VERDICT_WELL, "disk sync", NULL, "p50 %.2f ms, max %.2f ms of %d: %s",
                     (double)half / 1000, (double)most / 1000, count,
                     waits ? "what a change waits for (durability always)"
                           : "no change waits for it");
}

static void check_sync(struct doctor *doctor)
{
    uint64_t took[SYNCS];
    int fd = open_nameless(doctor->setup.data);

    if (fd < 0) {
        doctor_found(doctor, VERDICT_SKIPPED, "disk sync", NULL,
                     "the data directory is not yours to write to: %s", strerror(errno));
        return;
    }
    int count = time_syncs(fd, took);
    close(fd);
    if (count < 0)
        doctor_found(doctor, VERDICT_BAD, "disk sync", "the engine's writes would fail, too",
                     "a write to the data directory fails: %s", strerror(-count));
    else
        report_syncs(doctor, took, count);
}

/* ---- what is in it -------------------------------------------------------------------------- */

struct files {
    uint64_t count, bytes;
    time_t newest;
};

/* False: the folder cannot be read. */
static bool look_into(const char *directory, const char *folder, const char *end,
                      struct files *files)
{
    char *path = text_format("%s/%s", directory, folder);
    DIR *open_folder = opendir(path);
    const struct dirent *entry;
    struct stat status;

    free(path);
    if (open_folder == NULL)
        return false;
    while ((entry = readdir(open_folder)) != NULL) {
        size_t len = strlen(entry->d_name), tail = strlen(end);
        if (len < tail || strcmp(entry->d_name + len - tail, end) != 0 ||
            fstatat(dirfd(open_folder), entry->d_name, &status, 0) != 0)
            continue;
        files->count++;
        files->bytes += (uint64_t)status.st_size;
        files->newest = status.st_mtime > files->newest ? status.st_mtime : files->newest;
    }
    closedir(open_folder);
    return true;
}

static void age_text(time_t moment, char *text, size_t size)
{
    int64_t age = (int64_t)(time(NULL) - moment);
    text_duration(age > 0 ? age * 1000 : 0, text, size);
}

static void check_journal(struct doctor *doctor)
{
    const char *data = doctor->setup.data;
    struct files journal = { 0 }, snapshots = { 0 };
    char age[32];

    if (!look_into(data, "journal", ".seg", &journal)) {
        bool missing = errno == ENOENT;
        doctor_found(doctor, VERDICT_SKIPPED, "journal", NULL, "%s",
                     missing ? "there is none yet" : strerror(errno));
        return;
    }
    age_text(journal.newest, age, sizeof age);
    doctor_found(doctor, VERDICT_WELL, "journal", NULL,
                 "%" PRIu64 " segment%s, %" PRIu64 " MiB, last written %s ago", journal.count,
                 journal.count == 1 ? "" : "s", journal.bytes / MI, age);
    look_into(data, "snapshot", ".snap", &snapshots);
    age_text(snapshots.newest, age, sizeof age);
    if (snapshots.count > 0 && journal.bytes <= 4096 * (uint64_t)MI)
        doctor_found(doctor, VERDICT_WELL, "snapshot", NULL, "the newest was made %s ago", age);
    else if (journal.bytes <= 4096 * (uint64_t)MI)
        doctor_found(doctor, VERDICT_WELL, "snapshot", NULL,
                     "there is none yet, and little to replay");
    else
        doctor_found(doctor, VERDICT_WARNING, "snapshot",
                     "stock-journal compact makes one; the engine's log says why none is made "
                     "(--compact-bytes)",
                     "a start must read %" PRIu64 " MiB of journal", journal.bytes / MI);
}

void check_data(struct doctor *doctor)
{
    const char *path = doctor->setup.data;
    struct stat status;

    if (path == NULL) {
        doctor_found(doctor, VERDICT_SKIPPED, "data directory", NULL,
                     "not known: say --data DIR, or --config FILE");
        return;
    }
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        int error = S_ISREG(status.st_mode) ? ENOTDIR : errno;
        doctor_found(doctor, error == EACCES ? VERDICT_SKIPPED : VERDICT_BAD, "data directory",
                     error == EACCES ? NULL : "name the directory that stockd has as --data",
                     "%s: %s", path, strerror(error));
        return;
    }
    check_owner(doctor, &status);
    check_file_system(doctor);
    check_free(doctor);
    check_sync(doctor);
    check_journal(doctor);
}
