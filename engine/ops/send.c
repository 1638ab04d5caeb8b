/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/send.h"
#include "engine/ledger/sweeps.h"

#include <assert.h>
#include <string.h>

#include "engine/base/fingerprint.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ledger/operation_id.h"
#include "engine/ledger/orders.h"
#include "engine/ops/supply.h"
#include "engine/ops/supply_watch.h"

uint64_t send_content(uint64_t of_order, uint32_t send)
{
    return mix_number(mix_number(of_order, RECORD_SENT), send);
}

/* ---- which transfers ---- */

static enum code too_many(struct ctx *ctx)
{
    return fail(ctx, CODE_LIMIT,
                "an order is sent from at most %d places, and from pools of which one record holds "
                "the names",
                SENDS_MAX);
}

/* The transfer from that place that comes then; SENDS_MAX: there are too many. */
static uint32_t find_send(struct send_work *w, uint16_t from, uint64_t eta_ms)
{
    uint32_t at = 0;
    while (at < w->send_count && (w->sends[at].from != from || w->sends[at].eta_ms != eta_ms))
        at++;
    if (at < w->send_count || at == SENDS_MAX)
        return at;
    w->sends[at].from = from;
    w->sends[at].eta_ms = eta_ms;
    return w->send_count++;
}

static uint32_t find_line(struct send_work *w, uint32_t send, uint32_t item)
{
    uint32_t *last = item_map_number(&w->map, item, 0);
    for (uint32_t at = *last; at != 0; at = w->lines[at - 1].next)
        if (w->lines[at - 1].send == send)
            return at - 1;
    w->lines[w->line_count] =
        (struct send_line){ .item = item, .next = *last, .send = (uint16_t)send };
    return (*last = ++w->line_count) - 1;
}

static enum code gather_draws(struct ctx *ctx, const struct order_plan *s)
{
    struct send_work *w = ctx->send;
    for (uint32_t i = 0; i < s->draw_count; i++) {
        const struct planned_draw *draw = &s->draws[i];
        if (!demand_sends(&s->demand, draw->key))
            continue;
        uint32_t send = find_send(w, key_location(draw->key), draw->eta_ms);
        if (send == SENDS_MAX)
            return too_many(ctx);
        uint32_t line = find_line(w, send, key_item(draw->key));
        int64_t qty = w->lines[line].qty + draw->qty;
        if (qty > QUANTITY_MAX)
            return supply_pool_is_full(ctx, key_item(draw->key), (uint16_t)(s->demand.sent_to - 1));
        w->lines[line].qty = (uint32_t)qty;
        w->sent[w->sent_count++] = (struct sent_draw){ .draw = (uint16_t)i,
                                                       .line = (uint16_t)line,
                                                       .owner = key_owner(draw->key) };
    }
    return CODE_OK;
}

static bool fits_a_record(const struct send_work *w, const struct order_plan *s)
{
    uint64_t bytes = sizeof(struct sent_record) + ID_MAX + 1 + NAME_MAX_BYTES + sizeof(uint64_t);
    bytes += s->draw_count * (sizeof(struct draw_record) + sizeof(struct ready_record));
    bytes += w->send_count * sizeof(struct send_record);
    bytes += w->sent_count * sizeof(struct sent_draw_record);
    return bytes + sizeof(uint64_t) <= RECORD_MAX;
}

/* ---- their ids ---- */

static enum code id_is_taken(struct ctx *ctx, const struct send *send)
{
    return fail(ctx, CODE_CONFLICT,
                "id \"%.*s\" was used for something else: a transfer of this order would have it",
                (int)send->id_len, send->id);
}

static enum code take_ids(struct ctx *ctx, const struct send_order *order)
{
    struct send_work *w = ctx->send;
    enum code code = CODE_OK;
    while (!code && w->held < w->send_count) {
        struct send *send = &w->sends[w->held];
        bool known;
        send->id_len = ledger_send_id(order->id, w->held + 1, send->id);
        struct text id = { send->id, send->id_len };
        code = begin_id(ctx, "id", id, &send->entry, &send->word, &known);
        if (code)
            break;
        if (known) {
            entry_put(send->entry, send->word);
            return id_is_taken(ctx, send);
        }
        w->held++;
    }
    return code;
}

enum code send_gather(struct ctx *ctx, const struct order_plan *s, const struct send_order *order,
                      uint32_t *blocks)
{
    struct send_work *w = ctx->send;
    uint32_t lines[SENDS_MAX] = { 0 };
    enum code code = gather_draws(ctx, s);
    if (!code && !fits_a_record(w, s))
        code = too_many(ctx);
    if (!code)
        code = take_ids(ctx, order);
    for (uint32_t i = 0; i < w->line_count; i++)
        lines[w->lines[i].send]++;
    *blocks = 0;
    for (uint32_t i = 0; i < w->send_count; i++)
        *blocks += supply_blocks(lines[i], order->id.len);
    return code;
}

/* ---- their pools ---- */

static void edge_items(struct ctx *ctx, void (*edge)(struct item *))
{
    struct send_work *w = ctx->send;
    for (uint32_t i = 0; i < w->line_count; i++) {
        struct item *item = item_at(&ctx->ledger->items, w->lines[i].item);
        if (w->lines[i].next != 0) /* not the first of its item */
            continue;
        edge(item);
        if (item_has(item, ITEM_BACKLOG)) /* that it waits in vain must be found anew */
            sweep_note(ctx, w->lines[i].pool);
    }
}

void send_taken(struct ctx *ctx)
{
    if (ctx->send->bracketed)
        edge_items(ctx, moves_end);
    ctx->send->bracketed = false;
}

uint32_t send_own_gives(const struct ctx *ctx, uint32_t item)
{
    const struct send_work *w = ctx->send;
    for (uint32_t i = 0; i < w->line_count; i++)
        if (w->lines[i].item == item)
            return 1; /* see edge_items */
    return 0;
}

void send_undone(struct ctx *ctx)
{
    assert(!ctx->send->bracketed);
    edge_items(ctx, moves_begin);
    ctx->send->bracketed = true;
}

void send_drop_plan(struct ctx *ctx)
{
    const struct items *items = &ctx->ledger->items;
    struct send_work *w = ctx->send;
    send_taken(ctx);
    for (uint32_t i = 0; i < w->owned; i++) {
        struct incoming *in = incoming_at(items, w->lines[i].pool);
        incoming_abandon(in, w->lines[i].qty);
        incoming_end(in);
    }
    w->owned = w->line_count = w->sent_count = w->send_count = 0;
    item_map_empty(&w->map);
}

/* The shared pool is made as well, so that what is set for the item there has a place, and so has
 * what will be free. */
static enum code make_pool(struct ctx *ctx, struct send_line *line, uint16_t to)
{
    struct items *items = &ctx->ledger->items;
    const struct send *send = &ctx->send->sends[line->send];
    uint32_t link = entry_number(&ctx->ledger->ids, send->entry) + 1;
    bool again = false;
    struct pool *shared = pool_make(items, line->item, to, owner_of(POOL_SHARED, 0));
    if (!shared)
        return supply_no_pool(ctx, line->item);
    stocking_inherit(items, shared);
    struct pool *own =
        incoming_take(items, &ctx->ledger->ids, &ctx->cursor, line->item, to, link, &again);
    if (!own)
        return again ? CODE_DEFERRED : supply_no_pool(ctx, line->item);
    line->pool = pool_unit(items, own);
    struct incoming *in = incoming_at(items, line->pool);
    incoming_own(in, link, true);
    incoming_raise(in, send->eta_ms, line->qty);
    return CODE_OK;
}

/* What comes into the pool is reserved there, so nobody can take it: it may come before the claim
 * (docs/CONCURRENCY.md), and it counts as a take. */
static void post_expected(struct ctx *ctx, const struct send_line *line)
{
    post(ctx->postings, (struct posting){ .pool = line->pool,
                                          .counted = NOT_COUNTED,
                                          .on_hand = (int32_t)line->qty,
                                          .reserved = (int32_t)line->qty, /* @sent-reserved */
                                          .needs = NEEDS_NONE,
                                          .stays = true });
}

enum code send_post(struct ctx *ctx, struct order_plan *s)
{
    const struct items *items = &ctx->ledger->items;
    struct send_work *w = ctx->send;
    uint16_t to = (uint16_t)(s->demand.sent_to - 1);
    for (uint32_t i = 0; i < w->line_count; i++) {
        enum code code = make_pool(ctx, &w->lines[i], to);
        if (code)
            return code;
        w->owned = i + 1;
        post_expected(ctx, &w->lines[i]);
    }
    for (uint32_t i = 0; i < w->sent_count; i++) {
        struct planned_draw *draw = &s->draws[w->sent[i].draw];
        draw->pool = w->lines[w->sent[i].line].pool;
        draw->key = pool_read_key(pool_at(items, draw->pool));
    }
    edge_items(ctx, moves_begin);
    w->bracketed = true;
    return CODE_OK;
}

/* ---- the record ---- */

static void add_sends(struct record_builder *b, const struct send_work *w)
{
    for (uint32_t i = 0; i < w->send_count; i++) {
        struct send_record send = { .eta_ms = w->sends[i].eta_ms,
                                    .from = w->sends[i].from,
                                    .id_len = (uint8_t)w->sends[i].id_len };
        memcpy(send.id, w->sends[i].id, w->sends[i].id_len);
        record_add(b, &send, sizeof send);
    }
    for (uint32_t i = 0; i < w->sent_count; i++) {
        struct sent_draw_record sent = { .draw = w->sent[i].draw,
                                         .send = w->lines[w->sent[i].line].send,
                                         .owner = w->sent[i].owner };
        record_add(b, &sent, sizeof sent);
    }
}

static void add_draws(struct record_builder *b, const struct order_plan *s)
{
    for (uint32_t i = 0; i < s->draw_count; i++) {
        uint64_t key = s->draws[i].key;
        struct draw_record draw = { { key_item(key), key_location(key), key_owner(key) },
                                    (uint32_t)s->draws[i].qty };
        record_add(b, &draw, sizeof draw);
    }
    for (uint32_t i = 0; i < s->draw_count; i++) {
        struct ready_record ready = { s->draws[i].ready_ms };
        record_add(b, &ready, sizeof ready);
    }
}

uint32_t send_build_record(struct ctx *ctx, const struct order_plan *s,
                           const struct send_order *order, struct id_entry *entry, unsigned flags)
{
    const struct send_work *w = ctx->send;
    assert(entry->timed); /* what is sent comes later */
    entry->sends = (uint8_t)(w->send_count & SENDS_MAX);
    entry->awaits = true;
    for (uint32_t i = 0; i < w->line_count; i++) /* before the claim: what is set later finds it */
        item_set(item_at(&ctx->ledger->items, w->lines[i].item), ITEM_MOVED);
    struct sent_fields f = { .fixed = { .head = head_of(ctx, RECORD_SENT, flags),
                                        .content = entry->content,
                                        .created_ms = entry->created_ms,
                                        .ttl_ms = entry->ttl_ms,
                                        .channel = entry->channel,
                                        .draw_count = entry->draw_count,
                                        .location = (uint16_t)(s->demand.sent_to - 1),
                                        .send_count = (uint16_t)w->send_count,
                                        .sent_count = (uint16_t)w->sent_count },
                             .id = order->id };
    struct record_builder b = sent_begin(ctx->record, &f);
    add_draws(&b, s);
    add_sends(&b, w);
    if (flags & RESERVE_REF)
        record_add_short_text(&b, order->ref);
    if (flags & RECORD_TWO_CLOCKS)
        record_add(&b, &ctx->engine_ms, sizeof ctx->engine_ms);
    return record_end(&b);
}

/* ---- showing them ---- */

static void list_lines(struct ctx *ctx, uint32_t send)
{
    const struct send_work *w = ctx->send;
    struct supply_work *supply = ctx->supply;
    supply->line_count = 0;
    for (uint32_t i = 0; i < w->line_count; i++) {
        const struct send_line *line = &w->lines[i];
        if (line->send != send)
            continue;
        supply->fresh[supply->line_count++] =
            (struct line_entry){ .pool = line->pool, .qty = line->qty, .shipped = line->qty };
        incoming_raised(incoming_at(&ctx->ledger->items, line->pool));
    }
}

static void show_send(struct ctx *ctx, const struct send_order *order, uint32_t number, uint16_t to,
                      uint64_t lsn)
{
    struct id_table *ids = &ctx->ledger->ids;
    struct send *send = &ctx->send->sends[number];
    struct id_entry *entry = send->entry;
    list_lines(ctx, number);
    supply_fill(entry, send_content(order->content, number), ctx->wall_ms, send->eta_ms,
                (uint16_t)(send->from + 1), to);
    bool stored = supply_store(ids, &ctx->cursor, entry, ctx->supply->fresh,
                               ctx->supply->line_count, order->id);
    assert(stored); /* in slots that were set aside */
    (void)stored;
    entry->sends = 1;
    entry->lsn_first = entry->lsn_last = lsn;
    uint64_t word = supply_word(ENTRY_SUPPLY, SUPPLY_IN_TRANSIT, send->id_len);
    slots_added(ids, &ctx->cursor);
    supply_watch(ctx, entry, word);
    entry_put(entry, word);
    COUNT(ctx, supplies);
}

void send_show(struct ctx *ctx, const struct send_order *order, uint64_t lsn)
{
    const struct items *items = &ctx->ledger->items;
    struct send_work *w = ctx->send;
    uint16_t to = key_location(pool_read_key(pool_at(items, w->lines[0].pool)));
    assert(w->owned == w->line_count);
    assert(w->held >= w->send_count);
    for (uint32_t i = 0; i < w->send_count; i++)
        show_send(ctx, order, i, to, lsn);
    for (uint32_t i = w->send_count; i < w->held; i++) /* of an earlier plan */
        entry_refuse(&ctx->ledger->ids, &ctx->cursor, w->sends[i].entry, w->sends[i].word);
    w->held = w->owned = 0; /* the transfers' own now */
}

void send_end(struct ctx *ctx)
{
    struct send_work *w = ctx->send;
    send_drop_plan(ctx);
    for (uint32_t i = 0; i < w->held; i++)
        entry_refuse(&ctx->ledger->ids, &ctx->cursor, w->sends[i].entry, w->sends[i].word);
    w->held = 0;
}
