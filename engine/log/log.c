/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/log/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/base/memory.h"

enum { SPARE_MOST = 64 << 10 }; /* some hundreds of operations */

int log_init(struct log *log, size_t capacity, unsigned contexts, uint64_t position)
{
    size_t operation = (size_t)LOG_RECORDS_PER_CHECK * RECORD_MAX;
    if (capacity == 0 || (capacity & (capacity - 1)) != 0 || contexts * operation > capacity / 2)
        return -EINVAL;
    size_t spare = capacity / 2 / contexts - operation;
    if (spare > SPARE_MOST)
        spare = SPARE_MOST;
    memset(log, 0, sizeof *log);
    log->bytes = memory_reserve(capacity);
    if (!log->bytes)
        return -ENOMEM;
    log->capacity = capacity;
    log->slack = contexts * (operation + spare);
    log->spare = spare;
    log_start_at(log, position);
    return 0;
}

void log_destroy(struct log *log)
{
    memory_release(log->bytes, log->capacity);
    log->bytes = NULL;
}

void log_start_at(struct log *log, uint64_t position)
{
    assert(position % 8 == 0);
    assert(atomic_load(&log->tail) == atomic_load(&log->head));
    atomic_store(&log->tail, position);
    atomic_store(&log->head, position);
    atomic_store(&log->acknowledged, position);
}

void log_follow_to(struct log *log, uint64_t position)
{
    uint64_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);
    assert(position % 8 == 0);
    assert(position >= tail);
    assert(tail == atomic_load_explicit(&log->head, memory_order_relaxed)); /* nothing is claimed */
    /* The stores that apply a record release, so who sees one of them sees this tail. */
    atomic_store_explicit(&log->tail, position, memory_order_release);
}

void log_followed(struct log *log)
{
    uint64_t position = atomic_load_explicit(&log->tail, memory_order_relaxed);
    atomic_store_explicit(&log->head, position, memory_order_release); /* L2 */
    atomic_store_explicit(&log->acknowledged, position, memory_order_release);
}

static _Atomic uint64_t *first_word(const struct log *log, uint64_t position)
{
    assert(position % 8 == 0);
    return (_Atomic uint64_t *)(void *)(log->bytes + (position & (log->capacity - 1)));
}

/* A range of the ring, which may wrap: at most two pieces. */
struct pieces {
    unsigned char *first;
    size_t first_length;
    size_t second_length; /* starts at the ring's first byte */
};

static struct pieces pieces_of(const struct log *log, uint64_t position, size_t length)
{
    size_t offset = position & (log->capacity - 1);
    size_t to_end = log->capacity - offset;
    size_t first = length < to_end ? length : to_end;
    return (struct pieces){ log->bytes + offset, first, length - first };
}

void log_publish(struct log *log, uint64_t position, const struct record_head *record)
{
    uint32_t length = record->length;
    assert(length >= sizeof *record);
    assert(length % 8 == 0);
    const unsigned char *from = (const unsigned char *)record + sizeof *record;
    struct pieces to = pieces_of(log, position + sizeof *record, length - sizeof *record);
    memcpy(to.first, from, to.first_length);
    memcpy(log->bytes, from + to.first_length, to.second_length);
    log_publish_head(log, position, record);
}

void log_publish_head(struct log *log, uint64_t position, const struct record_head *head)
{
    uint64_t word;
    memcpy(&word, head, sizeof word);
    atomic_store_explicit(first_word(log, position), word, memory_order_release); /* L1 */
}

static uint32_t published_length(const struct log *log, uint64_t position)
{
    uint64_t word = atomic_load_explicit(first_word(log, position), memory_order_acquire); /* L1 */
    struct record_head head;
    memcpy(&head, &word, sizeof head);
    return head.length;
}

size_t log_drain(struct log *log, void *buffer, size_t max)
{
    uint64_t start = atomic_load_explicit(&log->head, memory_order_relaxed);
    uint64_t end = start;
    while (end - start < log->capacity) {
        uint32_t length = published_length(log, end);
        if (length == 0 || end - start + length > max)
            break;
        end += length;
    }
    size_t moved = (size_t)(end - start);
    if (moved == 0) /* nor is the head stored: another thread may move it, see log_follow_to */
        return 0;
    struct pieces from = pieces_of(log, start, moved);
    memcpy(buffer, from.first, from.first_length);
    memcpy((char *)buffer + from.first_length, log->bytes, from.second_length);
    if (log->tap.take)
        log->tap.take(log->tap.context, buffer, moved, start);
    memset(from.first, 0, from.first_length);
    memset(log->bytes, 0, from.second_length);
    atomic_store_explicit(&log->head, end, memory_order_release); /* L2 */
    return moved;
}
