/* SPDX-License-Identifier: Apache-2.0 */
/* Applies the records of supplies. What they do to lines is what operations do: ops/supply.h. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/supply.h"
#include "engine/ops/supply_watch.h"
#include "engine/replay/following.h"
#include "engine/store/slot_places.h"

static struct pool_key key_at(uint32_t item, uint16_t location, uint16_t owner)
{
    return (struct pool_key){ item, location, owner };
}

int apply_change(const struct applying *a, struct pool_key key, int64_t on_hand, int64_t reserved)
{
    struct pool *pool;
    int error = apply_find_pool(a, &key, &pool);
    if (error || (on_hand == 0 && reserved == 0))
        return error;
    return apply_change_pool(a, pool, on_hand, reserved);
}

void apply_note_recent(const struct applying *a, struct pool_key key, int64_t delta)
{
    const struct items *items = &a->ledger->items;
    const struct pool *pool = pool_find(items, key.item, key.location, key.owner);
    assert(pool); /* it was changed just now */
    recent_add(&a->ctx->recent, a->time_ms, pool_unit(items, pool), delta);
}

/* ---- a new supply ---- */

/* The pool of expected units is the supply's from now on, and expects so many more. */
int apply_begin_expected(const struct applying *a, const struct id_entry *entry,
                         struct line_entry *line, struct pool_key key, uint32_t more)
{
    struct items *items = &a->ledger->items;
    struct pool *pool;
    uint32_t link = entry_number(&a->ledger->ids, entry) + 1;
    int error = apply_find_pool(a, &key, &pool);
    if (error)
        return error;
    struct incoming *in = incoming_at(items, pool_unit(items, pool));
    uint32_t owner = atomic_load_explicit(&in->supply, memory_order_relaxed);
    if (owner != link && (owner != 0 || pool_read(pool) != 0))
        return apply_refuse(a, "its pool belongs to another supply");
    line->pool = pool_unit(items, pool);
    if (owner == 0) {
        incoming_forget_promises(items, &a->ledger->ids, &a->ctx->cursor, line->pool);
        incoming_own(in, link, entry->from != 0);
    }
    incoming_raise(in, entry->eta_ms, more); /* X1 */
    error = apply_change_pool(a, pool, more, 0);
    incoming_raised(in);
    return error;
}

static int add_line(const struct applying *a, const struct id_entry *entry,
                    const struct supply_line_record *r, enum supply_state state)
{
    struct supply_work *w = a->ctx->supply;
    struct line_entry *line = &w->fresh[w->line_count++];
    uint16_t shared = owner_of(POOL_SHARED, 0);
    struct pool_key to = key_at(r->item, entry->location, shared);
    struct pool_key from = key_at(r->item, (uint16_t)(entry->from - 1), shared);
    bool held = state == SUPPLY_HELD, at_once = state == SUPPLY_ARRIVED;
    if (r->qty < 1 || r->qty > QUANTITY_MAX || r->slot >= EXPECTED_SLOTS)
        return apply_refuse(a, "a quantity is invalid");
    *line = (struct line_entry){ .qty = r->qty,
                                 .shipped = held ? 0 : r->qty,
                                 .accepted = at_once ? r->qty : 0 };
    int64_t qty = r->qty;
    int error = apply_change(a, to, at_once ? qty : 0, 0);
    if (!error && entry->from)
        error = apply_change(a, from, held ? 0 : -qty, held ? qty : 0);
    if (error)
        return error;
    item_set(item_at(&a->ledger->items, r->item), ITEM_MOVED);
    if (entry->from)
        line->pool = shared_unit(&a->ledger->items, r->item, from.location);
    if (entry->from && !held)
        apply_note_recent(a, from, -qty);
    if (at_once)
        apply_note_recent(a, to, qty);
    if (held || at_once)
        return 0;
    return apply_begin_expected(a, entry, line,
                                key_at(r->item, to.location, owner_expected(r->slot)), r->qty);
}

static bool supply_can_be(const struct applying *a, const struct supply_record *r)
{
    uint16_t locations = catalogue_now(a->ctx)->location_count;
    unsigned state = a->record->flags;
    bool states =
        r->from ? state >= SUPPLY_HELD && state <= SUPPLY_ARRIVED : state == SUPPLY_IN_TRANSIT;
    return states && r->location < locations && r->from <= locations && r->line_count >= 1 &&
           r->line_count <= LINES_MAX && r->from != r->location + 1;
}

int apply_supply(struct applying *a)
{
    struct supply_fields f;
    const struct supply_record *r = &f.fixed;
    struct id_entry *entry;
    if (!supply_decode(a->record, &f) || !supply_can_be(a, r))
        return apply_refuse(a, "it is malformed");
    enum supply_state state = (enum supply_state)a->record->flags;
    a->time_ms = r->time_ms;
    apply_set_time(a, r->time_ms);
    int error = apply_fresh_entry(a, f.id, &entry);
    if (error)
        return error;
    supply_fill(entry, r->content, r->time_ms, r->eta_ms, r->from, r->location);
    slot_places_set_source(&a->ledger->ids, entry); /* @held-place */
    entry->lsn_first = entry->lsn_last = a->lsn;
    a->ctx->supply->line_count = 0;
    a->moves = a->moves && r->from && state != SUPPLY_HELD;
    for (uint32_t i = 0; !error && i < r->line_count; i++)
        error = add_line(a, entry, &f.lines[i], state);
    if (!error && !supply_store(&a->ledger->ids, &a->ctx->cursor, entry, a->ctx->supply->fresh,
                                r->line_count, f.ref))
        error = apply_no_space(a, "reservations");
    if (error)
        return error;
    slots_added(&a->ledger->ids, &a->ctx->cursor);
    uint64_t word = supply_word(ENTRY_SUPPLY, state, f.id.len);
    if (supply_over(state))
        slots_end(&a->ledger->ids, &a->ctx->cursor, entry, word);
    entry_put(entry, word);
    return 0;
}

/* ---- steps ---- */

static int find_supply(const struct applying *a, struct text id, struct id_entry **entry,
                       uint64_t *word)
{
    bool valid = id.len >= 1 && id.len <= ID_MAX;
    *entry = NULL;
    *word = 0;
    if (!valid || apply_find_entry(a, id, entry, word) != ENTRY_FOUND) {
        apply_refuse(a, valid ? "its supply is unknown" : "its id is invalid");
        return -EINVAL;
    }
    if (word_kind(*word) == ENTRY_SUPPLY) {
        supply_list(a->ctx, *entry);
        return 0;
    }
    entry_put(*entry, *word);
    apply_refuse(a, "its id is not a supply's");
    return -EINVAL;
}

static int ship_line(const struct applying *a, const struct id_entry *entry,
                     struct line_entry *line, const struct move_record *m, uint32_t item)
{
    uint16_t shared = owner_of(POOL_SHARED, 0);
    struct pool_key from = key_at(item, (uint16_t)(entry->from - 1), shared);
    struct pool_key to = key_at(item, entry->location, shared);
    int64_t qty = m->qty;
    if (!entry->from || m->qty > line_held(line) || m->slot >= EXPECTED_SLOTS)
        return apply_refuse(a, "it ships more than is held");
    int error = apply_change(a, from, -qty, -qty);
    if (error)
        return error;
    apply_note_recent(a, from, -qty);
    if (entry->eta_ms != 0)
        return apply_begin_expected(a, entry, line,
                                    key_at(item, to.location, owner_expected(m->slot)), m->qty);
    error = apply_change(a, to, qty, 0);
    if (!error)
        apply_note_recent(a, to, qty);
    return error;
}

/* An arrival, or the withdrawal of what is expected from outside. */
static int end_line(const struct applying *a, const struct id_entry *entry, struct line_entry *line,
                    const struct move_record *m, uint32_t item)
{
    struct arrival r = { .rejected = 0 };
    int64_t gone = m->qty, over = 0;
    struct pool_key own = name_of_pool(&a->ledger->items, line->pool);
    if (a->record->type == RECORD_ARRIVE) {
        r = arrival_of(line, m);
        gone = (int64_t)r.rejected + m->lost;
        over = r.over;
    }
    uint64_t left = line_under_way(line);
    bool expects = owner_kind(own.owner) == POOL_EXPECTED;
    if ((uint64_t)r.accepted + (uint64_t)gone > left || (!expects && (left > 0 || m->swept != 0)))
        return apply_refuse(a, "more comes to an end than is under way");
    int error = apply_change(a, own, -gone - m->swept, 0);
    if (!error)
        error = apply_change(a, key_at(item, entry->location, owner_of(POOL_SHARED, 0)),
                             over + m->swept, 0);
    if (!error && m->rejected > 0)
        error = apply_change(a, key_at(item, entry->location, owner_of(POOL_DAMAGED, 0)),
                             m->rejected, 0);
    if (error)
        return error;
    item_version_raise(a->ctx, item, a->lsn);
    if (m->swept < 0 ||
        (expects && word_available(pool_read(pool_at(&a->ledger->items, line->pool))) < 0))
        item_set_short(&a->ledger->items, item);
    if (a->record->type == RECORD_ARRIVE)
        supply_note_recent(a->ctx, entry, line, m, a->time_ms);
    if (m->rejected > 0)
        apply_note_recent(a, key_at(item, entry->location, owner_of(POOL_DAMAGED, 0)), m->rejected);
    return 0;
}

static int move_line(const struct applying *a, const struct id_entry *entry,
                     const struct move_record *m)
{
    struct supply_work *w = a->ctx->supply;
    if (m->line >= w->line_count || m->qty > QUANTITY_MAX || m->rejected > QUANTITY_MAX ||
        m->lost > QUANTITY_MAX)
        return apply_refuse(a, "it names an unknown line, or a quantity is invalid");
    struct line_entry *line = w->lines[m->line];
    uint32_t item = w->items[m->line];
    bool arrives = a->record->type == RECORD_ARRIVE;
    int error = 0;
    if (m->item != item || m->over != (arrives ? arrival_of(line, m).over : 0))
        return apply_refuse(a, "it names another item than its line, or another overage");
    if (a->record->type == RECORD_SHIP) {
        error = ship_line(a, entry, line, m, item);
    } else if (a->record->type == RECORD_WITHDRAW && entry->from) {
        if (m->qty > line_held(line))
            return apply_refuse(a, "it withdraws more than is held");
        error = apply_change(a, key_at(item, (uint16_t)(entry->from - 1), owner_of(POOL_SHARED, 0)),
                             0, -(int64_t)m->qty);
    } else {
        error = end_line(a, entry, line, m, item);
    }
    if (!error)
        supply_settle_line(&a->ledger->items, entry, line, (enum record_type)a->record->type, m);
    return error;
}

static int remember_op(const struct applying *a, struct text op, uint64_t content,
                       const struct id_entry *supply, enum supply_state state)
{
    struct id_entry *entry;
    if (op.len == 0)
        return 0;
    int error = apply_fresh_entry(a, op, &entry);
    if (error)
        return error;
    bool stored = remember_supply_step(a->ctx, entry, content, a->lsn, supply, state, op.len);
    return stored ? 0 : apply_no_space(a, "reservations");
}

/* The supply is over: its pools keep no lists, if they are empty. In operation a sweep does so. */
static void tidy_pools(const struct applying *a, const uint32_t *units, uint32_t count)
{
    struct items *items = &a->ledger->items;
    for (uint32_t i = 0; is_beside_readers(a) && i < count; i++)
        if (incoming_find(items, units[i]))
            incoming_tidy(items, &a->ledger->ids, &a->ctx->cursor, units[i]);
}

int apply_supply_step(struct applying *a)
{
    struct supply_step_fields f;
    struct id_entry *entry;
    uint64_t word;
    if (!supply_step_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    a->time_ms = f.fixed.time_ms;
    apply_set_time(a, f.fixed.time_ms);
    int error = find_supply(a, f.id, &entry, &word);
    if (error)
        return error;
    bool over = supply_over(word_supply_state(word));
    if ((over && f.fixed.line_count > 0) || f.fixed.location != entry->location)
        error = apply_refuse(a, "its supply is over, or goes elsewhere");
    else if (f.fixed.eta_ms != entry->eta_ms && supply_under_way(&a->ledger->ids, entry))
        error = apply_refuse(a, "what is under way of its supply has another ETA");
    if (!over)
        entry->eta_ms = f.fixed.eta_ms;
    entry->lsn_last = a->lsn;
    for (uint32_t i = 0; !error && i < f.fixed.line_count; i++)
        error = move_line(a, entry, &f.moves[i]);
    enum supply_state to = over ? word_supply_state(word)
                                : supply_state_of(&a->ledger->ids, entry, word_supply_state(word));
    if (!error)
        error = remember_op(a, f.op, f.fixed.content, entry, to); /* @recover-supply-op */
    if (error || over) {
        entry_put(entry, word);
        return error;
    }
    uint32_t units[LINES_MAX], count = a->ctx->supply->line_count;
    for (uint32_t i = 0; i < count; i++)
        units[i] = a->ctx->supply->lines[i]->pool;
    if (supply_over(supply_settle(a->ctx, entry, word, (enum record_type)a->record->type)))
        tidy_pools(a, units, count);
    return 0;
}

int apply_reschedule(struct applying *a)
{
    struct reschedule_fields f;
    struct id_entry *entry;
    uint64_t word;
    if (!reschedule_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    apply_set_time(a, f.fixed.time_ms);
    int error = find_supply(a, f.id, &entry, &word);
    if (error)
        return error;
    if (supply_over(word_supply_state(word)) || f.fixed.line_count != a->ctx->supply->line_count)
        error = apply_refuse(a, "its supply is over, or has other lines");
    if (!error) {
        supply_reschedule(a->ctx, entry, a->lsn, f.fixed.eta_ms, f.fixed.time_ms, f.times);
        for (uint32_t i = 0; i < f.fixed.line_count; i++)
            item_version_raise(a->ctx, a->ctx->supply->items[i], a->lsn);
        error = remember_op(a, f.op, f.fixed.content, entry, word_supply_state(word));
    }
    entry_put(entry, word);
    return error;
}

int apply_sweep(struct applying *a)
{
    struct sweep_fields f;
    if (!sweep_decode(a->record, &f) || a->record->flags & ~SWEEP_PAYS)
        return apply_refuse(a, "it is malformed");
    if (owner_kind(f.fixed.pool.owner) == POOL_OWED || a->record->flags & SWEEP_PAYS)
        return apply_debt_sweep(a, &f);
    if (owner_kind(f.fixed.pool.owner) != POOL_EXPECTED ||
        llabs((int64_t)f.fixed.delta) > QUANTITY_MAX)
        return apply_refuse(a, "it is malformed");
    struct pool_key shared =
        key_at(f.fixed.pool.item, f.fixed.pool.location, owner_of(POOL_SHARED, 0));
    int error = apply_change(a, f.fixed.pool, f.fixed.delta, 0);
    return error ? error : apply_change(a, shared, -(int64_t)f.fixed.delta, 0);
}

int apply_due(struct applying *a)
{
    struct due_fields f;
    struct id_entry *entry;
    uint64_t word;
    if (!due_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    apply_set_time(a, f.fixed.time_ms);
    int error = find_supply(a, f.id, &entry, &word);
    if (error)
        return error;
    if (supply_over(word_supply_state(word)) || f.fixed.location != entry->location)
        error = apply_refuse(a, "its supply is over, or goes elsewhere");
    else
        entry->watched_ms = f.fixed.time_ms;
    if (!error)
        supply_came_up(a->ledger, f.fixed.time_ms); /* before the versions are raised */
    for (uint32_t i = 0; !error && i < a->ctx->supply->line_count; i++)
        item_version_raise(a->ctx, a->ctx->supply->items[i], a->lsn);
    entry_put(entry, word);
    return error;
}
