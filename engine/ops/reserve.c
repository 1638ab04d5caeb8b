/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reserve: promises stock to an order, all of it or none.
 *
 * The plan looks up what the order names, finds pools for its lines (sourcing.h), and sets slots
 * for its draws aside, so that nothing can fail once stock is taken. An order over several pools
 * takes tentatively. A thread that finds too little where takes are pending does not know whether
 * the stock is gone: it undoes its own and is deferred. So a refusal is always the truth of one
 * instant.
 */
#include "engine/ledger/ledger.h"

#include "engine/base/fingerprint.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ledger/operation_id.h"
#include "engine/ledger/seat.h"
#include "engine/ops/reservation.h"
#include "engine/txn/txn_run.h"

enum { LOOKS_FOR_QUIET = 4 };

/* One order on its way. */
struct reserving {
    struct txn txn;
    const struct order *order;
    struct order_plan *plan; /* the seat's */
    bool resolved;           /* the plan knows what the order names */
    bool guarded; /* the take itself leaves the channel's buffer; else it is looked at afterwards */
    struct reservation_view *view;
};

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

/* Looks up the channel, and the items and places of all lines. */
static enum code resolve(struct seat *seat, const struct order *order, struct order_plan *s)
{
    const struct location *at = NULL, *bound;
    uint32_t item;
    catalogue_pin(seat);
    s->order = order;
    enum code code = find_channel(seat, order->channel, &s->channel);
    if (!code && text_given(order->at))
        code = find_location(seat, "at", order->at, &at);
    for (uint32_t i = 0; !code && i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        bound = at;
        if (text_given(line->location))
            code = find_location(seat, "location", line->location, &bound);
        if (!code)
            code = find_item(seat, line->sku, &item);
        if (!code)
            sourcing_set_line(s, i, item, bound);
    }
    return code;
}

/* What is promised is when it is ready by the lead times of now. True: not all at once. */
static bool time_draws(struct seat *seat, struct order_plan *s)
{
    bool timed = false;
    for (uint32_t i = 0; i < s->draw_count; i++) {
        const struct pool *pool = pool_at(&seat->ledger->items, s->draws[i].pool);
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        const struct location *from = &seat->catalogue->locations[key_location(key)];
        s->draws[i].ready_ms = seat->wall_ms + (uint64_t)from->lead_time_s * 1000;
        timed |= from->lead_time_s > 0;
    }
    return timed;
}

/* Before any stock is taken: what follows cannot fail for want of slots. */
static enum code prepare_slots(struct seat *seat, struct order_plan *s)
{
    struct entries *entries = &seat->ledger->entries;
    uint32_t blocks = draw_blocks(s->draw_count, time_draws(seat, s));
    enum entry_found found = slots_prepare(entries, &seat->cursor, blocks);
    return found == ENTRY_ABSENT ? CODE_OK : no_slots(seat, found);
}

static enum code plan(struct seat *seat, struct txn *t)
{
    struct reserving *r = (struct reserving *)t;
    struct order_plan *s = r->plan;
    enum code code = r->resolved ? CODE_OK : resolve(seat, r->order, s);
    r->resolved = true;
    if (!code)
        code = sourcing_plan(seat, s);
    if (!code)
        code = prepare_slots(seat, s);
    if (code)
        return code;
    r->guarded = s->channel->buffer == 0 || s->one_pool;
    t->may_undo = !r->guarded;
    int64_t buffer = r->guarded ? s->channel->buffer : 0;
    assert(buffer == 0 || s->draw_count == 1);
    for (uint32_t i = 0; i < s->draw_count; i++) {
        int64_t qty = s->draws[i].qty;
        post(seat->postings,
             (struct posting){ s->draws[i].pool, NOT_COUNTED, 0, qty, qty + buffer, 0 });
    }
    return CODE_OK;
}

/* On a busy item most looks meet a give; the next one may not. */
static void look_quietly(struct seat *seat, struct order_plan *s, uint32_t item)
{
    int looks = 0;
    do
        candidates_find(seat, s->channel, item, NULL, NULL, &s->found);
    while (!s->found.quiet && ++looks < LOOKS_FOR_QUIET);
}

/*
 * A channel with a buffer must leave that many units of the item, over all its pools. With a single
 * pool the take itself checks that. With several, the sum is looked at again after the takes: by
 * then every order that took before this look is counted. Only if no give came in between was the
 * sum there, at the start of the look: a unit that moved on before it could be counted twice.
 */
static enum code leave_buffer(struct seat *seat, struct txn *t)
{
    struct reserving *r = (struct reserving *)t;
    struct order_plan *s = r->plan;
    for (uint32_t i = 0; !r->guarded && i < r->order->line_count; i++) {
        look_quietly(seat, s, s->items[i]);
        if (s->found.total < s->channel->buffer || (s->found.pools > 1 && !s->found.quiet))
            return CODE_DEFERRED;
    }
    return CODE_OK;
}

static void fill_entry(struct seat *seat, const struct reserving *r, struct entry *entry)
{
    const struct order *order = r->order;
    const struct order_plan *s = r->plan;
    uint64_t ttl = s->channel->hold_ttl_ms ? s->channel->hold_ttl_ms : DEFAULT_HOLD_MS;
    if (order->has_ttl)
        ttl = order->ttl_ms;
    entry->content = r->txn.content;
    entry->created_ms = seat->wall_ms;
    entry->ttl_ms = order->confirm ? 0 : (uint32_t)ttl;
    entry->channel = channel_index(seat->catalogue, s->channel);
    bool stored = store_draws(seat, entry, s->draws, s->draw_count);
    assert(stored); /* in slots that were set aside */
    (void)stored;
}

static uint32_t build_record(struct seat *seat, struct txn *t)
{
    const struct reserving *r = (const struct reserving *)t;
    const struct order_plan *s = r->plan;
    struct entry *entry = t->entry;
    fill_entry(seat, r, entry);
    unsigned flags = clocks_of(seat) | (entry->timed ? RESERVE_TIMED : 0u);
    struct reserve_fields f = { .fixed = { .head = head_of(seat, RECORD_RESERVE, flags),
                                           .content = entry->content,
                                           .created_ms = entry->created_ms,
                                           .ttl_ms = entry->ttl_ms,
                                           .channel = entry->channel,
                                           .draw_count = entry->draw_count },
                                .id = t->id };
    struct record_builder b = reserve_begin(seat->record, &f);
    for (uint32_t i = 0; i < s->draw_count; i++) {
        const struct pool *pool = pool_at(&seat->ledger->items, s->draws[i].pool);
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        struct draw_record draw = { { key_item(key), key_location(key), key_owner(key) },
                                    (uint32_t)s->draws[i].qty };
        record_add(&b, &draw, sizeof draw);
    }
    for (uint32_t i = 0; entry->timed && i < s->draw_count; i++) {
        uint64_t after_ms = s->draws[i].ready_ms - entry->created_ms;
        struct ready_record ready = { (uint32_t)(after_ms / 1000) };
        record_add(&b, &ready, sizeof ready);
    }
    if (flags & RECORD_TWO_CLOCKS)
        record_add(&b, &seat->engine_ms, sizeof seat->engine_ms);
    return record_end(&b);
}

static void show(struct seat *seat, struct txn *t)
{
    struct entry *entry = t->entry;
    enum entry_state state = entry->ttl_ms ? STATE_HELD : STATE_CONFIRMED;
    uint64_t word = state_word(ENTRY_RESERVATION, state, t->id.len);
    entry->lsn_first = entry->lsn_last = t->lsn;
    slots_begin(&seat->ledger->entries, &seat->cursor);
    if (state == STATE_HELD) {
        entry->expires_ms = seat->engine_ms + entry->ttl_ms;
        entry->owner = seat->index;
        wheel_link(&seat->wheel, &seat->ledger->entries, entry, entry->expires_ms);
    } else {
        entry->lsn_confirmed = t->lsn;
    }
    view_reservation(seat, entry, word, true, ((struct reserving *)t)->view);
    entry_put(entry, word);
}

static void repeat(struct seat *seat, struct txn *t)
{
    view_reservation(seat, t->entry, t->entry_word, true, ((struct reserving *)t)->view);
}

static const struct txn_kind reserve_txn = {
    .id_name = "id",
    .takes = true,
    .remembered = ENTRY_RESERVATION,
    .plan = plan,
    .taken = leave_buffer,
    .record = build_record,
    .show = show,
    .repeat = repeat,
};

enum code ledger_reserve(struct seat *seat, const struct order *order,
                         struct reservation_view *view)
{
    enum code code = check_order(seat, order);
    if (code)
        return code;
    struct reserving r = { .txn = { .id = order->id, .content = fingerprint(order) },
                           .order = order,
                           .plan = seat->order_plan,
                           .view = view };
    code = txn_perform(seat, &r.txn, &reserve_txn);
    slots_unprepare(&seat->ledger->entries, &seat->cursor);
    if (code == CODE_OK)
        COUNT(seat, reserves);
    else if (code != CODE_DEFERRED)
        COUNT(seat, refused);
    return code;
}
