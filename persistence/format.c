/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/format.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- segments ---- */

static uint64_t block_checksum(const void *block)
{
    unsigned char copy[BLOCK_BYTES];
    memcpy(copy, block, sizeof copy);
    memset(copy + offsetof(struct segment_header, checksum), 0, sizeof(uint64_t));
    return XXH3_64bits(copy, sizeof copy);
}

void segment_header_make(void *block, uint64_t sequence, uint64_t bytes, uint64_t directory_id,
                         uint64_t created_ms)
{
    assert(bytes % BLOCK_BYTES == 0);
    assert(sequence >= FIRST_SEQUENCE && directory_id != 0); /* F2 */
    assert(bytes >= SEGMENT_BYTES_MIN && bytes % BLOCK_BYTES == 0);
    struct segment_header header = {
        .version = FORMAT_VERSION,
        .block_bytes = BLOCK_BYTES,
        .sequence = sequence,
        .bytes = bytes,
        .directory_id = directory_id,
        .created_ms = created_ms,
    };
    memcpy(header.magic, SEGMENT_MAGIC, sizeof header.magic);
    memcpy(block, &header, sizeof header);
    header.checksum = block_checksum(block);
    memcpy(block, &header, sizeof header);
}

enum segment_verdict segment_header_check(const void *block, struct segment_header *header)
{
    memcpy(header, block, sizeof *header);
    if (memcmp(header->magic, SEGMENT_MAGIC, sizeof header->magic) != 0)
        return SEGMENT_NOT_ONE;
    if (header->checksum != block_checksum(block))
        return SEGMENT_NOT_ONE;
    if (header->version != FORMAT_VERSION || header->block_bytes != BLOCK_BYTES)
        return SEGMENT_OTHER_FORM;
    bool sound = header->sequence >= FIRST_SEQUENCE && header->bytes >= SEGMENT_BYTES_MIN &&
                 header->bytes <= SEGMENT_BYTES_MAX && header->bytes % BLOCK_BYTES == 0 &&
                 header->directory_id != 0;
    return sound ? SEGMENT_VALID : SEGMENT_NOT_ALLOWED;
}

/* ---- batches ---- */

static uint64_t content_checksum(const void *batch, uint32_t span, uint64_t directory_id)
{
    const unsigned char *bytes = batch;
    size_t header = sizeof(struct batch_header);
    return XXH3_64bits_withSeed(bytes + header, span - header, directory_id);
}

static uint64_t header_checksum(const struct batch_header *header, uint64_t directory_id)
{
    return XXH3_64bits_withSeed(header, offsetof(struct batch_header, checksum), directory_id);
}

uint64_t batch_make(void *batch, uint32_t length, const struct batch_seal *seal)
{
    uint32_t span = batch_span(length);
    assert(length % 8 == 0);
    assert(span <= BATCH_BYTES_MAX);
    assert(seal->promised < seal->number);
    assert(length == 0 || !(seal->flags & BATCH_LEAP)); /* F17 */
    assert(!(seal->flags & BATCH_REPLICATED) ||
           seal->number - seal->promised <= JOURNAL_BATCHES); /* F19 */
    struct batch_header header = {
        .first_lsn = seal->first_lsn,
        .length = length,
        .flags = seal->flags,
        .number = seal->number,
        .promised = seal->promised,
        .previous = seal->previous,
        .time_ms = seal->time_ms,
    };
    memcpy(header.magic, BATCH_MAGIC, sizeof header.magic);
    size_t used = sizeof header + length;
    memset((unsigned char *)batch + used, 0, span - used);
    header.content = content_checksum(batch, span, seal->directory_id);
    header.checksum = header_checksum(&header, seal->directory_id);
    memcpy(batch, &header, sizeof header);
    return header.checksum;
}

bool bytes_are_zero(const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    return length == 0 || (at[0] == 0 && memcmp(at, at + 1, length - 1) == 0);
}

/* By magic and checksum: it was written here, perhaps by a later version. */
static bool header_is_ours(const void *batch, size_t available, uint64_t directory_id,
                           struct batch_header *header)
{
    if (available < sizeof *header)
        return false;
    memcpy(header, batch, sizeof *header);
    return memcmp(header->magic, BATCH_MAGIC, sizeof header->magic) == 0 &&
           header->checksum == header_checksum(header, directory_id);
}

static bool has_unknown_flags(const struct batch_header *header)
{
    return (header->flags & ~(uint32_t)BATCH_FLAGS) != 0;
}

static bool header_is_sound(const struct batch_header *header)
{
    bool leaps = (header->flags & BATCH_LEAP) != 0;
    bool replicated = (header->flags & BATCH_REPLICATED) != 0;
    return !has_unknown_flags(header) && header->length % 8 == 0 &&
           (!leaps || header->length == 0) &&                                       /* F17 */
           (!replicated || header->number - header->promised <= JOURNAL_BATCHES) && /* F19 */
           header->length <= BATCH_BYTES_MAX - sizeof *header && header->promised < header->number;
}

bool batch_header_check(const void *batch, size_t available, uint64_t directory_id,
                        struct batch_header *header)
{
    return header_is_ours(batch, available, directory_id, header) && header_is_sound(header);
}

enum batch_verdict batch_check(const void *batch, size_t available, uint64_t directory_id)
{
    struct batch_header header;
    if (!header_is_ours(batch, available, directory_id, &header)) {
        size_t seen = available < sizeof header ? available : sizeof header;
        return bytes_are_zero(batch, seen) ? BATCH_NONE : BATCH_INVALID;
    }
    if (has_unknown_flags(&header))
        return BATCH_UNKNOWN;
    if (!header_is_sound(&header))
        return BATCH_INVALID;
    uint32_t span = batch_span(header.length);
    bool whole = span <= available && header.content == content_checksum(batch, span, directory_id);
    return whole ? BATCH_VALID : BATCH_INVALID;
}
