/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "persistence/format.h"

enum { DIRECTORY_ID = 77 };

static const struct batch_seal seal = { .directory_id = DIRECTORY_ID,
                                        .first_lsn = 4096,
                                        .number = 9,
                                        .promised = 8,
                                        .previous = 0x1234,
                                        .time_ms = 1700000000000 };

static unsigned char buffer[4 * BLOCK_BYTES];

static uint32_t make(uint32_t length)
{
    memset(buffer, 0xee, sizeof buffer);
    for (uint32_t i = 0; i < length; i++)
        buffer[sizeof(struct batch_header) + i] = (unsigned char)i;
    batch_make(buffer, length, &seal);
    return batch_span(length);
}

static enum batch_verdict check(size_t available)
{
    return batch_check(buffer, available, DIRECTORY_ID);
}

Test(format, a_batch_ends_at_a_block)
{
    cr_assert_eq(batch_span(0), BLOCK_BYTES);
    cr_assert_eq(batch_span(BLOCK_BYTES - 72), BLOCK_BYTES);
    cr_assert_eq(batch_span(BLOCK_BYTES - 64), 2 * BLOCK_BYTES);
    cr_assert_leq(batch_span(RECORD_MAX), BATCH_ROOM_MIN);
}

Test(format, what_is_made_is_valid)
{
    for (uint32_t length = 0; length <= 3 * BLOCK_BYTES; length += 8)
        cr_assert_eq(check(make(length)), BATCH_VALID, "length %u", length);
}

Test(format, padding_is_zero_and_checked)
{
    uint32_t span = make(80);
    cr_assert(bytes_are_zero(buffer + 72 + 80, span - 72 - 80));
    buffer[span - 1] = 1;
    cr_assert_eq(check(span), BATCH_INVALID);
}

Test(format, every_flipped_bit_is_seen)
{
    uint32_t span = make(200);
    for (uint32_t bit = 0; bit < span * 8; bit++) {
        buffer[bit / 8] ^= (unsigned char)(1 << bit % 8);
        cr_assert_eq(check(span), BATCH_INVALID, "bit %u", bit);
        buffer[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

Test(format, a_batch_of_another_directory_is_none) /* F3 */
{
    uint32_t span = make(64);
    cr_assert_eq(batch_check(buffer, span, DIRECTORY_ID + 1), BATCH_INVALID);
}

Test(format, a_header_is_whole_though_its_batch_is_torn) /* F16 */
{
    struct batch_header header;
    uint32_t span = make(2 * BLOCK_BYTES);
    memset(buffer + 512, 0, span - 512); /* only the first sector came through */
    cr_assert_eq(check(span), BATCH_INVALID);
    cr_assert(batch_header_check(buffer, span, DIRECTORY_ID, &header));
    cr_assert_eq(header.promised, seal.promised);
    cr_assert_not(batch_header_check(buffer, span, DIRECTORY_ID + 1, &header));
    cr_assert_not(batch_header_check(buffer, sizeof header - 1, DIRECTORY_ID, &header));
    for (uint32_t bit = 0; bit < sizeof header * 8; bit++) {
        buffer[bit / 8] ^= (unsigned char)(1 << bit % 8);
        cr_assert_not(batch_header_check(buffer, span, DIRECTORY_ID, &header), "bit %u", bit);
        buffer[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

Test(format, less_than_the_whole_batch_is_invalid)
{
    uint32_t span = make(2 * BLOCK_BYTES);
    cr_assert_eq(check(span), BATCH_VALID);
    cr_assert_eq(check(span - 1), BATCH_INVALID);
    cr_assert_eq(check(100), BATCH_INVALID);
    cr_assert_eq(check(20), BATCH_INVALID);
}

Test(format, zeroes_are_no_batch)
{
    memset(buffer, 0, sizeof buffer);
    cr_assert_eq(check(sizeof buffer), BATCH_NONE);
    cr_assert_eq(check(10), BATCH_NONE);
    cr_assert_eq(check(0), BATCH_NONE);
    buffer[71] = 1;
    cr_assert_eq(check(sizeof buffer), BATCH_INVALID);
}

/* Gives the batch in the buffer another header, with a checksum that fits. */
static void reseal(const struct batch_header *changed, uint32_t span)
{
    struct batch_header header = *changed;
    header.content = XXH3_64bits_withSeed(buffer + 72, span - 72, DIRECTORY_ID);
    header.checksum = XXH3_64bits_withSeed(&header, 64, DIRECTORY_ID);
    memcpy(buffer, &header, sizeof header);
}

Test(format, the_checksum_is_as_documented)
{
    struct batch_header header;
    uint32_t span = make(640);
    memcpy(&header, buffer, sizeof header);
    uint64_t checksum = header.checksum;
    reseal(&header, span);
    memcpy(&header, buffer, sizeof header);
    cr_assert_eq(header.checksum, checksum);
}

Test(format, unknown_flags_are_told_apart)
{
    struct batch_header header;
    uint32_t span = make(64);
    memcpy(&header, buffer, sizeof header);
    header.flags = BATCH_FLAGS + 1;
    reseal(&header, span);
    cr_assert_eq(check(span), BATCH_UNKNOWN);
}

Test(format, a_leap_has_no_records) /* F17 */
{
    struct batch_header header;
    uint32_t span = make(64);
    memcpy(&header, buffer, sizeof header);
    header.flags = BATCH_EARLY;
    reseal(&header, span);
    cr_assert_eq(check(span), BATCH_VALID);
    cr_assert_eq(batch_end_lsn(&header), header.first_lsn + 64);
    header.flags = BATCH_EARLY | BATCH_LEAP;
    reseal(&header, span);
    cr_assert_eq(check(span), BATCH_INVALID);
    span = make(0);
    memcpy(&header, buffer, sizeof header);
    header.flags = BATCH_EARLY | BATCH_LEAP;
    reseal(&header, span);
    cr_assert_eq(check(span), BATCH_VALID);
    cr_assert_eq(batch_end_lsn(&header), header.first_lsn + LSN_LEAP);
}

Test(format, impossible_headers_are_invalid)
{
    struct batch_header header;
    uint32_t span = make(64);
    memcpy(&header, buffer, sizeof header);
    const struct batch_header good = header;

    header.promised = header.number; /* of itself nobody can promise */
    reseal(&header, span);
    cr_assert_eq(check(span), BATCH_INVALID);
    header = good;
    header.length = 63; /* not a multiple of 8 */
    reseal(&header, span);
    cr_assert_eq(check(span), BATCH_INVALID);
    header = good;
    header.length = UINT32_MAX - 7; /* would overflow */
    reseal(&header, span);
    cr_assert_eq(check(sizeof buffer), BATCH_INVALID);
}

/* ---- segments ---- */

static void make_segment(void)
{
    memset(buffer, 0, BLOCK_BYTES);
    segment_header_make(buffer, 5, SEGMENT_BYTES_MIN, DIRECTORY_ID, 1700000000000);
}

static enum segment_verdict judge(struct segment_header *header)
{
    return segment_header_check(buffer, header);
}

Test(format, a_segments_header_comes_back)
{
    struct segment_header header;
    make_segment();
    cr_assert_eq(judge(&header), SEGMENT_VALID);
    cr_assert_eq(header.sequence, 5);
    cr_assert_eq(header.bytes, SEGMENT_BYTES_MIN);
    cr_assert_eq(header.directory_id, DIRECTORY_ID);
    cr_assert_eq(header.created_ms, 1700000000000);
}

Test(format, every_flipped_bit_of_the_header_block_is_seen)
{
    struct segment_header header;
    make_segment();
    for (uint32_t bit = 0; bit < BLOCK_BYTES * 8; bit++) {
        buffer[bit / 8] ^= (unsigned char)(1 << bit % 8);
        cr_assert_eq(judge(&header), SEGMENT_NOT_ONE, "bit %u", bit);
        buffer[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

static enum segment_verdict judge_changed(struct segment_header header)
{
    struct segment_header out;
    header.checksum = 0;
    memcpy(buffer, &header, sizeof header);
    header.checksum = XXH3_64bits(buffer, BLOCK_BYTES);
    memcpy(buffer, &header, sizeof header);
    return judge(&out);
}

Test(format, other_versions_and_values_are_told_apart)
{
    struct segment_header good;
    make_segment();
    cr_assert_eq(judge(&good), SEGMENT_VALID);
    cr_assert_eq(judge_changed(good), SEGMENT_VALID);
    struct segment_header header = good;
    header.version = FORMAT_VERSION + 1;
    cr_assert_eq(judge_changed(header), SEGMENT_OTHER_FORM);
    header = good;
    header.block_bytes = 512;
    cr_assert_eq(judge_changed(header), SEGMENT_OTHER_FORM);
    header = good;
    header.sequence = 0;
    cr_assert_eq(judge_changed(header), SEGMENT_NOT_ALLOWED);
    header = good;
    header.directory_id = 0; /* who reads would take the next segment's for the journal's */
    cr_assert_eq(judge_changed(header), SEGMENT_NOT_ALLOWED);
    header = good;
    header.bytes += 8;
    cr_assert_eq(judge_changed(header), SEGMENT_NOT_ALLOWED);
    header = good;
    header.bytes = SEGMENT_BYTES_MIN - BLOCK_BYTES;
    cr_assert_eq(judge_changed(header), SEGMENT_NOT_ALLOWED);
}

Test(format, records_must_fill_their_batch) /* F11 */
{
    struct record_head head = { .length = 24 };
    cr_assert(record_is_sound(&head, 24));
    cr_assert(record_is_sound(&head, 4000));
    cr_assert_not(record_is_sound(&head, 16));
    head.length = 0;
    cr_assert_not(record_is_sound(&head, 24));
    head.length = 12;
    cr_assert_not(record_is_sound(&head, 24));
    head.length = RECORD_MAX + 8;
    cr_assert_not(record_is_sound(&head, UINT32_MAX));
}
