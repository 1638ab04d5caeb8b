/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam to the operating system: everything that persistence does to files goes through one
 * table, so that a test can put a disk under it that fails the nth call, tears a write, forgets
 * what was not synced, or says that it synced when it did not.
 *
 * What is opened is a regular file, or a directory if O_DIRECTORY asks for one; anything else in
 * its place is FILE_NOT_REGULAR, and nobody waits for the other end of a pipe.
 *
 * All functions return -errno for an error. Nothing is retried here: what a failed write or sync
 * means is for the caller to decide.
 */
#ifndef STOCKD_PERSISTENCE_FILE_H
#define STOCKD_PERSISTENCE_FILE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A request that takes time and that the caller performs, as a rule on an io_uring. */
enum file_request_kind {
    FILE_WRITE,          /* length bytes of buffer at offset of fd; result: bytes written */
    FILE_SYNC,           /* fdatasync of fd; result: 0 */
    FILE_SYNC_DIRECTORY, /* fsync of fd, which is a directory; result: 0 */
    FILE_OPEN,           /* path, with flags; result: the fd */
    FILE_ALLOCATE,       /* place for `offset` bytes in fd; result: 0 */
    FILE_CLOSE,          /* fd; result: 0, or of no account */
    FILE_RENAME,         /* path to `to`; result: 0 */
    FILE_REMOVE,         /* path; result: 0 */
};

struct file_request {
    enum file_request_kind kind;
    int fd;
    const void *buffer; /* FILE_WRITE: stays as it is until the request is done */
    uint32_t length;    /* FILE_WRITE */
    uint64_t offset;    /* FILE_WRITE; FILE_ALLOCATE: the length */
    const char *path;   /* stays as it is until the request is done, as does the next */
    const char *to;
    int flags;     /* FILE_OPEN */
    unsigned slot; /* the asker's own; to be handed back as it came */
};

enum file_lock {
    FILE_LOCK_SHARED,
    FILE_LOCK_SHARED_WAIT, /* shared, once nobody has it exclusively */
    FILE_LOCK_EXCLUSIVE,
    FILE_LOCK_WAIT, /* exclusive, once nobody else has it */
};

enum { FILE_NOT_REGULAR = -EMEDIUMTYPE };

struct file_ops {
    void *context; /* first argument of each function; outlives all users of the table */

    int (*open)(void *context, const char *path, int flags); /* fd; O_CLOEXEC is added */
    void (*close)(void *context, int fd);
    ssize_t (*read)(void *context, int fd, void *buffer, size_t length, uint64_t offset);
    ssize_t (*write)(void *context, int fd, const void *buffer, size_t length, uint64_t offset);
    int (*sync)(void *context, int fd);           /* data, and what is needed to find it again */
    int (*sync_directory)(void *context, int fd); /* names */
    int (*allocate)(void *context, int fd, uint64_t length); /* place for that many bytes */
    int (*size)(void *context, int fd, uint64_t *length);
    int (*drop_cache)(void *context, int fd); /* what is read next comes from the disk */
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    int (*make_directory)(void *context, const char *path); /* -EEXIST if it is there */
    /* Calls each(argument, name) for every name but "." and "..", in no order; stops when that
     * returns non-zero, and returns it. */
    int (*list)(void *context, const char *path, int (*each)(void *argument, const char *name),
                void *argument);
    /* Belongs to what `open` returned: it ends when that is closed and no request on it is under
     * way any more, in whatever process. -EWOULDBLOCK if somebody else has it. */
    int (*lock)(void *context, int fd, enum file_lock how);

    /* NULL, or asked before a request is handed to somebody else to perform: 0, or the -errno with
     * which it is to count as done. Any thread. */
    int (*inject)(void *context, const struct file_request *request);
};

/* The real thing. */
extern const struct file_ops file_system;

/* Performs a request here and now, through the table. Result as the kind says, or -errno. */
int file_perform(const struct file_ops *files, const struct file_request *request);

/* Reads until length bytes, the end of the file (returns fewer) or an error. */
ssize_t file_read_all(const struct file_ops *files, int fd, void *buffer, size_t length,
                      uint64_t offset);

/* 0, or -errno; a write that comes out short is -ENOSPC. */
int file_write_all(const struct file_ops *files, int fd, const void *buffer, size_t length,
                   uint64_t offset);

/* Zeroes from one offset up to the other; none if that is not after it. 0, or -errno. */
int file_write_zeroes(const struct file_ops *files, int fd, uint64_t from, uint64_t to);

/* Makes the names in a directory durable: opens, syncs, closes. */
int file_sync_directory_at(const struct file_ops *files, const char *path);

#endif
