/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/replay_unsure.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/base/memory.h"

enum { MEMORY = JOURNAL_BATCHES * BATCH_BYTES_MAX };

void unsure_free(struct unsure_batches *unsure)
{
    if (unsure->memory)
        memory_release(unsure->memory, MEMORY);
    *unsure = (struct unsure_batches){ 0 };
}

static struct unsure_batch *at(struct unsure_batches *unsure, uint64_t number)
{
    return &unsure->batches[number % JOURNAL_BATCHES];
}

int unsure_hold(struct unsure_batches *unsure, const struct batch_header *header,
                const struct unsure_batch *where)
{
    assert(unsure->count < JOURNAL_BATCHES);
    assert(unsure->count == 0 || header->number == unsure->first + unsure->count);
    if (!unsure->memory)
        unsure->memory = memory_reserve(MEMORY);
    if (!unsure->memory)
        return -ENOMEM;
    if (unsure->count++ == 0)
        unsure->first = header->number;
    struct unsure_batch *batch = at(unsure, header->number);
    *batch = *where;
    batch->bytes = unsure->memory + header->number % JOURNAL_BATCHES * BATCH_BYTES_MAX;
    memcpy(batch->bytes, header, sizeof *header + header->length);
    return 0;
}

const struct unsure_batch *unsure_oldest(const struct unsure_batches *unsure)
{
    return unsure->count > 0 ? &unsure->batches[unsure->first % JOURNAL_BATCHES] : NULL;
}

void unsure_drop_oldest(struct unsure_batches *unsure)
{
    assert(unsure->count > 0);
    unsure->count--;
    unsure->first++;
}

struct replication_tail unsure_tail(const struct unsure_batches *unsure, uint64_t last)
{
    assert(unsure->count == 0 || unsure->first + unsure->count == last + 1);
    struct replication_tail tail = { .number = last,
                                     .sure = last - unsure->count,
                                     .count = unsure->count };
    for (unsigned i = 0; i < unsure->count; i++) {
        uint64_t number = unsure->first + i;
        tail.checksums[i] = unsure_header(&unsure->batches[number % JOURNAL_BATCHES])->checksum;
    }
    return tail;
}

void unsure_cut(const struct unsure_batches *unsure, struct replay_result *result)
{
    const struct replay_result whole = *result;
    const struct unsure_batch *oldest = unsure_oldest(unsure);
    assert(oldest);
    *result = oldest->before;
    result->records = whole.records;
    result->tail = TAIL_UNCOMMITTED;
    result->tail_batches = whole.tail_batches + unsure->count;
    result->tail_bytes = whole.tail_bytes;
    result->tail_end = result->end_offset;
    result->later_dirty = whole.later_dirty || result->end_sequence != whole.end_sequence;
    result->next_bytes = result->later_dirty ? 0 : whole.next_bytes;
    result->committed = whole.committed;
    if (result->end_sequence == whole.end_sequence)
        result->tail_end = whole.tail_end;
    for (unsigned i = 0; i < unsure->count; i++) {
        const struct unsure_batch *batch = &unsure->batches[(unsure->first + i) % JOURNAL_BATCHES];
        uint32_t span = batch_span(unsure_header(batch)->length);
        result->tail_bytes += span;
        if (batch->sequence == result->end_sequence && batch->offset + span > result->tail_end)
            result->tail_end = batch->offset + span;
    }
}
