/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/refusals.h"

#include <errno.h>

#include "engine/base/memory.h"

#define SECONDS_MASK ((UINT64_C(1) << 24) - 1)

static const uint64_t bytes = REFUSAL_SLOTS * sizeof(_Atomic uint64_t);

int refusals_init(struct refusals *refusals)
{
    refusals->slots = memory_reserve(bytes);
    return refusals->slots ? 0 : -ENOMEM;
}

void refusals_destroy(struct refusals *refusals)
{
    memory_release(refusals->slots, bytes);
}

/* Seconds since the word was made; a free one is the oldest. */
static uint64_t age_of(uint64_t word, uint64_t now_s)
{
    return word == 0 ? UINT64_MAX : (now_s - word) & SECONDS_MASK;
}

bool refusals_remember(struct refusals *refusals, uint64_t hash, uint64_t now_s)
{
    uint64_t tag = (hash | UINT64_C(1) << 63) & ~SECONDS_MASK; /* no word is 0 */
    _Atomic uint64_t *bucket =
        &refusals->slots[(hash & (REFUSAL_SLOTS / REFUSAL_WAYS - 1)) * REFUSAL_WAYS];
    uint64_t seen;
    _Atomic uint64_t *oldest;
    do {
        oldest = NULL;
        for (unsigned i = 0; i < REFUSAL_WAYS; i++) {
            uint64_t word = atomic_load_explicit(&bucket[i], memory_order_relaxed);
            uint64_t age = age_of(word, now_s);
            if ((word & ~SECONDS_MASK) == tag) {
                if (age < REFUSAL_SECONDS)
                    return false;
                oldest = &bucket[i];
                seen = word;
                break;
            }
            if (!oldest || age > age_of(seen, now_s)) {
                oldest = &bucket[i];
                seen = word;
            }
        }
    } while (!atomic_compare_exchange_weak_explicit(oldest, &seen, tag | (now_s & SECONDS_MASK),
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}
