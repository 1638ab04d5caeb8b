/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recent changes of on hand, so that a count taken a while ago can include what has moved since.
 * One ring per context, in the order in which they were booked, newest last; an overwritten change
 * is forgotten, and the ring records up to when.
 *
 * A change may be booked late: a till was offline. It has the time at which it happened, and a
 * mark. Before it, if need be, stands a change of nothing with the time of booking, so that a walk
 * back in time knows where it may end.
 *
 * Written by the context's thread, read by any. A reader knows from the item's bracket
 * (gives_begin, gives_end, see item.h) that no change of that item was under way, and the bracket's
 * order makes the earlier entries visible. The fields of an entry are stored with release, so that
 * a reader of an overwritten entry also sees forgotten_ms.
 */
#ifndef STOCKD_ENGINE_STORE_RECENT_H
#define STOCKD_ENGINE_STORE_RECENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { RECENT_CHANGES = 1 << 20 };

#define RECENT_LATE (UINT64_C(1) << 63)

struct recent_change {
    _Atomic uint64_t time_ms; /* wall clock, when it happened; RECENT_LATE: it was booked later */
    _Atomic uint32_t pool;    /* unit */
    _Atomic int32_t delta;
};

struct recent {
    struct recent_change *ring;
    _Atomic uint64_t count;        /* written so far; release, so that the counted entries are
                                      visible */
    _Atomic uint64_t forgotten_ms; /* changes up to here may have been overwritten */
    uint64_t booked_ms;            /* of the newest change that is not late; the context's thread */
};

/* 0 or -ENOMEM. */
int recent_init(struct recent *recent);
void recent_destroy(struct recent *recent);

void recent_add(struct recent *recent, uint64_t time_ms, uint32_t pool, int64_t delta);
/* One that is booked now and happened at another time: if that is later, it counts as now. */
void recent_add_late(struct recent *recent, uint64_t booked_ms, uint64_t happened_ms, uint32_t pool,
                     int64_t delta);
/* For loading: a change that was late, behind the one before it. */
void recent_load_late(struct recent *recent, uint64_t happened_ms, uint32_t pool, int64_t delta);

/* For loading: changes up to that time are unknown here. */
void recent_forget(struct recent *recent, uint64_t time_ms);

/* Adds to *sum the changes in those pools after that time. False if they are no longer all
 * known. */
bool recent_since(const struct recent *recent, uint64_t time_ms, const uint32_t *pools,
                  uint32_t pool_count, int64_t *sum);

#endif
