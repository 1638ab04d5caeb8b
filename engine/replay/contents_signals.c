/* SPDX-License-Identifier: Apache-2.0 */
/* The part of snapshot contents from which events go on: levels, what was told to be short, and the
 * last events. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/find.h"
#include "engine/ops/crossings.h"
#include "engine/replay/contents_loading.h"

enum { LEVEL_BYTES = 1024 }; /* of a channel's plane, in one record; a multiple of 8 */

/* ---- writing ---- */

static uint32_t padded(size_t length)
{
    return (uint32_t)((length + 7) & ~(size_t)7);
}

static int put(const struct contents_sink *sink, const void *fixed, size_t size, const void *more,
               size_t length)
{
    uint32_t whole = padded(size + length);
    unsigned char *at = sink->room(sink->context, CONTENTS_SIGNALS, whole);
    if (!at)
        return -EIO;
    memset(at + whole - 8, 0, 8);
    memcpy(at, fixed, size);
    if (length > 0)
        memcpy(at + size, more, length);
    return 0;
}

static bool are_zero(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static int write_levels(const struct ledger *ledger, const struct contents_sink *sink,
                        uint16_t channel)
{
    const struct levels *levels = &ledger->crossings.levels;
    size_t used = atomic_load(&ledger->items.count) / LEVELS_PER_BYTE + 1;
    for (size_t from = 0; from < used; from += LEVEL_BYTES) {
        size_t count = used - from < LEVEL_BYTES ? used - from : LEVEL_BYTES;
        const unsigned char *bytes = levels_plane(levels, channel) + from;
        struct contents_levels saved = { .length = padded(sizeof saved + count),
                                         .what = SIGNAL_LEVELS,
                                         .channel = channel,
                                         .from = (uint32_t)from,
                                         .bytes = (uint32_t)count };
        int error = are_zero(bytes, count) ? 0 : put(sink, &saved, sizeof saved, bytes, count);
        if (error)
            return error;
    }
    return 0;
}

/* Only an item with the flag has any. */
static int write_shortages(const struct ledger *ledger, const struct contents_sink *sink,
                           uint32_t item)
{
    const struct items *items = &ledger->items;
    if (!item_has(item_at(items, item), ITEM_SHORT))
        return 0;
    struct pool_walk walk = pool_walk_start(items, item);
    const struct pool *pool;
    int error = 0;
    while (!error && (pool = pool_walk_next(&walk)) != NULL) {
        const struct shortage *told = &ledger->shortages.of_pools[pool_unit(items, pool)];
        struct contents_shortage saved = { .length = sizeof saved,
                                           .what = SIGNAL_SHORTAGE,
                                           .pool = name_of_pool(items, pool_unit(items, pool)),
                                           .since = told->since,
                                           .until = told->until };
        if (told->since != 0)
            error = put(sink, &saved, sizeof saved, NULL, 0);
    }
    return error;
}

static int write_event(const struct contents_sink *sink, const struct event *event)
{
    struct contents_event saved = { .length = padded(sizeof saved + event->id_len),
                                    .what = SIGNAL_EVENT,
                                    .type = event->type,
                                    .id_len = event->id_len,
                                    .lsn = event->lsn,
                                    .time_ms = event->time_ms,
                                    .item = event->item,
                                    .location = event->location,
                                    .channel = event->channel,
                                    .qty = event->qty,
                                    .has_qty = event->has_qty };
    return put(sink, &saved, sizeof saved, event->id, event->id_len);
}

static int write_leap(const struct contents_sink *sink, uint64_t from, uint64_t to)
{
    struct contents_leap saved = {
        .length = sizeof saved, .what = SIGNAL_LEAP, .from = from, .to = to
    };
    return put(sink, &saved, sizeof saved, NULL, 0);
}

static int write_leaps(const struct leaps *leaps, const struct contents_sink *sink)
{
    int error = leaps->forgotten > 0 ? write_leap(sink, 0, leaps->forgotten) : 0;
    for (uint32_t i = 0; !error && i < leaps->count; i++)
        error = write_leap(sink, leaps->last[i].from, leaps->last[i].to);
    return error;
}

int contents_write_signals(const struct ledger *ledger, const struct contents_sink *sink)
{
    const struct events *events = &ledger->events;
    const struct catalogue *catalogue = atomic_load(&ledger->catalogue);
    struct event event;
    struct contents_seen seen = { .length = sizeof seen,
                                  .what = SIGNAL_SEEN,
                                  .seen_lsn = crossings_seen_lsn(ledger),
                                  .forgotten_lsn = atomic_load(&events->forgotten) };
    int error = put(sink, &seen, sizeof seen, NULL, 0);
    for (uint16_t i = 0; !error && i < catalogue->channel_count; i++)
        error = write_levels(ledger, sink, i);
    uint32_t items = atomic_load(&ledger->items.count);
    for (uint32_t i = 0; !error && i < items; i++)
        error = write_shortages(ledger, sink, i);
    for (uint64_t at = events_oldest(events);
         !error && events_get(events, at, &event) == EVENT_FOUND; at++)
        error = write_event(sink, &event);
    return error ? error : write_leaps(&ledger->leaps, sink);
}

/* ---- loading ---- */

static int invalid(struct loading *l, const char *what)
{
    return contents_complain(l->complaint, -EINVAL, "%s is invalid", what);
}

static int load_seen(struct loading *l, const unsigned char *at, size_t left)
{
    struct contents_seen saved;
    if (!contents_open_record(at, left, &saved, sizeof saved))
        return invalid(l, "how far crossings were recorded");
    crossings_seen(l->ledger, saved.seen_lsn);
    events_forget(&l->ledger->events, saved.forgotten_lsn);
    return 0;
}

static int load_levels(struct loading *l, const unsigned char *at, size_t left)
{
    const struct levels *levels = &l->ledger->crossings.levels;
    uint16_t channels = atomic_load(&l->ledger->catalogue)->channel_count;
    struct contents_levels saved;
    if (!contents_open_record(at, left, &saved, sizeof saved) || saved.channel >= channels ||
        saved.bytes > saved.length - sizeof saved || saved.from > levels->plane ||
        saved.bytes > levels->plane - saved.from)
        return invalid(l, "a run of levels");
    memcpy(levels_plane(levels, saved.channel) + saved.from, at + sizeof saved, saved.bytes);
    return 0;
}

static int load_shortage(struct loading *l, const unsigned char *at, size_t left)
{
    struct items *items = &l->ledger->items;
    struct contents_shortage saved;
    if (!contents_open_record(at, left, &saved, sizeof saved) ||
        saved.pool.item >= items->max_items || item_version(l->ledger, saved.pool.item) == 0)
        return invalid(l, "a shortage");
    const struct pool *pool =
        pool_find(items, saved.pool.item, saved.pool.location, saved.pool.owner);
    if (!pool || saved.since == 0 || saved.since > saved.until)
        return invalid(l, "a shortage");
    l->ledger->shortages.of_pools[pool_unit(items, pool)] =
        (struct shortage){ .since = saved.since, .until = saved.until };
    return 0;
}

static bool event_can_be(const struct ledger *ledger, const struct contents_event *saved)
{
    const struct catalogue *catalogue = atomic_load(&ledger->catalogue);
    bool item = saved->item == EVENT_NO_ITEM ||
                (saved->item < ledger->items.max_items && item_version(ledger, saved->item) > 0);
    return item && saved->type < EVENT_TYPE_COUNT && saved->id_len <= ID_MAX &&
           saved->id_len <= saved->length - sizeof *saved && saved->has_qty <= 1 &&
           (saved->location == EVENT_NO_PLACE || saved->location < catalogue->location_count) &&
           (saved->channel == EVENT_NO_CHANNEL || saved->channel < catalogue->channel_count);
}

static int load_event(struct loading *l, const unsigned char *at, size_t left)
{
    struct contents_event saved;
    if (!contents_open_record(at, left, &saved, sizeof saved) || !event_can_be(l->ledger, &saved))
        return invalid(l, "an event");
    struct event event = { .lsn = saved.lsn,
                           .time_ms = saved.time_ms,
                           .item = saved.item,
                           .location = saved.location,
                           .channel = saved.channel,
                           .type = saved.type,
                           .id_len = saved.id_len,
                           .has_qty = saved.has_qty == 1,
                           .qty = saved.qty };
    memcpy(event.id, at + sizeof saved, saved.id_len);
    events_add(&l->ledger->events, &event);
    return 0;
}

static int load_leap(struct loading *l, const unsigned char *at, size_t left)
{
    struct leaps *leaps = &l->ledger->leaps;
    struct contents_leap saved;
    bool first = leaps->count == 0 && leaps->forgotten == 0;
    uint64_t before = leaps->count > 0 ? leaps->last[leaps->count - 1].to : leaps->forgotten;
    if (!contents_open_record(at, left, &saved, sizeof saved) || saved.from >= saved.to ||
        saved.from < before)
        return invalid(l, "a leap");
    if (saved.from == 0 && first)
        leaps->forgotten = saved.to;
    else
        leaps_add(leaps, &(struct leap){ saved.from, saved.to });
    return 0;
}

int contents_load_signals(struct loading *l, const unsigned char *at, size_t left)
{
    while (left > 0) {
        struct contents_signal head;
        if (!contents_open_record(at, left, &head, sizeof head))
            return invalid(l, "a signal");
        int error = head.what == SIGNAL_SEEN       ? load_seen(l, at, left)
                    : head.what == SIGNAL_LEVELS   ? load_levels(l, at, left)
                    : head.what == SIGNAL_EVENT    ? load_event(l, at, left)
                    : head.what == SIGNAL_SHORTAGE ? load_shortage(l, at, left)
                    : head.what == SIGNAL_LEAP     ? load_leap(l, at, left)
                                                   : invalid(l, "a kind of signal");
        if (error)
            return error;
        at += head.length;
        left -= head.length;
    }
    return 0;
}
