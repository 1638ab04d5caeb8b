/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that take several turns: answered in parts, whole all the same, and in order. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/session_rig.h"

static struct session_rig session;
static msgpack_unpacked unpacked;

static const struct ledger_config roomy = {
    .items = 1000, .pools = 20000, .reservations = 20000, .contexts = 1, .hash_seed = 1
};

static void open_rig(void)
{
    session_rig_open(&session, NULL, &roomy);
}

static void close_rig(void)
{
    session_rig_close(&session);
}

TestSuite(slicing, .init = open_rig, .fini = close_rig);

static void must_ask(const char *method, const char *params)
{
    session_rig_ask(&session, 1, method, params);
    ledger_rig_drain(&session.rig);
    cr_assert(session_rig_reply(&session, &unpacked), "no reply to %s %s", method, params);
    cr_assert_eq(unpacked.data.via.array.ptr[2].type, MSGPACK_OBJECT_NIL, "%s %s", method, params);
    msgpack_unpacked_destroy(&unpacked);
}

static const msgpack_object *member(const msgpack_object *map, const char *key)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *name = &map->via.map.ptr[i].key;
        if (strlen(key) == name->via.str.size && !memcmp(name->via.str.ptr, key, strlen(key)))
            return &map->via.map.ptr[i].val;
    }
    cr_assert(false, "the reply has no \"%s\"", key);
    return NULL;
}

/* Turns until the reply to that msgid comes; its result, until the next call. */
static const msgpack_object *result_of(uint32_t msgid, unsigned *iterations)
{
    msgpack_unpacked_destroy(&unpacked);
    for (*iterations = 1; !session_rig_reply(&session, &unpacked); ++*iterations) {
        cr_assert(*iterations < 100000, "no reply to %u", msgid);
        cr_assert_eq(session.connection.stall, STALL_QUANTUM);
        session_rig_iteration(&session);
        session_rig_retry(&session);
    }
    const msgpack_object *parts = unpacked.data.via.array.ptr;
    cr_assert_eq(parts[1].via.u64, msgid);
    cr_assert_eq(parts[2].type, MSGPACK_OBJECT_NIL);
    return &parts[3];
}

enum { ITEMS = 600 };

static const char *question(void)
{
    enum { ROOM = ITEMS * 8 + 64 };
    static char text[ROOM];
    int length = snprintf(text, ROOM, "['default', [");
    for (int i = 0; i < ITEMS; i++)
        length += snprintf(text + length, (size_t)(ROOM - length), "'S%d', ", i);
    snprintf(text + length, (size_t)(ROOM - length), "]]");
    return text;
}

static void stock_items(void)
{
    char params[64];
    for (int i = 0; i < ITEMS; i++) {
        snprintf(params, sizeof params, "['r%d', 'S%d', 'main', %d]", i, i, i + 1);
        must_ask("receive", params);
    }
}

Test(slicing, a_long_availability_is_answered_in_parts_and_in_order)
{
    unsigned iterations;
    stock_items();
    uint64_t asked_at = log_head(session.service.log);
    session.executor.quantum = 1;
    session_rig_ask(&session, 2, "availability", question());
    session_rig_ask(&session, 3, "ping", "[]");
    cr_assert_eq(session.connection.stall, STALL_QUANTUM);
    cr_assert_not_null(session.connection.slicing);

    /* What changes meanwhile may be in the answer or not, but its lsn is from before. */
    struct movement more = {
        .id = text_of("more"), .sku = text_of("S599"), .location = text_of("main"), .qty = 5
    };
    struct movement_result moved;
    cr_assert_eq(ledger_receive(session.executor.ctx, &more, &moved), CODE_OK);
    ledger_rig_drain(&session.rig);

    const msgpack_object *result = result_of(2, &iterations);
    cr_assert_gt(iterations, 3);
    cr_assert_eq(member(result, "lsn")->via.u64, asked_at);
    const msgpack_object *stock = member(result, "stock");
    cr_assert_eq(stock->via.array.size, ITEMS);
    for (int i = 0; i < ITEMS - 1; i++)
        cr_assert_eq(stock->via.array.ptr[i].via.u64, (uint64_t)i + 1, "S%d", i);
    cr_assert_eq(stock->via.array.ptr[ITEMS - 1].via.u64, ITEMS + 5);
    cr_assert_null(session.connection.slicing);
    result = result_of(3, &iterations);
    cr_assert_eq(result->type, MSGPACK_OBJECT_STR);
}

enum { WIDE_ITEMS = 200, WIDE_CHANNELS = 50, WIDE_PLACES = 60 };

static void stock_widely(void)
{
    char params[96];
    for (int i = 1; i < WIDE_CHANNELS; i++) {
        snprintf(params, sizeof params, "['C%d']", i);
        must_ask("channel_set", params);
    }
    for (int place = 0; place < WIDE_PLACES; place++) {
        snprintf(params, sizeof params, "['P%d']", place);
        must_ask("location_set", params);
    }
    for (int i = 0; i < WIDE_ITEMS * WIDE_PLACES; i++) {
        snprintf(params, sizeof params, "['r%d', 'S%d', 'P%d', 1]", i, i % WIDE_ITEMS,
                 i / WIDE_ITEMS);
        must_ask("receive", params);
    }
}

/* All rows would be within the limit, but not within the work of a page. */
Test(slicing, a_page_of_changes_has_a_bound_by_work)
{
    uint64_t since = 0, lsn;
    uint32_t rows = 0, pages = 0;
    char params[96];
    stock_widely();
    do {
        unsigned iterations;
        snprintf(params, sizeof params, "[%llu, {'limit': 10000}]", (unsigned long long)since);
        session_rig_ask(&session, 2, "changes", params);
        const msgpack_object *result = result_of(2, &iterations);
        lsn = member(result, "lsn")->via.u64;
        rows += member(result, "changes")->via.array.size;
        cr_assert_not(member(result, "resync")->via.boolean);
        cr_assert_gt(member(result, "next")->via.u64, since, "page %u goes nowhere", pages);
        since = member(result, "next")->via.u64;
        pages++;
    } while (since < lsn);
    cr_assert_eq(rows, WIDE_ITEMS * WIDE_CHANNELS);
    cr_assert_eq(pages, 3);
}

Test(slicing, a_sku_that_cannot_be_is_refused_in_any_part)
{
    char params[ITEMS * 8 + 64];
    session.executor.quantum = 1;
    int length = snprintf(params, sizeof params, "%s", question());
    params[length - 6] = '\xff'; /* in the last sku */
    session_rig_ask(&session, 2, "availability", params);
    while (session.connection.stall == STALL_QUANTUM)
        session_rig_retry(&session);
    cr_assert(session_rig_reply(&session, &unpacked));
    const msgpack_object *error = &unpacked.data.via.array.ptr[2];
    cr_assert_eq(error->type, MSGPACK_OBJECT_ARRAY);
    cr_assert_null(session.connection.slicing);
    msgpack_unpacked_destroy(&unpacked);
}

Test(slicing, who_goes_in_the_middle_leaves_nothing)
{
    stock_items();
    session.executor.quantum = 1;
    session_rig_ask(&session, 2, "availability", question());
    cr_assert_not_null(session.connection.slicing); /* the leak checker looks at the rest */
}

Test(slicing, a_connection_gets_a_quantum_and_one_request_at_least)
{
    unsigned iterations;
    stock_items();
    session.executor.quantum = 1;
    for (uint32_t i = 0; i < 5; i++)
        session_rig_ask(&session, 10 + i, "items", "[0, {'limit': 1}]");
    for (uint32_t i = 0; i < 5; i++)
        result_of(10 + i, &iterations);
    cr_assert_eq(session.connection.stall, STALL_NONE);
}

Test(slicing, a_great_request_is_not_begun_when_it_is_crowded)
{
    unsigned iterations;
    session.executor.crowded = true;
    session_rig_ask(&session, 1, "ping", "[]");
    session_rig_ask(&session, 2, "availability", question());
    session_rig_ask(&session, 3, "ping", "[]");
    result_of(1, &iterations);
    cr_assert_eq(iterations, 1);
    cr_assert_eq(session.connection.stall, STALL_QUANTUM);
    session.executor.crowded = false;
    session_rig_retry(&session);
    result_of(2, &iterations);
    result_of(3, &iterations);
}

/* Few items and few stockings, but many pools to walk over. */
Test(slicing, stockings_are_answered_in_parts_by_the_pools_walked)
{
    enum { QUANTUM = 500 };
    unsigned iterations;
    char params[96];
    stock_widely();
    for (int i = 0; i < WIDE_ITEMS; i++) {
        snprintf(params, sizeof params, "['S%d', 'P%d', {'safety': 1}]", i, WIDE_PLACES - 1);
        must_ask("stocking_set", params);
    }
    session.executor.quantum = QUANTUM;
    session_rig_ask(&session, 2, "stockings", "[]");
    const msgpack_object *result = result_of(2, &iterations);
    cr_assert_eq(member(result, "stockings")->via.array.size, WIDE_ITEMS);
    cr_assert_gt(iterations, WIDE_ITEMS * WIDE_PLACES / QUANTUM / 2);
}

static void must_set_meanwhile(void)
{
    uint64_t lsn;
    struct calendar_setting more = { .code = text_of("more") };
    cr_assert_eq(ledger_set_calendar(session.executor.ctx, &more, &lsn), CODE_OK);
    ledger_rig_drain(&session.rig);
}

Test(slicing, calendars_are_answered_in_parts_by_their_dates)
{
    enum { CALENDARS = 20, DATES = 100, QUANTUM = 100 };
    unsigned iterations;
    char params[64 + DATES * 24];
    for (int i = 0; i < CALENDARS; i++) {
        int length = snprintf(params, sizeof params, "['K%d', {'closed': [", i);
        for (int d = 0; d < DATES; d++)
            length += snprintf(params + length, sizeof params - (size_t)length, "'%d-%02d-%02d',",
                               2030 + i, d / 28 + 1, d % 28 + 1);
        snprintf(params + length, sizeof params - (size_t)length, "]}]");
        must_ask("calendar_set", params);
    }
    uint64_t asked_at = log_head(session.service.log);
    session.executor.quantum = QUANTUM;
    session_rig_ask(&session, 2, "calendars", "[]");
    must_set_meanwhile();
    const msgpack_object *result = result_of(2, &iterations);
    cr_assert_geq(iterations, CALENDARS);
    cr_assert_eq(member(result, "lsn")->via.u64, asked_at);
    const msgpack_object *calendars = member(result, "calendars");
    cr_assert_eq(calendars->via.array.size, CALENDARS + 1);
    for (uint32_t i = 0; i < CALENDARS; i++) {
        const msgpack_object *closed = member(&calendars->via.array.ptr[i], "closed");
        cr_assert_eq(closed->via.array.size, DATES, "calendar %u", i);
    }
}

/* ---- items with more pools than any list has room for ---- */

enum { PLACES = 100, CHANNELS = 85, POOLS = PLACES * (CHANNELS + 1) };

/* At each place 1,000 units, of which i are allotted to channel i. */
static void stock_many_pools(void)
{
    char params[96];
    for (int p = 0; p < PLACES; p++) {
        snprintf(params, sizeof params, "['p%d', {}]", p);
        must_ask("location_set", params);
        snprintf(params, sizeof params, "['r%d', 'MANY', 'p%d', 10000]", p, p);
        must_ask("receive", params);
    }
    for (int c = 1; c <= CHANNELS; c++) {
        snprintf(params, sizeof params, "['c%d', {}]", c);
        must_ask("channel_set", params);
        for (int p = 0; p < PLACES; p++) {
            snprintf(params, sizeof params, "['a%d-%d', 'MANY', 'p%d', 'c%d', %d]", c, p, p, c, c);
            must_ask("allot", params);
        }
    }
}

Test(slicing, items_sums_all_pools_of_an_item)
{
    unsigned iterations;
    _Static_assert(POOLS > 8192, "more than a list of two for each location");
    stock_many_pools();
    session_rig_ask(&session, 2, "items", "[0]");
    const msgpack_object *items = member(result_of(2, &iterations), "items");
    cr_assert_eq(items->via.array.size, 1);
    const msgpack_object *places = &items->via.array.ptr[0].via.array.ptr[1];
    cr_assert_eq(places->via.array.size, PLACES);
    for (int i = 0; i < PLACES; i++)
        cr_assert_eq(places->via.array.ptr[i].via.array.ptr[1].via.u64, 10000, "place %d", i);
}

Test(slicing, stock_has_pages_and_sums_of_all_pools)
{
    unsigned iterations;
    stock_many_pools();
    session.executor.quantum = 1000;
    session_rig_ask(&session, 2, "stock", "['MANY']");
    const msgpack_object *result = result_of(2, &iterations);
    cr_assert_gt(iterations, 3);
    cr_assert_eq(member(result, "on_hand")->via.u64, UINT64_C(10000) * PLACES);
    cr_assert_eq(member(result, "pools")->via.array.size, POOLS);
    cr_assert_eq(member(result, "next")->type, MSGPACK_OBJECT_NIL);

    uint64_t after = 0, seen = 0, units = 0;
    for (bool more = true; more;) {
        char params[64];
        snprintf(params, sizeof params, "['MANY', {'after': %d, 'limit': 1000}]", (int)after);
        session_rig_ask(&session, 3, "stock", params);
        result = result_of(3, &iterations);
        cr_assert_eq(member(result, "available")->via.u64, UINT64_C(10000) * PLACES);
        const msgpack_object *pools = member(result, "pools");
        for (uint32_t i = 0; i < pools->via.array.size; i++)
            units += member(&pools->via.array.ptr[i], "on_hand")->via.u64;
        seen += pools->via.array.size;
        const msgpack_object *next = member(result, "next");
        more = next->type != MSGPACK_OBJECT_NIL;
        cr_assert(!more || next->via.u64 == seen);
        after = more ? next->via.u64 : 0;
    }
    cr_assert_eq(seen, POOLS);
    cr_assert_eq(units, UINT64_C(10000) * PLACES);
}
