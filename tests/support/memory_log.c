/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/memory_log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void append(void *context, uint64_t number, const void *batch, uint32_t length)
{
    struct memory_log *log = context;
    assert(number > 0);
    if (log->first == 0) {
        log->first = number;
        log->committed = number - 1;
    }
    assert(number == log->first + log->count); /* each once, in order */
    size_t bytes = (log->count + 1) * sizeof *log->batches;
    log->batches = realloc(log->batches, bytes);
    assert(log->batches);
    struct memory_batch *made = &log->batches[log->count++];
    *made = (struct memory_batch){ malloc(length), length, batch };
    assert(made->bytes);
    memcpy(made->bytes, batch, length);
    assert(memory_log_header(log, number)->number == number);
}

int memory_log_compare(struct memory_log *log, const struct replication_tail *tail, uint64_t *keep)
{
    log->asked = *tail;
    log->openings++;
    *keep = tail->sure;
    for (unsigned i = 0; i < tail->count && *keep == tail->sure + i; i++) {
        const struct batch_header *header = memory_log_header(log, tail->sure + 1 + i);
        if (header && header->number <= log->committed && header->checksum == tail->checksums[i])
            ++*keep;
    }
    return 0;
}

static int compare(void *context, const struct replication_tail *tail, uint64_t *keep,
                   struct error *why)
{
    (void)why;
    return memory_log_compare(context, tail, keep);
}

void memory_log_init(struct memory_log *log)
{
    *log = (struct memory_log){ .port = { .context = log, .append = append, .compare = compare } };
}

void memory_log_free(struct memory_log *log)
{
    while (log->count > 0)
        free(log->batches[--log->count].bytes);
    free(log->batches);
    log->batches = NULL;
}

const struct memory_batch *memory_log_at(const struct memory_log *log, uint64_t number)
{
    if (log->first == 0 || number < log->first || number >= log->first + log->count)
        return NULL;
    return &log->batches[number - log->first];
}

const struct batch_header *memory_log_header(const struct memory_log *log, uint64_t number)
{
    const struct memory_batch *batch = memory_log_at(log, number);
    return batch ? (const struct batch_header *)(const void *)batch->bytes : NULL;
}

uint64_t memory_log_last(const struct memory_log *log)
{
    return log->first == 0 ? 0 : log->first + log->count - 1;
}

bool memory_log_commit(struct memory_log *log, struct journal *journal, uint64_t number)
{
    assert(number > log->committed && number <= memory_log_last(log));
    for (; log->committed < number; log->committed++) {
        struct memory_batch *batch = &log->batches[log->committed + 1 - log->first];
        assert(batch->original && memcmp(batch->original, batch->bytes, batch->length) == 0);
        batch->original = NULL;
    }
    return journal_committed(journal, number);
}

void memory_log_settle(struct memory_log *log, uint64_t number)
{
    assert(number >= log->committed);
    while (log->count > 0 && memory_log_last(log) > number)
        free(log->batches[--log->count].bytes);
    for (uint64_t i = 0; i < log->count; i++)
        log->batches[i].original = NULL;
    log->committed = number;
}
