/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fault_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/random.h"

enum { SECTOR = 512, FILES_MAX = 4096, FDS_MAX = 1024 };

/* A write that is not synced, and what was there before. */
struct unsynced {
    struct unsynced *before;
    int file;
    bool lost; /* a sync failed: it will never be on disk */
    uint64_t offset;
    size_t length;
    unsigned char old[];
};

enum name_change { NAME_CREATED, NAME_RENAMED, NAME_REMOVED, NAME_DIRECTORY, NAME_NO_DIRECTORY };

/* A change of a directory that is not synced. */
struct unnamed {
    struct unnamed *before;
    enum name_change change;
    int file;
    char from[PATH_MAX];
    char to[PATH_MAX];
    char kept[PATH_MAX]; /* renamed over a file: where that one is; else empty */
};

struct fault_disk {
    struct file_ops ops;
    char attic[PATH_MAX];
    uint64_t seed;
    struct fault_plan plan;
    uint64_t calls;
    bool struck;
    bool off;  /* no power */
    bool lost; /* a sync failed that had something to do */

    char *paths[FILES_MAX]; /* of each file that was ever opened, now; NULL: removed */
    int files;
    int file_of[FDS_MAX];    /* -1: none */
    bool durable[FDS_MAX];   /* opened with O_DSYNC */
    struct unsynced *writes; /* newest first */
    struct unnamed *names;   /* newest first */
};

static void must(bool outcome, const char *what)
{
    if (outcome)
        return;
    fprintf(stderr, "fault disk: %s: %s\n", what, strerror(errno));
    abort();
}

/* ---- the plan ---- */

enum outcome { GO_ON, FAIL, DO_HALF, DO_AND_FAIL };

/* Counts a call and says what is to become of it; *error is meant if it is not GO_ON. */
static enum outcome strike(struct fault_disk *disk, bool changes, int *error)
{
    *error = -EIO;
    disk->calls++;
    if (disk->off)
        return FAIL;
    bool now = disk->plan.at != 0 && disk->calls == disk->plan.at;
    if (!now && !(disk->struck && disk->plan.stays && changes))
        return GO_ON;
    disk->struck = true;
    switch (disk->plan.kind) {
    case FAULT_ERROR:
        *error = disk->plan.error;
        return FAIL;
    case FAULT_SHORT:
        return DO_HALF;
    case FAULT_POWER_CUT:
        disk->off = true;
        return DO_AND_FAIL;
    }
    return GO_ON;
}

/* For calls that only look. */
static int look(struct fault_disk *disk)
{
    int error;
    return strike(disk, false, &error) == GO_ON ? 0 : error;
}

/* ---- files ---- */

static int file_at(struct fault_disk *disk, const char *path)
{
    for (int i = disk->files - 1; i >= 0; i--) {
        if (disk->paths[i] && strcmp(disk->paths[i], path) == 0)
            return i;
    }
    must(disk->files < FILES_MAX, "too many files");
    disk->paths[disk->files] = strdup(path);
    return disk->files++;
}

static void move_file(struct fault_disk *disk, int file, const char *to)
{
    free(disk->paths[file]);
    disk->paths[file] = to ? strdup(to) : NULL;
}

static struct unnamed *note_name(struct fault_disk *disk, enum name_change change, int file,
                                 const char *from, const char *to)
{
    struct unnamed *name = calloc(1, sizeof *name);
    must(name != NULL, "memory");
    name->before = disk->names;
    name->change = change;
    name->file = file;
    snprintf(name->from, sizeof name->from, "%s", from);
    snprintf(name->to, sizeof name->to, "%s", to);
    disk->names = name;
    return name;
}

static int fault_open(void *context, const char *path, int flags)
{
    struct fault_disk *disk = context;
    int error;
    enum outcome outcome = strike(disk, flags & O_CREAT, &error);
    if (outcome == FAIL || outcome == DO_HALF)
        return error;
    bool fresh = (flags & O_CREAT) && access(path, F_OK) < 0;
    int fd = file_system.open(NULL, path, flags & ~(O_DIRECT | O_DSYNC)); /* ours is the disk */
    if (fd < 0)
        return fd;
    must(fd < FDS_MAX, "too many descriptors");
    disk->file_of[fd] = file_at(disk, path);
    disk->durable[fd] = (flags & O_DSYNC) != 0;
    if (fresh)
        note_name(disk, NAME_CREATED, disk->file_of[fd], path, path);
    if (outcome == GO_ON)
        return fd;
    file_system.close(NULL, fd);
    return error;
}

static void fault_close(void *context, int fd)
{
    struct fault_disk *disk = context;
    disk->file_of[fd] = -1;
    file_system.close(NULL, fd);
}

static ssize_t fault_read(void *context, int fd, void *buffer, size_t length, uint64_t offset)
{
    int error = look(context);
    return error ? error : file_system.read(NULL, fd, buffer, length, offset);
}

static void note_write(struct fault_disk *disk, int fd, uint64_t offset, size_t length)
{
    struct unsynced *write = calloc(1, sizeof *write + length);
    must(write != NULL, "memory");
    int file = disk->file_of[fd];
    int plain = open(disk->paths[file], O_RDONLY | O_CLOEXEC);
    must(plain >= 0 && pread(plain, write->old, length, (off_t)offset) >= 0, "read old bytes");
    close(plain);
    write->before = disk->writes;
    write->file = file;
    write->offset = offset;
    write->length = length;
    disk->writes = write;
}

static ssize_t fault_write(void *context, int fd, const void *buffer, size_t length,
                           uint64_t offset)
{
    struct fault_disk *disk = context;
    int error;
    enum outcome outcome = strike(disk, true, &error);
    if (outcome == FAIL)
        return error;
    if (outcome == DO_HALF)
        length = length / 2 / SECTOR * SECTOR;
    if (!disk->durable[fd] || outcome != GO_ON)
        note_write(disk, fd, offset, length);
    ssize_t n = length > 0 ? file_system.write(NULL, fd, buffer, length, offset) : 0;
    return outcome == DO_AND_FAIL ? error : n;
}

/* ---- syncs ---- */

static void forget_writes(struct fault_disk *disk, int file, bool failed)
{
    for (struct unsynced **at = &disk->writes; *at;) {
        struct unsynced *write = *at;
        if (write->file == file && failed)
            write->lost = disk->lost = true;
        if (write->file == file && !write->lost) {
            *at = write->before;
            free(write);
        } else {
            at = &write->before;
        }
    }
}

static int fault_sync(void *context, int fd)
{
    struct fault_disk *disk = context;
    int error;
    enum outcome outcome = strike(disk, true, &error);
    if (outcome == GO_ON)
        forget_writes(disk, disk->file_of[fd], false);
    else if (!disk->off) /* a power cut is by chance, as without the sync */
        forget_writes(disk, disk->file_of[fd], true);
    return outcome == GO_ON ? 0 : error;
}

static bool is_in(const char *path, const char *directory)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    return strlen(directory) == length && strncmp(path, directory, length) == 0;
}

static int fault_sync_directory(void *context, int fd)
{
    struct fault_disk *disk = context;
    int error;
    if (strike(disk, true, &error) != GO_ON)
        return error;
    char directory[PATH_MAX];
    must(realpath(disk->paths[disk->file_of[fd]], directory) != NULL, "real path");
    for (struct unnamed **at = &disk->names; *at;) {
        struct unnamed *name = *at;
        if (is_in(name->from, directory)) {
            *at = name->before;
            free(name);
        } else {
            at = &name->before;
        }
    }
    return 0;
}

static int fault_allocate(void *context, int fd, uint64_t length)
{
    int error;
    if (strike(context, true, &error) != GO_ON)
        return error;
    return file_system.allocate(NULL, fd, length);
}

static int fault_size(void *context, int fd, uint64_t *length)
{
    int error = look(context);
    return error ? error : file_system.size(NULL, fd, length);
}

/* ---- undoing ---- */

/* A number of chance from any other. */
static uint64_t mixed(uint64_t x)
{
    struct random random = { x };
    return random_next(&random);
}

static bool survives(const struct fault_disk *disk, const struct unsynced *write, uint64_t sector)
{
    return !write->lost && (mixed(disk->seed ^ ((uint64_t)write->file << 40) ^ sector) & 1);
}

static void undo_write(const struct fault_disk *disk, const struct unsynced *write)
{
    const char *path = disk->paths[write->file];
    if (!path)
        return;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    must(fd >= 0, path);
    for (size_t at = 0; at < write->length;) {
        uint64_t sector = (write->offset + at) / SECTOR;
        size_t end = (size_t)((sector + 1) * SECTOR - write->offset);
        size_t length = (end < write->length ? end : write->length) - at;
        if (!survives(disk, write, sector))
            must(pwrite(fd, write->old + at, length, (off_t)(write->offset + at)) ==
                     (ssize_t)length,
                 "undo");
        at += length;
    }
    close(fd);
}

static int fault_drop_cache(void *context, int fd)
{
    struct fault_disk *disk = context;
    int error = look(disk);
    for (struct unsynced **at = &disk->writes; *at && !error;) {
        struct unsynced *write = *at;
        if (write->file != disk->file_of[fd] || !write->lost) {
            at = &write->before;
            continue;
        }
        undo_write(disk, write);
        *at = write->before;
        free(write);
    }
    return error;
}

/* ---- names ---- */

/* Files in a directory that was renamed are where it is now. */
static void move_inside(struct fault_disk *disk, const char *from, const char *to)
{
    size_t length = strlen(from);
    for (int i = 0; i < disk->files; i++) {
        char path[2 * PATH_MAX];
        const char *old = disk->paths[i];
        if (!old || strncmp(old, from, length) != 0 || old[length] != '/')
            continue;
        snprintf(path, sizeof path, "%s%s", to, old + length);
        move_file(disk, i, path);
    }
}

/* Keeps the file that a renaming replaces. Returns where; empty: there is none. */
static void keep_replaced(struct fault_disk *disk, const char *path, char kept[PATH_MAX])
{
    kept[0] = '\0';
    if (access(path, F_OK) < 0)
        return;
    int file = file_at(disk, path);
    must(snprintf(kept, PATH_MAX, "%s/%d", disk->attic, file) < PATH_MAX, "the attic's name");
    must(rename(path, kept) == 0, "keep what is replaced");
    move_file(disk, file, kept);
}

static int fault_rename(void *context, const char *from, const char *to)
{
    char kept[PATH_MAX];
    struct fault_disk *disk = context;
    int error;
    enum outcome outcome = strike(disk, true, &error);
    if (outcome == FAIL || outcome == DO_HALF)
        return error;
    if (access(from, F_OK) < 0)
        return -ENOENT;
    keep_replaced(disk, to, kept);
    int file = file_at(disk, from);
    int result = file_system.rename(NULL, from, to);
    if (result < 0)
        return result;
    move_file(disk, file, to);
    move_inside(disk, from, to);
    struct unnamed *name = note_name(disk, NAME_RENAMED, file, from, to);
    memcpy(name->kept, kept, sizeof kept);
    return outcome == GO_ON ? 0 : error;
}

static int fault_unlink(void *context, const char *path)
{
    struct fault_disk *disk = context;
    int error;
    enum outcome outcome = strike(disk, true, &error);
    if (outcome == FAIL || outcome == DO_HALF)
        return error;
    if (access(path, F_OK) < 0)
        return -ENOENT;
    char kept[PATH_MAX];
    int file = file_at(disk, path);
    int length = snprintf(kept, sizeof kept, "%s/%d", disk->attic, file);
    must(length < (int)sizeof kept, "the attic's name");
    int result = file_system.rename(NULL, path, kept);
    if (result < 0)
        return result;
    move_file(disk, file, kept);
    note_name(disk, NAME_REMOVED, file, path, kept);
    return outcome == GO_ON ? 0 : error;
}

static int fault_make_directory(void *context, const char *path)
{
    struct fault_disk *disk = context;
    int error;
    if (strike(disk, true, &error) != GO_ON)
        return error;
    int result = file_system.make_directory(NULL, path);
    if (result == 0)
        note_name(disk, NAME_DIRECTORY, -1, path, path);
    return result;
}

static int fault_remove_directory(void *context, const char *path)
{
    struct fault_disk *disk = context;
    int error;
    if (strike(disk, true, &error) != GO_ON)
        return error;
    int result = file_system.remove_directory(NULL, path);
    if (result == 0)
        note_name(disk, NAME_NO_DIRECTORY, -1, path, path);
    return result;
}

static int fault_list(void *context, const char *path,
                      int (*each)(void *argument, const char *name), void *argument)
{
    int error = look(context);
    return error ? error : file_system.list(NULL, path, each, argument);
}

static int fault_lock(void *context, int fd, enum file_lock how)
{
    int error = look(context);
    return error ? error : file_system.lock(NULL, fd, how);
}

static void undo_name(struct fault_disk *disk, const struct unnamed *name)
{
    switch (name->change) {
    case NAME_CREATED:
        must(unlink(name->from) == 0, "undo a creation");
        move_file(disk, name->file, NULL);
        break;
    case NAME_RENAMED:
    case NAME_REMOVED:
        must(rename(name->to, name->from) == 0, "undo a renaming");
        move_file(disk, name->file, name->from);
        move_inside(disk, name->to, name->from);
        if (name->kept[0])
            must(rename(name->kept, name->to) == 0, "undo a replacement");
        break;
    case NAME_DIRECTORY:
        must(rmdir(name->from) == 0, "undo a directory");
        break;
    case NAME_NO_DIRECTORY:
        must(mkdir(name->from, 0700) == 0, "undo the removal of a directory");
        break;
    }
}

void fault_disk_power_cut(struct fault_disk *disk)
{
    unsigned names = 0;
    while (disk->writes) {
        struct unsynced *write = disk->writes;
        undo_write(disk, write);
        disk->writes = write->before;
        free(write);
    }
    for (const struct unnamed *name = disk->names; name; name = name->before)
        names++;
    uint64_t undone = disk->seed & 1 ? names : (disk->seed >> 1) % (names + 1);
    for (uint64_t i = 0; disk->names; i++) {
        struct unnamed *name = disk->names;
        if (i < undone)
            undo_name(disk, name);
        disk->names = name->before;
        free(name);
    }
    disk->seed = mixed(disk->seed);
    disk->plan = (struct fault_plan){ 0 };
    disk->off = false;
    disk->struck = false;
}

/* ---- the disk ---- */

struct fault_disk *fault_disk_make(const char *attic, uint64_t seed)
{
    struct fault_disk *disk = calloc(1, sizeof *disk);
    must(disk != NULL, "memory");
    snprintf(disk->attic, sizeof disk->attic, "%s", attic);
    disk->seed = mixed(seed);
    for (int i = 0; i < FDS_MAX; i++)
        disk->file_of[i] = -1;
    disk->ops = (struct file_ops){
        .context = disk,
        .open = fault_open,
        .close = fault_close,
        .read = fault_read,
        .write = fault_write,
        .sync = fault_sync,
        .sync_directory = fault_sync_directory,
        .allocate = fault_allocate,
        .size = fault_size,
        .drop_cache = fault_drop_cache,
        .rename = fault_rename,
        .unlink = fault_unlink,
        .make_directory = fault_make_directory,
        .remove_directory = fault_remove_directory,
        .list = fault_list,
        .lock = fault_lock,
    };
    return disk;
}

void fault_disk_free(struct fault_disk *disk)
{
    while (disk->writes) {
        struct unsynced *write = disk->writes;
        disk->writes = write->before;
        free(write);
    }
    while (disk->names) {
        struct unnamed *name = disk->names;
        disk->names = name->before;
        free(name);
    }
    for (int i = 0; i < disk->files; i++)
        free(disk->paths[i]);
    free(disk);
}

const struct file_ops *fault_disk_ops(struct fault_disk *disk)
{
    return &disk->ops;
}

void fault_disk_plan(struct fault_disk *disk, struct fault_plan plan)
{
    disk->plan = plan;
    disk->calls = 0;
    disk->struck = false;
}

uint64_t fault_disk_calls(const struct fault_disk *disk)
{
    return disk->calls;
}

bool fault_disk_struck(const struct fault_disk *disk)
{
    return disk->struck;
}

bool fault_disk_lost(const struct fault_disk *disk)
{
    return disk->lost;
}
