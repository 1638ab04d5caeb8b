/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the contents of a ledger at rest. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/replay/contents_loading.h"
#include "engine/store/draws.h"
#include "engine/store/outcomes.h"
#include "engine/store/supply_lines.h"

struct writing {
    const struct ledger *ledger;
    const struct contents_sink *sink;
    struct contents_totals *totals;
    unsigned char record[RECORD_MAX]; /* of a setting, before its length is known */
};

static uint32_t padded(uint64_t length)
{
    return (uint32_t)((length + 7) & ~UINT64_C(7));
}

/* Room for a record of that many bytes; its last 8 bytes are zeroed. */
static unsigned char *room_for(const struct writing *w, enum contents_kind kind, uint64_t length)
{
    uint32_t whole = padded(length);
    if (length > UINT32_MAX - 8)
        return NULL;
    unsigned char *at = w->sink->room(w->sink->context, kind, whole);
    assert(whole % 8 == 0);
    assert(whole >= length);
    if (at)
        memset(at + whole - 8, 0, 8);
    return at;
}

static void append(unsigned char **at, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(*at, bytes, length);
    *at += length;
}

/* ---- settings ---- */

static int put_setting(struct writing *w, uint64_t lsn, uint32_t length)
{
    struct contents_setting setting = { lsn };
    assert(length <= RECORD_MAX);
    assert(length % 8 == 0);
    unsigned char *at = room_for(w, CONTENTS_SETTINGS, sizeof setting + length);
    if (!at)
        return -EIO;
    append(&at, &setting, sizeof setting);
    append(&at, w->record, length);
    return 0;
}

static int write_settings(struct writing *w)
{
    const struct ledger *ledger = w->ledger;
    const struct catalogue *catalogue = atomic_load(&w->ledger->catalogue);
    int error = 0;
    for (uint16_t i = 1; !error && i < ledger->client_count; i++) {
        const struct client_name *c = &ledger->clients[i];
        struct text name = { c->at, c->len };
        error =
            put_setting(w, 0, client_record_make(w->record, (struct record_head){ 0 }, i, name));
    }
    for (uint16_t i = 0; !error && i < catalogue->calendar_count; i++) {
        const struct calendar *c = &catalogue->calendars[i];
        error = put_setting(w, c->lsn,
                            calendar_record_make(w->record, (struct record_head){ 0 }, c, i));
    }
    for (uint16_t i = 0; !error && i < catalogue->location_count; i++) {
        const struct location *l = &catalogue->locations[i];
        error = put_setting(w, l->lsn,
                            location_record_make(w->record, (struct record_head){ 0 }, l, i));
    }
    for (uint16_t i = 0; !error && i < catalogue->channel_count; i++) {
        const struct channel *c = &catalogue->channels[i];
        error =
            put_setting(w, c->lsn, channel_record_make(w->record, (struct record_head){ 0 }, c, i));
    }
    return error;
}

/* ---- items ---- */

/* Of changes of the ETA of what the pool of expected units is used for. */
static uint32_t change_count(const struct items *items, const struct pool *pool)
{
    const struct incoming *in = incoming_at(items, pool_unit(items, pool));
    bool used = pool_read(pool) != 0 || atomic_load_explicit(&in->supply, memory_order_acquire);
    return used ? atomic_load_explicit(&in->change_count, memory_order_acquire) : 0;
}

static void count_pools(const struct items *items, uint32_t index, struct contents_item *saved)
{
    struct pool_walk walk = pool_walk_start(items, index);
    const struct pool *pool;
    for (; (pool = pool_walk_next(&walk)) != NULL; saved->pool_count++) {
        saved->stocking_count += stocking_at(items, pool_unit(items, pool)) != 0;
        saved->moved_count += change_count(items, pool);
    }
}

static void write_stockings(const struct items *items, uint32_t index, unsigned char **at)
{
    struct pool_walk walk = pool_walk_start(items, index);
    const struct pool *pool;
    for (uint32_t i = 0; (pool = pool_walk_next(&walk)) != NULL; i++) {
        uint64_t word = stocking_at(items, pool_unit(items, pool));
        struct stocking set = stocking_of(word);
        struct contents_stocking saved = { i, (int32_t)set.safety, (int32_t)set.lead_time_s,
                                           set.stocked };
        if (word != 0)
            append(at, &saved, sizeof saved);
    }
}

static void write_moved(const struct items *items, uint32_t index, unsigned char **at)
{
    struct pool_walk walk = pool_walk_start(items, index);
    const struct pool *pool;
    for (uint32_t i = 0; (pool = pool_walk_next(&walk)) != NULL; i++) {
        const struct incoming *in = incoming_at(items, pool_unit(items, pool));
        uint32_t count = change_count(items, pool);
        for (uint32_t j = 0; j < count; j++) {
            const struct eta_change *c = &in->changes[j];
            struct contents_moved saved = {
                .pool = i,
                .lsn = atomic_load_explicit(&c->lsn, memory_order_acquire),
                .covered_lsn = atomic_load_explicit(&c->covered_lsn, memory_order_acquire),
                .ship_ms = atomic_load_explicit(&c->ship_ms, memory_order_acquire),
                .pickup_ms = atomic_load_explicit(&c->pickup_ms, memory_order_acquire)
            };
            append(at, &saved, sizeof saved);
        }
    }
}

/* False if one has an undecided take. */
static bool write_pools(const struct items *items, uint32_t index, unsigned char **at)
{
    struct pool_walk walk = pool_walk_start(items, index);
    const struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = pool_read_key(pool);
        uint64_t word = pool_read(pool);
        struct contents_pool saved = { key_location(key), key_owner(key),
                                       (uint32_t)word_on_hand(word),
                                       (uint32_t)word_reserved(word) };
        if (word_undecided(word) != 0)
            return false;
        append(at, &saved, sizeof saved);
    }
    return true;
}

static int write_item(struct writing *w, uint32_t index)
{
    const struct items *items = &w->ledger->items;
    const struct item *item = item_at(items, index);
    struct text sku = item_sku(item);
    if (sku.len == 0 || items_find(items, sku, sku_hash(items, sku)) != index)
        return 0; /* an unused index */
    static const struct item_details none;
    const struct item_details *d = atomic_load(&items->details[index]);
    struct contents_item saved = { .item = index,
                                   .version = item_version(w->ledger, index),
                                   .detailed = d != NULL,
                                   .moved = item_has(item, ITEM_MOVED),
                                   .missed = item_has(item, ITEM_SHORT),
                                   .sku_len = item->sku_len };
    if (!d)
        d = &none;
    saved.details_lsn = d->lsn;
    saved.low_stock = d->has_low_stock ? d->low_stock : -1;
    saved.backorder_limit = d->has_backorder_limit ? d->backorder_limit : -1;
    saved.safety = d->has_safety ? d->safety : -1;
    saved.decimals = d->decimals;
    saved.name_len = d->name_len;
    saved.barcode_len = d->barcode_len;
    saved.unit_len = d->unit_len;
    count_pools(items, index, &saved);
    uint64_t length = contents_item_length(&saved);
    unsigned char *at = room_for(w, CONTENTS_ITEMS, length);
    if (!at)
        return -EIO;
    const unsigned char *end = at + length;
    saved.length = padded(length);
    append(&at, &saved, sizeof saved);
    bool stable = write_pools(items, index, &at);
    write_stockings(items, index, &at);
    write_moved(items, index, &at);
    append(&at, sku.at, sku.len);
    append(&at, d->name, d->name_len);
    append(&at, d->barcode, d->barcode_len);
    append(&at, d->unit, d->unit_len);
    assert(!stable || at == end); /* what was measured was written */
    (void)end;
    w->totals->pools += saved.pool_count;
    return stable ? 0 : -EBUSY;
}

static int write_items(struct writing *w)
{
    uint32_t count = atomic_load(&w->ledger->items.count);
    int error = 0;
    w->totals->items = count;
    for (uint32_t i = 0; !error && i < count; i++)
        error = write_item(w, i);
    return error;
}

/* ---- what ids stand for ---- */

static void write_draws(const struct writing *w, struct id_entry *entry, unsigned char **at)
{
    struct draw_walk walk = draw_walk_start(&w->ledger->ids, entry);
    const struct draw *draw;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        struct contents_draw saved = { name_of_pool(&w->ledger->items, draw->pool), draw->qty,
                                       draw->fulfilled, draw->cancelled };
        append(at, &saved, sizeof saved);
    }
}

static void write_ready(const struct writing *w, struct id_entry *entry, unsigned char **at)
{
    struct draw_walk walk = draw_walk_start(&w->ledger->ids, entry);
    const struct draw *draw;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        struct contents_times saved = { draw_ready_ms(entry, draw), draw_last_ms(entry, draw) };
        append(at, &saved, sizeof saved);
    }
}

/* What comes behind a reservation's id. */
static void write_behind_draws(const struct writing *w, struct id_entry *entry, unsigned char **at)
{
    char ref[NAME_MAX_BYTES];
    struct draw *draw;
    if (entry->timed)
        write_ready(w, entry, at);
    struct draw_walk walk = draw_walk_start(&w->ledger->ids, entry);
    while (entry->tracked && (draw = draw_walk_next(&walk)) != NULL) {
        const struct tracked_draw *tracked = draw_tracked(draw);
        struct contents_track saved = { .collect_by_ms = tracked->collect_by_ms,
                                        .lsn = tracked->lsn,
                                        .granted = tracked->granted,
                                        .step = tracked->step,
                                        .rejected = tracked->rejected };
        append(at, &saved, sizeof saved);
    }
    append(at, ref, reservation_ref(&w->ledger->ids, entry, ref));
}

static void write_lines(const struct writing *w, const struct id_entry *entry, unsigned char **at)
{
    struct line_walk walk = line_walk_start(&w->ledger->ids, entry);
    const struct line_entry *line;
    while ((line = line_walk_next(&walk)) != NULL) {
        struct contents_line saved = { name_of_pool(&w->ledger->items, line->pool),
                                       line->qty,
                                       line->shipped,
                                       line->accepted,
                                       line->rejected,
                                       line->lost,
                                       line->over };
        append(at, &saved, sizeof saved);
    }
    char ref[NAME_MAX_BYTES];
    append(at, ref, supply_ref(&w->ledger->ids, entry, ref));
}

static void write_outcomes(const struct writing *w, const struct id_entry *entry,
                           unsigned char **at)
{
    struct movement_outcome outcomes[LINES_MAX];
    uint32_t count = outcomes_read(&w->ledger->ids, entry, outcomes);
    for (uint32_t i = 0; i < count; i++) {
        struct contents_outcome saved = { outcomes[i].on_hand, outcomes[i].available };
        append(at, &saved, sizeof saved);
    }
}

static void save_supply(struct contents_entry *saved, const struct id_entry *entry)
{
    bool step = saved->kind == ENTRY_SUPPLY_STEP;
    saved->supply.lsn_last = entry->lsn_last;
    saved->supply.moment = entry->done_ms; /* or watched_ms */
    saved->supply.eta_ms = entry->eta_ms;
    saved->supply.from = step ? 0 : entry->from;
    saved->supply.location = step ? 0 : entry->location;
    saved->supply.line_count = entry->draw_count;
    saved->supply.ref_len = step ? 0 : entry->ref_len;
    saved->supply.sent = !step && entry->sends > 0;
}

/* The fixed part, without length and slot. */
static struct contents_entry saved_entry(const struct id_entry *entry, uint64_t word)
{
    struct contents_entry saved = { .kind = (uint8_t)word_kind(word),
                                    .state = (uint8_t)word_state(word),
                                    .last = (uint8_t)word_last(word),
                                    .id_len = (uint8_t)word_id_len(word),
                                    .content = entry->content,
                                    .lsn_first = entry->lsn_first };
    if (word_kind(word) == ENTRY_MOVEMENT) {
        saved.movement.done_ms = entry->done_ms;
        saved.movement.delta = entry->delta;
        saved.movement.on_hand = entry->movement.on_hand;
        saved.movement.available = entry->movement.available;
        saved.draw_count = entry->draw_count;
        if (entry->draw_count > 0)
            saved.movement.on_hand = saved.movement.available = 0;
        return saved;
    }
    if (word_kind(word) == ENTRY_STEP) {
        saved.step.done_ms = entry->done_ms;
        saved.step.state = entry->result_state;
        return saved;
    }
    if (contents_has_lines(&saved)) {
        save_supply(&saved, entry);
        return saved;
    }
    assert(word_kind(word) == ENTRY_RESERVATION);
    assert(entry->draw_count >= 1);
    assert(entry->draw_count <= DRAWS_MAX);
    saved.ttl_ms = entry->ttl_ms;
    saved.channel = entry->channel;
    saved.draw_count = entry->draw_count;
    saved.timed = entry->timed;
    saved.reservation.tracked = entry->tracked;
    saved.reservation.ref_len = entry->ref_len;
    saved.reservation.sends = entry->sends;
    saved.reservation.awaits = entry->awaits;
    saved.reservation.lsn_last = entry->lsn_last;
    saved.reservation.moment = entry->expires_ms;
    saved.reservation.created_ms = entry->created_ms;
    return saved;
}

static uint32_t slots_of(const struct contents_entry *saved)
{
    if (contents_has_lines(saved))
        return 1 + supply_blocks(saved->supply.line_count, saved->supply.ref_len);
    return saved->kind == ENTRY_RESERVATION ? 1 + contents_draw_blocks(saved)
                                            : 1 + outcome_blocks(contents_outcomes(saved));
}

/* The length of an entry's record, before it is padded. */
static uint64_t entry_length(const struct contents_entry *saved)
{
    uint64_t length = sizeof *saved + contents_draws(saved) * sizeof(struct contents_draw) +
                      contents_outcomes(saved) * sizeof(struct contents_outcome) + saved->id_len;
    if (contents_has_lines(saved))
        length += saved->supply.line_count * sizeof(struct contents_line) + saved->supply.ref_len;
    return length + contents_behind_draws(saved);
}

static int write_entry(struct writing *w, uint32_t number)
{
    struct id_entry *entry = entry_at(&w->ledger->ids, number);
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_acquire);
    enum entry_kind kind = word_kind(word);
    if (kind == ENTRY_FREE || kind == ENTRY_REFUSED || kind == ENTRY_DRAWS)
        return 0;
    if (word & STATE_BUSY)
        return -EBUSY;
    struct contents_entry saved = saved_entry(entry, word);
    assert(saved.id_len >= 1);
    assert(saved.id_len <= ID_MAX);
    uint64_t length = entry_length(&saved);
    unsigned char *at = room_for(w, CONTENTS_ENTRIES, length);
    if (!at)
        return -EIO;
    const unsigned char *end = at + length;
    saved.length = padded(length);
    saved.slot = (uint32_t)w->totals->slots;
    append(&at, &saved, sizeof saved);
    if (kind == ENTRY_RESERVATION)
        write_draws(w, entry, &at);
    append(&at, entry->id, saved.id_len);
    if (kind == ENTRY_RESERVATION)
        write_behind_draws(w, entry, &at);
    if (contents_has_lines(&saved))
        write_lines(w, entry, &at);
    if (contents_outcomes(&saved) > 0)
        write_outcomes(w, entry, &at);
    assert(at == end); /* what was measured was written */
    (void)end;
    w->totals->slots += slots_of(&saved);
    if (entry_over(word))
        w->totals->finished_slots += slots_of(&saved);
    return 0;
}

/* The context whose next ended id is the oldest; NULL: none left. */
static uint32_t *oldest_ended(const struct id_table *ids, uint32_t *next)
{
    uint32_t *found = NULL;
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < CONTEXTS_MAX; i++) {
        if (next[i] == 0)
            continue;
        const struct id_entry *entry = entry_at(ids, next[i] - 1);
        uint64_t word = atomic_load_explicit(&entry->state, memory_order_relaxed);
        assert(word_kind(word) != ENTRY_FREE); /* I9: only what has ended is in a queue */
        assert(entry_over(word));
        if (found && entry_ended_ms(entry, word) >= oldest)
            continue;
        oldest = entry_ended_ms(entry, word);
        found = &next[i];
    }
    return found;
}

/* Writes ended entries in the order of forgetting. */
static int write_ended(struct writing *w)
{
    const struct id_table *ids = &w->ledger->ids;
    uint32_t next[CONTEXTS_MAX], *first;
    int error = 0;
    for (unsigned i = 0; i < CONTEXTS_MAX; i++)
        next[i] = ids->contexts[i].first;
    while (!error && (first = oldest_ended(ids, next)) != NULL) {
        uint32_t number = *first - 1;
        *first = entry_at(ids, number)->ended_next;
        error = write_entry(w, number);
    }
    return error;
}

static bool is_live(const struct id_entry *entry)
{
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_acquire);
    return !entry_over(word);
}

static int write_entries(struct writing *w)
{
    const struct id_table *ids = &w->ledger->ids;
    int error = write_ended(w);
    uint32_t used = id_table_used(ids);
    for (uint32_t i = 0; !error && i < used; i++)
        if (is_live(entry_at(ids, i)))
            error = write_entry(w, i);
    return error;
}

/* ---- recent changes ---- */

/* The context whose next change was booked first; -1: none left. booked_ms: when each one's last
 * was. */
static int oldest_ctx(const struct ledger *ledger, const uint64_t *next, uint64_t *booked_ms)
{
    uint64_t oldest = UINT64_MAX;
    int found = -1;
    for (unsigned i = 0; i < ledger->context_count; i++) {
        const struct recent *recent = &ledger->contexts[i]->recent;
        if (next[i] >= atomic_load(&recent->count))
            continue;
        uint64_t time_ms = atomic_load_explicit(&recent->ring[next[i] % RECENT_CHANGES].time_ms,
                                                memory_order_relaxed);
        if (time_ms & RECENT_LATE) /* it was booked with the one before it */
            time_ms = booked_ms[i];
        booked_ms[i] = time_ms;
        if (found >= 0 && time_ms >= oldest)
            continue;
        oldest = time_ms;
        found = (int)i;
    }
    return found;
}

static int write_recent(struct writing *w)
{
    const struct ledger *ledger = w->ledger;
    uint64_t next[CONTEXTS_MAX], booked_ms[CONTEXTS_MAX] = { 0 };
    for (unsigned i = 0; i < ledger->context_count; i++) {
        const struct recent *recent = &ledger->contexts[i]->recent;
        uint64_t count = atomic_load(&recent->count);
        uint64_t forgotten = atomic_load(&recent->forgotten_ms);
        next[i] = count > RECENT_CHANGES ? count - RECENT_CHANGES : 0;
        if (forgotten > w->totals->forgotten_ms)
            w->totals->forgotten_ms = forgotten;
    }
    for (int ctx; (ctx = oldest_ctx(ledger, next, booked_ms)) >= 0; w->totals->recents++) {
        const struct recent_change *change =
            &ledger->contexts[ctx]->recent.ring[next[ctx]++ % RECENT_CHANGES];
        uint64_t time = atomic_load_explicit(&change->time_ms, memory_order_relaxed);
        struct contents_recent saved = {
            .time_ms = time & ~RECENT_LATE,
            .pool = name_of_pool(&ledger->items,
                                 atomic_load_explicit(&change->pool, memory_order_relaxed)),
            .delta = atomic_load_explicit(&change->delta, memory_order_relaxed),
            .kind = time & RECENT_LATE ? RECENT_BOOKED_LATE : RECENT_CHANGE,
        };
        unsigned char *at = room_for(w, CONTENTS_RECENT, sizeof saved);
        if (!at)
            return -EIO;
        append(&at, &saved, sizeof saved);
    }
    return 0;
}

/* When each place was last counted. */
static int write_counts(struct writing *w)
{
    const struct items *items = &w->ledger->items;
    uint32_t count = atomic_load(&items->count);
    for (uint32_t i = 0; i < count; i++) {
        struct pool_walk walk = pool_walk_start(items, i);
        const struct pool *pool;
        while ((pool = pool_walk_next(&walk)) != NULL) {
            uint32_t unit = pool_unit(items, pool);
            struct contents_recent saved = { .time_ms = item_counted(items, unit),
                                             .pool = name_of_pool(items, unit),
                                             .kind = RECENT_COUNT };
            if (saved.time_ms == 0)
                continue;
            unsigned char *at = room_for(w, CONTENTS_RECENT, sizeof saved);
            if (!at)
                return -EIO;
            append(&at, &saved, sizeof saved);
            w->totals->recents++;
        }
    }
    return 0;
}

static uint64_t last_change_ms(const struct ledger *ledger)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < ledger->context_count; i++)
        if (ledger->contexts[i]->cursor.now_ms > last)
            last = ledger->contexts[i]->cursor.now_ms;
    return last;
}

int ledger_contents_write(const struct ledger *ledger, const struct contents_sink *sink,
                          struct contents_totals *totals)
{
    struct writing w = { .ledger = ledger, .sink = sink, .totals = totals };
    *totals = (struct contents_totals){ .items_max = ledger->items.max_items,
                                        .pools_max = ledger->items.max_pools,
                                        .reservations_max = ledger->ids.max,
                                        .ids_forgotten_ms = id_table_forgotten_ms(&ledger->ids),
                                        .born_ms = ledger->born_ms,
                                        .last_ms = last_change_ms(ledger) };
    int error = write_settings(&w);
    if (!error)
        error = write_items(&w);
    if (!error)
        error = write_entries(&w);
    if (!error)
        error = write_recent(&w);
    if (!error)
        error = write_counts(&w);
    if (!error)
        error = contents_write_signals(ledger, sink);
    if (!error)
        error = contents_write_figures(ledger, sink);
    assert(error || totals->finished_slots <= totals->slots);
    assert(error || totals->slots <= ledger->ids.max);
    return error;
}
