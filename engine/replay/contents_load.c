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
#include "engine/replay/contents.h"

enum { AHEAD = 16 }; /* records that are prefetched before they are loaded; a power of two */

/* One run of records being loaded into the ledger. */
struct loading {
    struct contents_load *load;
    struct ledger *ledger;
    struct contents_complaint *complaint;
    uint64_t reserved, promised; /* weighted sums of this run */
};

/* ---- complaints ---- */

static int complain(struct contents_complaint *complaint, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int complain(struct contents_complaint *complaint, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint->text, sizeof complaint->text, format, arguments);
    va_end(arguments);
    return error;
}

static int no_room(struct contents_complaint *complaint, const char *table, uint64_t there,
                   uint64_t most)
{
    return complain(complaint, -ENOSPC,
                    "the snapshot holds %llu %s, this configuration has room for %llu",
                    (unsigned long long)there, table, (unsigned long long)most);
}

/* Equal weighted sums mean equal quantities per unit, except for one chance in 2^64. */
static uint64_t weight(uint32_t unit)
{
    uint64_t w = (unit + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
    w = (w ^ w >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return w ^ w >> 29;
}

/* ---- settings ---- */

/* A setting equal to a fresh ledger's changes nothing, but may have an LSN. */
static void keep_lsn(struct ledger *ledger, const struct record_head *record, uint64_t lsn)
{
    struct catalogue *catalogue = atomic_load(&ledger->catalogue);
    if (record->type == RECORD_LOCATION) {
        struct location_fields f;
        location_decode(record, &f);
        catalogue->locations[f.fixed.location].lsn = lsn;
        catalogue_version_raise(ledger, lsn);
    } else if (record->type == RECORD_CHANNEL) {
        struct channel_fields f;
        channel_decode(record, &f);
        catalogue->channels[f.fixed.channel].lsn = lsn;
        catalogue_version_raise(ledger, lsn);
    }
}

static bool is_setting(const struct record_head *record)
{
    return record->type == RECORD_LOCATION || record->type == RECORD_CHANNEL ||
           record->type == RECORD_CLIENT;
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
            return complain(l->complaint, -EINVAL, "a setting has an invalid length");
        memcpy(copy, at + sizeof setting, head.length);
        const struct record_head *record = (const struct record_head *)(const void *)copy;
        if (!is_setting(record))
            return complain(l->complaint, -EINVAL, "a record of type %u is not a setting",
                            record->type);
        int error = ledger_apply(l->ledger, record, setting.lsn);
        if (error)
            return complain(l->complaint, error, "%.140s",
                            ctx_failure(l->ledger->contexts[0])->message);
        keep_lsn(l->ledger, record, setting.lsn);
        at += sizeof setting + head.length;
        left -= sizeof setting + head.length;
    }
    return 0;
}

/* ---- items ---- */

/* Copies a record's fixed part; false if the record is not whole. */
static bool open_record(const unsigned char *at, size_t left, void *fixed, size_t size)
{
    uint32_t length;
    if (left < size)
        return false;
    memcpy(fixed, at, size);
    memcpy(&length, at, sizeof length);
    return length >= size && length <= left && length % 8 == 0;
}

static bool pool_can_be(const struct loading *l, uint16_t location, uint16_t owner)
{
    const struct catalogue *catalogue = atomic_load(&l->ledger->catalogue);
    return location < catalogue->location_count && owner_kind(owner) < POOL_KIND_COUNT &&
           owner_channel(owner) < catalogue->channel_count;
}

static int load_pools(struct loading *l, uint32_t index, const unsigned char *at, uint32_t count)
{
    struct items *items = &l->ledger->items;
    struct item *item = item_at(items, index);
    struct pool *to = item->pools;
    if (!pools_reserve(items, index, count))
        return no_room(l->complaint, "pools", l->load->totals.pools, items->max_pools);
    for (uint32_t i = 0; i < count; i++, at += sizeof(struct contents_pool)) {
        struct contents_pool saved;
        memcpy(&saved, at, sizeof saved);
        if (i == ITEM_POOLS) /* the block begins with its head */
            to = pool_at(items, atomic_load_explicit(&item->more, memory_order_relaxed)) + 1;
        if (!pool_can_be(l, saved.location, saved.owner) || saved.on_hand > WORD_ON_HAND_MOST ||
            saved.reserved > WORD_RESERVED_MOST)
            return complain(l->complaint, -EINVAL, "item %u has an invalid pool", index);
        atomic_store_explicit(&to->word, word_make(saved.on_hand, saved.reserved, 0),
                              memory_order_relaxed);
        atomic_store_explicit(&to->key, pool_key_word(index, saved.location, saved.owner),
                              memory_order_relaxed); /* its readers start later */
        if (saved.reserved > 0)
            l->reserved += saved.reserved * weight(pool_unit(items, to));
        to++;
    }
    return 0;
}

static int load_details(struct loading *l, const struct contents_item *saved, struct text name,
                        struct text barcode)
{
    if (name.len > NAME_MAX_BYTES || barcode.len > NAME_MAX_BYTES)
        return complain(l->complaint, -EINVAL, "item %u has invalid details", saved->item);
    struct item_details *details = calloc(1, sizeof *details);
    if (!details)
        return complain(l->complaint, -ENOSPC, "no memory for the details of items");
    struct item_setting s = { .has_name = true,
                              .has_barcode = true,
                              .has_low_stock = saved->low_stock >= 0,
                              .has_backorder_limit = saved->backorder_limit >= 0,
                              .name = name,
                              .barcode = barcode,
                              .low_stock = saved->low_stock,
                              .backorder_limit = saved->backorder_limit };
    details_apply(details, &s);
    details->lsn = saved->details_lsn;
    atomic_store_explicit(&l->ledger->items.details[saved->item], details, memory_order_release);
    return 0;
}

/* The parts of an item's record. */
struct item_parts {
    struct contents_item saved;
    const unsigned char *pools;
    struct text sku, name, barcode;
    uint64_t hash;
};

static int open_item(struct loading *l, const unsigned char *at, size_t left, struct item_parts *p)
{
    struct contents_item *saved = &p->saved;
    if (!open_record(at, left, saved, sizeof *saved))
        return complain(l->complaint, -EINVAL, "an item has an invalid length");
    uint64_t pools = (uint64_t)saved->pool_count * sizeof(struct contents_pool);
    uint64_t needed = sizeof *saved + pools + saved->sku_len + saved->name_len + saved->barcode_len;
    if (needed > saved->length || saved->item >= l->load->totals.items)
        return complain(l->complaint, -EINVAL, "item %u is malformed", saved->item);
    p->pools = at + sizeof *saved;
    const char *texts = (const char *)p->pools + pools;
    p->sku = (struct text){ texts, saved->sku_len };
    p->name = (struct text){ texts + saved->sku_len, saved->name_len };
    p->barcode = (struct text){ texts + saved->sku_len + saved->name_len, saved->barcode_len };
    p->hash = sku_hash(&l->ledger->items, p->sku);
    return 0;
}

static int load_item(struct loading *l, const struct item_parts *p)
{
    struct items *items = &l->ledger->items;
    uint32_t index = p->saved.item;
    if (items_load(items, index, p->sku, p->hash) != 0)
        return complain(l->complaint, -EINVAL, "item %u is invalid, or appears twice", index);
    item_version_restore(l->ledger, index, p->saved.version);
    int error = load_pools(l, index, p->pools, p->saved.pool_count);
    if (!error && p->saved.detailed)
        error = load_details(l, &p->saved, p->name, p->barcode);
    return error;
}

static int load_items(struct loading *l, const unsigned char *at, size_t left)
{
    struct item_parts window[AHEAD] = { 0 };
    uint64_t opened = 0, loaded = 0;
    int error = 0;
    while (!error && (left > 0 || loaded < opened)) {
        if (left > 0 && opened - loaded < AHEAD) {
            struct item_parts *p = &window[opened % AHEAD];
            error = open_item(l, at, left, p);
            if (error)
                break;
            items_prefetch_slot(&l->ledger->items, p->hash);
            memory_fetch(item_at(&l->ledger->items, p->saved.item));
            at += p->saved.length;
            left -= p->saved.length;
            opened++;
        } else {
            error = load_item(l, &window[loaded++ % AHEAD]);
        }
    }
    return error;
}

/* ---- what ids stand for ---- */

struct entry_parts {
    struct contents_entry saved;
    const unsigned char *draws, *ready;
    struct text id;
    uint64_t hash;
    uint32_t slot; /* in this table */
    bool finished, left_out;
};

static bool entry_can_be(const struct contents_entry *saved)
{
    bool reservation = saved->kind == ENTRY_RESERVATION;
    bool kind = reservation || saved->kind == ENTRY_MOVEMENT || saved->kind == ENTRY_STEP;
    bool state = reservation ? saved->state > STATE_NONE && saved->state < STATE_COUNT
                             : saved->state == STATE_NONE;
    bool draws = reservation ? saved->draw_count >= 1 && saved->draw_count <= DRAWS_MAX
                             : saved->draw_count == 0;
    bool led_to = saved->kind != ENTRY_STEP || saved->step.state < STATE_COUNT;
    bool id = saved->id_len >= 1 && saved->id_len <= ID_MAX;
    return kind && state && draws && led_to && saved->timed <= reservation && id;
}

static struct contents_draw contents_draw_at(const struct entry_parts *p, uint32_t index)
{
    struct contents_draw saved;
    memcpy(&saved, p->draws + index * sizeof saved, sizeof saved);
    return saved;
}

static uint32_t draw_slots(const struct contents_entry *saved)
{
    return saved->kind == ENTRY_RESERVATION ? draw_blocks(saved->draw_count, saved->timed) : 0;
}

static int open_entry(struct loading *l, const unsigned char *at, size_t left,
                      struct entry_parts *p)
{
    struct contents_entry *saved = &p->saved;
    const struct contents_load *load = l->load;
    if (!open_record(at, left, saved, sizeof *saved) || !entry_can_be(saved))
        return complain(l->complaint, -EINVAL, "an entry is malformed");
    uint64_t draws = saved->draw_count * sizeof(struct contents_draw);
    uint64_t ready = saved->timed * saved->draw_count * sizeof(uint64_t);
    p->draws = at + sizeof *saved;
    p->id = (struct text){ (const char *)p->draws + draws, saved->id_len };
    uint64_t end = (uint64_t)saved->slot + 1 + draw_slots(saved);
    p->finished = saved->kind != ENTRY_RESERVATION || state_final(saved->state);
    p->left_out = saved->slot < load->dropped;
    p->slot = (uint32_t)(saved->slot - load->dropped);
    p->ready = (const unsigned char *)p->id.at + saved->id_len;
    if (sizeof *saved + draws + saved->id_len + ready > saved->length || end > load->totals.slots ||
        (p->finished ? end > load->totals.finished_slots
                     : saved->slot < load->totals.finished_slots))
        return complain(l->complaint, -EINVAL, "entry %u has invalid lengths or slots",
                        saved->slot);
    assert(p->left_out || p->slot + draw_slots(saved) < l->ledger->ids.max);
    p->hash = id_hash(&l->ledger->ids, p->id);
    return 0;
}

static void prefetch_entry(const struct loading *l, const struct entry_parts *p)
{
    const struct id_table *ids = &l->ledger->ids;
    const struct items *items = &l->ledger->items;
    if (p->left_out)
        return;
    id_table_prefetch_bucket(ids, p->hash);
    for (uint32_t i = 0; i < p->saved.draw_count && i < 2; i++) {
        struct contents_draw draw = contents_draw_at(p, i);
        if (draw.pool.item < items->max_items) {
            const char *item = (const char *)item_at(items, draw.pool.item);
            memory_fetch(item + 64);
        }
    }
}

static int load_draw(struct loading *l, const struct entry_parts *p, uint32_t index,
                     struct draw *to)
{
    struct contents_draw saved = contents_draw_at(p, index);
    struct items *items = &l->ledger->items;
    struct pool *pool = NULL;
    if (saved.pool.item < items->max_items)
        pool = pool_find(items, saved.pool.item, saved.pool.location, saved.pool.owner);
    bool sane = pool && saved.qty >= 1 && saved.qty <= QUANTITY_MAX &&
                (uint64_t)saved.fulfilled + saved.cancelled <= saved.qty;
    if (!sane)
        return complain(l->complaint, -EINVAL, "\"%.*s\" has an invalid draw", (int)p->id.len,
                        p->id.at);
    *to = (struct draw){ pool_unit(items, pool), saved.qty, saved.fulfilled, saved.cancelled };
    if (p->finished != (draw_left(to) == 0) && p->finished)
        return complain(l->complaint, -EINVAL, "\"%.*s\" is %s with something left", (int)p->id.len,
                        p->id.at, state_name(p->saved.state));
    if (draw_left(to) > 0)
        l->promised += draw_left(to) * weight(to->pool);
    return 0;
}

/* A slot belongs to one record only. */
static int slot_is_taken(struct loading *l, const struct entry_parts *p)
{
    return complain(l->complaint, -EINVAL, "\"%.*s\" has another entry's slot", (int)p->id.len,
                    p->id.at);
}

/* The draws of an order over several pools lie in the slots behind its own. */
static int load_draws(struct loading *l, const struct entry_parts *p, struct id_entry *entry)
{
    struct id_table *ids = &l->ledger->ids;
    struct draws_entry *block = NULL;
    uint32_t number = p->slot;
    int error = 0;
    bool timed = p->saved.timed;
    if (draw_slots(&p->saved) == 0)
        return load_draw(l, p, 0, &entry->draw);
    entry->more = number + 2;
    for (uint32_t i = 0; !error && i < p->saved.draw_count; i++) {
        uint32_t at = i % draws_in_block(timed);
        if (at == 0) {
            if (!slots_keep(ids, ++number))
                return slot_is_taken(l, p);
            block = (struct draws_entry *)(void *)entry_at(ids, number);
            atomic_store_explicit(&block->state,
                                  state_word(ENTRY_DRAWS, STATE_NONE, 0) | STATE_BUSY,
                                  memory_order_relaxed);
            bool last = p->saved.draw_count - i <= draws_in_block(timed);
            block->next = last ? 0 : number + 2;
        }
        error = load_draw(l, p, i, timed ? &block->timed[at].draw : &block->draws[at]);
        if (timed)
            memcpy(&block->timed[at].ready_ms, p->ready + i * sizeof(uint64_t), sizeof(uint64_t));
    }
    return error;
}

static int load_reservation(struct loading *l, const struct entry_parts *p, struct id_entry *entry)
{
    const struct contents_entry *saved = &p->saved;
    if (saved->channel >= atomic_load(&l->ledger->catalogue)->channel_count)
        return complain(l->complaint, -EINVAL, "\"%.*s\" has an unknown channel", (int)p->id.len,
                        p->id.at);
    entry->lsn_last = saved->reservation.lsn_last;
    entry->expires_ms = saved->reservation.moment;
    entry->created_ms = saved->reservation.created_ms;
    entry->ttl_ms = saved->ttl_ms;
    entry->channel = saved->channel;
    entry->draw_count = saved->draw_count;
    entry->timed = saved->timed != 0;
    if (!p->finished)
        atomic_fetch_add_explicit(&l->ledger->ids.contexts[0].live, 1, memory_order_relaxed);
    return load_draws(l, p, entry);
}

static void load_done(const struct contents_entry *saved, struct id_entry *entry)
{
    if (saved->kind == ENTRY_STEP) {
        entry->done_ms = saved->step.done_ms;
        entry->result_state = (uint32_t)saved->step.state;
        return;
    }
    entry->done_ms = saved->movement.done_ms;
    entry->delta = saved->movement.delta;
    entry->movement =
        (struct movement_outcome){ saved->movement.on_hand, saved->movement.available };
}

static int load_entry(struct loading *l, const struct entry_parts *p)
{
    struct id_table *ids = &l->ledger->ids;
    const struct contents_entry *saved = &p->saved;
    struct id_entry *entry = entry_at(ids, p->slot);
    int error = 0;
    if (p->left_out) {
        uint64_t ended_ms = contents_ended_ms(saved);
        bool early = ended_ms + ids->remember_ms > l->load->totals.last_ms;
        id_table_note_forgotten(ids, ended_ms);
        atomic_fetch_add_explicit(&l->load->early, early, memory_order_relaxed);
        return 0;
    }
    assert(p->id.at);
    if (!slots_keep(ids, p->slot))
        return slot_is_taken(l, p);
    entry->content = saved->content;
    entry->lsn_first = entry->lsn_last = saved->lsn_first;
    entry->owner = NO_OWNER;
    memcpy(entry->id, p->id.at, p->id.len);
    if (saved->kind == ENTRY_RESERVATION)
        error = load_reservation(l, p, entry);
    else
        load_done(saved, entry);
    if (error)
        return error;
    uint64_t word =
        state_word((enum entry_kind)saved->kind, (enum entry_state)saved->state, saved->id_len);
    entry_put(entry, word_with_last(word, saved->last));
    error = id_table_enter(ids, entry, p->id, p->hash);
    if (error)
        return complain(l->complaint, -EINVAL, "\"%.*s\" %s", (int)p->id.len, p->id.at,
                        error == -EEXIST ? "appears twice" : "does not fit the id table");
    return 0;
}

static int load_entries(struct loading *l, const unsigned char *at, size_t left)
{
    struct entry_parts window[AHEAD] = { 0 };
    uint64_t opened = 0, loaded = 0;
    int error = 0;
    while (!error && (left > 0 || loaded < opened)) {
        if (left > 0 && opened - loaded < AHEAD) {
            struct entry_parts *p = &window[opened % AHEAD];
            error = open_entry(l, at, left, p);
            if (error)
                break;
            prefetch_entry(l, p);
            at += p->saved.length;
            left -= p->saved.length;
            opened++;
        } else {
            error = load_entry(l, &window[loaded++ % AHEAD]);
        }
    }
    return error;
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
            return complain(l->complaint, -EINVAL, "a recent change has an unknown pool");
        recent_add(&l->ledger->contexts[0]->recent, saved.time_ms, pool_unit(items, pool),
                   saved.delta);
    }
    return left == 0 ? 0 : complain(l->complaint, -EINVAL, "a recent change is truncated");
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
        return complain(complaint, -EINVAL, "its totals are inconsistent");
    if (totals->items > items->max_items)
        return no_room(complaint, "items", totals->items, items->max_items);
    if (totals->pools > items->max_pools)
        return no_room(complaint, "pools", totals->pools, items->max_pools);
    uint64_t live = totals->slots - totals->finished_slots;
    if (live > ids->max)
        return no_room(complaint, "live reservations", live, ids->max);
    load->ledger = ledger;
    load->totals = *totals;
    load->dropped = totals->slots > ids->max ? totals->slots - ids->max : 0;
    atomic_store(&load->reserved, 0);
    atomic_store(&load->promised, 0);
    atomic_store(&load->early, 0);
    atomic_store(&ledger->items.count, (uint32_t)totals->items);
    recent_forget(&ledger->contexts[0]->recent, totals->forgotten_ms);
    id_table_note_forgotten(&ledger->ids, totals->ids_forgotten_ms);
    ledger->born_ms = totals->born_ms;
    return 0;
}

int ledger_contents_load(struct contents_load *load, enum contents_kind kind, const void *bytes,
                         size_t length, struct contents_complaint *complaint)
{
    static int (*const by_kind[CONTENTS_KIND_END])(struct loading *, const unsigned char *,
                                                   size_t) = {
        [CONTENTS_SETTINGS] = load_settings,
        [CONTENTS_ITEMS] = load_items,
        [CONTENTS_ENTRIES] = load_entries,
        [CONTENTS_RECENT] = load_recent,
    };
    struct loading l = { load, load->ledger, complaint, 0, 0 };
    if (kind >= CONTENTS_KIND_END || !by_kind[kind])
        return complain(complaint, -EINVAL, "records of an unknown kind");
    int error = by_kind[kind](&l, bytes, length);
    atomic_fetch_add_explicit(&load->reserved, l.reserved, memory_order_relaxed);
    atomic_fetch_add_explicit(&load->promised, l.promised, memory_order_relaxed);
    return error;
}

/* Names a pool that disagrees: slow, for the message only. */
static int name_disagreement(const struct ledger *ledger, struct contents_complaint *complaint)
{
    const struct items *items = &ledger->items;
    uint64_t *promised = calloc(items->unit_count, sizeof *promised);
    if (!promised)
        return complain(complaint, -EINVAL, "reserved stock and reservations disagree");
    for (uint32_t i = 0; i < ledger->ids.max; i++) {
        struct id_entry *entry = entry_at(&ledger->ids, i);
        uint64_t word = atomic_load(&entry->state);
        if (word_kind(word) != ENTRY_RESERVATION)
            continue;
        struct draw_walk walk = draw_walk_start(&ledger->ids, entry);
        for (const struct draw *draw; (draw = draw_walk_next(&walk)) != NULL;)
            promised[draw->pool] += draw_left(draw);
    }
    complain(complaint, -EINVAL, "reserved stock and reservations disagree");
    for (uint32_t i = 0; i < atomic_load(&items->count); i++) {
        struct pool_walk walk = pool_walk_start(items, i);
        for (const struct pool *pool; (pool = pool_walk_next(&walk)) != NULL;) {
            uint64_t there = (uint64_t)word_reserved(pool_read(pool));
            uint64_t wanted = promised[pool_unit(items, pool)];
            if (there != wanted)
                complain(complaint, -EINVAL,
                         "I1: \"%.*s\" has %llu reserved, but its draws add up to %llu",
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
    cursor->now_ms = load->totals.last_ms;
    cursor->early = atomic_load(&load->early);
    slots_resume(ids, cursor, (uint32_t)(load->totals.slots - load->dropped));
}

int ledger_contents_end(struct contents_load *load, struct contents_complaint *complaint)
{
    struct ledger *ledger = load->ledger;
    queue_ended(load);
    if (atomic_load(&load->reserved) != atomic_load(&load->promised))
        return name_disagreement(ledger, complaint);
    if (atomic_load(&ledger->items.pool_count) != load->totals.pools)
        return complain(complaint, -EINVAL, "pools are missing");
    return 0;
}
