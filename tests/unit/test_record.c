/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: what is built is read again, and no length is trusted. A follower that is given bytes
 * that lie applies them or refuses them, and never falls over.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "engine/log/record.h"
#include "engine/log/record_layout.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/random.h"

static _Alignas(8) unsigned char buffer[RECORD_MAX];

static const struct record_head *head_in(const unsigned char *bytes)
{
    return (const struct record_head *)(const void *)bytes;
}

/* An extend record with that id. */
static uint32_t build(struct text id)
{
    struct extend_record fixed = { .head = { .type = RECORD_EXTEND, .flags = 3, .client = 9 },
                                   .expires_ms = 123456789,
                                   .id_len = (uint8_t)id.len };
    struct record_builder b = record_begin(buffer, &fixed, sizeof fixed);
    record_add_text(&b, id);
    return record_end(&b);
}

Test(record, comes_back_as_it_was_built)
{
    char id[ID_MAX];
    memset(id, 'i', sizeof id);
    for (uint32_t n = 1; n <= ID_MAX; n++) {
        struct extend_record fixed;
        memset(buffer, 0xee, sizeof buffer);
        uint32_t length = build((struct text){ id, n });
        cr_assert_eq(length % 8, 0);
        cr_assert_lt(length - sizeof fixed - n, 8u);
        cr_assert_eq(head_in(buffer)->length, length);
        struct record_reader reader = record_open(head_in(buffer), &fixed, sizeof fixed);
        struct text text = record_text(&reader, fixed.id_len);
        cr_assert_not(reader.bad);
        cr_assert_eq(fixed.head.type, RECORD_EXTEND);
        cr_assert_eq(fixed.head.flags, 3);
        cr_assert_eq(fixed.head.client, 9);
        cr_assert_eq(fixed.expires_ms, 123456789);
        cr_assert(text_equal(text, (struct text){ id, n }));
        for (const unsigned char *p = reader.at; p < reader.end; p++)
            cr_assert_eq(*p, 0, "padding is zero");
    }
}

Test(record, an_absent_text_takes_no_place)
{
    struct record_head fixed = { .type = RECORD_VOID };
    struct record_builder b = record_begin(buffer, &fixed, sizeof fixed);
    record_add_text(&b, (struct text){ NULL, 0 });
    cr_assert_eq(record_end(&b), sizeof fixed);
}

Test(record, shorter_than_its_fixed_part_is_bad)
{
    struct reserve_record fixed;
    build(text_of("short"));
    struct record_reader reader = record_open(head_in(buffer), &fixed, sizeof fixed);
    cr_assert(reader.bad);
    cr_assert_eq(fixed.draw_count, 0, "what was not there reads as zero");
    cr_assert_null(record_array(&reader, 1, 1));
    struct text t = record_text(&reader, 1);
    cr_assert_null(t.at);
    cr_assert_eq(t.len, 0);
}

Test(record, nothing_is_read_behind_the_end)
{
    struct extend_record fixed;
    uint32_t length = build(text_of("0123456"));
    uint32_t rest = length - (uint32_t)sizeof fixed;
    struct record_reader whole = record_open(head_in(buffer), &fixed, sizeof fixed);
    struct record_reader reader = whole;
    cr_assert_not_null(record_text(&reader, rest).at);
    cr_assert_not(reader.bad);
    cr_assert_not_null(record_array(&reader, 0, 8), "nothing is there to be had");
    reader = whole;
    cr_assert_null(record_text(&reader, rest + 1).at);
    cr_assert(reader.bad);
    cr_assert_null(record_text(&reader, 0).at, "the first error sticks");
    reader = whole;
    cr_assert_null(record_array(&reader, UINT32_MAX, UINT32_MAX));
    reader = whole;
    cr_assert_null(record_array(&reader, UINT32_MAX / 8 + 2, 8), "nor where 32 bits wrap");
}

Test(record, a_short_text_says_its_length_first)
{
    struct record_head fixed = { .type = RECORD_VOID };
    struct record_builder b = record_begin(buffer, &fixed, sizeof fixed);
    record_add(&b, "\3abc\0\377", 6);
    record_end(&b);
    struct record_reader reader = record_open(head_in(buffer), &fixed, sizeof fixed);
    cr_assert(text_equal(record_short_text(&reader), text_of("abc")));
    cr_assert_eq(record_short_text(&reader).len, 0);
    cr_assert_not(reader.bad);
    cr_assert_null(record_short_text(&reader).at, "255 bytes are not there");
    cr_assert(reader.bad);
}

Test(record, the_largest_reserve_fits)
{
    struct reserve_record fixed = { .head = { .type = RECORD_RESERVE }, .draw_count = DRAWS_MAX };
    struct draw_record draw = { .qty = 1 };
    char id[ID_MAX] = { 0 };
    struct record_builder b = record_begin(buffer, &fixed, sizeof fixed);
    record_add(&b, id, ID_MAX);
    for (int i = 0; i < DRAWS_MAX; i++)
        record_add(&b, &draw, sizeof draw);
    for (int i = 0; i < DRAWS_MAX; i++)
        record_add(&b, &(struct ready_record){ UINT64_MAX }, sizeof(struct ready_record));
    cr_assert_leq(record_end(&b), RECORD_MAX);
}

/* ---- a follower that is lied to ---- */

enum { MAX_RECORDS = 64 };

static struct ledger_rig rig;
static uint64_t now = 1000000;

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s", ctx_failure(ledger_ctx(rig.ledger, 0))->message);
}

static void reserve(struct ctx *ctx, const char *id, uint32_t lines, bool confirm)
{
    struct order_line line[3] = { { text_of("a"), 1, { NULL, 0 } },
                                  { text_of("b"), 2, text_of("store") },
                                  { text_of("a"), 1, { NULL, 0 } } };
    struct reservation_view view;
    must(ledger_reserve(ctx,
                        &(struct order){ .id = text_of(id),
                                         .channel = text_of("shop"),
                                         .lines = line,
                                         .line_count = lines,
                                         .confirm = confirm },
                        &view));
}

static void receive(struct ctx *ctx, const char *id, const char *sku, const char *location)
{
    struct movement_result result;
    must(ledger_receive(ctx,
                        &(struct movement){ .id = text_of(id),
                                            .sku = text_of(sku),
                                            .location = text_of(location),
                                            .qty = 50,
                                            .ref = text_of("a ref") },
                        &result));
}

static void settings(struct ctx *ctx)
{
    uint64_t lsn;
    uint16_t client;
    struct text groups[2] = { text_of("north"), text_of("all") }, place = text_of("north");
    must(ledger_set_location(ctx,
                             &(struct location_setting){ .code = text_of("store"),
                                                         .has_name = true,
                                                         .name = text_of("The store"),
                                                         .has_lat = true,
                                                         .lat = 1.5,
                                                         .has_groups = true,
                                                         .groups = groups,
                                                         .group_count = 2 },
                             &lsn));
    must(ledger_set_channel(ctx, &(struct channel_setting){ .code = text_of("shop") }, &lsn));
    must(ledger_set_channel(
        ctx,
        &(struct channel_setting){
            .code = text_of("picky"), .has_places = true, .places = &place, .place_count = 1 },
        &lsn));
    must(ledger_set_item(ctx,
                         &(struct item_setting){ .sku = text_of("a"),
                                                 .has_name = true,
                                                 .name = text_of("An item"),
                                                 .has_low_stock = true,
                                                 .low_stock = 3 },
                         &lsn));
    must(ledger_client(ctx, text_of("till 4"), &client));
}

/* An adjustment takes from two pools, and is one record. */
static void allot_and_lose(struct ctx *ctx)
{
    struct allot_result allotted;
    struct movement_result result;
    must(ledger_allot(ctx,
                      &(struct allotment){ .id = text_of("q1"),
                                           .sku = text_of("a"),
                                           .location = text_of("main"),
                                           .channel = text_of("picky"),
                                           .qty = 45 },
                      &allotted));
    must(ledger_allot(ctx,
                      &(struct allotment){ .id = text_of("q2"),
                                           .sku = text_of("a"),
                                           .location = text_of("main"),
                                           .channel = text_of("picky"),
                                           .qty = -22 },
                      &allotted));
    must(ledger_adjust(
        ctx,
        &(struct movement){
            .id = text_of("q3"), .sku = text_of("a"), .location = text_of("main"), .qty = -29 },
        &result));
}

/* One record of each type, and some more. */
static void make_log(void)
{
    struct reservation_view view;
    struct order_line part = { text_of("b"), 2, { NULL, 0 } };
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 16, .pools = 32, .reservations = 64, .contexts = 1, .hash_seed = 5 });
    struct ctx *ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, now, now);
    settings(ctx);
    receive(ctx, "m1", "a", "main");
    receive(ctx, "m2", "b", "store");
    reserve(ctx, "r1", 1, false);
    allot_and_lose(ctx);
    receive(ctx, "m3", "a", "main");
    reserve(ctx, "r2", 3, true);
    reserve(ctx, "r3", 3, false);
    reserve(ctx, "r4", 2, false);
    reserve(ctx, "r5", 2, false);
    must(ledger_cancel(ctx, &(struct step){ .id = text_of("r5") }, &view));
    must(ledger_extend(ctx, text_of("r1"), 5000, &view));
    must(ledger_confirm(ctx, text_of("r3"), text_of("paid"), &view));
    must(ledger_fulfil(
        ctx,
        &(struct step){ .id = text_of("r2"), .op = text_of("o1"), .lines = &part, .line_count = 1 },
        &view));
    must(ledger_fulfil(ctx, &(struct step){ .id = text_of("r2") }, &view));
    must(ledger_cancel(ctx, &(struct step){ .id = text_of("r3"), .op = text_of("o2") }, &view));
    ledger_end(ctx);
    now += 10000000;
    ledger_begin(ctx, now, now);
    while (ledger_expire(ctx, 8) == 8) {
    }
    ledger_end(ctx);
    ledger_rig_drain(&rig);
}

/* Applies the records before that one, then the lie. */
static int apply_lie(size_t offset, const unsigned char *lie, uint64_t lsn)
{
    struct ledger_rig follower;
    char why[256];
    cr_assert(ledger_rig_follow(&follower, &rig, offset, now, why, sizeof why), "%s", why);
    int error = ledger_apply(follower.ledger, head_in(lie), lsn);
    ledger_rig_close(&follower);
    return error;
}

Test(record, every_byte_of_every_record_may_lie)
{
    static _Alignas(8) unsigned char record[RECORD_MAX], lie[RECORD_MAX];
    struct random random = { 2 };
    unsigned refused = 0, taken = 0;
    make_log();
    for (size_t offset = 0; offset < rig.length;) {
        uint32_t length = ledger_rig_record(&rig, offset, record);
        /* Its length is the journal's to check; all else may be anything. */
        for (uint32_t i = 4; i < length; i++) {
            memcpy(lie, record, length);
            lie[i] ^= (unsigned char)(1 << random_below(&random, 8));
            if (random_chance(&random, 50))
                lie[i] = (unsigned char)random_next(&random);
            int error = apply_lie(offset, lie, offset + length);
            cr_assert(error == 0 || error == -EINVAL || error == -ENOSPC, "error %d", error);
            refused += error != 0;
            taken += error == 0;
        }
        offset += length;
    }
    cr_assert_gt(refused, 100);
    cr_assert_gt(taken, 100);
    ledger_rig_close(&rig);
}

Test(record, a_record_may_end_anywhere_and_have_any_type)
{
    static _Alignas(8) unsigned char record[RECORD_MAX], lie[RECORD_MAX];
    make_log();
    for (size_t offset = 0; offset < rig.length;) {
        uint32_t length = ledger_rig_record(&rig, offset, record);
        for (uint32_t shorter = 8; shorter < length; shorter += 8) {
            /* Behind the end lies something that would do. */
            memcpy(lie, record, length);
            memcpy(lie, &shorter, sizeof shorter);
            int error = apply_lie(offset, lie, offset + shorter);
            cr_assert(error == 0 || error == -EINVAL || error == -ENOSPC, "error %d", error);
        }
        for (unsigned type = 0; type < 256; type++) {
            memcpy(lie, record, length);
            lie[offsetof(struct record_head, type)] = (unsigned char)type;
            int error = apply_lie(offset, lie, offset + length);
            cr_assert(error == 0 || error == -EINVAL || error == -ENOSPC, "error %d", error);
            bool known = record_layout(type) != NULL;
            cr_assert(known || error == -EINVAL);
        }
        offset += length;
    }
    ledger_rig_close(&rig);
}

/* Whatever has a name in RECORD_TYPES, and nothing else. */
Test(record, the_table_has_every_type_once)
{
    static const char *const types[256] = {
#define X(type, number, name, tag, flags) [number] = (name),
        RECORD_TYPES(X)
#undef X
    };
    for (unsigned type = 0; type < 256; type++) {
        const struct record_layout *layout = record_layout(type);
        unsigned times = 0;
        cr_assert_eq(layout != NULL, types[type] != NULL);
        for (unsigned i = 0; layout && i < layout->field_count; i++)
            times += layout->fields[i].shown == SHOWN_WHEN;
        cr_assert_leq(times, 1, "%s was made at two times", layout ? layout->name : "");
    }
}

/* Each field is where the compiler has it, with its sign. */
Test(record, fields_are_read_by_their_layout)
{
    union record_fields read;
    struct movement_fields f = { .fixed = { .head = { .type = RECORD_MOVEMENT },
                                            .time_ms = 77,
                                            .on_hand = -5,
                                            .available = INT64_MIN,
                                            .delta = -1,
                                            .more_count = 0xffff },
                                 .id = text_of("m1"),
                                 .ref = text_of("r") };
    int64_t numbers = 0;
    struct record_builder b = movement_begin(buffer, &f);
    record_end(&b);
    const struct record_layout *layout = record_layout(RECORD_MOVEMENT);
    cr_assert_not(layout->decode(head_in(buffer), &read), "its changes are not there");
    cr_assert_eq(record_time_ms(head_in(buffer), 5), 5, "so its batch says when");
    f.fixed.more_count = 0;
    b = movement_begin(buffer, &f);
    record_end(&b);
    cr_assert(layout->decode(head_in(buffer), &read));
    cr_assert_eq(record_time_ms(head_in(buffer), 5), 77);
    for (unsigned i = 0; i < layout->field_count; i++) {
        const struct record_field *field = &layout->fields[i];
        if (field->shown == SHOWN_NUMBER)
            numbers ^= record_number(&read, field);
        if (field->shown == SHOWN_ID)
            cr_assert(text_equal(record_text_of(&read, field), text_of("m1")));
    }
    cr_assert_eq(numbers, INT64_C(-5) ^ INT64_MIN ^ -1);
}

/* A record twice, or too early, is refused if it does not fit. */
Test(record, the_wrong_order_is_refused)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    make_log();
    for (size_t offset = 0, from; offset < rig.length; offset = from) {
        from = offset + ledger_rig_record(&rig, offset, record);
        uint8_t type = head_in(record)->type;
        int error = apply_lie(0, record, from);
        if (type >= RECORD_MOVEMENT)
            cr_assert_neq(error, 0, "type %u, alone", type);
        bool once = type >= RECORD_RESERVE && type != RECORD_EXTEND && type != RECORD_ALLOT;
        if (once)
            cr_assert_neq(apply_lie(from, record, from), 0, "type %u, twice", type);
    }
    ledger_rig_close(&rig);
}

/* I7: neither a pool that nobody sells from, nor another channel's. */
Test(record, a_draw_from_another_channels_pool_is_refused)
{
    static _Alignas(8) unsigned char lie[RECORD_MAX];
    struct reserve_record reserve;
    struct draw_record draw;
    unsigned judged = 0;
    make_log();
    for (size_t offset = 0; offset < rig.length;) {
        uint32_t length = ledger_rig_record(&rig, offset, lie);
        memcpy(&reserve, lie, sizeof reserve);
        if (reserve.head.type == RECORD_RESERVE) {
            unsigned char *at = lie + sizeof reserve + reserve.id_len;
            uint16_t other = reserve.channel == 0 ? 1 : 0;
            memcpy(&draw, at, sizeof draw);
            draw.pool.owner =
                judged++ % 2 ? owner_of(POOL_ALLOTTED, other) : owner_of(POOL_DAMAGED, 0);
            memcpy(at, &draw, sizeof draw);
            cr_assert_eq(apply_lie(offset, lie, offset + length), -EINVAL);
        }
        offset += length;
    }
    cr_assert_gt(judged, 1);
    ledger_rig_close(&rig);
}

/* What the flag stands for would be passed over, or taken for something else. */
Test(record, an_order_with_an_unknown_flag_is_refused)
{
    static _Alignas(8) unsigned char lie[RECORD_MAX];
    unsigned judged = 0;
    make_log();
    for (size_t offset = 0; offset < rig.length;) {
        uint32_t length = ledger_rig_record(&rig, offset, lie);
        struct record_head *head = (struct record_head *)(void *)lie;
        for (unsigned flag = 1; head->type == RECORD_RESERVE && flag <= 128; flag *= 2) {
            if (flag & RESERVE_FLAGS)
                continue;
            head->flags |= (uint8_t)flag;
            cr_assert_eq(apply_lie(offset, lie, offset + length), -EINVAL, "flag %u", flag);
            head->flags &= (uint8_t)~flag;
            judged++;
        }
        offset += length;
    }
    cr_assert_gt(judged, 0);
    ledger_rig_close(&rig);
}

Test(record, an_allotment_of_nothing_or_of_too_much_is_refused)
{
    static _Alignas(8) unsigned char lie[RECORD_MAX];
    static const int32_t deltas[] = { 0, INT32_MIN, INT32_MAX };
    unsigned judged = 0;
    make_log();
    for (size_t offset = 0; offset < rig.length;) {
        uint32_t length = ledger_rig_record(&rig, offset, lie);
        struct allot_record *allot = (struct allot_record *)(void *)lie;
        for (unsigned i = 0; allot->head.type == RECORD_ALLOT && i < 3; i++, judged++) {
            allot->delta = deltas[i];
            cr_assert_eq(apply_lie(offset, lie, offset + length), -EINVAL);
        }
        offset += length;
    }
    cr_assert_gt(judged, 0);
    ledger_rig_close(&rig);
}

/* I8: also of a kind that has no channel otherwise; of expected units, the number is a slot's. */
Test(record, a_pool_of_no_channel_is_refused)
{
    static _Alignas(8) unsigned char lie[RECORD_MAX];
    struct movement_record movement;
    make_log();
    for (size_t offset = 0; offset < rig.length;) {
        uint32_t length = ledger_rig_record(&rig, offset, lie);
        memcpy(&movement, lie, sizeof movement);
        for (int kind = 0; movement.head.type == RECORD_MOVEMENT && kind < POOL_KIND_COUNT;
             kind++) {
            movement.pool.owner = owner_of((enum pool_kind)kind, 900);
            movement.delta = 1;
            memcpy(lie, &movement, sizeof movement);
            int error = apply_lie(offset, lie, offset + length);
            cr_assert_eq(error, kind == POOL_EXPECTED ? 0 : -EINVAL, "kind %d", kind);
        }
        offset += length;
    }
    ledger_rig_close(&rig);
}
