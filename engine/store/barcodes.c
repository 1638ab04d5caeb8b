/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/barcodes.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/base/memory.h"

/* An item among those with the same barcode. Links are index + 1; 0: none. */
struct barcode_heap {
    uint32_t child; /* the first of its children, whose indexes are all higher */
    uint32_t next;  /* sibling */
    uint32_t prev;  /* sibling, or the parent of a first child; 0: the root */
};

static uint32_t slot_count(const struct barcodes *barcodes)
{
    return barcodes->mask + 1;
}

static size_t heap_size(const struct barcodes *barcodes)
{
    return ((size_t)barcodes->max_items + 1) * sizeof *barcodes->heap;
}

int barcodes_init(struct barcodes *barcodes, uint32_t max_items)
{
    uint64_t slots = 16;
    while (slots < (uint64_t)max_items * 2)
        slots *= 2;
    memset(barcodes, 0, sizeof *barcodes);
    barcodes->mask = (uint32_t)(slots - 1);
    barcodes->max_items = max_items;
    barcodes->slots = memory_reserve((size_t)slots * sizeof *barcodes->slots);
    barcodes->heap = memory_reserve(heap_size(barcodes));
    return barcodes->slots && barcodes->heap ? 0 : -ENOMEM;
}

void barcodes_destroy(struct barcodes *barcodes)
{
    memory_release((void *)barcodes->slots, (size_t)slot_count(barcodes) * sizeof(uint32_t));
    memory_release(barcodes->heap, heap_size(barcodes));
}

/* ---- looking up ---- */

static const struct item_details *details_of(const struct items *items, uint32_t item)
{
    /* Acquire: for what the pointer leads to, and for the second look at `version`. */
    return atomic_load_explicit(&items->details[item], memory_order_acquire);
}

static uint32_t home_slot(const struct barcodes *barcodes, const struct items *items,
                          struct text barcode)
{
    return (uint32_t)sku_hash(items, barcode) & barcodes->mask;
}

struct found {
    uint32_t slot;                      /* of the barcode, or the empty one where it belongs */
    uint32_t item;                      /* what is in it: index + 1; 0: empty */
    const struct item_details *details; /* of the item, as they were compared; NULL: none */
};

static struct found probe(const struct barcodes *barcodes, const struct items *items,
                          struct text barcode)
{
    struct found f = { .slot = home_slot(barcodes, items, barcode) };
    for (;; f.slot = (f.slot + 1) & barcodes->mask) {
        f.item = atomic_load_explicit(&barcodes->slots[f.slot], memory_order_acquire);
        f.details = f.item == 0 ? NULL : details_of(items, f.item - 1);
        if (f.item == 0 || text_equal(details_barcode(f.details), barcode))
            return f;
    }
}

int64_t barcodes_find(const struct barcodes *barcodes, const struct items *items,
                      struct text barcode, const struct item_details **details)
{
    *details = NULL;
    if (barcode.len == 0 || barcode.len > NAME_MAX_BYTES)
        return ITEM_NONE;
    uint32_t version = atomic_load_explicit(&barcodes->version, memory_order_acquire);
    if (version % 2 != 0)
        return ITEM_BUSY;
    struct found f = probe(barcodes, items, barcode);
    /* Relaxed: a probe that acquired anything of a change sees that the change has begun. */
    if (atomic_load_explicit(&barcodes->version, memory_order_relaxed) != version)
        return ITEM_BUSY;
    *details = f.details;
    return f.item == 0 ? ITEM_NONE : (int64_t)f.item - 1;
}

/* ---- items with the same barcode ---- */

/* Both are roots, or 0. Returns the root of what is one heap then. */
static uint32_t meld(struct barcode_heap *heap, uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    assert(a != b);
    uint32_t root = a < b ? a : b, below = a < b ? b : a;
    heap[below].prev = root;
    heap[below].next = heap[root].child;
    if (heap[below].next != 0)
        heap[heap[below].next].prev = below;
    heap[root].child = below;
    return root;
}

/* Cuts the node, with all that is below it, off its siblings. Returns the next one. */
static uint32_t cut(struct barcode_heap *heap, uint32_t node)
{
    uint32_t prev = heap[node].prev, next = heap[node].next;
    if (prev != 0 && heap[prev].child == node)
        heap[prev].child = next;
    else if (prev != 0)
        heap[prev].next = next;
    if (next != 0)
        heap[next].prev = prev;
    heap[node].next = heap[node].prev = 0;
    return next;
}

/* Makes one heap of all that is below the node: pairs from the left, then all pairs from the right.
 * Returns its root; 0: there is nothing. */
static uint32_t meld_children(struct barcode_heap *heap, uint32_t node)
{
    uint32_t pairs = 0, all = 0;
    while (heap[node].child != 0) {
        uint32_t left = heap[node].child, right = cut(heap, left);
        if (right != 0)
            cut(heap, right);
        uint32_t pair = meld(heap, left, right);
        heap[pair].next = pairs; /* a stack */
        pairs = pair;
    }
    while (pairs != 0) {
        uint32_t pair = pairs;
        pairs = heap[pair].next;
        heap[pair].next = 0;
        all = meld(heap, all, pair);
    }
    return all;
}

/* ---- changes ---- */

static void set_slot(struct barcodes *barcodes, uint32_t at, uint32_t value)
{
    /* Release: a look-up that sees it sees the odd version too. */
    atomic_store_explicit(&barcodes->slots[at], value, memory_order_release);
}

static void add(struct barcodes *barcodes, const struct items *items, uint32_t item,
                struct text barcode)
{
    if (barcode.len == 0)
        return;
    assert(item < barcodes->max_items);
    struct found f = probe(barcodes, items, barcode);
    set_slot(barcodes, f.slot, meld(barcodes->heap, f.item, item + 1));
}

/* Empties the slot, and moves up what would not be found behind an empty one (Knuth, vol. 3, 6.4,
 * algorithm R). */
static void empty_slot(struct barcodes *barcodes, const struct items *items, uint32_t hole)
{
    uint32_t at = hole;
    for (;;) {
        at = (at + 1) & barcodes->mask;
        uint32_t value = atomic_load_explicit(&barcodes->slots[at], memory_order_relaxed);
        if (value == 0)
            break;
        struct text barcode = details_barcode(details_of(items, value - 1));
        uint32_t home = home_slot(barcodes, items, barcode);
        /* Its way from home to here does not pass the hole. */
        if (((at - home) & barcodes->mask) < ((at - hole) & barcodes->mask))
            continue;
        set_slot(barcodes, hole, value);
        hole = at;
    }
    set_slot(barcodes, hole, 0);
}

/* The item's details still have the barcode. */
static void take_away(struct barcodes *barcodes, const struct items *items, uint32_t item,
                      struct text barcode)
{
    struct barcode_heap *heap = barcodes->heap;
    uint32_t node = item + 1;
    if (barcode.len == 0)
        return;
    struct found f = probe(barcodes, items, barcode);
    assert(f.item != 0);
    if (f.item != node)
        cut(heap, node);
    uint32_t below = meld_children(heap, node);
    uint32_t left = f.item == node ? below : meld(heap, f.item, below);
    if (left == 0)
        empty_slot(barcodes, items, f.slot);
    else if (left != f.item)
        set_slot(barcodes, f.slot, left);
}

void barcodes_show(struct barcodes *barcodes, struct items *items, uint32_t item,
                   struct item_details *details)
{
    struct text before = details_barcode(details_of(items, item));
    struct text now = details_barcode(details);
    bool changes = !text_equal(before, now);
    uint32_t version = atomic_load_explicit(&barcodes->version, memory_order_relaxed);
    assert(version % 2 == 0);
    if (changes) {
        /* Relaxed: the stores below release it. */
        atomic_store_explicit(&barcodes->version, version + 1, memory_order_relaxed);
        take_away(barcodes, items, item, before);
    }
    /* Sequentially consistent with the contexts' epochs, see retire(); a release besides. */
    atomic_store_explicit(&items->details[item], details, memory_order_seq_cst);
    if (changes) {
        add(barcodes, items, item, now);
        atomic_store_explicit(&barcodes->version, version + 2, memory_order_release);
    }
}

void barcodes_build(struct barcodes *barcodes, const struct items *items)
{
    uint32_t count = atomic_load(&items->count);
    assert(atomic_load(&barcodes->version) == 0); /* nothing was added yet */
    for (uint32_t i = 0; i < count; i++)
        add(barcodes, items, i, details_barcode(details_of(items, i)));
}
