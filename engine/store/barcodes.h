/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which item has a barcode: an index from barcodes to items.
 *
 * An open-addressing table has one slot for each barcode: the item with the lowest index among
 * those that have it. The others hang below that item in a pairing heap (Fredman et al. 1986), so
 * that a million items with the barcode "none" cost no more than a million different ones. At most
 * half of the slots are in use; a barcode that no item has any more leaves no trace.
 *
 * One thread at a time changes the index, and increments `version` before and after. A look-up that
 * meets a change finds ITEM_BUSY: otherwise it might find nobody while a barcode moves from one
 * item to another. What it finds is true of one instant, because it compares the barcode that it
 * looks for with the one in the item's current details.
 */
#ifndef STOCKD_ENGINE_STORE_BARCODES_H
#define STOCKD_ENGINE_STORE_BARCODES_H

#include "engine/store/item.h"

struct barcode_heap;

struct barcodes {
    /* Index + 1 of an item; 0: empty. The holder of catalogue_busy writes them, with release; a
     * look-up acquires: it then sees that a change has begun, see `version`. */
    _Atomic uint32_t *slots;
    uint32_t mask, max_items;
    struct barcode_heap *heap; /* of each item, by index + 1; the holder of catalogue_busy */
    /* Odd: a change is under way. The holder of catalogue_busy writes it: odd before what it
     * changes, even with release afterwards. A look-up acquires it first; its second look comes
     * after its acquires of slots and details. */
    _Atomic uint32_t version;
};

/* 0 or -ENOMEM. */
int barcodes_init(struct barcodes *barcodes, uint32_t max_items);
void barcodes_destroy(struct barcodes *barcodes);

/* The lowest index among the items with that barcode, and its details, in which the barcode is;
 * ITEM_NONE; or ITEM_BUSY: try again soon. Only within an iteration of a context, which keeps the
 * details in memory. No item has the empty barcode. */
int64_t barcodes_find(const struct barcodes *barcodes, const struct items *items,
                      struct text barcode, const struct item_details **details);

/* Makes `details` those of the item, so that it is found by its new barcode, and no longer by the
 * old one. The old details are the caller's to retire. The caller holds catalogue_busy. */
void barcodes_show(struct barcodes *barcodes, struct items *items, uint32_t item,
                   struct item_details *details);

/* Adds the details of all items to an empty index, before other threads start. */
void barcodes_build(struct barcodes *barcodes, const struct items *items);

static inline struct text details_barcode(const struct item_details *details)
{
    return details ? (struct text){ details->barcode, details->barcode_len }
                   : (struct text){ NULL, 0 };
}

#endif
