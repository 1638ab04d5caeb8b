/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads snapshot contents into a ledger. Everything is checked as far as one pass allows: invalid
 * contents are refused.
 *
 * Several threads may load items, then entries. Each record has its own slots and pools; threads
 * meet only in the hash tables, which are made for that, and in the bits of the taken slots.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "engine/replay/contents_loading.h"
#include "engine/store/supply_lines.h"

/* ---- complaints ---- */

int contents_complain(struct contents_complaint *complaint, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint->text, sizeof complaint->text, format, arguments);
    va_end(arguments);
    return error;
}

int contents_no_room(struct contents_complaint *complaint, const char *table, uint64_t there,
                     uint64_t most)
{
    return contents_complain(complaint, -ENOSPC,
                             "the snapshot holds %llu %s, this configuration has room for %llu",
                             (unsigned long long)there, table, (unsigned long long)most);
}

/* ---- settings ---- */

/* A setting equal to a fresh ledger's changes nothing, but may have an LSN. */
static void keep_lsn(struct ledger *ledger, const struct record_head *record, uint64_t lsn)
{
    struct catalogue *catalogue = atomic_load(&ledger->catalogue);
    if (record->type == RECORD_LOCATION) {
        struct location_fields f;
        location_decode(record, &f);
        assert(f.fixed.location < catalogue->location_count); /* it was applied */
        catalogue->locations[f.fixed.location].lsn = lsn;
        catalogue_lsn_raise(ledger, lsn);
    } else if (record->type == RECORD_CALENDAR) {
        struct calendar_fields f;
        calendar_decode(record, &f);
        assert(f.fixed.calendar < catalogue->calendar_count);
        catalogue->calendars[f.fixed.calendar].lsn = lsn;
    } else if (record->type == RECORD_CHANNEL) {
        struct channel_fields f;
        channel_decode(record, &f);
        assert(f.fixed.channel < catalogue->channel_count);
        catalogue->channels[f.fixed.channel].lsn = lsn;
        catalogue_lsn_raise(ledger, lsn);
    }
}

static bool is_setting(const struct record_head *record)
{
    return record->type == RECORD_CALENDAR || record->type == RECORD_LOCATION ||
           record->type == RECORD_CHANNEL || record->type == RECORD_CLIENT;
}

static int load_settings(struct loading *l, const unsigned char *at, size_t left)
{
    _Alignas(8) unsigned char copy[RECORD_MAX];
    while (left > 0) {
        struct contents_setting setting;
        struct record_head head = { 0 };
        if (left >= sizeof setting + sizeof head) {
            memcpy(&setting, at, sizeof setting);
            memcpy(&head, at + sizeof setting, sizeof head);
        }
        if (head.length < sizeof head || head.length % 8 != 0 || head.length > RECORD_MAX ||
            head.length > left - sizeof setting)
            return contents_complain(l->complaint, -EINVAL, "a setting has an invalid length");
        memcpy(copy, at + sizeof setting, head.length);
        const struct record_head *record = (const struct record_head *)(const void *)copy;
        if (!is_setting(record))
            return contents_complain(l->complaint, -EINVAL, "a record of type %u is not a setting",
                                     record->type);
        int error = ledger_apply(l->ledger, record, setting.lsn);
        if (error)
            return contents_complain(l->complaint, error, "%.140s",
                                     ctx_failure(l->ledger->contexts[0])->message);
        keep_lsn(l->ledger, record, setting.lsn);
        at += sizeof setting + head.length;
        left -= sizeof setting + head.length;
    }
    return 0;
}

/* ---- recent changes ---- */

static int load_recent(struct loading *l, const unsigned char *at, size_t left)
{
    struct items *items = &l->ledger->items;
    struct contents_recent saved;
    for (; left >= sizeof saved; at += sizeof saved, left -= sizeof saved) {
        memcpy(&saved, at, sizeof saved);
        const struct pool *pool = NULL;
        if (saved.pool.item < items->max_items)
            pool = pool_find(items, saved.pool.item, saved.pool.location, saved.pool.owner);
        if (!pool)
            return contents_complain(l->complaint, -EINVAL, "a recent change has an unknown pool");
        if (saved.kind > RECENT_COUNT || saved.time_ms >= RECENT_LATE)
            return contents_complain(l->complaint, -EINVAL, "a recent change is malformed");
        struct recent *recent = &l->ledger->contexts[0]->recent;
        if (saved.kind == RECENT_COUNT)
            item_count_raise(items, pool_unit(items, pool), saved.time_ms);
        else if (saved.kind == RECENT_BOOKED_LATE)
            recent_load_late(recent, saved.time_ms, pool_unit(items, pool), saved.delta);
        else
            recent_add(recent, saved.time_ms, pool_unit(items, pool), saved.delta);
    }
    return left == 0 ? 0 : contents_complain(l->complaint, -EINVAL, "a recent change is truncated");
}

/* ---- the whole ---- */

int ledger_contents_begin(struct contents_load *load, struct ledger *ledger,
                          const struct contents_totals *totals,
                          struct contents_complaint *complaint)
{
    const struct id_table *ids = &ledger->ids;
    const struct items *items = &ledger->items;
    assert(atomic_load(&items->count) == 0);
    if (totals->finished_slots > totals->slots || totals->slots > UINT32_MAX)
        return contents_complain(complaint, -EINVAL, "its totals are inconsistent");
    if (totals->items > items->max_items)
        return contents_no_room(complaint, "items", totals->items, items->max_items);
    if (totals->pools > items->max_pools)
        return contents_no_room(complaint, "pools", totals->pools, items->max_pools);
    uint64_t live = totals->slots - totals->finished_slots;
    if (live > ids->max)
        return contents_no_room(complaint, "live reservations", live, ids->max);
    load->ledger = ledger;
    load->totals = *totals;
    load->dropped = totals->slots > ids->max ? totals->slots - ids->max : 0;
    assert(load->dropped <= totals->finished_slots); /* all that is live fits */
    atomic_store(&load->reserved, 0);
    atomic_store(&load->promised, 0);
    atomic_store(&load->early, 0);
    atomic_store(&ledger->items.count, (uint32_t)totals->items);
    recent_forget(&ledger->contexts[0]->recent, totals->forgotten_ms);
    id_table_note_forgotten(&ledger->ids, totals->ids_forgotten_ms);
    ledger->born_ms = totals->born_ms;
    contents_begin_figures(ledger, totals);
    return 0;
}

int ledger_contents_load(struct contents_load *load, enum contents_kind kind, const void *bytes,
                         size_t length, struct contents_complaint *complaint)
{
    static int (*const by_kind[CONTENTS_KIND_END])(struct loading *, const unsigned char *,
                                                   size_t) = {
        [CONTENTS_SETTINGS] = load_settings,        [CONTENTS_ITEMS] = contents_load_items,
        [CONTENTS_ENTRIES] = contents_load_ids,     [CONTENTS_RECENT] = load_recent,
        [CONTENTS_SIGNALS] = contents_load_signals, [CONTENTS_FIGURES] = contents_load_figures,
    };
    struct loading l = { load, load->ledger, complaint, 0, 0 };
    if (kind >= CONTENTS_KIND_END || !by_kind[kind])
        return contents_complain(complaint, -EINVAL, "records of an unknown kind");
    int error = by_kind[kind](&l, bytes, length);
    atomic_fetch_add_explicit(&load->reserved, l.reserved, memory_order_relaxed);
    atomic_fetch_add_explicit(&load->promised, l.promised, memory_order_relaxed);
    return error;
}

/* Adds what the entry promises of each pool. */
static void add_promised(const struct ledger *ledger, struct id_entry *entry, uint64_t *promised)
{
    uint64_t word = atomic_load(&entry->state);
    if (word_kind(word) == ENTRY_RESERVATION) {
        struct draw_walk walk = draw_walk_start(&ledger->ids, entry);
        for (const struct draw *draw; (draw = draw_walk_next(&walk)) != NULL;)
            promised[draw->pool] += draw_left(draw);
    } else if (word_kind(word) == ENTRY_SUPPLY) {
        struct line_walk walk = line_walk_start(&ledger->ids, entry);
        for (const struct line_entry *line; (line = line_walk_next(&walk)) != NULL;)
            if (line_held(line) > 0)
                promised[line_source(&ledger->items, entry, line)] += line_held(line);
    }
}

/* Names a pool that disagrees: slow, for the message only. */
static int name_disagreement(const struct ledger *ledger, struct contents_complaint *complaint)
{
    const struct items *items = &ledger->items;
    uint64_t *promised = calloc(items->unit_count, sizeof *promised);
    if (!promised)
        return contents_complain(complaint, -EINVAL, "reserved stock and reservations disagree");
    for (uint32_t i = 0; i < ledger->ids.max; i++)
        add_promised(ledger, entry_at(&ledger->ids, i), promised);
    contents_complain(complaint, -EINVAL, "reserved stock and reservations disagree");
    for (uint32_t i = 0; i < atomic_load(&items->count); i++) {
        struct pool_walk walk = pool_walk_start(items, i);
        for (const struct pool *pool; (pool = pool_walk_next(&walk)) != NULL;) {
            uint64_t there = (uint64_t)word_reserved(pool_read(pool));
            uint64_t wanted = promised[pool_unit(items, pool)];
            if (there != wanted)
                contents_complain(complaint, -EINVAL,
                                  "I1: \"%.*s\" has %llu reserved, but %llu promised",
                                  item_at(items, i)->sku_len, item_at(items, i)->sku,
                                  (unsigned long long)there, (unsigned long long)wanted);
        }
    }
    free(promised);
    return -EINVAL;
}

/* Ended entries lie in the first slots, in the order of forgetting. */
static void queue_ended(struct contents_load *load)
{
    struct id_table *ids = &load->ledger->ids;
    struct id_cursor *cursor = &load->ledger->contexts[0]->cursor;
    uint64_t finished = load->totals.finished_slots;
    uint64_t slots = finished > load->dropped ? finished - load->dropped : 0;
    for (uint32_t i = 0; i < slots; i++) {
        struct id_entry *entry = entry_at(ids, i);
        uint64_t word = atomic_load_explicit(&entry->state, memory_order_relaxed);
        if (word_kind(word) != ENTRY_DRAWS && word_kind(word) != ENTRY_FREE)
            slots_end_loaded(ids, cursor, entry);
    }
    assert(slots <= ids->max);
    cursor->now_ms = load->totals.last_ms;
    cursor->early = atomic_load(&load->early);
    slots_resume(ids, cursor, (uint32_t)(load->totals.slots - load->dropped));
}

int ledger_contents_end(struct contents_load *load, struct contents_complaint *complaint)
{
    struct ledger *ledger = load->ledger;
    queue_ended(load);
    barcodes_build(&ledger->barcodes, &ledger->items);
    if (atomic_load(&load->reserved) != atomic_load(&load->promised))
        return name_disagreement(ledger, complaint);
    if (atomic_load(&ledger->items.pool_count) != load->totals.pools)
        return contents_complain(complaint, -EINVAL, "pools are missing");
    return 0;
}
