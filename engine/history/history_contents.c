/* SPDX-License-Identifier: Apache-2.0 */
/* Begins a history with snapshot contents, in place of all records before the snapshot. */
#include <errno.h>
#include <string.h>

#include "engine/history/history_inside.h"
#include "engine/store/supply_lines.h"

static int load_item(struct history *history, const struct contents_item *item,
                     const unsigned char *pools)
{
    const struct history_filter *filter = &history->filter;
    bool asked = filter->subject == HISTORY_ALL ||
                 (filter->subject == HISTORY_ITEM && filter->item == item->item);
    if (!asked)
        return 0;
    if (history->born && filter->subject == HISTORY_ITEM)
        return -EILSEQ; /* an item has one record */
    history->born = true;
    for (uint32_t i = 0; i < item->pool_count; i++) {
        struct contents_pool pool;
        memcpy(&pool, pools + i * sizeof pool, sizeof pool);
        struct pool_key key = { item->item, pool.location, pool.owner };
        if (history_set_pool(history, &key, pool.on_hand, pool.reserved) != 0)
            return -ENOMEM;
    }
    return 0;
}

static int load_items(struct history *history, const unsigned char *at, size_t left)
{
    while (left > 0) {
        struct contents_item item;
        if (!contents_open_record(at, left, &item, sizeof item) ||
            item.pool_count > (item.length - sizeof item) / sizeof(struct contents_pool))
            return -EILSEQ;
        int error = load_item(history, &item, at + sizeof item);
        if (error)
            return error;
        at += item.length;
        left -= item.length;
    }
    return 0;
}

/* Finished ones too: their units may still be returned. */
static int see_reservation(struct history *history, const struct contents_entry *entry,
                           const unsigned char *draws)
{
    struct text id = { (const char *)draws + entry->draw_count * sizeof(struct contents_draw),
                       entry->id_len };
    if (history->filter.subject != HISTORY_ID ||
        !text_equal(id, (struct text){ history->filter.id, history->filter.id_len }))
        return 0;
    if (history->seen.known)
        return -EILSEQ; /* an id has one entry */
    history->seen.known = true;
    history->seen.state = (enum entry_state)entry->state;
    history->seen.channel = entry->channel;
    for (uint16_t i = 0; i < entry->draw_count; i++) {
        struct contents_draw draw;
        memcpy(&draw, draws + i * sizeof draw, sizeof draw);
        if (draw.pool.item == history->filter.item)
            history->seen.fulfilled += draw.fulfilled;
    }
    return 0;
}

static int load_reservation(struct history *history, const struct contents_entry *entry,
                            const unsigned char *draws)
{
    const struct history_filter *filter = &history->filter;
    struct text id = { (const char *)draws + entry->draw_count * sizeof(struct contents_draw),
                       entry->id_len };
    bool asked = filter->subject == HISTORY_ALL ||
                 (filter->subject == HISTORY_ID &&
                  text_equal(id, (struct text){ filter->id, filter->id_len }));
    struct history_draw kept[DRAWS_MAX];
    uint32_t count = 0;
    for (uint16_t i = 0; i < entry->draw_count; i++) {
        struct contents_draw draw;
        memcpy(&draw, draws + i * sizeof draw, sizeof draw);
        if ((uint64_t)draw.fulfilled + draw.cancelled > draw.qty)
            return -EILSEQ;
        uint32_t left = draw.qty - draw.fulfilled - draw.cancelled;
        if (asked || (filter->subject == HISTORY_ITEM && filter->item == draw.pool.item))
            kept[count++] = (struct history_draw){ draw.pool, i, draw.qty, left };
    }
    return count > 0 ? history_set_hold(history, id, entry->channel, kept, count) : 0;
}

static bool asks_lines(const struct history *history, struct text id,
                       const struct history_line *lines, uint32_t count)
{
    bool asks = history->filter.subject == HISTORY_ALL || history_asks_id(history, id);
    for (uint32_t i = 0; i < count && !asks; i++)
        asks = history->filter.subject == HISTORY_ITEM && history->filter.item == lines[i].item;
    return asks;
}

/* A supply that is not over. */
static int load_supply(struct history *history, const struct contents_entry *entry,
                       const unsigned char *at)
{
    struct text id = { (const char *)at, entry->id_len };
    struct history_line lines[LINES_MAX];
    uint32_t count = entry->supply.line_count;
    struct history_supply head = { .eta_ms = entry->supply.eta_ms,
                                   .from = entry->supply.from,
                                   .location = entry->supply.location,
                                   .state = (enum supply_state)entry->state };
    if (count > LINES_MAX ||
        count * sizeof(struct contents_line) + entry->id_len > entry->length - sizeof *entry)
        return -EILSEQ;
    for (uint32_t i = 0; i < count; i++) {
        struct contents_line line;
        memcpy(&line, at + entry->id_len + i * sizeof line, sizeof line);
        bool expected = owner_kind(line.pool.owner) == POOL_EXPECTED;
        lines[i] = (struct history_line){ .item = line.pool.item,
                                          .slot = expected ? expected_slot(line.pool.owner) : 0,
                                          .line = { 0, line.qty, line.shipped, line.accepted,
                                                    line.rejected, line.lost, line.over } };
        if (!expected && line_under_way(&lines[i].line) > 0)
            return -EILSEQ;
    }
    return asks_lines(history, id, lines, count)
               ? history_set_supply(history, id, &head, lines, count)
               : 0;
}

static int load_entries(struct history *history, const unsigned char *at, size_t left)
{
    while (left > 0) {
        struct contents_entry entry;
        if (!contents_open_record(at, left, &entry, sizeof entry) || entry.id_len > ID_MAX ||
            entry.draw_count > DRAWS_MAX ||
            contents_draws(&entry) * sizeof(struct contents_draw) + entry.id_len >
                entry.length - sizeof entry)
            return -EILSEQ;
        bool reservation = entry.kind == ENTRY_RESERVATION && entry.state < STATE_COUNT;
        bool open = reservation && !state_final((enum entry_state)entry.state);
        int error = reservation ? see_reservation(history, &entry, at + sizeof entry) : 0;
        if (!error && open)
            error = load_reservation(history, &entry, at + sizeof entry);
        if (!error && entry.kind == ENTRY_SUPPLY && !supply_over((enum supply_state)entry.state))
            error = load_supply(history, &entry, at + sizeof entry);
        if (error)
            return error;
        at += entry.length;
        left -= entry.length;
    }
    return 0;
}

int history_load(struct history *history, enum contents_kind kind, const unsigned char *bytes,
                 size_t length)
{
    if (kind == CONTENTS_ITEMS)
        return load_items(history, bytes, length);
    return kind == CONTENTS_ENTRIES ? load_entries(history, bytes, length) : 0;
}
