/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server asks of whatever brings the log to the disk. It says what is to be written or
 * synced; the workers do it on their rings. So the server knows no files, and storage no rings.
 *
 * All functions may be called by any worker at any time.
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
    STORAGE_ALLOCATE,  /* place for `offset` bytes in fd; result: 0 */
    STORAGE_CLOSE,     /* fd; result: 0 */
    STORAGE_RENAME,    /* path to `to`; result: 0 */
    STORAGE_REMOVE,    /* path; result: 0 */
};

/* Requests of a server under way at once, at most. */
enum { STORAGE_SLOTS = 5 };

struct storage_request {
    enum storage_kind kind;
    int fd;
    const void *buffer; /* stays as it is until the request is done */
    uint32_t length;
    uint64_t offset;
    const char *path; /* stays as it is until the request is done, as does the next */
    const char *to;
    int flags;
    unsigned stream; /* storage's own; handed back as it came */
};

struct storage_figure {
    const char *name; /* static */
    enum { FIGURE_NUMBER, FIGURE_FLAG, FIGURE_WORD } kind;
    uint64_t number;  /* or a flag's truth */
    const char *word; /* static */
};

enum { STORAGE_FIGURES_MAX = 32 };

struct storage_port {
    void *self;
    /* True: *request is to be performed, its result handed to done, and next asked again. `idle`:
     * the worker has nothing else to do, so that it may as well write what could wait. */
    bool (*next)(void *self, bool idle, struct storage_request *request);
    /* A request's result, or -errno. The log's acknowledged position may have moved, or the log
     * failed. True as for next, if not idle. */
    bool (*done)(void *self, const struct storage_request *request, int result,
                 struct storage_request *next);
    /* CLOCK_MONOTONIC in ms at which next should be asked even if nothing is in the log;
     * UINT64_MAX: not foreseen. */
    uint64_t (*next_sync_ms)(void *self);
    /* Why the log failed; "" if it has not. */
    const char *(*failure)(void *self);
    /* For people; returns how many, at most STORAGE_FIGURES_MAX. */
    unsigned (*metrics)(void *self, struct storage_figure *metrics);
    /* The same, of snapshots, which may be somebody else's; NULL: there are none. */
    void *snapshots_self;
    unsigned (*snapshot_metrics)(void *self, struct storage_figure *metrics);
};

#endif
