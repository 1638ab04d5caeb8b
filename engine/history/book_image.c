/* SPDX-License-Identifier: Apache-2.0 */
/* The book begun from an image of the ledger, in place of all records before it. */
#include <errno.h>
#include <string.h>

#include "engine/history/book.h"
#include "engine/store/entry.h"

/* Copies a record's fixed part; false if the record is not whole. */
static bool open_record(const unsigned char *at, size_t left, void *fixed, size_t size)
{
    uint32_t length;
    if (left < size)
        return false;
    memcpy(fixed, at, size);
    memcpy(&length, at, sizeof length);
    return length >= size && length <= left && length % 8 == 0;
}

static int load_item(struct book *book, const struct image_item *item, const unsigned char *pools)
{
    const struct book_filter *filter = &book->filter;
    bool asked =
        filter->subject == BOOK_ALL || (filter->subject == BOOK_ITEM && filter->item == item->item);
    if (!asked)
        return 0;
    book->born = true;
    for (uint32_t i = 0; i < item->pool_count; i++) {
        struct image_pool pool;
        memcpy(&pool, pools + i * sizeof pool, sizeof pool);
        struct pool_key key = { item->item, pool.location, pool.owner };
        if (book_set_pool(book, &key, pool.on_hand, pool.reserved) != 0)
            return -ENOMEM;
    }
    return 0;
}

static int load_items(struct book *book, const unsigned char *at, size_t left)
{
    while (left > 0) {
        struct image_item item;
        if (!open_record(at, left, &item, sizeof item) ||
            item.pool_count > (item.length - sizeof item) / sizeof(struct image_pool))
            return -EILSEQ;
        int error = load_item(book, &item, at + sizeof item);
        if (error)
            return error;
        at += item.length;
        left -= item.length;
    }
    return 0;
}

/* A finished one, too: units of it may still be returned. */
static void see_reservation(struct book *book, const struct image_entry *entry,
                            const unsigned char *draws)
{
    struct text id = { (const char *)draws + entry->draw_count * sizeof(struct image_draw),
                       entry->id_len };
    if (book->filter.subject != BOOK_ID ||
        !text_equal(id, (struct text){ book->filter.id, book->filter.id_len }))
        return;
    book->seen.known = true;
    book->seen.state = (enum entry_state)entry->state;
    for (uint16_t i = 0; i < entry->draw_count; i++) {
        struct image_draw draw;
        memcpy(&draw, draws + i * sizeof draw, sizeof draw);
        if (draw.pool.item == book->filter.item)
            book->seen.fulfilled += draw.fulfilled;
    }
}

static int load_reservation(struct book *book, const struct image_entry *entry,
                            const unsigned char *draws)
{
    const struct book_filter *filter = &book->filter;
    struct text id = { (const char *)draws + entry->draw_count * sizeof(struct image_draw),
                       entry->id_len };
    bool asked =
        filter->subject == BOOK_ALL ||
        (filter->subject == BOOK_ID && text_equal(id, (struct text){ filter->id, filter->id_len }));
    struct book_draw kept[DRAWS_MAX];
    uint32_t count = 0;
    for (uint16_t i = 0; i < entry->draw_count; i++) {
        struct image_draw draw;
        memcpy(&draw, draws + i * sizeof draw, sizeof draw);
        uint32_t left = draw.qty - draw.fulfilled - draw.cancelled;
        if (asked || (filter->subject == BOOK_ITEM && filter->item == draw.pool.item))
            kept[count++] = (struct book_draw){ draw.pool, i, draw.qty, left };
    }
    return count > 0 ? book_set_hold(book, id, entry->channel, kept, count) : 0;
}

static int load_entries(struct book *book, const unsigned char *at, size_t left)
{
    while (left > 0) {
        struct image_entry entry;
        if (!open_record(at, left, &entry, sizeof entry) || entry.id_len > ID_MAX ||
            entry.draw_count > DRAWS_MAX ||
            entry.draw_count * sizeof(struct image_draw) + entry.id_len >
                entry.length - sizeof entry)
            return -EILSEQ;
        bool reservation = entry.kind == ENTRY_RESERVATION && entry.state < STATE_COUNT;
        bool open = reservation && !state_final((enum entry_state)entry.state);
        if (reservation)
            see_reservation(book, &entry, at + sizeof entry);
        int error = open ? load_reservation(book, &entry, at + sizeof entry) : 0;
        if (error)
            return error;
        at += entry.length;
        left -= entry.length;
    }
    return 0;
}

int book_load(struct book *book, enum image_kind kind, const unsigned char *bytes, size_t length)
{
    if (kind == IMAGE_ITEMS)
        return load_items(book, bytes, length);
    return kind == IMAGE_ENTRIES ? load_entries(book, bytes, length) : 0;
}
