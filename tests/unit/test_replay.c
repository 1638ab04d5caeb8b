/* SPDX-License-Identifier: Apache-2.0 */
/* Replay by pushing batches, without any file: what it takes, and what a refusal leaves alone. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "persistence/replay.h"

enum { DIRECTORY_ID = 4711, RECORD_BYTES = 64, RECORDS = 3 };

static _Alignas(8) unsigned char bytes[BLOCK_BYTES];
static struct batch_header header;
static struct batch_seal next; /* of the batch that continues the chain */
static struct replay replay;
static struct error why;

/* What the target was given. */
static uint64_t lsns[64];
static unsigned count, hints[2];
static unsigned refuse_at; /* record that is not taken; 0: none */

static int on_record(void *context, const struct record_head *record, uint64_t lsn,
                     uint64_t time_ms)
{
    cr_assert_eq(context, &replay);
    cr_assert_eq(record->length, RECORD_BYTES);
    cr_assert_eq(time_ms, header.time_ms);
    cr_assert_leq(count, hints[1], "the hint comes before the record");
    lsns[count++] = lsn;
    return count == refuse_at ? -ENOSPC : 0;
}

static void on_prefetch(void *context, const struct record_head *record, unsigned stage)
{
    (void)context;
    cr_assert_eq(record->length, RECORD_BYTES);
    hints[stage]++;
}

static uint64_t leapt_from, leapt_to;

static void on_leap(void *context, uint64_t from, uint64_t to)
{
    cr_assert_eq(context, &replay);
    leapt_from = from;
    leapt_to = to;
}

static const struct replay_target target = { &replay, on_record, on_prefetch, on_leap };

static void set_up(void)
{
    next = (struct batch_seal){ .directory_id = DIRECTORY_ID, .number = 1, .time_ms = 1000 };
    replay_begin(&replay, &target, NULL);
}

TestSuite(replay, .init = set_up);

/* Makes a batch of that seal, and moves on to the next. */
static void make_batch(void)
{
    struct record_head head = { .length = RECORD_BYTES };
    memset(bytes, 0, sizeof bytes);
    for (unsigned i = 0; i < RECORDS; i++)
        memcpy(bytes + BATCH_HEADER_BYTES + (size_t)i * RECORD_BYTES, &head, sizeof head);
    next.previous = batch_make(bytes, RECORDS * RECORD_BYTES, &next);
    memcpy(&header, bytes, sizeof header);
    next.promised = next.number++;
    next.first_lsn += RECORDS * RECORD_BYTES;
    next.time_ms++;
}

static int push(void)
{
    return replay_batch(&replay, &header, bytes + BATCH_HEADER_BYTES, &why);
}

Test(replay, hands_on_each_record_in_order_with_its_lsn)
{
    make_batch();
    cr_assert_eq(push(), 0);
    make_batch();
    cr_assert_eq(push(), 0);
    cr_assert_eq(count, 2 * RECORDS);
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(lsns[i], (uint64_t)(i + 1) * RECORD_BYTES);
    cr_assert_eq(hints[0], count);
    cr_assert_eq(hints[1], count);
}

Test(replay, says_at_its_end_where_the_journal_goes_on)
{
    make_batch();
    cr_assert_eq(push(), 0);
    struct journal_position end = replay_end(&replay);
    cr_assert_eq(end.lsn, next.first_lsn);
    cr_assert_eq(end.number, 1);
    cr_assert_eq(end.checksum, next.previous);
    cr_assert_eq(end.time_ms, 1000);
    cr_assert_eq(replay.records, RECORDS);
}

Test(replay, goes_on_where_a_snapshot_ends)
{
    struct journal_position from = { .directory_id = DIRECTORY_ID,
                                     .lsn = 4096,
                                     .number = 7,
                                     .checksum = 99,
                                     .time_ms = 500,
                                     .sequence = 2 };
    next.first_lsn = 4096;
    next.number = 8;
    next.previous = 99;
    replay_begin(&replay, &target, &from);
    make_batch();
    cr_assert_eq(push(), 0);
    cr_assert_eq(lsns[0], 4096 + RECORD_BYTES);
}

Test(replay, a_gap_hands_on_nothing_and_the_missing_batch_may_still_come) /* F4 */
{
    static _Alignas(8) unsigned char missing[BLOCK_BYTES];
    make_batch();
    cr_assert_eq(push(), 0);
    make_batch();
    memcpy(missing, bytes, sizeof missing);
    struct batch_header second = header;
    make_batch();
    cr_assert_eq(push(), -EILSEQ);
    cr_assert(strstr(why.text, "batch 3 at lsn 384 does not continue the chain"), "%s", why.text);
    cr_assert_eq(count, RECORDS, "nothing of it was handed on");
    cr_assert_eq(hints[0], RECORDS);
    struct batch_header third = header;
    header = second;
    cr_assert_eq(replay_batch(&replay, &second, missing + BATCH_HEADER_BYTES, &why), 0);
    header = third;
    cr_assert_eq(push(), 0);
    cr_assert_eq(count, 3 * RECORDS);
}

Test(replay, refuses_what_it_has_already_taken) /* F4 */
{
    make_batch();
    cr_assert_eq(push(), 0);
    cr_assert_eq(push(), -EILSEQ);
    cr_assert_eq(count, RECORDS);
}

static void expect_refusal_of_second(void)
{
    make_batch();
    cr_assert_not(replay_continues(&replay, &header));
    cr_assert_eq(push(), -EILSEQ);
    cr_assert_eq(count, RECORDS);
}

Test(replay, refuses_a_batch_of_another_history) /* F4 */
{
    make_batch();
    cr_assert_eq(push(), 0);
    next.previous ^= 1;
    expect_refusal_of_second();
}

Test(replay, refuses_a_batch_that_begins_elsewhere) /* F4 */
{
    make_batch();
    cr_assert_eq(push(), 0);
    next.first_lsn += 8;
    expect_refusal_of_second();
}

Test(replay, refuses_a_batch_from_before_the_last_one) /* F4 */
{
    make_batch();
    cr_assert_eq(push(), 0);
    next.time_ms = 999;
    expect_refusal_of_second();
}

Test(replay, records_that_do_not_fill_the_batch_are_refused_before_the_first) /* F11 */
{
    make_batch();
    struct record_head last = { .length = RECORD_BYTES - 8 };
    memcpy(bytes + BATCH_HEADER_BYTES + (size_t)(RECORDS - 1) * RECORD_BYTES, &last, sizeof last);
    cr_assert_eq(push(), -EILSEQ);
    cr_assert_str_eq(why.text, "the batch is valid, but its records are not");
    cr_assert_eq(count, 0, "nothing of it was handed on");
    cr_assert_eq(hints[0], 0);
}

Test(replay, a_record_that_is_not_taken_is_the_end)
{
    make_batch();
    refuse_at = 2;
    cr_assert_eq(push(), -ENOSPC);
    cr_assert_eq(count, 2);
    cr_assert(strstr(why.text, "the record at lsn 128 (type 0) was refused"), "%s", why.text);
    cr_assert(replay.over);
    cr_assert_eq(replay.at.number, 0);
}

Test(replay, goes_on_behind_a_leap) /* F17 */
{
    make_batch();
    cr_assert_eq(push(), 0);
    uint64_t end = replay.at.lsn;
    next.flags = BATCH_LEAP;
    next.previous = batch_make(bytes, 0, &next);
    memcpy(&header, bytes, sizeof header);
    cr_assert_eq(push(), 0);
    cr_assert_eq(leapt_from, end);
    cr_assert_eq(leapt_to, end + LSN_LEAP);
    next.flags = 0;
    next.promised = next.number++;
    next.first_lsn = end;
    make_batch();
    cr_assert_eq(push(), -EILSEQ, "it does not go on where it leapt from");
    next.number--;
    next.promised = next.number - 1;
    next.previous = replay.at.checksum;
    next.first_lsn = end + LSN_LEAP;
    make_batch();
    cr_assert_eq(push(), 0);
    cr_assert_eq(lsns[count - 1], end + LSN_LEAP + RECORDS * RECORD_BYTES);
}

Test(replay, needs_no_target)
{
    static const struct replay_target nobody;
    replay_begin(&replay, &nobody, NULL);
    make_batch();
    cr_assert_eq(push(), 0);
    cr_assert_eq(replay.records, RECORDS);
}
