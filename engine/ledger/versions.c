/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes rarely and is read through a pointer: versions of the catalogue, details of items.
 * One writer at a time; an old version is freed when no context can hold it any more.
 */
#include <assert.h>
#include <stdlib.h>

#include "engine/ledger/ctx.h"

static void destroy_catalogue(void *what)
{
    catalogue_destroy(what);
}

static void free_retired(struct ledger *ledger, uint64_t before)
{
    struct retired **link = &ledger->retired;
    while (*link) {
        struct retired *r = *link;
        if (r->epoch >= before) {
            link = &r->next;
            continue;
        }
        *link = r->next;
        r->destroy(r->what);
        free(r);
    }
}

bool catalogue_take(struct ledger *ledger)
{
    return !atomic_exchange_explicit(&ledger->catalogue_busy, true, memory_order_acquire);
}

void catalogue_put(struct ledger *ledger)
{
    assert(atomic_load_explicit(&ledger->catalogue_busy, memory_order_relaxed));
    atomic_store_explicit(&ledger->catalogue_busy, false, memory_order_release);
}

/*
 * Epochs (after Fraser, "Practical lock-freedom", 2004). What was retired at epoch e may be freed
 * once no context is in an iteration that began at e or before. A context that begins an iteration
 * unseen by the scan below stores its epoch after the scan, hence loads the pointer after the swap:
 * these four accesses are sequentially consistent for that reason.
 */
void retire(struct ledger *ledger, void *what, void (*destroy)(void *))
{
    assert(atomic_load(&ledger->catalogue_busy)); /* it guards the list */
    struct retired *r = malloc(sizeof *r);
    if (!r)
        return; /* leaks one old version rather than freeing what may be in use */
    uint64_t epoch = atomic_fetch_add_explicit(&ledger->epoch, 1, memory_order_seq_cst);
    *r = (struct retired){
        .next = ledger->retired, .epoch = epoch, .destroy = destroy, .what = what
    };
    ledger->retired = r;
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < ledger->context_count; i++) {
        uint64_t seen = atomic_load_explicit(&ledger->contexts[i]->epoch, memory_order_seq_cst);
        if (seen != 0 && seen < oldest)
            oldest = seen;
    }
    free_retired(ledger, oldest);
}

void catalogue_swap(struct ledger *ledger, struct catalogue *next)
{
    struct catalogue *old = atomic_load(&ledger->catalogue);
    assert(next != old);
    atomic_store_explicit(&ledger->catalogue, next, memory_order_seq_cst);
    retire(ledger, old, destroy_catalogue);
}

void free_all_versions(struct ledger *ledger)
{
    free_retired(ledger, UINT64_MAX);
    for (uint32_t i = 0; ledger->items.details && i < atomic_load(&ledger->items.count); i++)
        free(atomic_load(&ledger->items.details[i]));
    catalogue_destroy(atomic_load(&ledger->catalogue));
}
