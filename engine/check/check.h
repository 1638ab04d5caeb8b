/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live check: judges the invariants (check_rules.h) beside contexts that work, without stopping
 * them. A state machine that is moved on in small steps, by whoever has a moment.
 *
 * What one object shows is judged while the check owns it, a moment per entry. That the draws add
 * up to each pool's reserved (I1) is judged in passes:
 *
 *   L  the log's tail is noted; then every context has ended the iteration that it was in
 *   V  each live reservation is taken for a moment, and its draws are added up, per pool
 *   W  each item's pools are compared with the sums
 *   G  every context has ended the iteration that it was in
 *   B  an item is judged if it has no mark over L
 *
 * Claim: an item that is judged was the same from L to the comparison, in its pools and its draws.
 * Take a change c of the item, by an operation in turn t of a context. If t was over when L's wait
 * ended, all of c happened before V, and both sides include it. Else the log's tail that was noted
 * did not include c's record, for whoever has seen its claim sees t begun, and would have awaited
 * it. So c's LSN is over L. If V or W saw anything of c, t had begun when G looked, and was
 * awaited: then c's mark is seen in B, and the item is not judged. (A take that was undone leaves a
 * mark, too.) So on an item that is judged nothing was under way, and I2 is judged as well.
 * Contexts show their iterations by ctx->turns: odd within one, never the same again; stored with
 * release where an iteration ends, loaded with acquire.
 *
 * An item that changed meanwhile is looked at again in the next pass, which is shorter; those that
 * never stand still are counted as such, and nothing is said about them. What is said to be broken
 * is broken.
 */
#ifndef STOCKD_ENGINE_CHECK_CHECK_H
#define STOCKD_ENGINE_CHECK_CHECK_H

#include "engine/ledger/ledger.h"

enum { CHECK_FINDINGS = 8, CHECK_PASSES = 4 };

struct check;

enum check_progress {
    CHECK_MORE, /* step again */
    CHECK_WAIT, /* for other contexts: step again in a while */
    CHECK_DONE,
};

struct check_report {
    uint64_t ids;          /* ids looked at */
    uint64_t reservations; /* live ones among them */
    uint64_t items;        /* there are */
    uint64_t pools;        /* compared */
    uint64_t moving;       /* items that never stood still, and were not judged */
    uint64_t busy;         /* entries that were busy at every look, and were not judged */
    uint64_t passes;
    uint64_t broken;                    /* invariants found broken */
    char findings[CHECK_FINDINGS][256]; /* the first of them */
};

/* NULL: no memory. Takes 4 bytes for each pool unit that is promised from, until it ends. */
struct check *check_start(struct ledger *ledger);
void check_end(struct check *check);

/*
 * Moves it on by about `budget` cache misses. In an iteration of the context, which may be any: it
 * is not changed, and its own iteration is not waited for. Always the same thread's, or handed
 * over.
 */
enum check_progress check_step(struct check *check, const struct ctx *ctx, uint32_t budget);

/* Complete once it is done. */
const struct check_report *check_report(const struct check *check);

#endif
