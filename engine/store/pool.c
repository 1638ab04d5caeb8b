/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/pool.h"

#include <stddef.h>

const char *pool_kind_name(enum pool_kind kind)
{
    static const char *const names[POOL_KIND_COUNT] = { "shared",  "allotted", "expected",
                                                        "damaged", "quality",  "display",
                                                        "owed",    "backlog" };
    return kind < POOL_KIND_COUNT ? names[kind] : NULL;
}

/* most: on hand may not grow above it. A reserve is bounded by what is on hand at that time. */
static inline enum pool_outcome apply(struct pool *pool, struct pool_change change,
                                      struct pool_terms terms, int64_t most, uint64_t *after)
{
    int64_t counted = terms.counted;
    uint64_t word = pool_read(pool);
    for (;;) {
        int64_t on_hand = word_on_hand(word) + change.on_hand;
        int64_t reserved = word_reserved(word) + change.reserved;
        int undecided = (int)word_undecided(word) + change.tentative;
        *after = word;
        if (word_available(word) < terms.needs_available || on_hand < terms.floor)
            return POOL_SHORT;
        if (counted != NOT_COUNTED && (word_on_hand(word) != counted || word_undecided(word) != 0))
            return POOL_SHORT;
        if ((change.on_hand > 0 && on_hand > most) || reserved > WORD_RESERVED_MOST || reserved < 0)
            return POOL_FULL;
        assert(undecided >= 0);
        uint64_t next = word_make(on_hand, reserved, (unsigned)undecided);
        /* Lock-free: a failed swap means that another context's change went through. */
        bool swapped = atomic_compare_exchange_weak_explicit(
            &pool->word, &word, next, memory_order_acq_rel, memory_order_acquire);
        if (swapped) { /* @swap */
            *after = next;
            return POOL_CHANGED;
        }
    }
}

enum pool_outcome pool_apply(struct pool *pool, struct pool_change change, int64_t needs_available,
                             uint64_t *after)
{
    struct pool_terms terms = { .needs_available = needs_available, .counted = NOT_COUNTED };
    return apply(pool, change, terms, QUANTITY_MAX, after);
}

enum pool_outcome pool_apply_on(struct pool *pool, struct pool_change change,
                                struct pool_terms terms, uint64_t *after)
{
    assert(terms.floor >= 0);
    return apply(pool, change, terms, QUANTITY_MAX, after);
}

enum pool_outcome pool_reapply(struct pool *pool, struct pool_change change, uint64_t *after)
{
    struct pool_terms any = { .needs_available = INT64_MIN, .counted = NOT_COUNTED };
    return apply(pool, change, any, WORD_ON_HAND_MOST, after);
}

uint64_t pool_give(struct pool *pool, struct pool_change change)
{
    uint64_t after;
    enum pool_outcome outcome = pool_reapply(pool, change, &after);
    assert(outcome == POOL_CHANGED);
    (void)outcome;
    return after;
}
