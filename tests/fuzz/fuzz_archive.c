/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment out of the archive, of any bytes: the file's own, or what is in a whole zstd frame.
 *
 *   A1  Nothing is read or written where it should not be.
 *   A2  What is refused says which segment.
 *   A3  An archived segment gives just what the segment itself gives, block by block.
 *   A4  Whatever the file is: what is called a valid batch is one, and all of it is there.
 *   A5  Read in pieces, a stream gives what it gives in one go, and ends in the same way.
 *   A6  Trimming looks at the same header.
 *
 * The input: u8 flags, u8 damages n; n times u16 offset, u8 mask; then a script of segments
 * (rig/journal_script.h), of which the first is archived, or the file itself.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "persistence/archive.h"
#include "persistence/archive_stream.h"
#include "persistence/segment_reader.h"
#include "tests/fuzz/rig/journal_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FLAG_RAW = 1,    /* the rest of the input is the file */
    FLAG_STREAM = 2, /* the frame does not say how long its content is, as archive_add makes them */
    FLAG_BARE = 4,   /* no checksum of zstd's */
    FLAG_HALF = 8,   /* the content ends in the middle */
    FLAG_MORE = 16,  /* a second frame follows */
    WORK_SHIFT = 5,  /* enum work */
    DAMAGES_MAX = 3,
    LOOKS_MAX = 64, /* a header may claim 16 GiB, block by block */
    STREAM_MAX = 2 * SCRIPT_SEGMENT,
};

/* What is done with it: one thing, for each opens it anew, and that takes its time. */
enum work {
    WORK_BLOCKS,  /* each block is looked at, as a scrub would; and compared, if it is whole */
    WORK_BATCHES, /* batch by batch, as the history's reader does */
    WORK_PIECES,
    WORK_TRIM,
    WORKS,
};

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

struct archived {
    struct script_journal journal; /* the segment itself is in it, if there is one */
    struct memory_disk disk;       /* the archive */
    struct memory_file *file;
    bool faithful; /* the file holds the segment, whole */
};

/* ---- making one ---- */

static ZSTD_CCtx *compressor_for(unsigned flags)
{
    static ZSTD_CCtx *compressor;
    if (!compressor)
        compressor = ZSTD_createCCtx();
    assert(compressor);
    ZSTD_CCtx_reset(compressor, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(compressor, ZSTD_c_contentSizeFlag, !(flags & FLAG_STREAM));
    ZSTD_CCtx_setParameter(compressor, ZSTD_c_checksumFlag, !(flags & FLAG_BARE));
    return compressor;
}

static void put_file(struct archived *archived, const void *bytes, size_t length)
{
    archived->file = memory_disk_add(&archived->disk, "0000000001.seg.zst", length);
    if (length > 0)
        memcpy(archived->file->bytes, bytes, length);
}

static void archive(struct archived *archived, const struct memory_file *segment, unsigned flags)
{
    static unsigned char packed[2 * SCRIPT_SEGMENT];
    size_t length = flags & FLAG_HALF ? segment->length / 2 : segment->length;
    size_t n = ZSTD_compress2(compressor_for(flags), packed, sizeof packed, segment->bytes, length);
    assert(!ZSTD_isError(n));
    if (flags & FLAG_MORE) {
        size_t more = ZSTD_compress(packed + n, sizeof packed - n, packed, n, 1);
        assert(!ZSTD_isError(more));
        n += more;
    }
    put_file(archived, packed, n);
    archived->faithful = !(flags & FLAG_HALF);
}

static void damage(struct archived *archived, const uint8_t *damages, unsigned count)
{
    for (unsigned i = 0; i < count && archived->file->length > 0; i++) {
        size_t at = (damages[3 * i] | (size_t)damages[3 * i + 1] << 8) % archived->file->length;
        archived->file->bytes[at] ^= damages[3 * i + 2];
        archived->faithful = false;
    }
}

static bool make(struct archived *archived, const uint8_t *data, size_t size)
{
    unsigned flags = size > 0 ? data[0] : 0;
    unsigned damages = size > 1 ? data[1] % (DAMAGES_MAX + 1) : 0;
    size_t head = 2 + 3 * (size_t)damages;
    *archived = (struct archived){ .faithful = false };
    if (size < head)
        return false;
    bool raw = flags & FLAG_RAW;
    script_journal_make(&archived->journal, data + head, raw ? 0 : size - head);
    memory_disk_init(&archived->disk);
    const struct memory_file *segment = script_segment(&archived->journal, 1);
    if (raw)
        put_file(archived, data + head, size - head);
    else if (segment)
        archive(archived, segment, flags);
    if (archived->file)
        damage(archived, data + 2, damages);
    return archived->file != NULL;
}

/* ---- A2 to A4 ---- */

static int open_archived(struct segment_reader *reader, const struct archived *archived)
{
    struct error why = { "" };
    int error = segment_reader_init(reader, &archived->disk.ops);
    assert(!error);
    error = segment_reader_open_archived(reader, "archive", 1, &why);
    assert(error == 0 || error == -EILSEQ);
    assert(error == 0 || strstr(why.text, "0000000001.seg in the archive"));
    return error;
}

static void check_batch(const unsigned char *at, size_t available, uint64_t id)
{
    struct batch_header header;
    assert(available >= sizeof header && (uintptr_t)at % 8 == 0);
    memcpy(&header, at, sizeof header);
    size_t span = batch_span(header.length);
    assert(span <= available);
    unsigned char *copy = malloc(span); /* of its size: reading on is seen */
    assert(copy);
    memcpy(copy, at, span);
    assert(batch_check(copy, span, id) == BATCH_VALID);
    free(copy);
}

static void read_through(const struct archived *archived, bool by_batch)
{
    struct segment_reader reader;
    struct error why = { "" };
    const unsigned char *at;
    size_t available;
    int error = open_archived(&reader, archived);
    for (int i = 0; i < LOOKS_MAX && !error && reader.offset < reader.end; i++) {
        uint64_t id = reader.header.directory_id;
        int verdict = segment_reader_look(&reader, id, &at, &available, &why);
        struct batch_header header;
        if (verdict < 0) {
            assert(verdict == -EILSEQ && strstr(why.text, "0000000001.seg: offset "));
            break;
        }
        assert(available <= reader.end - reader.offset);
        if (verdict == BATCH_VALID)
            check_batch(at, available, id);
        if (by_batch && verdict == BATCH_VALID)
            memcpy(&header, at, sizeof header);
        segment_reader_skip(&reader, by_batch && verdict == BATCH_VALID ? batch_span(header.length)
                                                                        : BLOCK_BYTES);
    }
    segment_reader_destroy(&reader);
}

static void compare_blocks(struct segment_reader *archived, struct segment_reader *plain)
{
    struct error why;
    const unsigned char *left, *right;
    size_t left_length, right_length;
    uint64_t id = plain->header.directory_id;
    while (plain->offset < plain->end) {
        int verdict = segment_reader_look(plain, id, &right, &right_length, &why);
        int same = segment_reader_look(archived, id, &left, &left_length, &why);
        size_t block = right_length < BLOCK_BYTES ? right_length : BLOCK_BYTES;
        assert(verdict == same && left_length >= block);
        assert(memcmp(left, right, block) == 0);
        segment_reader_skip(plain, BLOCK_BYTES);
        segment_reader_skip(archived, BLOCK_BYTES);
    }
}

static void compare(const struct archived *archived)
{
    struct segment_reader there, plain;
    struct error why;
    int error = open_archived(&there, archived);
    int expected = segment_reader_init(&plain, &archived->journal.disk.ops);
    assert(!expected);
    expected = segment_reader_open(&plain, "journal", 1, &why);
    assert((error == 0) == (expected == 0));
    if (!error && plain.file_bytes == plain.header.bytes) /* else its rest counts as zeroes */
        compare_blocks(&there, &plain);
    segment_reader_destroy(&there);
    segment_reader_destroy(&plain);
}

/* ---- A5 ---- */

static ssize_t read_stream(const struct archived *archived, unsigned char *to, size_t piece)
{
    struct archive_stream *stream;
    ssize_t length = 0, n = 0;
    int error = archive_stream_open(&stream, &archived->disk.ops, "archive", 1);
    assert(!error);
    while (length < STREAM_MAX) {
        size_t left = (size_t)(STREAM_MAX - length);
        n = archive_stream_read(stream, to + length, piece < left ? piece : left);
        if (n <= 0)
            break;
        length += n;
    }
    archive_stream_close(stream);
    return n < 0 ? n : length;
}

static void check_pieces(const struct archived *archived)
{
    static unsigned char whole[STREAM_MAX], pieces[STREAM_MAX];
    ssize_t length = read_stream(archived, whole, STREAM_MAX);
    assert(read_stream(archived, pieces, 1000) == length);
    assert(length < 0 || memcmp(whole, pieces, (size_t)length) == 0);
}

/* ---- A6 ---- */

static void trim(struct archived *archived)
{
    struct segment_reader reader;
    struct error why = { "" };
    struct archive_rules rules = { .days = 1 };
    uint64_t removed;
    int refused = open_archived(&reader, archived);
    uint64_t made_ms = reader.header.created_ms, now_ms = 3 * DAY_MS;
    segment_reader_destroy(&reader);
    int error = archive_trim(&archived->disk.ops, "data", &rules, now_ms, &removed, &why);
    assert(!error);
    if (refused)
        return;
    if (made_ms > 0)
        assert(removed == (made_ms + DAY_MS < now_ms));
    else
        assert(removed <= 1); /* that of a cluster, as old as its first batch (F20) */
}

static void work(struct archived *archived, enum work work)
{
    if (work == WORK_TRIM)
        trim(archived);
    else if (work == WORK_PIECES)
        check_pieces(archived);
    else if (work == WORK_BLOCKS && archived->faithful)
        compare(archived);
    else
        read_through(archived, work == WORK_BATCHES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct archived archived;
    if (make(&archived, data, size))
        work(&archived, (enum work)((data[0] >> WORK_SHIFT) % WORKS));
    if (archived.disk.ops.context)
        memory_disk_free(&archived.disk);
    if (archived.journal.disk.ops.context)
        script_journal_close(&archived.journal);
    return 0;
}
