/* SPDX-License-Identifier: Apache-2.0 */
/* The history, folded from records made here by hand. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/history/history.h"
#include "engine/log/record_layout.h"
#include "engine/store/id_table.h"
#include "engine/store/pool.h"

static struct history history;
static struct history_query *kept;
static _Alignas(8) unsigned char bytes[RECORD_MAX];
static uint64_t lsn;

static void open_history(enum history_subject subject, uint32_t item, const char *id)
{
    struct history_filter filter = { .subject = subject, .item = item };
    if (id) {
        filter.id_len = (uint8_t)strlen(id);
        memcpy(filter.id, id, filter.id_len);
    }
    history_open(&history, &filter);
    history_query_free(kept);
    kept = history_query_new(HISTORY_EVENTS);
    lsn = 0;
}

static void close_history(void)
{
    history_close(&history);
    history_query_free(kept);
    kept = NULL;
}

TestSuite(history, .fini = close_history);

static int keep(void *context, const struct history_event *event)
{
    return history_keep(context, event);
}

/* Every event's ids must be among those by which its record is found. */
static void find_ids(const struct record_head *record, uint32_t first_event)
{
    struct text ids[RECORD_IDS];
    int count = record_ids(record, ids);
    for (uint32_t i = first_event; i < kept->event_count; i++) {
        bool found = false;
        char id[ID_MAX];
        const struct history_event *event = &kept->events[i];
        memcpy(id, kept->texts + (uintptr_t)event->id.at, event->id.len);
        for (int j = 0; j < count; j++)
            found |= text_equal(ids[j], (struct text){ id, event->id.len });
        cr_assert(found || event->id.len == 0, "a record of type %u", record->type);
    }
}

static int take(struct record_builder *builder)
{
    const struct record_head *record = (const struct record_head *)(void *)bytes;
    uint32_t events = kept->event_count;
    lsn += record_end(builder);
    int error = history_take(&history, record, lsn, 99, keep, kept);
    if (!error)
        find_ids(record, events);
    return error;
}

static int receive(const char *id, uint32_t item, uint16_t location, int32_t qty)
{
    struct movement_record r = { .head = { .type = RECORD_MOVEMENT, .flags = MOVE_RECEIVE },
                                 .time_ms = 7,
                                 .pool = { item, location, 0 },
                                 .delta = qty,
                                 .id_len = (uint8_t)strlen(id) };
    struct record_builder builder = record_begin(bytes, &r, sizeof r);
    record_add_text(&builder, text_of(id));
    return take(&builder);
}

static int reserve(const char *id, const struct draw_record *draws, uint16_t count)
{
    struct reserve_record r = { .head = { .type = RECORD_RESERVE },
                                .ttl_ms = 1000,
                                .draw_count = count,
                                .id_len = (uint8_t)strlen(id) };
    struct record_builder builder = record_begin(bytes, &r, sizeof r);
    record_add_text(&builder, text_of(id));
    record_add(&builder, draws, count * sizeof *draws);
    return take(&builder);
}

static int step(enum record_type type, const char *id, uint16_t draw, uint32_t qty)
{
    struct step_head_record r = { .head = { .type = (uint8_t)type, .flags = STATE_CONFIRMED },
                                  .step_count = qty > 0,
                                  .id_len = (uint8_t)strlen(id) };
    struct step_record part = { .draw = draw, .qty = qty };
    struct record_builder builder = record_begin(bytes, &r, sizeof r);
    record_add_text(&builder, text_of(id));
    if (qty > 0)
        record_add(&builder, &part, sizeof part);
    return take(&builder);
}

static int expire(const char *id)
{
    struct expire_record r = { .head = { .type = RECORD_EXPIRE }, .id_len = (uint8_t)strlen(id) };
    struct record_builder builder = record_begin(bytes, &r, sizeof r);
    record_add_text(&builder, text_of(id));
    return take(&builder);
}

static const struct draw_record two_items[] = {
    { { 0, 0, 0 }, 3 },
    { { 1, 0, 0 }, 4 },
    { { 1, 1, 0 }, 5 },
};

static void life(void)
{
    cr_assert_eq(receive("r0", 0, 0, 10), 0);
    cr_assert_eq(receive("r1", 1, 0, 10), 0);
    cr_assert_eq(receive("r2", 1, 1, 10), 0);
    cr_assert_eq(reserve("o", two_items, 3), 0);
    cr_assert_eq(step(RECORD_FULFIL, "o", 1, 2), 0);
    cr_assert_eq(step(RECORD_CANCEL, "o", 0, 0), 0);
    history_settle_texts(kept);
}

Test(history, of_an_item_only_what_concerns_it)
{
    open_history(HISTORY_ITEM, 0, NULL);
    life();
    cr_assert_eq(kept->event_count, 3);
    cr_assert_str_eq(kept->events[2].type, "cancel");
    cr_assert_eq(kept->events[2].qty, 3);
    cr_assert_eq(kept->events[2].on_hand, 10);
    cr_assert_eq(kept->events[2].reserved, 0);
    cr_assert_eq(history.holds.count, 0);
}

Test(history, steps_find_their_draw_by_its_place_in_the_whole_reservation)
{
    open_history(HISTORY_ITEM, 1, NULL);
    life();
    cr_assert_eq(kept->event_count, 7);
    const struct history_event *part = &kept->events[4];
    cr_assert_str_eq(part->type, "fulfil");
    cr_assert_eq(part->pool.location, 0);
    cr_assert_eq(part->qty, 2);
    cr_assert_eq(part->on_hand, 8);
    cr_assert_eq(part->reserved, 2);
    cr_assert_eq(kept->events[5].qty, 2);
    cr_assert_eq(kept->events[6].qty, 5);
    cr_assert(text_equal(kept->events[6].id, text_of("o")));
}

Test(history, of_an_id_the_whole_life)
{
    open_history(HISTORY_ID, 0, "o");
    life();
    cr_assert_eq(kept->event_count, 3 + 1 + 3);
    for (uint32_t i = 0; i < kept->event_count; i++)
        cr_assert_not(kept->events[i].has_stock);
}

Test(history, a_reused_id_begins_anew)
{
    open_history(HISTORY_ALL, 0, NULL);
    life();
    cr_assert_eq(reserve("o", two_items, 1), 0);
    cr_assert_eq(expire("o"), 0);
    cr_assert_eq(kept->events[kept->event_count - 1].qty, 3);
    cr_assert_eq(expire("o"), 0);
    cr_assert_not(history.concerned);
}

Test(history, many_pools_and_reservations)
{
    char id[16];
    open_history(HISTORY_ALL, 0, NULL);
    for (uint32_t i = 0; i < 1000; i++) {
        struct draw_record draw = { { i, 0, 0 }, 1 };
        snprintf(id, sizeof id, "o%u", i);
        cr_assert_eq(receive("r", i, 0, 2), 0);
        cr_assert_eq(reserve(id, &draw, 1), 0);
    }
    cr_assert_eq(history.holds.count, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "o%u", i);
        cr_assert_eq(step(RECORD_FULFIL, id, 0, 0), 0);
    }
    cr_assert_eq(history.holds.count, 0);
    size_t cursor = 0;
    unsigned count = 0;
    const struct history_pool *pool;
    for (; (pool = history_next_pool(&history, &cursor)); count++)
        cr_assert(pool->on_hand == 1 && pool->reserved == 0);
    cr_assert_eq(count, 1000);
}

Test(history, what_does_not_fit_is_refused)
{
    open_history(HISTORY_ALL, 0, NULL);
    life();
    cr_assert_eq(reserve("p", two_items, 3), 0);
    cr_assert_eq(step(RECORD_FULFIL, "p", 1, 5), -EILSEQ, "more than is left");
    struct movement_record r = { .head = { .type = RECORD_MOVEMENT, .flags = 9 } };
    struct record_builder builder = record_begin(bytes, &r, sizeof r);
    cr_assert_eq(take(&builder), -EILSEQ);
    builder = record_begin(bytes, &(struct record_head){ .type = RECORD_RESERVE }, 8);
    cr_assert_eq(take(&builder), -EILSEQ);
}

static int ids_of(struct record_builder *builder, struct text ids[RECORD_IDS])
{
    record_end(builder);
    return record_ids((const struct record_head *)(void *)bytes, ids);
}

Test(history, a_record_is_found_by_every_id_that_it_names)
{
    struct text ids[RECORD_IDS];
    struct movement_record r = { .head = { .type = RECORD_MOVEMENT, .flags = MOVE_RETURN },
                                 .id_len = 1,
                                 .ref_len = 2 };
    struct record_builder builder = record_begin(bytes, &r, sizeof r);
    record_add_text(&builder, text_of("brr"));
    cr_assert_eq(ids_of(&builder, ids), 2, "the reservation that a return names, too");
    cr_assert(text_equal(ids[0], text_of("b")) && text_equal(ids[1], text_of("rr")));
    struct step_head_record step = { .head = { .type = RECORD_FULFIL }, .id_len = 1, .op_len = 2 };
    builder = record_begin(bytes, &step, sizeof step);
    record_add_text(&builder, text_of("soo"));
    cr_assert_eq(ids_of(&builder, ids), 2);
    cr_assert(text_equal(ids[0], text_of("s")) && text_equal(ids[1], text_of("oo")));
    builder = record_begin(bytes, &(struct record_head){ .type = RECORD_VOID }, 8);
    cr_assert_eq(ids_of(&builder, ids), 0);
    builder = record_begin(bytes, &(struct record_head){ .type = 250 }, 8);
    cr_assert_eq(ids_of(&builder, ids), -1, "a type of a later version");
}
