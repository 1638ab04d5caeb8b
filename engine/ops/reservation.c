/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/reservation.h"

#include <assert.h>
#include <string.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/precedence.h"
#include "engine/store/draws.h"
#include "engine/store/slot_places.h"
#include "engine/store/supply_lines.h"

void settle_entry(struct ctx *ctx, struct id_entry *entry, uint64_t word)
{
    struct id_table *ids = &ctx->ledger->ids;
    if (!entry_over(word)) {
        entry_put(entry, word);
        return;
    }
    uint8_t owner = entry->owner;
    assert(owner == NO_OWNER || owner < ctx->ledger->context_count); /* I5 */
    if (owner == ctx->index) {
        wheel_unlink(&ctx->wheel, ids, entry);
        owner = entry->owner = NO_OWNER;
    }
    if (owner != NO_OWNER) {
        /* Sent before it is put, so that the slot is not reused while the message is on its way. */
        wheel_send(&ctx->ledger->contexts[owner]->wheel, ids, entry);
        entry_put(entry, word);
        return;
    }
    slots_end(ids, &ctx->cursor, entry, word);
    entry_put(entry, word);
}

uint64_t with_state(uint64_t word, enum entry_state to)
{
    assert(word_kind(word) == ENTRY_RESERVATION);
    assert(state_may_become(word_state(word), to));
    uint64_t next = state_word(ENTRY_RESERVATION, to, word_id_len(word));
    return word_with_last(next, word_last(word));
}

void list_draws(struct ctx *ctx, struct id_entry *entry)
{
    struct draw_list *list = &ctx->draw_list;
    assert(entry_is_owned(entry)); /* E1 */
    assert(entry->draw_count <= DRAWS_MAX);
    item_map_empty(&list->map);
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    struct draw *draw;
    for (list->count = 0; (draw = draw_walk_next(&walk)) != NULL; list->count++) {
        list->draws[list->count] = draw;
        list->part[list->count] = 0;
    }
}

void chain_draw(struct ctx *ctx, uint32_t index)
{
    struct draw_list *list = &ctx->draw_list;
    assert(index < list->count);
    uint64_t key = pool_read_key(pool_at(&ctx->ledger->items, list->draws[index]->pool));
    uint32_t *first = item_map_number(&list->map, key_item(key), 0);
    list->next[index] = (uint16_t)*first;
    *first = index + 1;
}

static struct draw draw_of(const struct planned_draw *planned)
{
    return (struct draw){ planned->pool, (uint32_t)planned->qty, 0, 0 };
}

bool store_draws(struct ctx *ctx, struct id_entry *entry, const struct planned_draw *draws,
                 uint32_t count, enum timed timed, struct text ref)
{
    struct id_table *ids = &ctx->ledger->ids;
    uint32_t places = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert(timed != NOT_TIMED || draws[i].ready_ms == entry->created_ms);
        places = places_with(places, key_location(draws[i].key));
    }
    assert(count >= 1);
    assert(count <= DRAWS_MAX);
    assert(entry_is_owned(entry)); /* E1 */
    entry->draw_count = (uint16_t)count;
    entry->timed = (uint8_t)timed;
    entry->tracked = false;
    entry->ref_len = (uint8_t)ref.len;
    slot_places_set(ids, entry, places); /* @places */
    uint32_t blocks = entry_draw_blocks(entry);
    if (blocks == 0) {
        entry->draw = draw_of(&draws[0]);
        return true;
    }
    if (!blocks_chain(ids, &ctx->cursor, entry, blocks))
        return false;
    struct draw_walk walk = draw_walk_start(ids, entry);
    for (uint32_t i = 0; i < count; i++) {
        struct draw *draw = draw_walk_next(&walk);
        *draw = draw_of(&draws[i]);
        if (timed != NOT_TIMED)
            draw_set_ready(draw, draws[i].ready_ms, 0);
    }
    blocks_put_ref(ids, entry, blocks - ref_blocks(ref.len), ref);
    return true;
}

enum entry_state state_of_draws(const struct id_table *ids, struct id_entry *entry,
                                enum entry_state before)
{
    struct draw_walk walk = draw_walk_start(ids, entry);
    const struct draw *draw;
    bool fulfilled = false;
    assert(entry_is_owned(entry)); /* E1 */
    while ((draw = draw_walk_next(&walk)) != NULL) {
        if (draw_left(draw) > 0)
            return before;
        fulfilled |= draw->fulfilled > 0;
    }
    return fulfilled ? STATE_FULFILLED : STATE_CANCELLED;
}

/* When what is left of a draw of a supply is ready: as promised, unless its ETA changed since, and
 * what had come then did not cover what the reservation had been promised of it until then. */
static uint64_t ready_from(const struct ctx *ctx, struct id_entry *entry, const struct draw *draw,
                           const struct incoming *in)
{
    struct eta_times changes[ETA_CHANGES];
    uint64_t drawn_lsn = draw_lsn(entry, draw);
    for (uint32_t i = incoming_changes(in, changes); i-- > 0;) {
        const struct eta_times *c = &changes[i];
        if (drawn_lsn > c->lsn)
            break; /* it was promised after that, and after the earlier ones */
        if (promise_lsn(ctx, entry, draw->pool, c->lsn) > c->covered_lsn)
            return entry->timed == TIMED_PICKUP ? c->pickup_ms : c->ship_ms;
    }
    return draw_ready_ms(entry, draw);
}

/* When a draw is ready; what is settled keeps the time that held when it was fulfilled. A
 * reservation without times has no draws of supplies. */
static __attribute__((noinline)) uint64_t ready_now(const struct ctx *ctx, struct id_entry *entry,
                                                    const struct draw *draw)
{
    const struct incoming *in = incoming_find(&ctx->ledger->items, draw->pool);
    if (in && draw_left(draw) > 0)
        return ready_from(ctx, entry, draw, in);
    uint64_t last_ms = draw_last_ms(entry, draw), promised_ms = draw_ready_ms(entry, draw);
    return last_ms != 0 ? last_ms : promised_ms; /* @last-time */
}

void keep_ready(const struct ctx *ctx, struct id_entry *entry, struct draw *draw)
{
    uint64_t promised_ms = draw_ready_ms(entry, draw), now_ms;
    assert(draw_left(draw) > 0);
    if (!entry->timed || !incoming_find(&ctx->ledger->items, draw->pool))
        return;
    now_ms = ready_now(ctx, entry, draw);
    draw_set_ready(draw, promised_ms, now_ms != promised_ms ? now_ms : 0);
}

void view_reservation(struct ctx *ctx, struct id_entry *entry, uint64_t word, bool first,
                      struct reservation_view *view)
{
    const struct catalogue *catalogue = catalogue_now(ctx);
    const struct items *items = &ctx->ledger->items;
    enum entry_state state = word_state(word);
    if (first)
        state = entry->ttl_ms ? STATE_HELD : STATE_CONFIRMED;
    view->lsn = first ? entry->lsn_first : entry->lsn_last;
    view->state = state_name(state);
    view->channel = code_text(&catalogue->channels[entry->channel].code);
    view->expires_ms = 0;
    if (first && entry->ttl_ms)
        view->expires_ms = entry->created_ms + entry->ttl_ms;
    else if (!first && state == STATE_HELD)
        view->expires_ms = wall_of(ctx, entry->expires_ms);
    view->missing_count = view->part_count = 0;
    view->sends = entry->sends;
    view->ref = (struct text){ NULL, 0 };
    view->created_ms = entry->created_ms;
    ctx->work += (uint64_t)DRAW_WORK * entry->draw_count;
    view->draws = ctx->draw_views;
    bool may_have_moved = !first && entry->timed;
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    struct draw *draw;
    struct draw_view *v = ctx->draw_views;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        int64_t qty = first ? draw_granted(entry, draw) : draw->qty;
        if (qty == 0)
            continue; /* it was drawn later; or moved away since */
        uint64_t key = pool_read_key(pool_at(items, draw->pool));
        uint64_t ready_ms =
            may_have_moved ? ready_now(ctx, entry, draw) : draw_ready_ms(entry, draw);
        *v++ = (struct draw_view){ item_sku(item_at(items, key_item(key))),
                                   location_code(catalogue, key_location(key)),
                                   qty,
                                   draw->fulfilled,
                                   draw->cancelled,
                                   ready_ms };
    }
    view->draw_count = (uint32_t)(v - ctx->draw_views);
}

/* ---- steps ---- */

enum code not_on_hand(struct ctx *ctx, uint32_t unit, int64_t wanted, int64_t there)
{
    const struct items *items = &ctx->ledger->items;
    uint64_t key = pool_read_key(pool_at(items, unit));
    struct text sku = item_sku(item_at(items, key_item(key)));
    struct text at = location_code(catalogue_now(ctx), key_location(key));
    const char *why = owner_kind(key_owner(key)) == POOL_EXPECTED
                          ? "the others of its supply have not come, or were promised earlier"
                          : "a count found less than was promised";
    if (owner_kind(key_owner(key)) == POOL_BACKLOG)
        fail(ctx, CODE_INSUFFICIENT_STOCK, "%lld of \"%.*s\" are not sourced yet",
             (long long)wanted, (int)sku.len, sku.at);
    else
        fail(ctx, CODE_INSUFFICIENT_STOCK, "only %lld of \"%.*s\" on hand at \"%.*s\": %s",
             (long long)there, (int)sku.len, sku.at, (int)at.len, at.at, why);
    ctx->failure.shorts[0] = (struct shortfall){ sku, wanted, there };
    ctx->failure.short_count = 1;
    return CODE_INSUFFICIENT_STOCK;
}

uint32_t build_op_record(struct ctx *ctx, const struct txn *t, struct text id, enum entry_state to)
{
    struct op_fields f = { .fixed = { .head = head_of(ctx, RECORD_OP, to),
                                      .time_ms = ctx->wall_ms,
                                      .content = t->content },
                           .id = id,
                           .op = t->id };
    struct record_builder b = op_begin(ctx->record, &f);
    return record_end(&b);
}

void remember_step(struct ctx *ctx, struct id_entry *op, uint64_t content, uint64_t lsn,
                   enum entry_state state, uint32_t id_len)
{
    assert(entry_is_owned(op)); /* E1 */
    assert(state < STATE_COUNT);
    op->content = content;
    op->lsn_first = op->lsn_last = lsn;
    op->result_state = state;
    op->draw_count = 0;
    uint64_t word = state_word(ENTRY_STEP, STATE_NONE, id_len);
    slots_end(&ctx->ledger->ids, &ctx->cursor, op, word);
    entry_put(op, word);
}

void view_step(const struct id_entry *op, struct reservation_view *view)
{
    memset(view, 0, sizeof *view);
    view->lsn = op->lsn_first;
    view->state = state_name((enum entry_state)op->result_state);
}
