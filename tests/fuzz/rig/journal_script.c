/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/rig/journal_script.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/log/log.h"
#include "persistence/segment.h"
#include "persistence/stop_mark.h"

enum {
    DIRECTORY_ID = 0x5eed,
    CREATED_MS = 1000000,
    STEPS_MAX = 96,
    LATER_MAX = 16,
    TWISTS_MAX = 4,
    RECORDS_MAX = 15,
};

struct input {
    const uint8_t *at, *end;
};

/* Damage waits until all is written. */
struct later {
    enum script_step step;
    unsigned n;
    uint16_t first, second;
};

struct twist {
    unsigned field;
    bool adds;
    uint64_t value;
};

struct record_twist {
    bool on;
    unsigned record;
    uint32_t length;
};

/* Where the chain is. */
struct chain {
    uint64_t lsn, number, previous, time_ms;
};

struct writer {
    struct script_journal *journal;
    struct input input;
    struct memory_file *segment; /* NULL: none was begun */
    uint64_t sequence;
    uint64_t offset;            /* in it, of the next batch */
    struct chain chain, before; /* the last batch */
    uint64_t last_offset;
    uint32_t last_span;
    struct twist twists[TWISTS_MAX];
    unsigned twist_count;
    struct record_twist record_twist;
    struct later later[LATER_MAX];
    unsigned later_count;
};

/* ---- the input ---- */

static uint64_t take(struct input *input, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && input->at < input->end; i++)
        value |= (uint64_t)*input->at++ << 8 * i;
    return value;
}

/* ---- twisting ---- */

/* fields: where each 4 or 8 bytes long field of the header begins, and the end of the last. */
static void twist(struct writer *w, void *header, const size_t *fields, unsigned count)
{
    for (unsigned i = 0; i < w->twist_count; i++) {
        const struct twist *t = &w->twists[i];
        unsigned char *at = (unsigned char *)header + fields[t->field % count];
        size_t size = fields[t->field % count + 1] - fields[t->field % count];
        uint64_t value = 0;
        memcpy(&value, at, size);
        value = t->adds ? value + t->value : t->value;
        memcpy(at, &value, size);
    }
    w->twist_count = 0;
}

/* ---- segments ---- */

static void seal_segment(void *block)
{
    struct segment_header header;
    memcpy(&header, block, sizeof header);
    header.checksum = 0;
    memcpy(block, &header, sizeof header);
    header.checksum = XXH3_64bits(block, BLOCK_BYTES);
    memcpy(block, &header, sizeof header);
}

static void begin_segment(struct writer *w)
{
    static const size_t fields[] = {
        offsetof(struct segment_header, magic),       offsetof(struct segment_header, version),
        offsetof(struct segment_header, block_bytes), offsetof(struct segment_header, sequence),
        offsetof(struct segment_header, bytes),       offsetof(struct segment_header, directory_id),
        offsetof(struct segment_header, created_ms),  offsetof(struct segment_header, zero),
        offsetof(struct segment_header, checksum),
    };
    if (w->sequence == SCRIPT_SEGMENTS_MAX)
        return;
    w->sequence++;
    w->segment = memory_disk_add(&w->journal->disk, segment_name(w->sequence).text, SCRIPT_SEGMENT);
    segment_header_make(w->segment->bytes, w->sequence, SCRIPT_SEGMENT, DIRECTORY_ID, CREATED_MS);
    twist(w, w->segment->bytes, fields, sizeof fields / sizeof *fields - 1);
    seal_segment(w->segment->bytes);
    w->offset = BLOCK_BYTES;
    w->last_span = 0;
}

/* ---- batches ---- */

static uint32_t put_records(struct writer *w, unsigned char *batch, unsigned count)
{
    uint32_t length = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t bytes = 8 * (1 + (uint32_t)take(&w->input, 1));
        struct record_head head = { .length = bytes, .type = (uint8_t)take(&w->input, 1) };
        if (w->record_twist.on && w->record_twist.record == i)
            head.length = w->record_twist.length;
        memcpy(batch + BATCH_HEADER_BYTES + length, &head, sizeof head);
        memset(batch + BATCH_HEADER_BYTES + length + sizeof head, (int)i + 1, bytes - sizeof head);
        length += bytes;
    }
    w->record_twist.on = false;
    return length;
}

/* As batch_make, but of whatever the header says by now. */
static void seal_batch(unsigned char *batch, size_t room)
{
    struct batch_header header;
    memcpy(&header, batch, sizeof header);
    size_t span = batch_span(header.length);
    if (header.length <= BATCH_BYTES_MAX && span <= room)
        header.content =
            XXH3_64bits_withSeed(batch + sizeof header, span - sizeof header, DIRECTORY_ID);
    header.checksum =
        XXH3_64bits_withSeed(&header, offsetof(struct batch_header, checksum), DIRECTORY_ID);
    memcpy(batch, &header, sizeof header);
}

static void put_batch(struct writer *w, unsigned count)
{
    static const size_t fields[] = {
        offsetof(struct batch_header, magic),    offsetof(struct batch_header, first_lsn),
        offsetof(struct batch_header, length),   offsetof(struct batch_header, flags),
        offsetof(struct batch_header, number),   offsetof(struct batch_header, promised),
        offsetof(struct batch_header, previous), offsetof(struct batch_header, time_ms),
        offsetof(struct batch_header, content),
    };
    enum { ROOM = BATCH_HEADER_BYTES + RECORDS_MAX * 8 * 256 + BLOCK_BYTES };
    static unsigned char batch[SCRIPT_SEGMENT];
    _Static_assert(ROOM <= SCRIPT_SEGMENT, "a batch has place");
    memset(batch, 0, sizeof batch);
    uint64_t behind = take(&w->input, 1) % 8;
    uint32_t length = put_records(w, batch, count);
    struct batch_seal seal = { .directory_id = DIRECTORY_ID,
                               .first_lsn = w->chain.lsn,
                               .number = w->chain.number + 1,
                               .promised = w->chain.number > behind ? w->chain.number - behind : 0,
                               .previous = w->chain.previous,
                               .time_ms = w->chain.time_ms };
    if (seal.number == 0 || !w->segment || w->offset + batch_span(length) > SCRIPT_SEGMENT)
        return;
    batch_make(batch, length, &seal);
    assert(batch_check(batch, sizeof batch, DIRECTORY_ID) == BATCH_VALID);
    twist(w, batch, fields, sizeof fields / sizeof *fields - 1);
    seal_batch(batch, sizeof batch);

    struct batch_header header;
    memcpy(&header, batch, sizeof header);
    w->last_offset = w->offset;
    w->last_span = batch_span(length);
    memcpy(w->segment->bytes + w->offset, batch, w->last_span);
    w->offset += w->last_span;
    w->before = w->chain;
    w->chain = (struct chain){ .lsn = header.first_lsn + header.length,
                               .number = header.number,
                               .previous = header.checksum,
                               .time_ms = header.time_ms };
}

static void tear(struct writer *w, uint64_t kept)
{
    if (kept >= w->last_span)
        return;
    memset(w->segment->bytes + w->last_offset + kept, 0, w->last_span - (size_t)kept);
}

/* ---- the mark ---- */

static void put_mark(struct writer *w)
{
    static const size_t fields[] = {
        offsetof(struct stop_mark, magic),
        offsetof(struct stop_mark, version),
        offsetof(struct stop_mark, zero),
        offsetof(struct stop_mark, directory_id),
        offsetof(struct stop_mark, sequence),
        offsetof(struct stop_mark, offset),
        offsetof(struct stop_mark, lsn),
        offsetof(struct stop_mark, number),
        offsetof(struct stop_mark, batch_checksum),
    };
    struct stop_mark mark = { .magic = STOP_MARK_MAGIC,
                              .version = STOP_MARK_VERSION,
                              .directory_id = DIRECTORY_ID,
                              .sequence = w->sequence,
                              .offset = w->offset,
                              .lsn = w->chain.lsn,
                              .number = w->chain.number,
                              .batch_checksum = w->chain.previous,
                              .time_ms = w->chain.time_ms };
    for (int i = 0; i < w->journal->disk.count; i++) {
        if (strcmp(w->journal->disk.files[i].name, STOP_MARK_NAME) == 0)
            return;
    }
    twist(w, &mark, fields, sizeof fields / sizeof *fields - 1);
    mark.checksum = XXH3_64bits(&mark, offsetof(struct stop_mark, checksum));
    struct memory_file *file = memory_disk_add(&w->journal->disk, STOP_MARK_NAME, sizeof mark);
    memcpy(file->bytes, &mark, sizeof mark);
}

/* ---- damage ---- */

static struct memory_file *find(struct script_journal *journal, const char *name)
{
    for (int i = 0; i < journal->disk.count; i++) {
        if (strcmp(journal->disk.files[i].name, name) == 0)
            return &journal->disk.files[i];
    }
    return NULL;
}

struct memory_file *script_segment(struct script_journal *journal, uint64_t sequence)
{
    return find(journal, segment_name(sequence).text);
}

static void remove_file(struct script_journal *journal, struct memory_file *file)
{
    int error = journal->disk.ops.unlink(&journal->disk, file->name);
    assert(!error);
}

static void flip(struct memory_file *file, const struct later *later)
{
    if (later->first < file->length)
        file->bytes[later->first] ^= (unsigned char)later->second;
}

static void copy_block(struct memory_file *file, const struct later *later)
{
    size_t from = (size_t)(later->first % SCRIPT_BLOCKS) * BLOCK_BYTES;
    size_t to = (size_t)(later->second % SCRIPT_BLOCKS) * BLOCK_BYTES;
    if (from + BLOCK_BYTES <= file->length && to + BLOCK_BYTES <= file->length)
        memmove(file->bytes + to, file->bytes + from, BLOCK_BYTES);
}

static void damage(struct script_journal *journal, const struct later *later)
{
    bool mark = later->step == STEP_FLIP_MARK;
    struct memory_file *file = mark ? find(journal, STOP_MARK_NAME)
                                    : script_segment(journal, 1 + later->n % SCRIPT_SEGMENTS_MAX);
    if (!file)
        return;
    if (later->step == STEP_FLIP || mark)
        flip(file, later);
    if (later->step == STEP_ZERO && later->first < file->length)
        memset(file->bytes + later->first, 0,
               later->second < file->length - later->first ? later->second
                                                           : file->length - later->first);
    if (later->step == STEP_COPY)
        copy_block(file, later);
    if (later->step == STEP_CUT && later->first < file->length)
        file->length = later->first;
    if (later->step == STEP_REMOVE)
        remove_file(journal, file);
}

static void note_damage(struct writer *w, enum script_step step, unsigned n, unsigned first,
                        unsigned second)
{
    uint16_t at = (uint16_t)take(&w->input, first);
    uint16_t more = (uint16_t)take(&w->input, second);
    if (w->later_count < LATER_MAX)
        w->later[w->later_count++] = (struct later){ step, n, at, more };
}

/* ---- steps ---- */

static void note_twist(struct writer *w, unsigned n)
{
    uint64_t value = take(&w->input, 8);
    if (w->twist_count < TWISTS_MAX)
        w->twists[w->twist_count++] = (struct twist){ n % 8, n >= 8, value };
}

static void start_here(struct writer *w)
{
    if (w->sequence > 0)
        w->journal->start = (struct journal_position){ .directory_id = DIRECTORY_ID,
                                                       .lsn = w->chain.lsn,
                                                       .number = w->chain.number,
                                                       .checksum = w->chain.previous,
                                                       .time_ms = w->chain.time_ms,
                                                       .sequence = w->sequence };
}

static void step(struct writer *w, enum script_step kind, unsigned n)
{
    static const struct {
        uint8_t first, second; /* bytes that follow */
    } damages[] = {
        [STEP_FLIP] = { 2, 1 }, [STEP_ZERO] = { 2, 2 },   [STEP_COPY] = { 1, 1 },
        [STEP_CUT] = { 2, 0 },  [STEP_REMOVE] = { 0, 0 }, [STEP_FLIP_MARK] = { 1, 1 },
    };
    switch (kind) {
    case STEP_BATCH:
        put_batch(w, n);
        break;
    case STEP_SEGMENT:
        begin_segment(w);
        break;
    case STEP_TWIST:
        note_twist(w, n);
        break;
    case STEP_TWIST_RECORD:
        w->record_twist = (struct record_twist){ true, n, (uint32_t)take(&w->input, 4) };
        break;
    case STEP_FLIP:
    case STEP_ZERO:
    case STEP_COPY:
    case STEP_CUT:
    case STEP_REMOVE:
    case STEP_FLIP_MARK:
        note_damage(w, kind, n, damages[kind].first, damages[kind].second);
        break;
    case STEP_SKIP:
        w->offset += (uint64_t)n * BLOCK_BYTES;
        break;
    case STEP_BACK:
        w->offset -= w->offset > (uint64_t)(n + 1) * BLOCK_BYTES ? (uint64_t)n * BLOCK_BYTES : 0;
        break;
    case STEP_TEAR:
        tear(w, take(&w->input, 2));
        break;
    case STEP_MARK:
        put_mark(w);
        break;
    case STEP_START:
        start_here(w);
        break;
    case STEP_REPEAT:
        w->chain = w->before;
        break;
    }
}

void script_journal_make(struct script_journal *journal, const uint8_t *data, size_t size)
{
    struct writer w = { .journal = journal, .input = { data, data + size } };
    *journal = (struct script_journal){ .directory_id = DIRECTORY_ID };
    memory_disk_init(&journal->disk);
    w.chain.time_ms = w.before.time_ms = CREATED_MS;
    for (int i = 0; i < STEPS_MAX && w.input.at < w.input.end; i++) {
        unsigned byte = (unsigned)take(&w.input, 1);
        step(&w, (enum script_step)(byte % 16), byte / 16);
    }
    for (unsigned i = 0; i < w.later_count; i++)
        damage(journal, &w.later[i]);
}

void script_journal_close(struct script_journal *journal)
{
    memory_disk_free(&journal->disk);
}
