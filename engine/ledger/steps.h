/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a reservation in its places: it is set aside, amended, moved, and rejected.
 * ledger.h says what every operation has in common. */
#ifndef STOCKD_ENGINE_LEDGER_STEPS_H
#define STOCKD_ENGINE_LEDGER_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/ledger/ledger.h"
#include "engine/log/record.h"

/* A place has set aside what a confirmed reservation draws from it. */
struct set_aside {
    struct text id;
    struct text location;
    struct text op; /* optional: the step's own id */
    bool has_collect_by;
    uint64_t collect_by_ms; /* wall clock, in the future */
};

enum code ledger_ready(struct ctx *ctx, const struct set_aside *asked, struct reservation_view *r);

/* The reservation's lines are to be these: it gives back what they leave out, and draws what they
 * add by its channel's rule; all or nothing. What was fulfilled stays, and counts. */
struct amendment {
    struct text id;
    struct text op; /* optional: the step's own id */
    const struct order_line *lines;
    uint32_t line_count;
};

enum code ledger_amend(struct ctx *ctx, const struct amendment *asked, struct reservation_view *r);

/* Units that a reservation draws from one place are to come from another; all or nothing. */
struct move_line {
    struct text sku, from, to;
    int64_t qty;
};

struct relocation {
    struct text id;
    struct text op; /* optional: the step's own id */
    const struct move_line *lines;
    uint32_t line_count;
};

enum code ledger_move(struct ctx *ctx, const struct relocation *asked, struct reservation_view *r);

/* A place cannot give what a confirmed reservation draws from it: some lines, or, without lines,
 * all that is left there. The stock there is corrected by the reason; the units are drawn from
 * elsewhere by the channel's rule, and never again from there. */
struct rejection {
    struct text id;
    struct text location;
    struct text op;                 /* optional: the step's own id */
    const struct order_line *lines; /* sku and qty; location is ignored */
    uint32_t line_count;
    enum reject_reason reason;
    bool cancels; /* what nobody has is cancelled; else the reservation waits for it */
};

enum code ledger_reject(struct ctx *ctx, const struct rejection *asked, struct reservation_view *r);

#endif
