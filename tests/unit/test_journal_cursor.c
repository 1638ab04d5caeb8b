/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over segments: which calls a visitor gets, in which order, and what its answers do. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "persistence/journal_cursor.h"
#include "tests/support/scratch.h"

enum { DIRECTORY_ID = 4711, RECORD_BYTES = 64 };

static struct scratch scratch;
static _Alignas(8) unsigned char segment[SEGMENT_BYTES_MIN];
static struct batch_seal next;
static struct journal_cursor cursor;
static struct segment_list list;
static struct error why;

/* What the visitor was told, a word each; "b" is a valid batch, "." a block that is none. */
static char told[512];
static struct journal_range ranges[4]; /* all zero: no more */
static enum journal_step at_range, at_segment, at_block, at_leave;
static int fail_with;

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
    size_t length = strlen(told);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(told + length, sizeof told - length, format, arguments);
    va_end(arguments);
}

static enum journal_step on_missing(void *context, uint64_t first, uint64_t last)
{
    (void)context;
    tell("missing:%u-%u ", (unsigned)first, (unsigned)last);
    return JOURNAL_ON;
}

static enum journal_step on_range(void *context, uint64_t sequence, unsigned n,
                                  struct journal_range *range)
{
    (void)context;
    tell("range:%u/%u ", (unsigned)sequence, n);
    cr_assert_eq(range->from, BLOCK_BYTES);
    cr_assert_eq(range->until, UINT64_MAX);
    *range = ranges[n];
    return at_range != JOURNAL_ON ? at_range : range->until == 0 ? JOURNAL_SKIP : JOURNAL_ON;
}

static enum journal_step on_segment(void *context, int error)
{
    (void)context;
    tell("segment:%u%s ", (unsigned)cursor.reader.sequence, error ? "!" : "");
    return at_segment;
}

static enum journal_step on_block(void *context, const struct journal_block *block)
{
    (void)context;
    bool valid = block->verdict == BATCH_VALID;
    cr_assert_eq(valid, block->header != NULL);
    cr_assert_eq(block->span, valid ? batch_span(block->header->length) : BLOCK_BYTES);
    tell(valid ? "b%u " : ". ", valid ? (unsigned)block->header->number : 0);
    return fail_with ? journal_walk_fail(&cursor, fail_with) : at_block;
}

static enum journal_step on_leave(void *context)
{
    (void)context;
    tell("leave ");
    return at_leave;
}

static struct journal_visitor visitor;

static void set_up(void)
{
    scratch_make(&scratch);
    next = (struct batch_seal){ .directory_id = DIRECTORY_ID, .number = 1, .time_ms = 1000 };
    cr_assert_eq(journal_cursor_init(&cursor, &file_system, scratch.path), 0);
    cursor.directory_id = DIRECTORY_ID;
    visitor = (struct journal_visitor){
        .missing = on_missing, .segment = on_segment, .block = on_block, .leave = on_leave
    };
}

static void tear_down(void)
{
    journal_cursor_destroy(&cursor);
    segment_list_free(&list);
    scratch_remove(&scratch);
}

TestSuite(journal_cursor, .init = set_up, .fini = tear_down);

/* A segment with so many batches of a block, cut off behind them and one block more. */
static void put_segment(uint64_t sequence, unsigned batches)
{
    char path[PATH_MAX + 64];
    memset(segment, 0, sizeof segment);
    segment_header_make(segment, sequence, sizeof segment, DIRECTORY_ID, 1000);
    for (unsigned i = 0; i < batches; i++) {
        unsigned char *batch = segment + (size_t)(1 + i) * BLOCK_BYTES;
        struct record_head head = { .length = RECORD_BYTES };
        memcpy(batch + BATCH_HEADER_BYTES, &head, sizeof head);
        next.previous = batch_make(batch, RECORD_BYTES, &next);
        next.number++;
        next.first_lsn += RECORD_BYTES;
    }
    snprintf(path, sizeof path, "%s/%s", scratch.path, segment_name(sequence).text);
    write_file(path, segment, sizeof segment);
}

static int walk(uint64_t first)
{
    cr_assert_eq(segment_list_read(&list, &file_system, scratch.path, &why), 0);
    return journal_walk(&cursor, &list, first, &visitor, &why);
}

#define ZEROES_13 ". . . . . . . . . . . . . "

Test(journal_cursor, tells_of_each_segment_and_each_block)
{
    put_segment(1, 2);
    put_segment(2, 2);
    cr_assert_eq(walk(1), 0);
    cr_assert_str_eq(told, "segment:1 b1 b2 " ZEROES_13 "leave "
                           "segment:2 b3 b4 " ZEROES_13 "leave ");
    cr_assert_eq(cursor.reader.fd, -1, "no segment stays open");
}

Test(journal_cursor, tells_of_a_run_that_is_missing_before_what_follows_it)
{
    put_segment(2, 1);
    put_segment(5, 1);
    at_block = JOURNAL_SKIP;
    cr_assert_eq(walk(1), 0);
    cr_assert_str_eq(told, "missing:1-1 segment:2 b1 leave missing:3-4 segment:5 b2 leave ");
}

Test(journal_cursor, refuses_a_gap_that_the_visitor_knows_nothing_of)
{
    put_segment(1, 1);
    put_segment(3, 1);
    at_block = JOURNAL_SKIP;
    visitor.missing = NULL;
    cr_assert_eq(walk(1), -EILSEQ);
    cr_assert(strstr(why.text, "segment 0000000002.seg is missing"), "%s", why.text);
    cr_assert_str_eq(told, "segment:1 b1 leave ");
}

Test(journal_cursor, passes_over_segments_before_the_first)
{
    put_segment(1, 1);
    put_segment(2, 1);
    at_block = JOURNAL_SKIP;
    cr_assert_eq(walk(2), 0);
    cr_assert_str_eq(told, "segment:2 b2 leave ");
}

Test(journal_cursor, opens_no_segment_of_which_no_part_is_wanted)
{
    put_segment(1, 2);
    visitor.range = on_range;
    at_range = JOURNAL_SKIP;
    cr_assert_eq(walk(1), 0);
    cr_assert_str_eq(told, "range:1/0 ");
}

Test(journal_cursor, reads_parts_of_a_segment_and_nothing_between_or_behind)
{
    put_segment(1, 4);
    visitor.range = on_range;
    ranges[0] = (struct journal_range){ BLOCK_BYTES, 2 * BLOCK_BYTES };
    ranges[1] = (struct journal_range){ 3 * BLOCK_BYTES, 5 * BLOCK_BYTES };
    cr_assert_eq(walk(1), 0);
    cr_assert_str_eq(told, "range:1/0 segment:1 b1 leave range:1/1 b3 b4 leave range:1/2 ");
}

Test(journal_cursor, skips_a_segment_that_cannot_be_opened_if_the_visitor_does)
{
    char path[PATH_MAX + 64];
    put_segment(1, 1);
    snprintf(path, sizeof path, "%s/%s", scratch.path, segment_name(1).text);
    segment[0] ^= 1;
    write_file(path, segment, sizeof segment);
    at_segment = JOURNAL_SKIP;
    cr_assert_eq(walk(1), 0);
    cr_assert_str_eq(told, "segment:1! ");
}

Test(journal_cursor, an_end_is_an_end)
{
    put_segment(1, 2);
    put_segment(2, 1);
    at_block = JOURNAL_END;
    cr_assert_eq(walk(1), 0);
    cr_assert_str_eq(told, "segment:1 b1 ");
    cr_assert_eq(cursor.reader.fd, -1);
}

Test(journal_cursor, leaving_may_end_the_walk)
{
    put_segment(1, 1);
    put_segment(2, 1);
    at_block = JOURNAL_SKIP;
    at_leave = JOURNAL_END;
    cr_assert_eq(walk(1), 0);
    cr_assert_str_eq(told, "segment:1 b1 leave ");
}

Test(journal_cursor, gives_back_what_a_visitor_failed_with_whatever_it_is)
{
    put_segment(1, 1);
    fail_with = 42;
    cr_assert_eq(walk(1), 42);
    cr_assert_str_eq(told, "segment:1 b1 ");
}

/* ---- records of a batch ---- */

static const struct record_head *record_at(size_t offset)
{
    return (const struct record_head *)(const void *)(segment + offset);
}

static void put_head(size_t offset, uint32_t length)
{
    struct record_head head = { .length = length };
    memcpy(segment + offset, &head, sizeof head);
}

Test(journal_cursor, records_end_where_the_batch_does)
{
    put_head(0, 64);
    put_head(64, 24);
    struct record_cursor records = records_of(segment, 88, 1000);
    cr_assert_eq(record_next(&records), record_at(0));
    cr_assert_eq(records.lsn, 1064);
    cr_assert_eq(record_next(&records), record_at(64));
    cr_assert_eq(records.lsn, 1088);
    cr_assert_null(record_next(&records));
    cr_assert_eq(records.left, 0);
}

Test(journal_cursor, records_that_do_not_fill_the_batch_leave_something) /* F11 */
{
    put_head(0, 64);
    put_head(64, 32);
    struct record_cursor records = records_of(segment, 88, 0);
    cr_assert_not_null(record_next(&records));
    cr_assert_null(record_next(&records));
    cr_assert_eq(records.left, 24);
    cr_assert_eq(records.lsn, 64);
}
