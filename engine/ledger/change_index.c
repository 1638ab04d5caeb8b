/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/change_index.h"

#include <assert.h>
#include <errno.h>

#include "engine/base/memory.h"
#include "engine/ledger/ctx.h"

/* An operation takes far less; a thread that stays in one for longer was preempted. */
enum { LOOKS_AT_CTX = 200 };

int change_index_init(struct ledger *ledger)
{
    assert(ledger->context_count >= 1);
    uint32_t blocks = ledger->items.max_items / VERSIONS_PER_BLOCK + 1;
    ledger->block_count = blocks;
    for (unsigned i = 0; i < ledger->context_count; i++) {
        struct ctx *ctx = ledger->contexts[i];
        ctx->blocks = memory_reserve((size_t)blocks * sizeof(uint64_t));
        if (!ctx->blocks)
            return -ENOMEM;
    }
    return 0;
}

void change_index_destroy(struct ledger *ledger)
{
    for (unsigned i = 0; i < ledger->context_count && ledger->contexts[i]; i++)
        memory_release((void *)ledger->contexts[i]->blocks,
                       (size_t)ledger->block_count * sizeof(uint64_t));
}

void item_version_raise(struct ctx *ctx, uint32_t item, uint64_t lsn)
{
    assert(item < ctx->ledger->items.max_items);
    _Atomic uint64_t *version = &ctx->ledger->items.versions[item];
    uint64_t was = atomic_load_explicit(version, memory_order_relaxed);
    /* Release (M1): a thread that finds a version finds the item's sku, even before a published
     * record has it. Another context's swap continues that release sequence. If the version is
     * already greater there is nothing to do: it is above every `since` that this LSN is above. */
    while (was < lsn && !atomic_compare_exchange_weak_explicit(
                            version, &was, lsn, memory_order_release, memory_order_relaxed)) {
    }
    /* The context's own row, which keeps the greatest LSN: a plain store that fetches no cache line
     * from another context. Relaxed: the record's publication (L1) and the head (L2) carry it to
     * every thread that reads a head that includes it; no other thread needs it. */
    _Atomic uint64_t *block = &ctx->blocks[item / VERSIONS_PER_BLOCK];
    if (atomic_load_explicit(block, memory_order_relaxed) < lsn)
        atomic_store_explicit(block, lsn, memory_order_relaxed);
}

void item_version_raise_of_pool(struct ctx *ctx, uint32_t unit, uint64_t lsn)
{
    const struct pool *pool = pool_at(&ctx->ledger->items, unit);
    item_version_raise(ctx, key_item(pool_read_key(pool)), lsn);
}

void catalogue_lsn_raise(struct ledger *ledger, uint64_t lsn)
{
    if (atomic_load_explicit(&ledger->catalogue_lsn, memory_order_relaxed) < lsn)
        atomic_store_explicit(&ledger->catalogue_lsn, lsn, memory_order_relaxed); /* as a block's */
}

static void raise(_Atomic uint64_t *version, uint64_t lsn)
{
    uint64_t was = atomic_load_explicit(version, memory_order_relaxed);
    while (was < lsn && !atomic_compare_exchange_weak_explicit(
                            version, &was, lsn, memory_order_release, memory_order_relaxed)) {
    }
}

void item_version_restore(struct ledger *ledger, uint32_t item, uint64_t lsn)
{
    assert(item < ledger->items.max_items);
    raise(&ledger->items.versions[item], lsn);
    raise(&ledger->contexts[0]->blocks[item / VERSIONS_PER_BLOCK], lsn);
}

/* ---- reading ---- */

uint32_t change_index_items(const struct ledger *ledger)
{
    return atomic_load_explicit(&ledger->items.count, memory_order_acquire);
}

uint32_t change_index_pools_each(const struct ledger *ledger)
{
    uint32_t items = change_index_items(ledger);
    uint32_t pools = atomic_load_explicit(&ledger->items.pool_count, memory_order_relaxed);
    return items > 0 && pools > items ? pools / items : 1;
}

uint64_t item_version(const struct ledger *ledger, uint32_t item)
{
    assert(item < ledger->items.max_items);
    return atomic_load_explicit(&ledger->items.versions[item], memory_order_acquire); /* M1 */
}

/* Has any context raised a version in that block above since? */
static bool block_changed(const struct ledger *ledger, uint32_t block, uint64_t since)
{
    assert(block < ledger->block_count);
    for (unsigned i = 0; i < ledger->context_count; i++)
        if (atomic_load_explicit(&ledger->contexts[i]->blocks[block], memory_order_relaxed) > since)
            return true;
    return false;
}

bool change_index_next(const struct ledger *ledger, uint64_t since, uint32_t *cursor,
                       uint32_t *item, uint64_t *lsn)
{
    uint32_t count = change_index_items(ledger);
    while (*cursor < count) {
        uint32_t index = *cursor;
        if (index % VERSIONS_PER_BLOCK == 0 &&
            !block_changed(ledger, index / VERSIONS_PER_BLOCK, since)) {
            *cursor += VERSIONS_PER_BLOCK;
            continue;
        }
        ++*cursor;
        uint64_t version = item_version(ledger, index);
        if (version > since) {
            *item = index;
            *lsn = version;
            return true;
        }
    }
    return false;
}

uint64_t ledger_catalogue_lsn(const struct ledger *ledger)
{
    return atomic_load_explicit(&ledger->catalogue_lsn, memory_order_relaxed);
}

struct text ledger_item_sku(const struct ledger *ledger, uint32_t item)
{
    assert(item_version(ledger, item) > 0);
    return item_sku(item_at(&ledger->items, item));
}

bool ledger_shown_until(const struct ledger *ledger, uint64_t *lsn)
{
    for (unsigned i = 0; i < ledger->context_count; i++) {
        const struct ctx *ctx = ledger->contexts[i];
        unsigned looks = 0;
        while (atomic_load_explicit(&ctx->taking, memory_order_acquire)) /* M2 */
            if (++looks == LOOKS_AT_CTX)
                return false;
    }
    *lsn = atomic_load_explicit(&ledger->log->tail, memory_order_acquire);
    return true;
}
