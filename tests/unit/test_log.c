/* SPDX-License-Identifier: Apache-2.0 */
/* The log's ring: order, gaps, going round, room. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/log/log.h"
#include "tests/support/random.h"

enum { CONTEXTS = 1, CAPACITY = 1 << 19, LARGE = 1 << 20 };

static _Alignas(8) unsigned char record[RECORD_MAX];
static _Alignas(8) unsigned char drained[LARGE];

/* A record whose bytes follow from its position. */
static const struct record_head *record_for(uint64_t position, uint32_t length)
{
    struct record_head head = { .length = length, .type = 1, .client = 7 };
    memcpy(record, &head, sizeof head);
    for (uint32_t i = sizeof head; i < length; i++)
        record[i] = (unsigned char)(position * 31 + i);
    return (const struct record_head *)(const void *)record;
}

static uint64_t append(struct log *log, uint32_t length)
{
    uint64_t position = log_claim(log, length);
    log_publish(log, position, record_for(position, length));
    return position;
}

static void expect_record(const unsigned char *at, uint64_t position, uint32_t length)
{
    record_for(position, length);
    cr_assert_eq(memcmp(at, record, length), 0, "record at %llu", (unsigned long long)position);
}

Test(log, does_not_take_a_capacity_that_does_not_do)
{
    struct log log;
    cr_assert_eq(log_init(&log, 0, CONTEXTS, 0), -EINVAL);
    cr_assert_eq(log_init(&log, CAPACITY + 8, CONTEXTS, 0), -EINVAL);
    cr_assert_eq(log_init(&log, RECORD_MAX * LOG_RECORDS_PER_CHECK, CONTEXTS, 0), -EINVAL);
    cr_assert_eq(log_init(&log, CAPACITY, CONTEXTS, 0), 0);
    cr_assert_not(log_has_claims(&log));
    cr_assert_eq(log_drain(&log, drained, LARGE), 0);
    log_destroy(&log);
}

Test(log, gives_back_records_in_the_order_of_their_claims)
{
    struct log log;
    cr_assert_eq(log_init(&log, CAPACITY, CONTEXTS, 0), 0);
    cr_assert_eq(append(&log, 8), 0);
    cr_assert_eq(append(&log, 24), 8);
    cr_assert_eq(append(&log, 16), 32);
    cr_assert(log_has_claims(&log));
    cr_assert_eq(log_drain(&log, drained, LARGE), 48);
    expect_record(drained, 0, 8);
    expect_record(drained + 8, 8, 24);
    expect_record(drained + 32, 32, 16);
    cr_assert_eq(log_head(&log), 48);
    cr_assert_not(log_has_claims(&log));
    log_destroy(&log);
}

Test(log, stops_before_what_is_claimed_and_not_published)
{
    struct log log;
    cr_assert_eq(log_init(&log, CAPACITY, CONTEXTS, 0), 0);
    append(&log, 32);
    uint64_t gap = log_claim(&log, 64);
    append(&log, 16);
    cr_assert_eq(log_drain(&log, drained, LARGE), 32);
    cr_assert_eq(log_drain(&log, drained, LARGE), 0);
    cr_assert(log_has_claims(&log));
    cr_assert_eq(log_head(&log), 32);
    log_publish(&log, gap, record_for(gap, 64));
    cr_assert_eq(log_drain(&log, drained, LARGE), 80);
    expect_record(drained, 32, 64);
    expect_record(drained + 64, 96, 16);
    log_destroy(&log);
}

Test(log, drains_whole_records_only)
{
    struct log log;
    cr_assert_eq(log_init(&log, CAPACITY, CONTEXTS, 0), 0);
    append(&log, 40);
    append(&log, 40);
    cr_assert_eq(log_drain(&log, drained, 39), 0);
    cr_assert_eq(log_drain(&log, drained, 79), 40);
    cr_assert_eq(log_drain(&log, drained, 40), 40);
    log_destroy(&log);
}

Test(log, goes_round_many_times_from_any_position)
{
    const uint64_t starts[] = { 0, CAPACITY - 8, (UINT64_C(1) << 32) - 24, UINT64_C(1) << 40 };
    struct random random = { 1 };
    for (unsigned s = 0; s < 4; s++) {
        struct log log;
        cr_assert_eq(log_init(&log, CAPACITY, CONTEXTS, starts[s]), 0);
        uint64_t next = starts[s], out = starts[s];
        for (int i = 0; i < 4000; i++) {
            uint32_t lengths[3], total = 0;
            for (int k = 0; k < 3; k++) {
                lengths[k] = 8 * (uint32_t)random_between(&random, 1, RECORD_MAX / 8);
                cr_assert_eq(append(&log, lengths[k]), next + total);
                total += lengths[k];
            }
            cr_assert_eq(log_drain(&log, drained, LARGE), total);
            for (int k = 0; k < 3; out += lengths[k++])
                expect_record(drained + (out - next), out, lengths[k]);
            next += total;
        }
        log_destroy(&log);
    }
}

Test(log, has_room_until_what_is_held_back_is_all_that_is_left)
{
    enum { LENGTH = 32768 }; /* fills the ring exactly */
    struct log log;
    cr_assert_eq(log_init(&log, CAPACITY, CONTEXTS, 0), 0);
    uint64_t held_back = log.slack;
    cr_assert_eq(held_back, CONTEXTS * (LOG_RECORDS_PER_CHECK * RECORD_MAX + log.spare));
    uint64_t used = 0;
    while (log_has_room(&log)) {
        append(&log, LENGTH);
        used += LENGTH;
    }
    cr_assert_gt(used, CAPACITY - held_back);
    cr_assert_leq(used, CAPACITY - held_back + LENGTH);
    cr_assert_eq(log_drain(&log, drained, LENGTH), LENGTH);
    cr_assert(log_has_room(&log));
    /* A full ring drains too. */
    while (used < CAPACITY + LENGTH) {
        append(&log, LENGTH);
        used += LENGTH;
    }
    cr_assert_eq(log_drain(&log, drained, LARGE), CAPACITY);
    cr_assert_not(log_has_claims(&log));
    log_destroy(&log);
}

/* All contexts claim as much as they may, as late as they may: the ring is never overrun. */
Test(log, contexts_that_look_seldom_stay_within_what_is_held_back)
{
    enum { OPERATION = LOG_RECORDS_PER_CHECK * RECORD_MAX, MANY = 3, ROOM = 1 << 20 };
    struct log log;
    uint64_t claimed[MANY] = { 0 }, used = 0;
    cr_assert_eq(log_init(&log, ROOM, MANY, 0), 0);
    cr_assert_gt(log.spare, 0);
    for (bool more = true; more;) {
        more = false;
        for (unsigned i = 0; i < MANY; i++) {
            if (!log_has_room_for(&log, &claimed[i]))
                continue;
            /* To just what is spare, and in the next round over it, by one operation. */
            uint64_t length = claimed[i] < log.spare ? log.spare - claimed[i] : OPERATION;
            log_claim(&log, (uint32_t)length);
            claimed[i] += length;
            used += length;
            more = true;
        }
    }
    cr_assert_leq(used, ROOM);
    cr_assert_gt(used, ROOM - log.slack);
    log_destroy(&log);
}

Test(log, starts_where_recovery_ended)
{
    struct log log;
    cr_assert_eq(log_init(&log, CAPACITY, CONTEXTS, 0), 0);
    log_start_at(&log, 123456 * 8);
    cr_assert_eq(log_head(&log), 123456 * 8);
    cr_assert_eq(log_acknowledged(&log), 123456 * 8);
    cr_assert(log_has_room(&log));
    cr_assert_eq(append(&log, 16), 123456 * 8);
    cr_assert_eq(log_drain(&log, drained, LARGE), 16);
    log_destroy(&log);
}
