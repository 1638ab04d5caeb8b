/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static _Noreturn void give_up(const char *what, const char *path)
{
    fprintf(stderr, "test set-up: cannot %s %s: %s\n", what, path, strerror(errno));
    abort();
}

void scratch_make(struct scratch *scratch)
{
    const char *top = getenv("TMPDIR");
    snprintf(scratch->path, sizeof scratch->path, "%s/stockd-test-XXXXXX", top ? top : "/tmp");
    if (!mkdtemp(scratch->path))
        give_up("make", scratch->path);
}

void scratch_remove(const struct scratch *scratch)
{
    remove_tree(scratch->path);
}

/* ---- walking ---- */

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool is_directory(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Calls each(path of an entry, its name, argument). */
static void for_each(const char *path, void (*each)(const char *, const char *, void *),
                     void *argument)
{
    DIR *directory = opendir(path);
    if (!directory)
        give_up("list", path);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char inner[PATH_MAX];
        if (is_dots(entry->d_name))
            continue;
        if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) >= (int)sizeof inner)
            give_up("name what is in", path);
        each(inner, entry->d_name, argument);
    }
    closedir(directory);
}

static void remove_entry(const char *path, const char *name, void *argument)
{
    (void)name;
    (void)argument;
    if (is_directory(path))
        remove_tree(path);
    else if (unlink(path) < 0)
        give_up("remove", path);
}

void remove_tree(const char *path)
{
    if (!is_directory(path))
        return;
    for_each(path, remove_entry, NULL);
    if (rmdir(path) < 0)
        give_up("remove", path);
}

static void copy_entry(const char *path, const char *name, void *to)
{
    char target[PATH_MAX];
    snprintf(target, sizeof target, "%s/%s", (const char *)to, name);
    if (is_directory(path)) {
        copy_tree(path, target);
        return;
    }
    size_t length;
    unsigned char *bytes = read_file(path, &length);
    write_file(target, bytes, length);
    free(bytes);
}

void copy_tree(const char *from, const char *to)
{
    char target[PATH_MAX];
    snprintf(target, sizeof target, "%s", to);
    if (mkdir(to, 0700) < 0 && errno != EEXIST)
        give_up("make", to);
    for_each(from, copy_entry, target);
}

/* FNV-1a. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void hash_entry(const char *path, const char *name, void *sum)
{
    uint64_t hash = hash_bytes(UINT64_C(0xcbf29ce484222325), name, strlen(name));
    if (is_directory(path)) {
        hash += hash_tree(path);
    } else {
        size_t length;
        unsigned char *bytes = read_file(path, &length);
        hash = hash_bytes(hash, bytes, length);
        free(bytes);
    }
    *(uint64_t *)sum += hash_bytes(hash, &hash, sizeof hash); /* a sum: the order is any */
}

uint64_t hash_tree(const char *path)
{
    uint64_t sum = 0;
    for_each(path, hash_entry, &sum);
    return sum;
}

/* ---- whole files ---- */

unsigned char *read_file(const char *path, size_t *length)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        give_up("open", path);
    *length = (size_t)status.st_size;
    unsigned char *bytes = malloc(*length + 1);
    if (!bytes || pread(fd, bytes, *length, 0) != (ssize_t)*length)
        give_up("read", path);
    close(fd);
    return bytes;
}

void write_file(const char *path, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
        give_up("write", path);
    close(fd);
}
