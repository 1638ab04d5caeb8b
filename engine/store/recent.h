/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recent changes of what is on hand, so that a count that was taken a while ago can be told
 * what has moved since. A ring per context, newest last; what is overwritten is forgotten, and
 * the ring says up to when.
 *
 * Written by the context's thread; read by any. Every field of an entry is a relaxed atomic: a
 * reader knows from the item's bracket (gives_begin, gives_end, see item.h) that no change of that
 * item was under way, and the bracket's order makes the entries before it visible.
 */
#ifndef STOCKD_ENGINE_STORE_RECENT_H
#define STOCKD_ENGINE_STORE_RECENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { RECENT_CHANGES = 1 << 20 };

struct recent_change {
    _Atomic uint64_t time_ms; /* wall clock */
    _Atomic uint32_t pool;    /* unit */
    _Atomic int32_t delta;
};

struct recent {
    struct recent_change *ring;
    _Atomic uint64_t count;        /* written so far; release, so that what it counts is visible */
    _Atomic uint64_t forgotten_ms; /* changes up to here may have been overwritten */
};

/* 0 or -ENOMEM. */
int recent_init(struct recent *recent);
void recent_destroy(struct recent *recent);

void recent_add(struct recent *recent, uint64_t time_ms, uint32_t pool, int64_t delta);

/* For loading: what changed up to that time is not known here. */
void recent_forget(struct recent *recent, uint64_t time_ms);

/* Adds to *sum what changed in those pools after that time. False if that is no longer known. */
bool recent_since(const struct recent *recent, uint64_t time_ms, const uint32_t *pools,
                  uint32_t pool_count, int64_t *sum);

#endif
