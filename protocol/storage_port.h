/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's port to the storage that writes the log to disk. Storage says what to write or sync,
 * and the workers do it on their rings. So the server knows no files, and storage no rings.
 *
 * Any worker may call any of the functions at any time.
 */
#ifndef STOCKD_PROTOCOL_STORAGE_PORT_H
#define STOCKD_PROTOCOL_STORAGE_PORT_H

#include <stdbool.h>
#include <stdint.h>

enum storage_kind {
    STORAGE_WRITE,     /* length bytes of buffer at offset of fd; result: bytes written */
    STORAGE_SYNC_DATA, /* fdatasync of fd; result: 0 */
    STORAGE_SYNC_ALL,  /* fsync of fd; result: 0 */
    STORAGE_OPEN,      /* path with flags; result: the fd */
    STORAGE_ALLOCATE,  /* space for `offset` bytes in fd; result: 0 */
    STORAGE_CLOSE,     /* fd; result: 0 */
    STORAGE_RENAME,    /* path to `to`; result: 0 */
    STORAGE_REMOVE,    /* path; result: 0 */
};

/* The most requests that a server has under way at once. */
enum { STORAGE_SLOTS = 5 };

struct storage_request {
    enum storage_kind kind;
    int fd;
    const void *buffer; /* unchanged until the request is done */
    uint32_t length;
    uint64_t offset;
    const char *path; /* unchanged until the request is done, as is `to` */
    const char *to;
    int flags;
    unsigned slot; /* storage's own; handed back unchanged */
};

struct storage_metric {
    const char *name; /* static */
    enum { METRIC_NUMBER, METRIC_FLAG, METRIC_WORD } kind;
    uint64_t number;  /* or the flag */
    const char *word; /* lives as long as the storage */
};

enum { STORAGE_METRICS_MAX = 32 };

struct storage_port {
    void *self;
    /* True: perform *request, hand its result to done, and call next again. `idle`: the worker has
     * nothing else to do, so it may write what could otherwise wait. */
    bool (*next)(void *self, bool idle, struct storage_request *request);
    /* Takes a request's result, or -errno. The log's acknowledged position may have advanced, or
     * the log failed. True as for next with idle false. */
    bool (*done)(void *self, const struct storage_request *request, int result,
                 struct storage_request *next);
    /* CLOCK_MONOTONIC in ms at which to call next even if nothing is in the log; UINT64_MAX:
     * never. */
    uint64_t (*next_sync_ms)(void *self);
    /* Why the log failed; "" if it has not. */
    const char *(*failure)(void *self);
    /* For operators; returns how many, at most STORAGE_METRICS_MAX. */
    unsigned (*metrics)(void *self, struct storage_metric *metrics);
    /* The same for snapshots, which another object may own; NULL: no snapshots. */
    void *snapshots_self;
    unsigned (*snapshot_metrics)(void *self, struct storage_metric *metrics);
};

#endif
