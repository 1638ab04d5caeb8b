/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applies journal records: the second half of replay. Single-threaded, in LSN order, before any
 * context is in use, or beside contexts that only read (follow.h). Refuses a record that does not
 * fit the result of those before it: the ledger never guesses.
 */
#include "engine/ledger/ledger.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "engine/figures/figures.h"
#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "engine/ops/crossing_facts.h"
#include "engine/ops/crossings.h"
#include "engine/ops/parts.h"
#include "engine/ops/refused.h"
#include "engine/ops/reservation.h"
#include "engine/ops/sale.h"
#include "engine/replay/following.h"
#include "engine/sourcing/backlog_claims.h"
#include "engine/store/draws.h"
#include "engine/store/supply_lines.h"

int apply_refuse(const struct applying *a, const char *why)
{
    fail(a->ctx, CODE_BAD_REQUEST, "record of type %u at LSN %llu: %s", a->record->type,
         (unsigned long long)a->lsn, why);
    return -EINVAL;
}

int apply_no_space(const struct applying *a, const char *table)
{
    fail(a->ctx, CODE_LIMIT, "the journal holds more %s than this configuration has room for",
         table);
    return -ENOSPC;
}

/* ---- ids ---- */

/* Ids end at engine time, and time does not go back. */
void apply_set_time(const struct applying *a, uint64_t time_ms)
{
    struct id_cursor *cursor = &a->ctx->cursor;
    if (a->ledger->batch_ms != 0)
        time_ms = a->ledger->batch_ms;
    assert(a->ctx->cursor.replaying);
    if (a->ledger->born_ms == 0)
        a->ledger->born_ms = time_ms;
    if (time_ms > cursor->now_ms)
        cursor->now_ms = time_ms;
}

/* A fresh entry for an id. A finished entry is replaced, as it was when this was live. */
int apply_fresh_entry(const struct applying *a, struct text id, struct id_entry **entry)
{
    struct id_table *ids = &a->ledger->ids;
    uint64_t word;
    if (id.len < 1 || id.len > ID_MAX)
        return apply_refuse(a, "its id is invalid");
    uint64_t hash = id_hash(ids, id);
    uint32_t tries = 0;
    enum entry_found found;
    do
        found = id_table_add(ids, &a->ctx->cursor, id, hash, entry, &word);
    while (found == ENTRY_BUSY && following_wait(a, &tries));
    if (found == ENTRY_ABSENT)
        return 0;
    if (found != ENTRY_FOUND)
        return apply_no_space(a, "reservations");
    assert(word_kind(word) != ENTRY_DRAWS); /* it has no id */
    if (!entry_over(word)) {
        entry_put(*entry, word);
        return apply_refuse(a, "its id is in use");
    }
    slots_unend(ids, &a->ctx->cursor, *entry);
    slots_free_draws(ids, &a->ctx->cursor, entry_blocks(*entry, word));
    return 0;
}

enum entry_found apply_find_entry(const struct applying *a, struct text id, struct id_entry **entry,
                                  uint64_t *word)
{
    struct id_table *ids = &a->ledger->ids;
    uint64_t hash = id_hash(ids, id);
    uint32_t tries = 0;
    enum entry_found found;
    do
        found = id_table_find(ids, id, hash, entry, word);
    while (found == ENTRY_BUSY && following_wait(a, &tries));
    return found;
}

int apply_find_reservation(const struct applying *a, struct text id, struct id_entry **entry,
                           uint64_t *word)
{
    if (id.len < 1 || id.len > ID_MAX)
        return apply_refuse(a, "its id is invalid");
    if (apply_find_entry(a, id, entry, word) != ENTRY_FOUND)
        return apply_refuse(a, "its reservation is unknown");
    if (word_kind(*word) == ENTRY_RESERVATION)
        return 0;
    entry_put(*entry, *word);
    return apply_refuse(a, "its id is not a reservation's");
}

int apply_find_pool(const struct applying *a, const struct pool_key *key, struct pool **pool)
{
    struct items *items = &a->ledger->items;
    const struct catalogue *catalogue = catalogue_now(a->ctx);
    bool known =
        key->item < items->max_items && item_at(items, key->item)->sku_len > 0 &&
        pool_can_be(key->location, key->owner, catalogue->location_count, catalogue->channel_count);
    if (!known)
        return apply_refuse(a, "its pool is invalid");
    *pool = pool_make(items, key->item, key->location, key->owner);
    return *pool ? 0 : apply_no_space(a, "pools");
}

/* As the operation did it (G, T): a give is bracketed, and so is all of a record that moves units,
 * because until its last change they are in neither pool. */
static enum pool_outcome change_beside_readers(const struct applying *a, struct pool *pool,
                                               struct pool_change change, uint64_t *after)
{
    struct items *items = &a->ledger->items;
    uint32_t index = key_item(pool_read_key(pool));
    struct item *item = item_at(items, index);
    bool gives = !a->moves && (change.on_hand > 0 || change.reserved < 0);
    if (a->moves)
        following_move(a->ledger->following, items, index);
    if (gives)
        gives_begin(item);
    enum pool_outcome outcome = pool_reapply(pool, change, after);
    if (gives)
        gives_end(item);
    if (outcome == POOL_CHANGED && *after == 0 && incoming_find(items, pool_unit(items, pool)))
        incoming_tidy(items, &a->ledger->ids, &a->ctx->cursor, pool_unit(items, pool));
    return outcome;
}

int apply_change_pool(const struct applying *a, struct pool *pool, int64_t on_hand,
                      int64_t reserved)
{
    assert(on_hand != 0 || reserved != 0 || a->record->type == RECORD_MOVEMENT ||
           a->record->type == RECORD_SOLD);
    uint64_t after;
    struct pool_change change = { .on_hand = on_hand, .reserved = reserved };
    bool sane = word_reserved(pool_read(pool)) + reserved >= 0;
    enum pool_outcome outcome = POOL_SHORT;
    if (sane)
        outcome = is_beside_readers(a) ? change_beside_readers(a, pool, change, &after)
                                       : pool_reapply(pool, change, &after);
    if (outcome != POOL_CHANGED)
        return apply_refuse(a, "its change does not fit the pool");
    uint64_t key = pool_read_key(pool);
    if (word_available(after) < 0 && owner_kind(key_owner(key)) != POOL_BACKLOG)
        item_set_short(&a->ledger->items, key_item(key)); /* by a count, say */
    if (owner_kind(key_owner(key)) == POOL_OWED)
        item_set(item_at(&a->ledger->items, key_item(key)), ITEM_OWED);
    item_version_raise_of_pool(a->ctx, pool_unit(&a->ledger->items, pool), a->lsn);
    return 0;
}

int apply_check_come(const struct applying *a, const struct pool *pool)
{
    const struct items *items = &a->ledger->items;
    const struct incoming *in = incoming_find(items, pool_unit(items, pool));
    if (in && word_on_hand(pool_read(pool)) < incoming_expected(in))
        return apply_refuse(a, "it takes what has not come");
    return 0;
}

/* ---- stock ---- */

/* moved_ms: when the units came to the location or left it; 0: they did neither. */
int apply_move_pool(const struct applying *a, const struct pool_key *key, int64_t delta,
                    uint64_t moved_ms)
{
    struct pool *pool;
    if (delta == 0 && a->record->type == RECORD_SHIFT) /* others may tell of a pool as it is */
        return apply_refuse(a, "it moves nothing");
    int error = apply_find_pool(a, key, &pool);
    if (!error)
        error = apply_change_pool(a, pool, delta, 0);
    if (error)
        return error;
    if (delta != 0)
        item_set(item_at(&a->ledger->items, key->item), ITEM_MOVED);
    uint32_t at = unit_at_place(&a->ledger->items, pool_unit(&a->ledger->items, pool));
    if (moved_ms != 0)
        recent_add_late(&a->ctx->recent, moved_ms, a->happened_ms ? a->happened_ms : moved_ms, at,
                        delta_at_place(key->owner, delta));
    return 0;
}

/* A count says what was there, also of a place with several pools. */
static void note_count(const struct applying *a, const struct movement_fields *f)
{
    struct items *items = &a->ledger->items;
    const struct pool_key *key = &f->fixed.pool;
    const struct pool *shared =
        pool_find(items, key->item, key->location, owner_of(POOL_SHARED, 0));
    uint64_t time_ms = f->as_of_ms < f->fixed.time_ms ? f->as_of_ms : f->fixed.time_ms;
    if (shared && a->record->type == RECORD_MOVEMENT &&
        movement_kind_of(a->record->flags) == MOVE_COUNT)
        item_count_raise(items, pool_unit(items, shared), time_ms);
}

/* Is there a pool that units leave, or that pays, and one that they come to? */
static bool moves_both_ways(const struct movement_fields *f)
{
    bool down = f->fixed.delta<0, up = f->fixed.delta> 0;
    for (uint32_t i = 0; i < f->fixed.more_count; i++) {
        down |= f->more[i].delta < 0;
        up |= f->more[i].delta > 0;
    }
    return down && up;
}

static int apply_movement(struct applying *a)
{
    struct movement_fields f;
    const struct movement_record *r = &f.fixed;
    struct id_entry *entry;
    if (!movement_decode(a->record, &f) || r->channel > catalogue_now(a->ctx)->channel_count)
        return apply_refuse(a, "it is malformed");
    struct movement_result result = { a->lsn, delta_at_place(r->pool.owner, r->delta), r->on_hand,
                                      r->available };
    apply_set_time(a, r->time_ms);
    a->moves = a->moves && moves_both_ways(&f);
    bool corrects =
        a->record->type == RECORD_MOVEMENT && movement_kind_of(a->record->flags) == MOVE_COUNT;
    uint64_t moved_ms = corrects ? 0 : r->time_ms;
    int error = apply_move_pool(a, &r->pool, r->delta, moved_ms);
    for (uint32_t i = 0; !error && i < r->more_count; i++) {
        error = apply_move_pool(a, &f.more[i].pool, f.more[i].delta, moved_ms);
        result.delta += delta_at_place(f.more[i].pool.owner, f.more[i].delta);
    }
    if (!error)
        note_count(a, &f);
    if (!error) /* @recover-id */
        error = apply_fresh_entry(a, f.id, &entry);
    if (error)
        return error;
    if (a->record->type == RECORD_MOVEMENT && a->record->flags == MOVE_RETURN)
        sale_note_return(a->ctx, r, result.delta);
    remember_movement(a->ctx, entry, r->content, &result, f.id.len);
    return 0;
}

/* Allotted units stay at their location, so this is no recent change. */
static int apply_allot(struct applying *a)
{
    struct allot_fields f;
    const struct allot_record *r = &f.fixed;
    struct pool *own, *shared;
    struct id_entry *entry;
    if (!allot_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    if (owner_kind(r->pool.owner) != POOL_ALLOTTED)
        return apply_refuse(a, "its pool is invalid");
    if (r->delta == 0 || llabs(r->delta) > QUANTITY_MAX)
        return apply_refuse(a, "its quantity is invalid");
    struct pool_key shared_key = { r->pool.item, r->pool.location, owner_of(POOL_SHARED, 0) };
    apply_set_time(a, r->time_ms);
    int error = apply_find_pool(a, &r->pool, &own);
    if (!error)
        error = apply_find_pool(a, &shared_key, &shared);
    if (!error)
        error = apply_change_pool(a, r->delta > 0 ? shared : own, -llabs(r->delta), 0);
    if (!error)
        error = apply_change_pool(a, r->delta > 0 ? own : shared, llabs(r->delta), 0);
    if (!error)
        error = apply_fresh_entry(a, f.id, &entry);
    if (error)
        return error;
    struct movement_result result = { a->lsn, r->delta, r->allotted, r->available };
    remember_movement(a->ctx, entry, r->content, &result, f.id.len);
    return 0;
}

/* Takes the record's draws from the pools, and lists them as planned draws. */
static int apply_draws(const struct applying *a, const struct reserve_fields *f)
{
    uint32_t count = f->fixed.draw_count;
    struct planned_draw *draws = a->ctx->order_plan->draws;
    for (uint32_t i = 0; i < count; i++) {
        struct pool *pool;
        const struct draw_record *draw = &f->draws[i];
        if (draw->qty < 1 || draw->qty > QUANTITY_MAX)
            return apply_refuse(a, "a quantity is invalid");
        if (!owner_sells_to(draw->pool.owner, f->fixed.channel)) /* or did, when it was made */
            return apply_refuse(a, "it draws from a pool that is not its channel's");
        int error = apply_find_pool(a, &draw->pool, &pool);
        if (!error)
            error = apply_change_pool(a, pool, 0, draw->qty);
        if (error)
            return error;
        uint64_t created_ms = f->fixed.created_ms;
        uint64_t ready_ms = f->ready ? f->ready[i].ms : created_ms;
        if (ready_ms < created_ms)
            return apply_refuse(a, "a draw is ready before the order was made");
        draws[i] = (struct planned_draw){ .pool = pool_unit(&a->ledger->items, pool),
                                          .line = i,
                                          .qty = draw->qty,
                                          .key = pool_read_key(pool),
                                          .ready_ms = ready_ms };
    }
    return 0;
}

/*
 * A deadline is recorded in both clocks, because engine time restarts at the later of the wall
 * clock and the journal's last time. If the wall clock was set back, engine time continues from the
 * journal; if it was set forward, engine time has gone with it. In either case the later of the two
 * deadlines holds: no hold ends early. (A hold made while the wall clock was temporarily ahead may
 * end late by as much.)
 */
static uint64_t later(uint64_t told_ms, uint64_t engine_ms)
{
    return told_ms > engine_ms ? told_ms : engine_ms;
}

int apply_granted(struct applying *a, const struct reserve_fields *f, struct id_entry **fresh)
{
    const struct reserve_record *r = &f->fixed;
    struct id_entry *entry;
    if (r->draw_count < 1 || r->draw_count > DRAWS_MAX ||
        r->channel >= catalogue_now(a->ctx)->channel_count)
        return apply_refuse(a, "it is malformed");
    if (a->record->flags & ~RESERVE_FLAGS)
        return apply_refuse(a, "it has flags that this version does not know");
    apply_set_time(a, r->created_ms);
    int error = apply_draws(a, f);
    if (!error)
        error = apply_fresh_entry(a, f->id, &entry);
    if (error)
        return error;
    *fresh = entry;
    assert(f->id.len >= 1); /* apply_fresh_entry */
    entry->content = r->content;
    entry->created_ms = r->created_ms;
    entry->ttl_ms = r->ttl_ms;
    entry->channel = r->channel;
    entry->lsn_first = entry->lsn_last = a->lsn;
    if (r->ttl_ms)
        entry->expires_ms = later(r->created_ms, f->engine_ms) + r->ttl_ms;
    else
        entry->lsn_confirmed = a->lsn;
    enum timed timed = !(a->record->flags & RESERVE_TIMED) ? NOT_TIMED
                       : a->record->flags & RESERVE_PICKUP ? TIMED_PICKUP
                                                           : TIMED_SHIP;
    if (!store_draws(a->ctx, entry, a->ctx->order_plan->draws, r->draw_count, timed, f->ref))
        return apply_no_space(a, "reservations");
    following_list(a, entry, 0);
    return 0;
}

void apply_show_granted(struct applying *a, const struct reserve_fields *f, struct id_entry *entry)
{
    slots_begin(&a->ledger->ids, &a->ctx->cursor);
    enum entry_state state = f->fixed.ttl_ms ? STATE_HELD : STATE_CONFIRMED;
    entry_put(entry, state_word(ENTRY_RESERVATION, state, f->id.len));
}

static int apply_reserve(struct applying *a)
{
    struct reserve_fields f;
    struct id_entry *entry;
    if (!reserve_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    int error = apply_granted(a, &f, &entry);
    if (!error)
        apply_show_granted(a, &f, entry);
    return error;
}

static int apply_extend(struct applying *a)
{
    struct extend_fields f;
    struct id_entry *entry;
    uint64_t word;
    if (!extend_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    int error = apply_find_reservation(a, f.id, &entry, &word);
    if (error)
        return error;
    bool held = word_state(word) == STATE_HELD;
    if (held)
        entry->expires_ms = later(f.fixed.expires_ms, f.engine_ms);
    entry->lsn_last = a->lsn;
    entry_put(entry, word);
    return held ? 0 : apply_refuse(a, "its reservation is not held");
}

/* K1, K3. */
static int apply_levels(const struct applying *a, const struct crossing_fields *f)
{
    const struct levels *levels = &a->ledger->crossings.levels;
    for (uint32_t i = 0; i < f->fixed.level_count; i++) {
        const struct level_record *r = &f->levels[i];
        if (r->item >= a->ledger->items.max_items || item_version(a->ledger, r->item) == 0 ||
            r->channel >= catalogue_now(a->ctx)->channel_count || r->levels >> 4 >= LEVEL_COUNT)
            return apply_refuse(a, "its item or channel is unknown, or it has no such level");
        if (level_of(levels, r->item, r->channel) != (r->levels & 15)) /* @level-before */
            return apply_refuse(a, "the level before was another");
        level_set(levels, r->item, r->channel, r->levels >> 4);
        crossing_facts_note(a->ledger, r, f->fixed.time_ms);
    }
    crossings_seen(a->ledger, f->fixed.seen_lsn);
    return 0;
}

static int apply_crossing(struct applying *a)
{
    struct crossing_fields f;
    _Atomic bool *busy = &a->ledger->crossings.busy;
    if (!crossing_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    following_take(a, busy); /* a report copies the levels, and metrics count them */
    int error = apply_levels(a, &f);
    following_put(busy);
    return error;
}

/* Whom a shortage is told of: live, as what ended it would be behind it in the log. */
static int find_promise(const struct applying *a, const struct shortage_fields *f)
{
    struct id_entry *entry;
    uint64_t word;
    if (f->id.len > ID_MAX || apply_find_entry(a, f->id, &entry, &word) != ENTRY_FOUND)
        return apply_refuse(a, "its id is unknown");
    bool orders = word_kind(word) == ENTRY_RESERVATION;
    bool fits = orders ? entry->channel + 1 == f->fixed.channel : f->fixed.channel == 0;
    bool live = (orders || word_kind(word) == ENTRY_SUPPLY) && !entry_over(word);
    if (live && fits)
        entry->lsn_last = a->lsn;
    entry_put(entry, word);
    return live && fits ? 0 : apply_refuse(a, "its id has no promise on that channel");
}

static int apply_shortage(struct applying *a)
{
    struct shortage_fields f;
    struct pool *pool;
    if (!shortage_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    const struct shortage_record *r = &f.fixed;
    if (r->since_lsn > r->until_lsn || r->until_lsn > a->lsn || (r->since_lsn == 0 && f.id.len > 0))
        return apply_refuse(a, "it tells of other promises");
    if (!owner_sellable(r->pool.owner) && owner_kind(r->pool.owner) != POOL_EXPECTED)
        return apply_refuse(a, "nothing is promised of its pool");
    int error = apply_find_pool(a, &r->pool, &pool);
    if (!error && f.id.len > 0)
        error = find_promise(a, &f);
    if (error)
        return error;
    item_set_short(&a->ledger->items, r->pool.item); /* @told-again */
    following_take(a, &a->ledger->shortages.busy);   /* they are its holder's */
    a->ledger->shortages.of_pools[pool_unit(&a->ledger->items, pool)] =
        (struct shortage){ .since = r->since_lsn, .until = r->until_lsn };
    following_put(&a->ledger->shortages.busy);
    return 0;
}

static int apply_void(struct applying *a)
{
    (void)a;
    return 0;
}

static int apply_refused(struct applying *a)
{
    struct refused_fields f;
    if (!refused_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    for (uint32_t i = 0; i < f.fixed.line_count; i++) {
        uint32_t item = f.lines[i].item;
        if (item >= a->ledger->items.max_items || item_at(&a->ledger->items, item)->sku_len == 0 ||
            f.lines[i].channel >= catalogue_now(a->ctx)->channel_count)
            return apply_refuse(a, "what it wanted is unknown");
        refused_apply(a->ctx, &f.lines[i], f.fixed.time_ms);
    }
    return 0;
}

/* A follower never serves the backlog, so it takes over what the primary found: nobody who waits
 * can have what is free, and availability may show it. */
static void show_in_vain(const struct applying *a, uint32_t item)
{
    uint32_t gives;
    struct backlog backlog = backlog_look(&a->ledger->items, item);
    if (backlog.head && gives_stable(item_at(&a->ledger->items, item), &gives))
        backlog_set_served(&backlog, backlog_served_word(a->ctx, &backlog, gives));
}

static int apply_undone(struct applying *a)
{
    struct undone_fields f;
    if (!undone_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    for (uint32_t i = 0; i < f.fixed.count; i++) {
        uint32_t item = f.items[i].item;
        if (item >= a->ledger->items.max_items || item_at(&a->ledger->items, item)->sku_len == 0)
            return apply_refuse(a, "its item is unknown");
        if (is_beside_readers(a) && (a->record->flags & UNDONE_IN_VAIN))
            show_in_vain(a, item);
        item_version_raise(a->ctx, item, a->lsn);
    }
    return 0;
}

void ledger_apply_time(struct ledger *ledger, uint64_t engine_ms)
{
    ledger->batch_ms = engine_ms;
}

int ledger_apply(struct ledger *ledger, const struct record_head *record, uint64_t lsn)
{
    static int (*const by_type[])(struct applying *) = {
#define X(type, number, name, tag, flags) [RECORD_##type] = apply_##tag,
        RECORD_TYPES(X)
#undef X
    };
    assert(record->length >= sizeof *record);
    assert(record->length <= RECORD_MAX);
    struct applying a = {
        .ledger = ledger, .ctx = ledger->contexts[0], .record = record, .lsn = lsn
    };
    struct following *following = ledger->following;
    a.ctx->cursor.replaying = true;
    a.moves = following && following_may_move(record->type);
    if (!following) /* else there is room */
        figures_replaying(a.ledger->figures);
    if (record->type >= sizeof by_type / sizeof by_type[0] || !by_type[record->type])
        return apply_refuse(&a, "its type is unknown");
    int error = by_type[record->type](&a);
    if (following)
        following_end_record(following, &ledger->items);
    if (!error)
        events_take(&ledger->events, record, lsn); /* @recover-event */
    return error;
}
