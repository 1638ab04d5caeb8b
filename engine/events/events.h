/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: what people and programs want to be told of, such as an item that has sold out. Each is
 * derived from one record of the journal and has its LSN, so replaying a record gives its events
 * again, and nothing of them needs to be durable.
 *
 * The last events are kept in a ring. One thread at a time takes records, in the order of the log:
 * replay, then whoever drains the log. Any thread reads. A reader shows only events up to
 * log_final(): a crash cannot take those back.
 *
 *   claimed    the writer raises it before it writes a slot; relaxed
 *   words      the writer stores with release; a reader loads with acquire (V1)
 *   taken      the writer raises it, with release, after the slot; a reader acquires it (V2)
 *   forgotten  the writer raises it, with release, before it claims the slot of an older event (V3)
 *
 * V1: a reader that finds a word of a newer event finds `claimed` raised, too, and drops what it
 * has read. V2: a reader that sees the count sees the events. V3: a reader that missed an event,
 * because it was overwritten, finds its LSN forgotten.
 */
#ifndef STOCKD_ENGINE_EVENTS_EVENTS_H
#define STOCKD_ENGINE_EVENTS_EVENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/log/record.h"

/* X(type, "name"); at most 32. */
#define EVENT_TYPES(X)                                                                             \
    X(SOLD_OUT, "sold_out")                                                                        \
    X(BACK_IN_STOCK, "back_in_stock")                                                              \
    X(LOW_STOCK, "low_stock")                                                                      \
    X(SHORT, "short")                                                                              \
    X(LATE, "late")                                                                                \
    X(OVERAGE, "overage")                                                                          \
    X(LOST, "lost")                                                                                \
    X(SOURCED, "sourced")                                                                          \
    X(UNSOURCED, "unsourced")                                                                      \
    X(MOVED, "moved")                                                                              \
    X(READY, "ready")                                                                              \
    X(REJECTED, "rejected")                                                                        \
    X(NOT_COLLECTED, "not_collected")                                                              \
    X(EXPIRED, "expired")

enum event_type {
#define X(type, name) EVENT_##type,
    EVENT_TYPES(X)
#undef X
        EVENT_TYPE_COUNT,
};

enum { EVENTS_LEAST = 4096, EVENTS_USUAL = 65536, EVENTS_MOST = 1 << 20 };

#define EVENT_NO_ITEM UINT32_MAX
#define EVENT_NO_PLACE UINT16_MAX
#define EVENT_NO_CHANNEL UINT16_MAX

struct event {
    uint64_t lsn;
    uint64_t time_ms;  /* wall clock */
    uint32_t item;     /* its index, or EVENT_NO_ITEM */
    uint16_t location; /* its index, or EVENT_NO_PLACE */
    uint16_t channel;  /* its index, or EVENT_NO_CHANNEL */
    uint8_t type;      /* enum event_type */
    uint8_t id_len;    /* 0: it has no id */
    bool has_qty;
    int64_t qty;
    char id[ID_MAX];
};

struct events {
    _Atomic uint64_t *words; /* const after init */
    uint32_t capacity;       /* events; const after init */
    _Alignas(64) _Atomic uint64_t claimed;
    _Atomic uint64_t taken;
    _Atomic uint64_t forgotten;                 /* events up to this LSN may be missing */
    _Atomic uint64_t by_type[EVENT_TYPE_COUNT]; /* taken; a metric: relaxed */
};

/* capacity 0: EVENTS_LEAST. 0 or -ENOMEM. */
int events_init(struct events *events, uint32_t capacity);
void events_destroy(struct events *events);

/* "sold_out"; static. NULL: no such type. */
const char *event_type_name(unsigned type);
/* False: no type has that name. */
bool event_type_named(struct text name, enum event_type *type);

/* ---- writing: one thread at a time, in the order of the LSNs ---- */

/* Takes the events of the record that ends at lsn; most have none. */
void events_take(struct events *events, const struct record_head *record, uint64_t lsn);
/* Takes those of whole records from that position on; as log_tap wants it. */
void events_take_run(void *events, const void *records, size_t length, uint64_t position);
/* Adds one event. */
void events_add(struct events *events, const struct event *event);
/* Whatever happened up to there is not among the events. */
void events_forget(struct events *events, uint64_t lsn);

/* ---- reading: any thread ---- */

/* Events are counted from 0 on, and their counts say where a reader is. */

/* The count of the first event after that LSN. */
uint64_t events_find(const struct events *events, uint64_t since);
/* The count of the oldest event that is kept. */
uint64_t events_oldest(const struct events *events);
/* Are events after that LSN missing? Ask after having read. */
bool events_missed(const struct events *events, uint64_t since);

enum event_found { EVENT_FOUND, EVENT_NOT_YET, EVENT_OVERWRITTEN };

enum event_found events_get(const struct events *events, uint64_t count, struct event *event);

#endif
