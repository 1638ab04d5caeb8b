/* SPDX-License-Identifier: Apache-2.0 */
/* From a ledger at rest to its image. */
#include <errno.h>
#include <string.h>

#include "engine/ledger/marks.h"
#include "engine/ledger/seat.h"
#include "engine/replay/image.h"

struct writing {
    const struct ledger *ledger;
    const struct image_sink *sink;
    struct image_totals *totals;
    unsigned char record[RECORD_MAX]; /* of a setting, before its length is known */
};

static uint32_t padded(uint64_t length)
{
    return (uint32_t)((length + 7) & ~UINT64_C(7));
}

/* Room for a record of that many bytes; its last bytes are zero already. */
static unsigned char *room_for(const struct writing *w, enum image_kind kind, uint64_t length)
{
    uint32_t whole = padded(length);
    if (length > UINT32_MAX - 8)
        return NULL;
    unsigned char *at = w->sink->room(w->sink->context, kind, whole);
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
    struct image_setting setting = { lsn };
    unsigned char *at = room_for(w, IMAGE_SETTINGS, sizeof setting + length);
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

static uint32_t count_pools(const struct items *items, uint32_t index)
{
    struct pool_walk walk = pool_walk_start(items, index);
    uint32_t count = 0;
    while (pool_walk_next(&walk))
        count++;
    return count;
}

/* False if something is undecided in it. */
static bool write_pools(const struct items *items, uint32_t index, unsigned char **at)
{
    struct pool_walk walk = pool_walk_start(items, index);
    const struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        uint64_t word = pool_read(pool);
        struct image_pool image = { key_location(key), key_owner(key), (uint32_t)word_on_hand(word),
                                    (uint32_t)word_reserved(word) };
        if (word_pending(word) != 0)
            return false;
        append(at, &image, sizeof image);
    }
    return true;
}

static int write_item(struct writing *w, uint32_t index)
{
    const struct items *items = &w->ledger->items;
    const struct item *item = item_at(items, index);
    struct text sku = item_sku(item);
    if (sku.len == 0 || items_find(items, sku, sku_hash(items, sku)) != index)
        return 0; /* an index that came to nothing */
    static const struct item_details none;
    const struct item_details *d = atomic_load(&items->details[index]);
    struct image_item image = { .item = index,
                                .mark = marks_of(w->ledger, index),
                                .pool_count = count_pools(items, index),
                                .detailed = d != NULL,
                                .sku_len = item->sku_len };
    if (!d)
        d = &none;
    image.details_lsn = d->lsn;
    image.low_stock = d->has_low_stock ? d->low_stock : -1;
    image.backorder_limit = d->has_backorder_limit ? d->backorder_limit : -1;
    image.name_len = d->name_len;
    image.barcode_len = d->barcode_len;
    uint64_t length = sizeof image + (uint64_t)image.pool_count * sizeof(struct image_pool) +
                      sku.len + d->name_len + d->barcode_len;
    unsigned char *at = room_for(w, IMAGE_ITEMS, length);
    if (!at)
        return -EIO;
    image.length = padded(length);
    append(&at, &image, sizeof image);
    bool quiet = write_pools(items, index, &at);
    append(&at, sku.at, sku.len);
    append(&at, d->name, d->name_len);
    append(&at, d->barcode, d->barcode_len);
    w->totals->pools += image.pool_count;
    return quiet ? 0 : -EBUSY;
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

static struct pool_key key_of(const struct items *items, uint32_t unit)
{
    uint64_t key = atomic_load_explicit(&pool_at(items, unit)->key, memory_order_relaxed);
    return (struct pool_key){ key_item(key), key_location(key), key_owner(key) };
}

static void write_draws(const struct writing *w, struct entry *entry, unsigned char **at)
{
    struct draw_walk walk = draw_walk_start(&w->ledger->entries, entry);
    const struct draw *draw;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        struct image_draw image = { key_of(&w->ledger->items, draw->pool), draw->qty,
                                    draw->fulfilled, draw->cancelled };
        append(at, &image, sizeof image);
    }
}

static void write_ready(const struct writing *w, struct entry *entry, unsigned char **at)
{
    struct draw_walk walk = draw_walk_start(&w->ledger->entries, entry);
    const struct draw *draw;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        uint64_t ready_ms = draw_ready_ms(entry, draw);
        append(at, &ready_ms, sizeof ready_ms);
    }
}

/* The fixed part, but for its length and place. */
static struct image_entry image_of(const struct entry *entry, uint64_t word)
{
    struct image_entry image = { .kind = (uint8_t)word_kind(word),
                                 .state = (uint8_t)word_state(word),
                                 .last = (uint8_t)word_last(word),
                                 .id_len = (uint8_t)word_id_len(word),
                                 .content = entry->content,
                                 .lsn_first = entry->lsn_first };
    if (word_kind(word) == ENTRY_MOVEMENT) {
        image.movement.done_ms = entry->done_ms;
        image.movement.delta = entry->delta;
        image.movement.on_hand = entry->movement.on_hand;
        image.movement.available = entry->movement.available;
        return image;
    }
    if (word_kind(word) == ENTRY_STEP) {
        image.step.done_ms = entry->done_ms;
        image.step.state = entry->result_state;
        return image;
    }
    image.ttl_ms = entry->ttl_ms;
    image.channel = entry->channel;
    image.draw_count = entry->draw_count;
    image.timed = entry->timed;
    image.reservation.lsn_last = entry->lsn_last;
    image.reservation.moment = entry->expires_ms;
    image.reservation.created_ms = entry->created_ms;
    return image;
}

static uint32_t slots_of(const struct image_entry *image)
{
    return image->kind == ENTRY_RESERVATION ? 1 + draw_blocks(image->draw_count, image->timed) : 1;
}

static int write_entry(struct writing *w, uint32_t number)
{
    struct entry *entry = entry_at(&w->ledger->entries, number);
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_acquire);
    enum entry_kind kind = word_kind(word);
    if (kind == ENTRY_FREE || kind == ENTRY_REFUSED || kind == ENTRY_DRAWS)
        return 0;
    if (word & STATE_BUSY)
        return -EBUSY;
    struct image_entry image = image_of(entry, word);
    uint64_t length = sizeof image + image.draw_count * sizeof(struct image_draw) +
                      (uint64_t)image.id_len + image.timed * image.draw_count * sizeof(uint64_t);
    unsigned char *at = room_for(w, IMAGE_ENTRIES, length);
    if (!at)
        return -EIO;
    image.length = padded(length);
    image.slot = (uint32_t)w->totals->slots;
    append(&at, &image, sizeof image);
    if (kind == ENTRY_RESERVATION)
        write_draws(w, entry, &at);
    append(&at, entry->id, image.id_len);
    if (image.timed)
        write_ready(w, entry, &at);
    w->totals->slots += slots_of(&image);
    if (kind != ENTRY_RESERVATION || state_final(word_state(word)))
        w->totals->finished_slots += slots_of(&image);
    return 0;
}

/* The seat whose next ended id is the oldest; NULL: there is none left. */
static uint32_t *oldest_ended(const struct entries *entries, uint32_t *next)
{
    uint32_t *found = NULL;
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        if (next[i] == 0)
            continue;
        const struct entry *entry = entry_at(entries, next[i] - 1);
        uint64_t word = atomic_load_explicit(&entry->state, memory_order_relaxed);
        if (found && entry_ended_ms(entry, word) >= oldest)
            continue;
        oldest = entry_ended_ms(entry, word);
        found = &next[i];
    }
    return found;
}

/* In the order in which they are to be forgotten. */
static int write_ended(struct writing *w)
{
    const struct entries *entries = &w->ledger->entries;
    uint32_t next[SEATS_MAX], *first;
    int error = 0;
    for (unsigned i = 0; i < SEATS_MAX; i++)
        next[i] = entries->seats[i].first;
    while (!error && (first = oldest_ended(entries, next)) != NULL) {
        uint32_t number = *first - 1;
        *first = entry_at(entries, number)->ended_next;
        error = write_entry(w, number);
    }
    return error;
}

static bool is_live(const struct entry *entry)
{
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_acquire);
    return word_kind(word) == ENTRY_RESERVATION && !state_final(word_state(word));
}

static int write_entries(struct writing *w)
{
    const struct entries *entries = &w->ledger->entries;
    int error = write_ended(w);
    uint32_t used = entries_used(entries);
    for (uint32_t i = 0; !error && i < used; i++)
        if (is_live(entry_at(entries, i)))
            error = write_entry(w, i);
    return error;
}

/* ---- recent changes ---- */

/* The seat whose next change is the oldest; -1: there is none left. */
static int oldest_seat(const struct ledger *ledger, const uint64_t *next)
{
    uint64_t oldest = UINT64_MAX;
    int found = -1;
    for (unsigned i = 0; i < ledger->seat_count; i++) {
        const struct recent *recent = &ledger->seats[i]->recent;
        if (next[i] >= atomic_load(&recent->count))
            continue;
        uint64_t time_ms = atomic_load_explicit(&recent->ring[next[i] % RECENT_CHANGES].time_ms,
                                                memory_order_relaxed);
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
    uint64_t next[SEATS_MAX];
    for (unsigned i = 0; i < ledger->seat_count; i++) {
        const struct recent *recent = &ledger->seats[i]->recent;
        uint64_t count = atomic_load(&recent->count);
        uint64_t forgotten = atomic_load(&recent->forgotten_ms);
        next[i] = count > RECENT_CHANGES ? count - RECENT_CHANGES : 0;
        if (forgotten > w->totals->forgotten_ms)
            w->totals->forgotten_ms = forgotten;
    }
    for (int seat; (seat = oldest_seat(ledger, next)) >= 0; w->totals->recents++) {
        const struct recent_change *change =
            &ledger->seats[seat]->recent.ring[next[seat]++ % RECENT_CHANGES];
        struct image_recent image = {
            .time_ms = atomic_load_explicit(&change->time_ms, memory_order_relaxed),
            .pool =
                key_of(&ledger->items, atomic_load_explicit(&change->pool, memory_order_relaxed)),
            .delta = atomic_load_explicit(&change->delta, memory_order_relaxed),
        };
        unsigned char *at = room_for(w, IMAGE_RECENT, sizeof image);
        if (!at)
            return -EIO;
        append(&at, &image, sizeof image);
    }
    return 0;
}

static uint64_t last_change_ms(const struct ledger *ledger)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < ledger->seat_count; i++)
        if (ledger->seats[i]->cursor.now_ms > last)
            last = ledger->seats[i]->cursor.now_ms;
    return last;
}

int ledger_image_write(const struct ledger *ledger, const struct image_sink *sink,
                       struct image_totals *totals)
{
    struct writing w = { .ledger = ledger, .sink = sink, .totals = totals };
    *totals = (struct image_totals){ .items_max = ledger->items.max_items,
                                     .pools_max = ledger->items.max_pools,
                                     .reservations_max = ledger->entries.max,
                                     .ids_forgotten_ms = entries_forgotten_ms(&ledger->entries),
                                     .born_ms = ledger->born_ms,
                                     .last_ms = last_change_ms(ledger) };
    int error = write_settings(&w);
    if (!error)
        error = write_items(&w);
    if (!error)
        error = write_entries(&w);
    if (!error)
        error = write_recent(&w);
    return error;
}
