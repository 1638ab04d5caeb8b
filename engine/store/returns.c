/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/returns.h"

#include <assert.h>
#include <errno.h>

#include "engine/base/memory.h"

#define SLOT_BUSY UINT64_C(1)

int returns_init(struct returns *returns)
{
    returns->slots = memory_reserve(RETURN_SLOTS * sizeof *returns->slots);
    return returns->slots ? 0 : -ENOMEM;
}

void returns_destroy(struct returns *returns)
{
    memory_release((void *)returns->slots, RETURN_SLOTS * sizeof *returns->slots);
}

bool return_slot_take(_Atomic uint64_t *slot, uint64_t *last)
{
    uint64_t word = atomic_load_explicit(slot, memory_order_relaxed);
    *last = word >> 1;
    return !(word & SLOT_BUSY) && atomic_compare_exchange_strong_explicit(
                                      slot, &word, word | SLOT_BUSY, memory_order_acquire, /* R1 */
                                      memory_order_relaxed);
}

void return_slot_put(_Atomic uint64_t *slot, uint64_t last)
{
    uint64_t word = atomic_load_explicit(slot, memory_order_relaxed);
    assert(word & SLOT_BUSY);
    assert(last >= word >> 1);                                    /* R2 */
    atomic_store_explicit(slot, last << 1, memory_order_release); /* R1 */
}
