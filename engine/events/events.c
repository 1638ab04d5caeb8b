/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/events/events.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/base/memory.h"

_Static_assert(EVENT_TYPE_COUNT <= 32, "a set of types is a word");

/* ---- types ---- */

static const char *const type_names[] = {
#define X(type, name) [EVENT_##type] = (name),
    EVENT_TYPES(X)
#undef X
};

const char *event_type_name(unsigned type)
{
    return type < EVENT_TYPE_COUNT ? type_names[type] : NULL;
}

bool event_type_named(struct text name, enum event_type *type)
{
    for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
        if (!text_equal(name, text_of(type_names[i])))
            continue;
        *type = (enum event_type)i;
        return true;
    }
    return false;
}

/* ---- slots ---- */

/* An event in a slot: words that are stored and loaded one by one. */
enum {
    WORD_LSN,
    WORD_TIME,
    WORD_WHERE, /* item, location, channel */
    WORD_WHAT,  /* type, length of the id, has_qty */
    WORD_QTY,
    WORD_ID,
    ID_WORDS = (ID_MAX + 7) / 8,
    EVENT_WORDS = WORD_ID + ID_WORDS,
};

static size_t size_of(const struct events *events)
{
    return (size_t)events->capacity * EVENT_WORDS * sizeof(uint64_t);
}

int events_init(struct events *events, uint32_t capacity)
{
    events->capacity = capacity ? capacity : EVENTS_LEAST;
    events->words = memory_reserve(size_of(events));
    return events->words ? 0 : -ENOMEM;
}

void events_destroy(struct events *events)
{
    memory_release((void *)events->words, size_of(events));
    events->words = NULL;
}

static _Atomic uint64_t *slot_at(const struct events *events, uint64_t count)
{
    return events->words + (count % events->capacity) * EVENT_WORDS;
}

static void to_words(const struct event *event, uint64_t words[EVENT_WORDS])
{
    words[WORD_LSN] = event->lsn;
    words[WORD_TIME] = event->time_ms;
    words[WORD_WHERE] =
        event->item | (uint64_t)event->location << 32 | (uint64_t)event->channel << 48;
    words[WORD_WHAT] =
        event->type | (unsigned)event->id_len << 8 | (event->has_qty ? 1U : 0U) << 16;
    words[WORD_QTY] = (uint64_t)event->qty;
    memset(&words[WORD_ID], 0, ID_WORDS * sizeof words[0]);
    memcpy(&words[WORD_ID], event->id, event->id_len);
}

static void from_words(const uint64_t words[EVENT_WORDS], struct event *event)
{
    event->lsn = words[WORD_LSN];
    event->time_ms = words[WORD_TIME];
    event->item = (uint32_t)words[WORD_WHERE];
    event->location = (uint16_t)(words[WORD_WHERE] >> 32);
    event->channel = (uint16_t)(words[WORD_WHERE] >> 48);
    event->type = (uint8_t)words[WORD_WHAT];
    event->id_len = (uint8_t)(words[WORD_WHAT] >> 8);
    event->has_qty = (words[WORD_WHAT] >> 16 & 1) != 0;
    event->qty = (int64_t)words[WORD_QTY];
    memcpy(event->id, &words[WORD_ID], sizeof event->id);
}

/* ---- writing ---- */

void events_forget(struct events *events, uint64_t lsn)
{
    if (atomic_load_explicit(&events->forgotten, memory_order_relaxed) < lsn)
        atomic_store_explicit(&events->forgotten, lsn, memory_order_release); /* V3 */
}

void events_add(struct events *events, const struct event *event)
{
    uint64_t count = atomic_load_explicit(&events->taken, memory_order_relaxed);
    _Atomic uint64_t *slot = slot_at(events, count);
    uint64_t words[EVENT_WORDS];
    assert(event->type < EVENT_TYPE_COUNT);
    assert(event->id_len <= ID_MAX);
    to_words(event, words);
    if (count >= events->capacity)
        events_forget(events, atomic_load_explicit(&slot[WORD_LSN], memory_order_relaxed));
    atomic_store_explicit(&events->claimed, count + 1, memory_order_relaxed);
    for (unsigned i = 0; i < EVENT_WORDS; i++)
        atomic_store_explicit(&slot[i], words[i], memory_order_release);    /* V1 */
    atomic_store_explicit(&events->taken, count + 1, memory_order_release); /* V2 */
    _Atomic uint64_t *of_type = &events->by_type[event->type];
    uint64_t taken = atomic_load_explicit(of_type, memory_order_relaxed);
    atomic_store_explicit(of_type, taken + 1, memory_order_relaxed);
}

/* ---- reading ---- */

uint64_t events_oldest(const struct events *events)
{
    uint64_t end = atomic_load_explicit(&events->taken, memory_order_acquire); /* V2 */
    return end > events->capacity ? end - events->capacity : 0;
}

bool events_missed(const struct events *events, uint64_t since)
{
    return since < atomic_load_explicit(&events->forgotten, memory_order_acquire); /* V3 */
}

enum event_found events_get(const struct events *events, uint64_t count, struct event *event)
{
    uint64_t words[EVENT_WORDS];
    if (count >= atomic_load_explicit(&events->taken, memory_order_acquire)) /* V2 */
        return EVENT_NOT_YET;
    const _Atomic uint64_t *slot = slot_at(events, count);
    for (unsigned i = 0; i < EVENT_WORDS; i++)
        words[i] = atomic_load_explicit(&slot[i], memory_order_acquire); /* V1 */
    uint64_t claimed = atomic_load_explicit(&events->claimed, memory_order_relaxed);
    if (claimed > count + events->capacity) /* @overwritten */
        return EVENT_OVERWRITTEN;
    from_words(words, event);
    return EVENT_FOUND;
}

uint64_t events_find(const struct events *events, uint64_t since)
{
    uint64_t from = events_oldest(events);
    uint64_t to = atomic_load_explicit(&events->taken, memory_order_acquire); /* V2 */
    struct event event;
    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        enum event_found found = events_get(events, middle, &event);
        assert(found != EVENT_NOT_YET);
        if (found != EVENT_FOUND || event.lsn <= since) /* what is overwritten is older */
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}
