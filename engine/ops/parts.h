/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a reservation: what it draws from one place. Once it is confirmed, each place works
 * on its part:
 *
 *     open --> ready --> not collected --> restocked, which cancels it
 *       `--------'------------'----------> fulfilled, or cancelled
 *
 * A part that is ready was set aside for its buyer. It is not collected once its collect_by_ms is
 * past; its units stay reserved until somebody restocks them. The caller owns the reservation's
 * entry.
 */
#ifndef STOCKD_ENGINE_OPS_PARTS_H
#define STOCKD_ENGINE_OPS_PARTS_H

#include "engine/ledger/ctx.h"
#include "engine/txn/txn.h"

struct part {
    uint32_t draws; /* 0: nothing of the reservation is there */
    uint64_t left, fulfilled;
    enum part_step step;    /* of what is left */
    uint64_t collect_by_ms; /* likewise */
};

/* Sums up the reservation's draws from that location, an index. */
struct part part_at(const struct ctx *ctx, struct id_entry *entry, uint16_t location);

/* Where its first draw is from, which stays its first: if anything was sent for it, there. */
uint16_t first_location(const struct ctx *ctx, struct id_entry *entry);

/* "open" and so on, or, with nothing left, "fulfilled" or "cancelled"; static. */
const char *part_step_name(const struct part *part);

/* Refuses a step of the transaction's reservation at the location because of how far its part is
 * there. */
enum code part_refused(struct ctx *ctx, const struct txn *t, struct text location,
                       const struct part *part, const char *wanted);

/* A draw's step, and when it must be collected: wall clock; 0: whenever. */
enum part_step draw_step(const struct id_entry *entry, struct draw *draw);

/* So many units of a tracked draw are settled: they are set aside no longer. */
void part_settled(const struct ctx *ctx, struct draw *draw, uint32_t units);

/* Lists the parts in the context, for the view of a reservation whose draws are in it. */
void view_parts(struct ctx *ctx, struct id_entry *entry, struct reservation_view *view);

/* ---- time ---- */

/* Engine time at which to look whether a part was not collected; UINT64_MAX: never. */
uint64_t parts_next_ms(const struct ctx *ctx, struct id_entry *entry, uint64_t word);
/* Has the entry come up in a wheel then. */
void parts_watch(struct ctx *ctx, struct id_entry *entry, uint64_t word);
/* It came up in this context's wheel, and is unlinked; owned, and put here. */
void parts_come_up(struct ctx *ctx, struct id_entry *entry, uint64_t word);

/* What is left at the location is ready from now on. For a reservation whose draws are tracked, as
 * below. */
void parts_set_ready(const struct ctx *ctx, struct id_entry *entry, uint16_t location,
                     uint64_t collect_by_ms);
/* What is ready there, and should have been collected by that time, was not; what the order draws
 * from there besides, as since an amend, stays as it is. */
void parts_leave_behind(const struct ctx *ctx, struct id_entry *entry, uint16_t location,
                        uint64_t wall_ms);

#endif
