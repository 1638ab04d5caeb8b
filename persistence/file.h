/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam to the operating system: everything that persistence does to files goes through one
 * table, so that a test can substitute a disk that fails the nth call, tears a write, forgets what
 * was not synced, or lies about a sync.
 *
 * `open` opens regular files, or directories if O_DIRECTORY asks for one; anything else is
 * FILE_NOT_REGULAR, so no open waits for the other end of a pipe.
 *
 * All functions return -errno for an error. Nothing is retried here: the caller decides what a
 * failed write or sync means.
 */
#ifndef STOCKD_PERSISTENCE_FILE_H
#define STOCKD_PERSISTENCE_FILE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A request that takes time and that the caller performs, usually on an io_uring. */
enum file_request_kind {
    FILE_WRITE,          /* length bytes of buffer at offset of fd; result: bytes written */
    FILE_SYNC,           /* fdatasync of fd; result: 0 */
    FILE_SYNC_DIRECTORY, /* fsync of fd, which is a directory; result: 0 */
    FILE_OPEN,           /* path, with flags; result: the fd */
    FILE_ALLOCATE,       /* space for `offset` bytes in fd; result: 0 */
    FILE_CLOSE,          /* fd; the result does not matter */
    FILE_RENAME,         /* path to `to`; result: 0 */
    FILE_REMOVE,         /* path; result: 0 */
};

struct file_request {
    enum file_request_kind kind;
    int fd;
    const void *buffer; /* FILE_WRITE: unchanged until the request is done */
    uint32_t length;    /* FILE_WRITE */
    uint64_t offset;    /* FILE_WRITE; FILE_ALLOCATE: the length */
    const char *path;   /* unchanged until the request is done, as is the next */
    const char *to;
    int flags;     /* FILE_OPEN */
    unsigned slot; /* the requester's; handed back unchanged */
};

enum file_lock {
    FILE_LOCK_SHARED,
    FILE_LOCK_SHARED_WAIT, /* shared; waits for an exclusive holder */
    FILE_LOCK_EXCLUSIVE,
    FILE_LOCK_WAIT, /* exclusive; waits for all other holders */
};

enum { FILE_NOT_REGULAR = -EMEDIUMTYPE };

struct file_ops {
    void *context; /* first argument of each function; outlives all users of the table */

    int (*open)(void *context, const char *path, int flags); /* fd; O_CLOEXEC is added */
    void (*close)(void *context, int fd);
    ssize_t (*read)(void *context, int fd, void *buffer, size_t length, uint64_t offset);
    ssize_t (*write)(void *context, int fd, const void *buffer, size_t length, uint64_t offset);
    int (*sync)(void *context, int fd);           /* data, and the metadata needed to read it */
    int (*sync_directory)(void *context, int fd); /* names */
    int (*allocate)(void *context, int fd, uint64_t length); /* space for that many bytes */
    int (*size)(void *context, int fd, uint64_t *length);
    int (*drop_cache)(void *context, int fd); /* later reads come from the disk */
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    int (*make_directory)(void *context, const char *path);   /* -EEXIST if it exists */
    int (*remove_directory)(void *context, const char *path); /* an empty one */
    /* Calls each(argument, name) for every name except "." and "..", in any order; stops when it
     * returns non-zero, and returns that. */
    int (*list)(void *context, const char *path, int (*each)(void *argument, const char *name),
                void *argument);
    /* Belongs to the open file that `open` returned: it ends when that is closed in every process
     * and no request on it is in flight. -EWOULDBLOCK if it is held elsewhere. */
    int (*lock)(void *context, int fd, enum file_lock how);

    /* NULL, or called before a request is handed out to be performed: 0, or the -errno with which
     * it counts as done. Any thread. */
    int (*inject)(void *context, const struct file_request *request);
};

/* The real thing. */
extern const struct file_ops file_system;

/* Performs a request synchronously, through the table. Result as the kind says, or -errno. */
int file_perform(const struct file_ops *files, const struct file_request *request);

/* Reads until length bytes, the end of the file (returns fewer) or an error. */
ssize_t file_read_all(const struct file_ops *files, int fd, void *buffer, size_t length,
                      uint64_t offset);

/* 0, or -errno; a short write is -ENOSPC. */
int file_write_all(const struct file_ops *files, int fd, const void *buffer, size_t length,
                   uint64_t offset);

/* Writes zeroes from one offset up to the other; nothing if `to` is not after `from`. 0, or
 * -errno. */
int file_write_zeroes(const struct file_ops *files, int fd, uint64_t from, uint64_t to);

/* Makes the names in a directory durable: opens, syncs, closes. */
int file_sync_directory_at(const struct file_ops *files, const char *path);

#endif
