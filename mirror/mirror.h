/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror: shows the availability of every item in Redis, to clients that read and do not
 * reserve.
 *
 *   stock:item:SKU        hash: a field per channel, and _lsn: the last change it shows
 *   stock:changes         stream: one entry per changed item, trimmed
 *   stock:changed:CHANNEL pub/sub: {"sku":...,"available":...,"lsn":...}
 *   stock:mirror          hash: up to which LSN the mirror is, and how fresh
 *   stock:fence           which engine writes, see mirror/fence.h
 *
 * It runs on its own thread (mirror/mirror.c) with a reader's context of the ledger
 * (engine/ledger/ledger.h). Nothing notifies it of changes: it follows the change index
 * (engine/ledger/change_index.h) and only ever sends current values. So a Redis that is slow,
 * stopped or gone costs freshness, not memory, and delays no operation. It shows nothing before the
 * log has acknowledged it, so a crash takes back nothing that was shown.
 */
#ifndef STOCKD_MIRROR_MIRROR_H
#define STOCKD_MIRROR_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/ledger/ledger.h"
#include "mirror/status.h"

struct mirror;

struct mirror_config {
    struct ledger *ledger; /* these outlive the mirror */
    struct log *log;
    struct ctx *ctx;           /* a reader's, for the mirror's thread only */
    uint64_t engine_ms;        /* engine time when the engine started */
    uint64_t steady_ms;        /* CLOCK_MONOTONIC then */
    uint64_t start_ms;         /* when the engine started; the latest engine writes */
    uint64_t run;              /* a random number of this run */
    const char *address;       /* HOST:PORT or unix:PATH; it and the other texts are borrowed */
    const char *prefix;        /* of all keys; "stock:" */
    const char *user;          /* or NULL */
    const char *password_file; /* or NULL */
    unsigned database;
    uint64_t stream_length; /* about how many entries the stream keeps */
    uint64_t rate;          /* changed items a second while the engine is busy; 0: no limit */
    uint64_t patience_ms;   /* time-out for a reply; 0: 5 s */
    void *context;
    void (*say)(void *context, int level,
                const char *line); /* on the mirror's thread; NULL: silent */
};

/* Does not start the thread. NULL: out of memory or descriptors. */
struct mirror *mirror_create(const struct mirror_config *config);
/* Starts the thread. 0 or -errno. */
int mirror_start(struct mirror *mirror);
/* Sends what is left, for at most a quarter of a second, ends the thread and frees everything. */
void mirror_destroy(struct mirror *mirror);

/* Any thread: makes a fenced mirror write again, as the newest engine. */
void mirror_take(struct mirror *mirror);

/* "connecting", "syncing", "live" or "fenced". */
const char *mirror_state_name(enum mirror_state state);

/* Any thread; never blocks. */
void mirror_status(const struct mirror *mirror, struct mirror_status *status);

#endif
