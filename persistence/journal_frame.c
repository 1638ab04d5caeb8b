/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/journal_frame.h"

#include <assert.h>
#include <string.h>
#include <time.h>

/* ---- clocks ---- */

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t system_wall_ms(void *context)
{
    (void)context;
    return clock_ms(CLOCK_REALTIME);
}

static uint64_t system_steady_ms(void *context)
{
    (void)context;
    return clock_ms(CLOCK_MONOTONIC);
}

void journal_set_clocks(struct journal *journal, const struct journal_options *options)
{
    journal->wall_ms = options->wall_ms ? options->wall_ms : system_wall_ms;
    journal->steady_ms = options->steady_ms ? options->steady_ms : system_steady_ms;
}

uint64_t journal_wall_ms(const struct journal *journal)
{
    uint64_t now = journal->wall_ms(journal->context);
    return now > journal->time_ms ? now : journal->time_ms;
}

uint64_t journal_steady_ms(const struct journal *journal)
{
    return journal->steady_ms(journal->context);
}

/* ---- segments ---- */

void journal_use_segment(struct journal *journal, const struct segment *segment)
{
    assert(segment->sequence >= FIRST_SEQUENCE);                              /* F2 */
    assert(segment->used >= BLOCK_BYTES && segment->used % BLOCK_BYTES == 0); /* F4 */
    assert(segment->used <= segment->bytes && segment->bytes % BLOCK_BYTES == 0);
    journal->current = *segment;
    counter_set(&journal->counters.segment_used, segment->used);
    counter_set(&journal->counters.sequence, segment->sequence);
}

void journal_take_next(struct journal *journal)
{
    const struct preallocation *next = &journal->next;
    assert(next->step == PREALLOCATION_READY);
    assert(next->fd >= 0);
    assert(watermark_read(&journal->watermarks, WATERMARK_KERNEL).number ==
           journal->framed.number); /* J4: no batch is in flight */
    assert(next->sequence == journal->current.sequence + 1);
    assert(journal->retired.fd < 0);
    journal->retired = journal->current; /* J4 */
    journal->retired_synced = journal->durability == DURABILITY_ALWAYS;
    struct segment segment = { next->fd, next->sequence, next->bytes, BLOCK_BYTES,
                               journal->framed };
    preallocation_take(&journal->next);
    journal->leads_on = false;
    journal_use_segment(journal, &segment);
    atomic_store_explicit(&journal->counters.next_ready, false, memory_order_relaxed);
}

void journal_begin_next(struct journal *journal)
{
    uint64_t now_ms = journal->replication ? 0 : journal_wall_ms(journal); /* F20 */
    preallocation_begin(&journal->next, journal->current.sequence + 1, journal->segment_bytes,
                        now_ms);
}

bool journal_next_is_due(const struct journal *journal)
{
    const struct segment *current = &journal->current;
    const struct preallocation *next = &journal->next;
    if (segment_room(current) < BATCH_ROOM_MIN)
        return true;
    if (current->used < current->bytes / 4)
        return false;
    if (next->step != PREALLOCATION_ZEROING)
        return true;
    assert(next->zeroed <= next->bytes);
    /* zeroed / next->bytes against used / current->bytes, without dividing. */
    uint64_t zeroed = next->zeroed / BLOCK_BYTES * (current->bytes / BLOCK_BYTES);
    uint64_t used = (current->used - current->bytes / 4) / BLOCK_BYTES;
    return zeroed <= 2 * used * (next->bytes / BLOCK_BYTES);
}

void journal_note_next(struct journal *journal)
{
    assert(journal->next.step == PREALLOCATION_READY);
    atomic_store_explicit(&journal->counters.next_ready, true, memory_order_relaxed);
    counter_add(&journal->counters.segments, 1);
}

/* ---- batches ---- */

static uint64_t count_records(const unsigned char *at, uint32_t length)
{
    struct record_cursor records = records_of(at, length, 0);
    uint64_t count = 0;
    while (record_next(&records))
        count++;
    assert(records.left == 0); /* F11 */
    return count;
}

unsigned char *journal_buffer(const struct journal *journal)
{
    return journal->buffers + (journal->framed.number + 1) % JOURNAL_BATCHES * BATCH_BYTES_MAX;
}

void journal_advance(struct journal *journal, const struct batch_header *batch)
{
    struct segment *current = &journal->current;
    uint32_t span = batch_span(batch->length);
    assert(batch->number == journal->framed.number + 1);
    assert(current->used + span <= current->bytes);
    journal->previous = batch->checksum;
    journal->time_ms = batch->time_ms;
    journal->leads_on = batch->flags & BATCH_LEADS_ON;
    journal->framed = (struct log_position){ batch_end_lsn(batch), batch->number };
    current->used += span;
    current->end = journal->framed;

    struct journal_counters *counters = &journal->counters;
    const unsigned char *records = (const unsigned char *)batch + sizeof *batch;
    counter_add(&counters->batches, 1);
    counter_add(&counters->records, count_records(records, batch->length));
    counter_add(&counters->record_bytes, batch->length);
    counter_add(&counters->file_bytes, span);
    counter_set(&counters->segment_used, current->used);
}

void journal_frame(struct journal *journal, uint32_t length, uint32_t flags, uint32_t *span)
{
    struct segment *current = &journal->current;
    unsigned char *batch = journal_buffer(journal);
    bool replicated = journal->replication;
    enum watermark stated = replicated ? WATERMARK_COMMITTED : WATERMARK_DISK; /* F6, F19 */
    uint64_t durable = watermark_read(&journal->watermarks, stated).number;
    assert(length % 8 == 0);
    *span = batch_span(length);
    assert(*span <= BATCH_BYTES_MAX);
    assert(current->used % BLOCK_BYTES == 0);
    assert(current->used + *span <= current->bytes);
    assert(durable <= journal->framed.number);
    assert(journal->framed.number - watermark_read(&journal->watermarks, WATERMARK_KERNEL).number <
           JOURNAL_BATCHES); /* J3 */
    assert(journal->framed.number - durable < JOURNAL_BATCHES ||
           journal->durability != DURABILITY_ALWAYS); /* F7, F19 */
    uint64_t left = segment_takes_batch(current->bytes, current->used + *span);
    bool leads_on = left < BATCH_ROOM_MIN && journal->next.step == PREALLOCATION_READY;
    flags |= leads_on ? BATCH_LEADS_ON : 0U;
    flags |= replicated ? BATCH_REPLICATED : 0U;
    struct batch_seal seal = {
        .directory_id = journal->directory_id,
        .first_lsn = journal->framed.lsn,
        .flags = flags | (journal->durability == DURABILITY_ALWAYS ? 0U : BATCH_EARLY), /* F17 */
        .number = journal->framed.number + 1,
        .promised = durable,
        .previous = journal->previous,
        .time_ms = journal_wall_ms(journal),
    };
    assert(seal.promised < seal.number); /* F6 */
    batch_make(batch, length, &seal);
    journal_advance(journal, (const struct batch_header *)(const void *)batch);
}
