/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of events: what a reader finds, and what it is told that it missed. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/events/events.h"

enum { CAPACITY = 8 };

static struct events events;

static void set_up(void)
{
    memset(&events, 0, sizeof events);
    cr_assert_eq(events_init(&events, CAPACITY), 0);
}

static void tear_down(void)
{
    events_destroy(&events);
}

TestSuite(events, .init = set_up, .fini = tear_down);

static void add(uint64_t lsn)
{
    struct event event = { .lsn = lsn,
                           .time_ms = lsn + 1000,
                           .item = 3,
                           .location = 4,
                           .channel = 5,
                           .type = EVENT_LOST,
                           .id_len = ID_MAX,
                           .has_qty = true,
                           .qty = -(int64_t)lsn };
    memset(event.id, 'a' + (int)(lsn % 26), ID_MAX);
    events_add(&events, &event);
}

static void must_be(uint64_t count, uint64_t lsn)
{
    struct event event;
    cr_assert_eq(events_get(&events, count, &event), EVENT_FOUND);
    cr_assert_eq(event.lsn, lsn);
    cr_assert_eq(event.time_ms, lsn + 1000);
    cr_assert_eq(event.item, 3);
    cr_assert_eq(event.location, 4);
    cr_assert_eq(event.channel, 5);
    cr_assert_eq(event.type, EVENT_LOST);
    cr_assert(event.has_qty);
    cr_assert_eq(event.qty, -(int64_t)lsn);
    cr_assert_eq(event.id_len, ID_MAX);
    cr_assert_eq(event.id[0], (char)('a' + (int)(lsn % 26)));
    cr_assert_eq(event.id[ID_MAX - 1], event.id[0]);
}

Test(events, has_none_at_first)
{
    struct event event;
    cr_assert_eq(events_find(&events, 0), 0);
    cr_assert_eq(events_get(&events, 0, &event), EVENT_NOT_YET);
    cr_assert_not(events_missed(&events, 0));
}

Test(events, are_found_by_their_lsn)
{
    struct event event;
    for (uint64_t lsn = 10; lsn <= 50; lsn += 10)
        add(lsn);
    add(50); /* two of one record */
    for (uint64_t lsn = 0; lsn < 60; lsn++) {
        uint64_t at = events_find(&events, lsn);
        cr_assert_eq(at, lsn < 50 ? lsn / 10 : 6, "after %d: %d", (int)lsn, (int)at);
        if (lsn < 50)
            must_be(at, (lsn / 10 + 1) * 10);
        else
            cr_assert_eq(events_get(&events, at, &event), EVENT_NOT_YET);
    }
    must_be(5, 50);
}

Test(events, that_are_overwritten_are_missed)
{
    struct event event;
    for (uint64_t lsn = 10; lsn <= 10 * (CAPACITY + 3); lsn += 10)
        add(lsn);
    cr_assert_eq(events_oldest(&events), 3);
    cr_assert_eq(events_get(&events, 2, &event), EVENT_OVERWRITTEN);
    must_be(3, 40);
    cr_assert_eq(events_find(&events, 0), 3);
    cr_assert(events_missed(&events, 29));
    cr_assert_not(events_missed(&events, 30)); /* it had seen the last one that is gone */
}

Test(events, may_be_forgotten)
{
    events_forget(&events, 77);
    events_forget(&events, 55);
    cr_assert(events_missed(&events, 76));
    cr_assert_not(events_missed(&events, 77));
}

Test(events, have_names)
{
    enum event_type type;
    for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
        cr_assert(event_type_named(text_of(event_type_name(i)), &type));
        cr_assert_eq((unsigned)type, i);
    }
    cr_assert_not(event_type_named(text_of("sold"), &type));
    cr_assert_null(event_type_name(EVENT_TYPE_COUNT));
}

/* ---- records ---- */

static _Alignas(8) unsigned char run[4096];
static size_t run_length;

static void put(const void *record, uint32_t length)
{
    memcpy(run + run_length, record, length);
    run_length += length;
}

static void put_crossing(const struct level_record *levels, uint16_t count, int64_t available)
{
    _Alignas(8) unsigned char bytes[RECORD_MAX];
    struct crossing_fields f = { .fixed = { .head = { .type = RECORD_CROSSING },
                                            .time_ms = 7,
                                            .available = available,
                                            .level_count = count } };
    struct record_builder b = crossing_begin(bytes, &f);
    record_add(&b, levels, count * (uint32_t)sizeof levels[0]);
    put(bytes, record_end(&b));
}

Test(events, come_from_records)
{
    _Alignas(8) unsigned char bytes[RECORD_MAX];
    struct event event;
    struct level_record quiet[2] = { { 1, 0, LEVEL_NONE | LEVEL_IN << 4, 0 },
                                     { 2, 0, LEVEL_LOW | LEVEL_IN << 4, 0 } };
    struct level_record both = { 9, 2, LEVEL_IN | LEVEL_OUT << 4, TOLD_SOLD_OUT | TOLD_LOW_STOCK };
    struct due_fields due = { .fixed = { .head = { .type = RECORD_DUE }, .time_ms = 8 },
                              .id = text_of("po-1") };
    run_length = 0;
    put_crossing(quiet, 2, 0);
    put_crossing(&both, 1, -4);
    for (int late = 0; late <= 1; late++) {
        due.fixed.late = (uint8_t)late;
        due.fixed.location = 6;
        struct record_builder b = due_begin(bytes, &due);
        put(bytes, record_end(&b));
    }
    events_take_run(&events, run, run_length, 1000);

    cr_assert_eq(events_get(&events, 0, &event), EVENT_FOUND);
    cr_assert_eq(event.type, EVENT_LOW_STOCK);
    cr_assert_eq(event.item, 9);
    cr_assert_eq(event.channel, 2);
    cr_assert_eq(event.location, EVENT_NO_PLACE);
    cr_assert_eq(event.qty, -4);
    cr_assert_eq(event.time_ms, 7);
    uint64_t lsn = event.lsn;
    cr_assert_eq(events_get(&events, 1, &event), EVENT_FOUND);
    cr_assert_eq(event.type, EVENT_SOLD_OUT);
    cr_assert_eq(event.lsn, lsn);
    cr_assert_eq(events_get(&events, 2, &event), EVENT_FOUND);
    cr_assert_eq(event.type, EVENT_LATE);
    cr_assert_eq(event.lsn, 1000 + run_length);
    cr_assert_eq(event.location, 6);
    cr_assert_eq(event.item, EVENT_NO_ITEM);
    cr_assert_not(event.has_qty);
    cr_assert_eq(event.id_len, 4);
    cr_assert_eq(memcmp(event.id, "po-1", 4), 0);
    cr_assert_eq(events_get(&events, 3, &event), EVENT_NOT_YET);
}
