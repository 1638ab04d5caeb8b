/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live check: judges the invariants (check_rules.h) beside working contexts, without stopping
 * them. A state machine that advances in small steps, on whichever thread has time.
 *
 * Rules about one object are judged while the check owns it, a moment per entry. Whether the draws
 * add up to each pool's reserved (I1) is judged in passes:
 *
 *   L  the log's tail is noted; then every context has ended the iteration that it was in
 *   V  each live reservation and supply is taken for a moment, and its draws, or what it holds, are
 *      added up, per pool
 *   W  each item's pools are compared with the sums
 *   G  every context has ended the iteration that it was in
 *   B  an item is judged if its version is not above L
 *
 * Claim: a judged item did not change from L to the comparison, in its pools and its draws. Take a
 * change c of the item, by an operation in iteration t of a context. If t was over when L's wait
 * ended, all of c happened before V, and both sides include it. Otherwise the noted tail did not
 * include c's record: a thread that sees its claim sees that t has begun, and would have awaited t.
 * So c's LSN is above L. If V or W saw anything of c, t had begun when G looked, and was awaited:
 * then B sees the version that c set, and does not judge the item. (An undone take sets a version
 * too.) So nothing was under way on a judged item, and I2 is judged as well. Contexts show their
 * iterations by ctx->iterations: odd within one, never the same again; stored with release where an
 * iteration ends, loaded with acquire.
 *
 * An item that changed meanwhile is checked again in the next pass, which is shorter; items that
 * never stand still are counted, and not judged. What the check reports as broken is broken.
 */
#ifndef STOCKD_ENGINE_CHECK_CHECK_H
#define STOCKD_ENGINE_CHECK_CHECK_H

#include "engine/ledger/ledger.h"

enum { CHECK_FINDINGS = 8, CHECK_PASSES = 4 };

struct check;

enum check_progress {
    CHECK_MORE, /* step again */
    CHECK_WAIT, /* waits for other contexts: step again in a while */
    CHECK_DONE,
};

struct check_report {
    uint64_t ids;          /* ids checked */
    uint64_t reservations; /* live ones among them */
    uint64_t supplies;     /* likewise */
    uint64_t items;        /* that exist */
    uint64_t pools;        /* compared */
    uint64_t moving;       /* items that never stood still: not judged */
    uint64_t busy;         /* entries that were busy at every look: not judged */
    uint64_t passes;
    uint64_t broken;                    /* invariants found broken */
    char findings[CHECK_FINDINGS][256]; /* the first of them */
};

/* NULL: no memory. Uses 4 bytes for each pool unit with draws, until it ends. */
struct check *check_start(struct ledger *ledger);
void check_end(struct check *check);

/*
 * Advances the check by about `budget` cache misses. Call it in an iteration of any context: the
 * context is not changed, and its own iteration is not awaited. Always on the same thread, or
 * handed over.
 */
enum check_progress check_step(struct check *check, const struct ctx *ctx, uint32_t budget);

/* Complete once the check is done. */
const struct check_report *check_report(const struct check *check);

#endif
