/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/reservation.h"

#include <assert.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
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
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    struct draw *draw;
    for (list->count = 0; (draw = draw_walk_next(&walk)) != NULL; list->count++)
        list->draws[list->count] = draw;
}

static struct draw draw_of(const struct planned_draw *planned)
{
    return (struct draw){ planned->pool, (uint32_t)planned->qty, 0, 0 };
}

bool store_draws(struct ctx *ctx, struct id_entry *entry, const struct planned_draw *draws,
                 uint32_t count)
{
    struct id_table *ids = &ctx->ledger->ids;
    bool timed = false;
    for (uint32_t i = 0; i < count; i++)
        timed |= draws[i].ready_ms != entry->created_ms;
    assert(count >= 1);
    assert(count <= DRAWS_MAX);
    assert(entry_is_owned(entry)); /* E1 */
    entry->draw_count = (uint16_t)count;
    entry->timed = timed;
    if (draw_blocks(count, timed) == 0) {
        entry->draw = draw_of(&draws[0]);
        return true;
    }
    uint32_t *link = &entry->more;
    *link = 0;
    struct draws_entry *block = NULL;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i % draws_in_block(timed);
        if (at == 0) {
            block = slots_take_draws(ids, &ctx->cursor);
            if (!block) {
                slots_free_draws(ids, &ctx->cursor, entry->more);
                return false;
            }
            *link = entry_number(ids, (struct id_entry *)(void *)block) + 1;
            link = &block->next;
        }
        if (timed)
            block->timed[at] = (struct timed_draw){ draw_of(&draws[i]), draws[i].ready_ms };
        else
            block->draws[at] = draw_of(&draws[i]);
    }
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

/* When what is left of a draw is ready: as promised, unless its supply was rescheduled since. A
 * reservation without times has no draws of supplies. */
static __attribute__((noinline)) uint64_t
ready_now(const struct ctx *ctx, const struct id_entry *entry, const struct draw *draw)
{
    const struct items *items = &ctx->ledger->items;
    const struct incoming *in = incoming_find(items, draw->pool);
    uint64_t promised_ms = draw_ready_ms(entry, draw);
    if (!in || draw_left(draw) == 0 ||
        atomic_load_explicit(&in->moved_lsn, memory_order_acquire) < entry->lsn_first)
        return promised_ms;
    bool pickup = entry->timed == TIMED_PICKUP;
    return atomic_load_explicit(pickup ? &in->pickup_ms : &in->ship_ms, memory_order_acquire);
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
    view->draw_count = entry->draw_count;
    view->missing_count = 0;
    ctx->work += (uint64_t)DRAW_WORK * entry->draw_count;
    view->draws = ctx->draw_views;
    bool may_have_moved = !first && entry->timed;
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    struct draw *draw;
    for (struct draw_view *v = ctx->draw_views; (draw = draw_walk_next(&walk)) != NULL; v++) {
        uint64_t key = pool_read_key(pool_at(items, draw->pool));
        const struct location *location = &catalogue->locations[key_location(key)];
        uint64_t ready_ms =
            may_have_moved ? ready_now(ctx, entry, draw) : draw_ready_ms(entry, draw);
        *v = (struct draw_view){ item_sku(item_at(items, key_item(key))),
                                 code_text(&location->code),
                                 draw->qty,
                                 draw->fulfilled,
                                 draw->cancelled,
                                 ready_ms };
    }
}
