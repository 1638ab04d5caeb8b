/* SPDX-License-Identifier: Apache-2.0 */
/* Taking what an order plan draws: how each operation that promises stock posts its takes, and what
 * it checks once everything is taken. */
#ifndef STOCKD_ENGINE_OPS_TAKING_H
#define STOCKD_ENGINE_OPS_TAKING_H

#include "engine/sourcing/sourcing.h"
#include "engine/txn/txn.h"

struct taking {
    bool guarded;  /* the take itself checks the channel's buffer; else a look afterwards does */
    bool expects;  /* some draws are of expected units */
    bool serves;   /* the caller's: it serves the backlog, so that it waits for nobody */
    bool backlogs; /* some draws are on a backlog */
    bool waits;    /* some draws are of items that may have a backlog */
    bool shorts;   /* some draws are of items of which promises may be short */
};

/* Posts the take of each draw. The takes themselves check that the channel leaves what it must, as
 * it is set now; so a setting that has changed since the plan is not overlooked. */
enum code taking_post(struct ctx *ctx, struct order_plan *s, struct taking *taking);

/* May even a single take be undone? */
static inline bool taking_may_undo(const struct taking *taking)
{
    return !taking->guarded || taking->expects || taking->backlogs || taking->waits ||
           taking->shorts;
}

/* How many slots to set aside for listing its promises, see precedence.h, and its part of backlogs,
 * see backlog.h. */
uint32_t taking_blocks(const struct order_plan *s);

/* Once everything is taken, if it may be undone: CODE_OK, or CODE_DEFERRED to undo it. */
enum code taking_check(struct ctx *ctx, struct order_plan *s, const struct taking *taking);

/* For a transaction that took nothing after all: what it took for a moment hid that units have come
 * and are free. They are noted to be swept. */
void taking_note_undone(struct ctx *ctx, const struct order_plan *s, const struct taking *taking);

#endif
