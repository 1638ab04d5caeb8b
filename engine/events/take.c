/* SPDX-License-Identifier: Apache-2.0 */
/* Which records are events: one row of a table for each type of record that is any. */
#include <assert.h>
#include <string.h>

#include "engine/events/events.h"

struct taking {
    struct events *events;
    const struct record_head *record;
    uint64_t lsn;
};

/* An event of the record; the caller adds what applies. */
static struct event event_of(const struct taking *t, enum event_type type, uint64_t time_ms)
{
    return (struct event){ .lsn = t->lsn,
                           .time_ms = time_ms,
                           .item = EVENT_NO_ITEM,
                           .location = EVENT_NO_PLACE,
                           .channel = EVENT_NO_CHANNEL,
                           .type = (uint8_t)type };
}

static void set_id(struct event *event, struct text id)
{
    event->id_len = (uint8_t)(id.len <= ID_MAX ? id.len : 0);
    memcpy(event->id, id.at, event->id_len);
}

static void set_qty(struct event *event, int64_t qty)
{
    event->has_qty = true;
    event->qty = qty;
}

/* ---- the records ---- */

static void take_crossing(const struct taking *t)
{
    static const struct {
        unsigned told;
        enum event_type type;
    } kinds[] = { { TOLD_LOW_STOCK, EVENT_LOW_STOCK },
                  { TOLD_SOLD_OUT, EVENT_SOLD_OUT },
                  { TOLD_BACK_IN_STOCK, EVENT_BACK_IN_STOCK } };
    struct crossing_fields f;
    if (!crossing_decode(t->record, &f))
        return;
    for (uint32_t i = 0; i < f.fixed.level_count; i++) {
        for (unsigned kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
            if (!(f.levels[i].told & kinds[kind].told))
                continue;
            struct event event = event_of(t, kinds[kind].type, f.fixed.time_ms);
            event.item = f.levels[i].item;
            event.channel = f.levels[i].channel;
            set_qty(&event, f.fixed.available);
            events_add(t->events, &event);
        }
    }
}

static void take_due(const struct taking *t)
{
    struct due_fields f;
    if (!due_decode(t->record, &f) || !f.fixed.late)
        return;
    struct event event = event_of(t, EVENT_LATE, f.fixed.time_ms);
    event.location = f.fixed.location;
    set_id(&event, f.id);
    events_add(t->events, &event);
}

static void take_arrive(const struct taking *t)
{
    struct supply_step_fields f;
    if (!supply_step_decode(t->record, &f))
        return;
    for (uint32_t i = 0; i < f.fixed.line_count; i++) {
        const struct move_record *move = &f.moves[i];
        for (int lost = 0; lost <= 1; lost++) {
            uint32_t qty = lost ? move->lost : move->over;
            struct event event = event_of(t, lost ? EVENT_LOST : EVENT_OVERAGE, f.fixed.time_ms);
            event.item = move->item;
            event.location = f.fixed.location;
            set_id(&event, f.id);
            set_qty(&event, qty);
            if (qty > 0)
                events_add(t->events, &event);
        }
    }
}

static void take_expire(const struct taking *t)
{
    struct expire_fields f;
    if (!expire_decode(t->record, &f))
        return;
    struct event event = event_of(t, EVENT_EXPIRED, f.fixed.time_ms);
    event.channel = f.fixed.channel;
    set_id(&event, f.id);
    events_add(t->events, &event);
}

static void take_set_aside(const struct taking *t)
{
    struct set_aside_fields f;
    if (!set_aside_decode(t->record, &f))
        return;
    struct event event = event_of(t, EVENT_READY, f.fixed.time_ms);
    event.location = f.fixed.location;
    event.channel = f.fixed.channel;
    set_id(&event, f.id);
    events_add(t->events, &event);
}

static void take_not_collected(const struct taking *t)
{
    struct not_collected_fields f;
    if (!not_collected_decode(t->record, &f))
        return;
    struct event event = event_of(t, EVENT_NOT_COLLECTED, f.fixed.time_ms);
    event.location = f.fixed.location;
    event.channel = f.fixed.channel;
    set_id(&event, f.id);
    events_add(t->events, &event);
}

/* Where the units come from now. */
static void take_redraw(const struct taking *t)
{
    struct redraw_fields f;
    if (!redraw_decode(t->record, &f))
        return;
    enum event_type type = t->record->type == RECORD_MOVE ? EVENT_MOVED : EVENT_SOURCED;
    for (uint32_t i = 0; i < f.fixed.draw_count; i++) {
        struct event event = event_of(t, type, f.fixed.time_ms);
        event.item = f.drawn[i].pool.item;
        event.location = f.drawn[i].pool.location;
        event.channel = f.fixed.channel;
        set_id(&event, f.id);
        set_qty(&event, f.drawn[i].qty);
        events_add(t->events, &event);
    }
}

/* What a place could not give, where it comes from now, and what of it nobody has. */
static void take_reject(const struct taking *t)
{
    struct reject_fields f;
    if (!reject_decode(t->record, &f))
        return;
    for (uint32_t i = 0; i < f.fixed.less_count; i++) {
        struct event event = event_of(t, EVENT_REJECTED, f.fixed.time_ms);
        event.item = f.less[i].item;
        event.location = f.fixed.location;
        event.channel = f.fixed.channel;
        set_id(&event, f.id);
        set_qty(&event, f.less[i].qty);
        events_add(t->events, &event);
    }
    for (uint32_t i = 0; i < f.fixed.draw_count; i++) {
        uint16_t location = f.drawn[i].pool.location; /* the backlog is at none */
        enum event_type type = location == EVENT_NO_PLACE ? EVENT_UNSOURCED : EVENT_MOVED;
        struct event event = event_of(t, type, f.fixed.time_ms);
        event.item = f.drawn[i].pool.item;
        event.location = location;
        event.channel = f.fixed.channel;
        set_id(&event, f.id);
        set_qty(&event, f.drawn[i].qty);
        events_add(t->events, &event);
    }
}

/* Without an id, fewer promises are short than were. */
static void take_short(const struct taking *t)
{
    struct shortage_fields f;
    if (!shortage_decode(t->record, &f) || f.id.len == 0)
        return;
    struct event event = event_of(t, EVENT_SHORT, f.fixed.time_ms);
    event.item = f.fixed.pool.item;
    event.location = f.fixed.pool.location;
    if (f.fixed.channel != 0)
        event.channel = (uint16_t)(f.fixed.channel - 1);
    set_id(&event, f.id);
    set_qty(&event, f.fixed.qty);
    events_add(t->events, &event);
}

/* A type without a row has no events. */
static void (*const takers[UINT8_MAX + 1])(const struct taking *) = {
    [RECORD_CROSSING] = take_crossing, [RECORD_DUE] = take_due,
    [RECORD_ARRIVE] = take_arrive,     [RECORD_EXPIRE] = take_expire,
    [RECORD_READY] = take_set_aside,   [RECORD_NOT_COLLECTED] = take_not_collected,
    [RECORD_MOVE] = take_redraw,       [RECORD_SOURCED] = take_redraw,
    [RECORD_REJECT] = take_reject,     [RECORD_SHORT] = take_short,
};

void events_take(struct events *events, const struct record_head *record, uint64_t lsn)
{
    struct taking t = { events, record, lsn };
    if (takers[record->type])
        takers[record->type](&t);
}

void events_take_run(void *context, const void *records, size_t length, uint64_t position)
{
    const unsigned char *at = records;
    for (size_t done = 0; done < length;) {
        const struct record_head *record = (const struct record_head *)(const void *)(at + done);
        assert(record->length >= sizeof *record);
        assert(record->length <= length - done);
        done += record->length;
        events_take(context, record, position + done);
    }
}
