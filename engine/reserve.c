/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reserve: the way of an order through the ledger.
 *
 *   check what it names -> take its id -> plan and take its stock (rule T) -> take memory for its
 *   draws -> claim the LSN, publish the record -> show the reservation (rule O) -> drop the marks
 *
 * Until the claim everything can be undone, and is when something fails.
 */
#include "engine/ledger.h"

#include <string.h>

#include "engine/reservation.h"
#include "engine/seat.h"

static uint64_t fingerprint(const struct order *order)
{
    uint64_t f = mix_number(0, order->has_ttl ? order->ttl_ms + 1 : 0);
    f = mix_number(f, order->confirm);
    f = mix_text(f, order->channel);
    f = mix_text(f, order->at);
    for (uint32_t i = 0; i < order->line_count; i++) {
        f = mix_text(f, order->lines[i].sku);
        f = mix_text(mix_number(f, (uint64_t)order->lines[i].qty), order->lines[i].location);
    }
    return f;
}

static enum code check_order(struct seat *seat, const struct order *order)
{
    enum code code = check_id(seat, "id", order->id);
    if (code)
        return code;
    if (order->line_count == 0)
        return fail(seat, CODE_BAD_REQUEST, "lines must have at least one line");
    if (order->line_count > LINES_MAX)
        return fail(seat, CODE_TOO_LARGE, "lines: an order has at most %d, not %u", LINES_MAX,
                    order->line_count);
    if (order->has_ttl && (order->ttl_ms < 1 || order->ttl_ms > TTL_MAX_MS))
        return fail(seat, CODE_BAD_REQUEST, "ttl_ms must be a whole number from 1 to %u",
                    TTL_MAX_MS);
    for (uint32_t i = 0; i < order->line_count; i++) {
        int64_t qty = order->lines[i].qty;
        if (qty < 1 || qty > QUANTITY_MAX)
            return fail(seat, CODE_BAD_REQUEST,
                        "lines[%u]: qty must be a whole number from 1 to %lld, not %lld", i,
                        (long long)QUANTITY_MAX, (long long)qty);
    }
    return CODE_OK;
}

/* Notes which lines have the same item. */
static void note_item(struct seat *seat, uint32_t line)
{
    struct plan *plan = &seat->plan;
    uint32_t first = *item_map_number(&seat->item_map, plan->items[line], line);
    plan->first[line] = (uint16_t)first;
    plan->repeated[line] = first != line;
    if (first != line)
        plan->repeated[first] = true;
}

/* Looks up the items and places of all lines. */
static enum code resolve_lines(struct seat *seat, const struct order *order)
{
    struct plan *plan = &seat->plan;
    const struct location *at = NULL;
    enum code code = CODE_OK;
    if (text_given(order->at))
        code = find_location(seat, "at", order->at, &at);
    item_map_empty(&seat->item_map);
    for (uint32_t i = 0; !code && i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        plan->bound[i] = at;
        if (text_given(line->location))
            code = find_location(seat, "location", line->location, &plan->bound[i]);
        if (!code)
            code = find_item(seat, line->sku, &plan->items[i]);
        if (code)
            return code;
        note_item(seat, i);
    }
    return code;
}

static struct draw draw_of(const struct plan_draw *planned)
{
    return (struct draw){ planned->pool, (uint32_t)planned->qty, 0, 0 };
}

bool store_draws(struct seat *seat, struct entry *entry)
{
    struct entries *entries = &seat->ledger->entries;
    const struct plan *plan = &seat->plan;
    bool timed = false;
    for (uint32_t i = 0; i < plan->draw_count; i++)
        timed |= plan->draws[i].ready_ms != entry->created_ms;
    entry->draw_count = (uint16_t)plan->draw_count;
    entry->timed = timed;
    if (draw_blocks(plan->draw_count, timed) == 0) {
        entry->draw = draw_of(&plan->draws[0]);
        return true;
    }
    uint32_t *link = &entry->more;
    *link = 0;
    struct draws_entry *block = NULL;
    for (uint32_t i = 0; i < plan->draw_count; i++) {
        uint32_t at = i % draws_in_block(timed);
        if (at == 0) {
            block = slots_take_draws(entries, &seat->cursor);
            if (!block) {
                slots_free_draws(entries, &seat->cursor, entry->more);
                return false;
            }
            *link = entry_number(entries, (struct entry *)(void *)block) + 1;
            link = &block->next;
        }
        if (timed)
            block->timed[at] =
                (struct timed_draw){ draw_of(&plan->draws[i]), plan->draws[i].ready_ms };
        else
            block->draws[at] = draw_of(&plan->draws[i]);
    }
    return true;
}

static uint64_t write_record(struct seat *seat, const struct entry *entry, struct text id)
{
    const struct plan *plan = &seat->plan;
    unsigned flags = clocks_of(seat) | (entry->timed ? RESERVE_TIMED : 0u);
    struct reserve_fields f = { .fixed = { .head = head_of(seat, RECORD_RESERVE, flags),
                                           .content = entry->content,
                                           .created_ms = entry->created_ms,
                                           .ttl_ms = entry->ttl_ms,
                                           .channel = entry->channel,
                                           .draw_count = entry->draw_count },
                                .id = id };
    struct record_builder b = reserve_begin(seat->record, &f);
    for (uint32_t i = 0; i < plan->draw_count; i++) {
        const struct pool *pool = pool_at(&seat->ledger->items, plan->draws[i].pool);
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        struct draw_record draw = { { key_item(key), key_location(key), key_owner(key) },
                                    (uint32_t)plan->draws[i].qty };
        record_add(&b, &draw, sizeof draw);
    }
    for (uint32_t i = 0; entry->timed && i < plan->draw_count; i++) {
        uint64_t after_ms = plan->draws[i].ready_ms - entry->created_ms;
        struct ready_record ready = { (uint32_t)(after_ms / 1000) };
        record_add(&b, &ready, sizeof ready);
    }
    if (flags & RECORD_TWO_CLOCKS)
        record_add(&b, &seat->engine_ms, sizeof seat->engine_ms);
    uint32_t length = record_end(&b);
    uint64_t position = journal_claim(seat, length);
    for (uint32_t i = 0; i < plan->draw_count; i++)
        mark_pool(seat, plan->draws[i].pool, position + length);
    journal_publish(seat, position);
    return position + length;
}

static void fill_entry(struct seat *seat, struct entry *entry, const struct order *order,
                       const struct channel *channel, uint64_t content)
{
    uint64_t ttl = channel->hold_ttl_ms ? channel->hold_ttl_ms : DEFAULT_HOLD_MS;
    if (order->has_ttl)
        ttl = order->ttl_ms;
    entry->content = content;
    entry->created_ms = seat->wall_ms;
    entry->ttl_ms = order->confirm ? 0 : (uint32_t)ttl;
    entry->channel = channel_index(seat->catalogue, channel);
}

/* Rule O: the claim is behind us, so the reservation may be seen. */
static void show_entry(struct seat *seat, struct entry *entry, uint32_t id_len, uint64_t lsn,
                       struct reservation_view *view)
{
    enum entry_state state = entry->ttl_ms ? STATE_HELD : STATE_CONFIRMED;
    uint64_t word = state_word(ENTRY_RESERVATION, state, id_len);
    entry->lsn_first = entry->lsn_last = lsn;
    slots_begin(&seat->ledger->entries, &seat->cursor);
    if (state == STATE_HELD) {
        entry->expires_ms = seat->engine_ms + entry->ttl_ms;
        entry->owner = seat->index;
        wheel_link(&seat->wheel, &seat->ledger->entries, entry, entry->expires_ms);
    } else {
        entry->lsn_confirmed = lsn;
    }
    view_reservation(seat, entry, word, true, view);
    entry_put(entry, word);
}

/* On an entry that is fresh and owned. */
static enum code reserve_fresh(struct seat *seat, const struct order *order, uint64_t content,
                               struct entry *entry, struct reservation_view *view)
{
    const struct channel *channel;
    catalogue_pin(seat);
    enum code code = find_channel(seat, order->channel, &channel);
    if (!code)
        code = resolve_lines(seat, order);
    if (!code)
        code = take_stock(seat, order, channel);
    if (code)
        return code;
    fill_entry(seat, entry, order, channel, content);
    bool stored = store_draws(seat, entry);
    assert(stored); /* in slots that were set aside */
    (void)stored;
    uint64_t lsn = write_record(seat, entry, order->id);
    show_entry(seat, entry, order->id.len, lsn, view);
    decide_takes(seat);
    return CODE_OK;
}

/* An id that is known: the first result again, or a conflict. */
static enum code repeat_reserve(struct seat *seat, struct entry *entry, uint64_t word,
                                const struct order *order, uint64_t content,
                                struct reservation_view *view)
{
    bool same = word_kind(word) == ENTRY_RESERVATION && entry->content == content;
    if (same) {
        view_reservation(seat, entry, word, true, view);
        COUNT(seat, repeats);
    }
    entry_put(entry, word);
    if (same)
        return CODE_OK;
    return fail(seat, CODE_CONFLICT, "id \"%.*s\" was used for something else", (int)order->id.len,
                order->id.at);
}

static enum code reserve(struct seat *seat, const struct order *order,
                         struct reservation_view *view)
{
    struct entry *entry;
    uint64_t word;
    bool known;
    uint64_t content = fingerprint(order);
    enum code code = begin_id(seat, "id", order->id, &entry, &word, &known);
    if (code)
        return code;
    if (known)
        return repeat_reserve(seat, entry, word, order, content, view);
    code = reserve_fresh(seat, order, content, entry, view);
    slots_unprepare(&seat->ledger->entries, &seat->cursor);
    if (code)
        entry_refuse(&seat->ledger->entries, &seat->cursor, entry, word);
    return code;
}

enum code ledger_reserve(struct seat *seat, const struct order *order,
                         struct reservation_view *view)
{
    enum code code = check_order(seat, order);
    if (code)
        return code;
    code = CODE_DEFERRED;
    if (ledger_has_room(seat)) {
        takes_begin(seat);
        code = reserve(seat, order, view);
        takes_end(seat);
    }
    if (code == CODE_OK)
        COUNT(seat, reserves);
    else if (code == CODE_DEFERRED)
        COUNT(seat, deferred);
    else
        COUNT(seat, refused);
    return code;
}
