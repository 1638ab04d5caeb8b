/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror: shows every item's availability in Redis, for all who read and do not reserve.
 *
 *   stock:item:SKU        hash: a field per channel, and _lsn, that of the last change it shows
 *   stock:changes         stream: one entry per changed item, trimmed
 *   stock:changed:CHANNEL pub/sub: {"sku":...,"available":...,"lsn":...}
 *   stock:mirror          hash: how far and how fresh all this is
 *   stock:fence           whose it is, see mirror/fence.h
 *
 * One thread of its own (mirror/mirror.c) with a reader's seat at the ledger (engine/ledger.h). It
 * is told nothing by those who change stock: it follows their marks (engine/marks.h), and only ever
 * sends what is so now. So a Redis that is slow, stopped or gone costs freshness, not memory, and
 * delays nobody.
 * Nothing is shown before the log has acknowledged it: what a crash could take back stays inside.
 */
#ifndef STOCKD_MIRROR_MIRROR_H
#define STOCKD_MIRROR_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/ledger.h"
#include "mirror/status.h"

struct mirror;

struct mirror_config {
    struct ledger *ledger; /* these outlive the mirror */
    struct log *log;
    struct seat *seat;         /* a reader's, for the mirror alone */
    uint64_t engine_ms;        /* engine time at which the seat may begin its turns */
    uint64_t start_ms;         /* wall clock of the engine's start: the fence's order */
    uint64_t run;              /* random */
    const char *address;       /* HOST:PORT or unix:PATH; it and the other texts are borrowed */
    const char *prefix;        /* of all keys; "stock:" */
    const char *user;          /* or NULL */
    const char *password_file; /* or NULL */
    unsigned database;
    uint64_t stream_length; /* entries that the stream keeps, about */
    uint64_t rate;          /* changed items a second while the engine is busy; 0: no limit */
    uint64_t patience_ms;   /* an answer that takes longer is none; 0: 5 s */
    void *context;
    void (*say)(void *context, const char *line); /* on the mirror's thread; NULL: silent */
};

/* NULL: no memory, or no descriptor. Nothing runs yet. */
struct mirror *mirror_create(const struct mirror_config *config);
/* 0 or -errno. */
int mirror_start(struct mirror *mirror);
/* Lets it show what is left, for at most a quarter of a second, and frees it. */
void mirror_destroy(struct mirror *mirror);

/* Any thread: makes an engine that gave way to a newer one write again, as the newest. */
void mirror_take(struct mirror *mirror);

/* "connecting", "syncing", "live" or "fenced". */
const char *mirror_state_name(enum mirror_state state);

/* Any thread, any time; waits for nobody. */
void mirror_status(const struct mirror *mirror, struct mirror_status *status);

#endif
