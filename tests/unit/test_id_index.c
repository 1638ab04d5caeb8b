/* SPDX-License-Identifier: Apache-2.0 */
/* What the index of ids rules out, and what it must never rule out. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/history/history.h"
#include "persistence/format.h"
#include "persistence/id_index.h"

enum { BATCH_IDS = 400, RECORD_BYTES = 4096 / 8 };

static struct id_index indexed;
static uint64_t offset, lsn;

static void open_index(void)
{
    id_index_init(&indexed, ID_INDEX_BYTES);
    id_index_begin(&indexed);
    offset = BLOCK_BYTES;
    lsn = 0;
}

static void close_index(void)
{
    id_index_destroy(&indexed);
    cr_assert_eq(indexed.bytes, 0);
}

TestSuite(id_index, .init = open_index, .fini = close_index);

static uint64_t hash_of(unsigned number)
{
    char id[16];
    snprintf(id, sizeof id, "o%u", number);
    return id_index_hash(text_of(id));
}

/* A batch of reserves of o<first>, o<first + 1>, ... */
static void add_batch(uint64_t sequence, unsigned first)
{
    static _Alignas(8) unsigned char bytes[BATCH_IDS * 64], record[RECORD_MAX];
    struct batch_header header = { .first_lsn = lsn };
    for (unsigned i = 0; i < BATCH_IDS; i++) {
        char id[16];
        struct reserve_record r = { .head = { .type = RECORD_RESERVE } };
        r.id_len = (uint8_t)snprintf(id, sizeof id, "o%u", first + i);
        struct record_builder builder = record_begin(record, &r, sizeof r);
        record_add_text(&builder, text_of(id));
        uint32_t length = record_end(&builder);
        memcpy(bytes + header.length, record, length);
        header.length += length;
    }
    id_index_add_batch(&indexed, sequence, offset, &header, bytes);
    offset += batch_span(header.length);
    lsn += header.length;
}

static bool may_have(uint64_t sequence, unsigned number)
{
    const struct id_part *part = id_index_find(&indexed, id_key_segment(sequence));
    cr_assert_not_null(part);
    bool any = false;
    for (uint32_t i = 0; i < part->span_count; i++)
        any |= id_span_may_have(&indexed, part, i, hash_of(number));
    return any;
}

static void fill_segment(uint64_t sequence, unsigned batches)
{
    for (unsigned i = 0; i < batches; i++)
        add_batch(sequence, i * BATCH_IDS);
}

Test(id_index, what_is_there_is_never_ruled_out)
{
    enum { BATCHES = 600 };
    fill_segment(7, BATCHES);
    const struct id_part *part = id_index_find(&indexed, id_key_segment(7));
    cr_assert_gt(part->span_count, 2);
    cr_assert(part->open);
    for (unsigned i = 0; i < BATCHES * BATCH_IDS; i++)
        cr_assert(may_have(7, i), "o%u", i);
    for (uint32_t i = 1; i < part->span_count; i++) {
        cr_assert_eq(part->spans[i].offset, part->spans[i - 1].end);
        cr_assert_eq(part->spans[i].first_lsn, part->spans[i - 1].end_lsn);
    }
    cr_assert_eq(part->spans[part->span_count - 1].end, offset);
    cr_assert_eq(part->spans[part->span_count - 1].end_lsn, lsn);
}

Test(id_index, nearly_all_else_is)
{
    unsigned wrong = 0, asked = 200000;
    fill_segment(7, 600);
    const struct id_part *part = id_index_find(&indexed, id_key_segment(7));
    for (unsigned i = 0; i < asked; i++)
        wrong += id_span_may_have(&indexed, part, 0, hash_of(10000000 + i));
    cr_log_info("%u of %u were not ruled out", wrong, asked);
    cr_assert_lt(wrong, asked / 200);
    size_t ids = (size_t)600 * BATCH_IDS;
    cr_assert_lt(indexed.bytes, 2 * ids + ids / 8 + 4096, "%zu bytes", indexed.bytes);
}

Test(id_index, what_does_not_follow_is_not_taken)
{
    fill_segment(7, 3);
    uint64_t end = offset;
    offset += BLOCK_BYTES;
    add_batch(7, 1000000);
    const struct id_part *part = id_index_find(&indexed, id_key_segment(7));
    cr_assert_eq(part->spans[0].end, end);
    offset = BLOCK_BYTES; /* known already */
    add_batch(7, 1000000);
    cr_assert_eq(part->spans[0].end, end);
    cr_assert_not(may_have(7, 1000000));
}

Test(id_index, a_segment_is_complete_where_the_next_begins)
{
    fill_segment(7, 3);
    id_index_complete(&indexed, 7, lsn + 8);
    cr_assert_not(id_index_find(&indexed, id_key_segment(7))->complete);
    id_index_complete(&indexed, 7, lsn);
    cr_assert(id_index_find(&indexed, id_key_segment(7))->complete);
    offset = BLOCK_BYTES;
    fill_segment(8, 3); /* closes the other's open span */
    cr_assert_not(id_index_find(&indexed, id_key_segment(7))->open);
    cr_assert(may_have(7, 5));
    cr_assert_not(may_have(7, 5000000));
}

Test(id_index, a_damaged_record_is_not_passed_over)
{
    _Alignas(8) struct reserve_record r = {
        .head = { .length = sizeof r / 8 * 8, .type = RECORD_RESERVE }, .id_len = 40
    };
    struct batch_header header = { .length = r.head.length };
    id_index_add_batch(&indexed, 7, offset, &header, (const unsigned char *)&r);
    cr_assert_null(id_index_find(&indexed, id_key_segment(7)));
}

Test(id_index, it_keeps_to_its_bound)
{
    indexed.bytes_max = 500000;
    for (uint64_t sequence = 1; sequence <= 10; sequence++) {
        offset = BLOCK_BYTES;
        fill_segment(sequence, 250);
        cr_assert_leq(indexed.bytes, indexed.bytes_max);
    }
    cr_assert(indexed.full, "all are of one question");
    cr_assert_not_null(id_index_find(&indexed, id_key_segment(1)), "the first are kept");
    size_t count = indexed.count;
    cr_assert_lt(count, 10);
    id_index_begin(&indexed);
    for (uint64_t sequence = 2; sequence <= count; sequence++)
        id_index_find(&indexed, id_key_segment(sequence));
    offset = BLOCK_BYTES;
    fill_segment(11, 250);
    offset = BLOCK_BYTES;
    add_batch(12, 0); /* closes the other's open span */
    cr_assert_null(id_index_find(&indexed, id_key_segment(1)), "the only one that was not used");
    cr_assert_not_null(id_index_find(&indexed, id_key_segment(2)));
    cr_assert(may_have(11, 5));
    cr_assert_leq(indexed.bytes, indexed.bytes_max);
}

Test(id_index, a_snapshot_has_a_filter_for_each_block)
{
    unsigned char bytes[1024];
    for (unsigned block = 0; block < 3; block++) {
        struct contents_entry entry = { .kind = ENTRY_RESERVATION };
        char id[16];
        entry.id_len = (uint8_t)snprintf(id, sizeof id, "o%u", block);
        entry.length = (uint32_t)(sizeof entry + entry.id_len + 7) & ~7U;
        memset(bytes, 0, sizeof bytes);
        memcpy(bytes, &entry, sizeof entry);
        memcpy(bytes + sizeof entry, id, entry.id_len);
        id_index_add_block(&indexed, 99, bytes, block == 1 ? 0 : entry.length);
    }
    id_index_complete_snapshot(&indexed, 99, 3);
    const struct id_part *part = id_index_find(&indexed, id_key_snapshot(99));
    cr_assert(part->complete);
    cr_assert(id_span_may_have(&indexed, part, 0, hash_of(0)));
    cr_assert_not(id_span_may_have(&indexed, part, 1, hash_of(1)), "it is empty");
    cr_assert(id_span_may_have(&indexed, part, 2, hash_of(2)));
    id_index_add_block(&indexed, 100, bytes, 0);
    id_index_complete_snapshot(&indexed, 100, 2);
    cr_assert_null(id_index_find(&indexed, id_key_snapshot(100)), "not all of it is known");
}
