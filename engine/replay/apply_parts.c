/* SPDX-License-Identifier: Apache-2.0 */
/* Applies records of what becomes of a reservation's draws: places that set them aside, and steps
 * that draw elsewhere. */
#include "engine/ledger/ledger.h"

#include <assert.h>

#include "engine/ledger/ctx.h"
#include "engine/ops/parts.h"
#include "engine/ops/redraw.h"
#include "engine/ops/reservation.h"
#include "engine/replay/following.h"
#include "engine/store/draws.h"

/* A step of the reservation's part at the location; afterwards its draws are tracked. */
static int begin_step(const struct applying *a, struct id_entry *entry, uint64_t word,
                      uint16_t location)
{
    if (word_state(word) != STATE_CONFIRMED)
        return apply_refuse(a, "its reservation is not confirmed");
    if (location >= catalogue_now(a->ctx)->location_count ||
        part_at(a->ctx, entry, location).left == 0)
        return apply_refuse(a, "its reservation has nothing left at that location");
    if (!draws_track(&a->ledger->ids, &a->ctx->cursor, entry, 0))
        return apply_no_space(a, "reservations");
    entry->lsn_last = a->lsn;
    return 0;
}

int apply_set_aside(struct applying *a)
{
    struct set_aside_fields f;
    const struct set_aside_record *r = &f.fixed;
    struct id_entry *entry, *op_entry;
    uint64_t word;
    if (!set_aside_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    apply_set_time(a, r->time_ms);
    int error = apply_find_reservation(a, f.id, &entry, &word);
    if (error)
        return error;
    error = begin_step(a, entry, word, r->location);
    if (!error)
        parts_set_ready(a->ctx, entry, r->location, r->collect_by_ms);
    entry_put(entry, word);
    if (error || f.op.len == 0)
        return error;
    error = apply_fresh_entry(a, f.op, &op_entry);
    if (!error)
        remember_step(a->ctx, op_entry, r->content, a->lsn, STATE_CONFIRMED, f.op.len);
    return error;
}

int apply_not_collected(struct applying *a)
{
    struct not_collected_fields f;
    struct id_entry *entry;
    uint64_t word;
    if (!not_collected_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    apply_set_time(a, f.fixed.time_ms);
    int error = apply_find_reservation(a, f.id, &entry, &word);
    if (error)
        return error;
    error = begin_step(a, entry, word, f.fixed.location);
    if (!error)
        parts_leave_behind(a->ctx, entry, f.fixed.location, f.fixed.time_ms);
    entry_put(entry, word);
    return error;
}

int apply_confirm(struct applying *a)
{
    struct confirm_fields f;
    struct id_entry *entry;
    uint64_t word;
    if (!confirm_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    int error = apply_find_reservation(a, f.id, &entry, &word);
    if (error)
        return error;
    if (word_state(word) != STATE_HELD) {
        entry_put(entry, word);
        return apply_refuse(a, "its reservation is not held");
    }
    if (f.ref.len > 0 &&
        !draws_reshape(&a->ledger->ids, &a->ctx->cursor, entry, entry->tracked, f.ref)) {
        entry_put(entry, word);
        return apply_no_space(a, "reservations");
    }
    entry->lsn_last = entry->lsn_confirmed = a->lsn;
    entry_put(entry, with_state(word, STATE_CONFIRMED));
    return 0;
}

/* ---- amend, move, sourced, reject ---- */

/* What a record says that its reservation draws instead, behind its other draws. */
struct drawn {
    uint16_t first, count;
    const struct drawn_record *at;
};

static int draw_more(const struct applying *a, const struct drawn *drawn, uint16_t channel)
{
    struct planned_draw *draws = a->ctx->order_plan->draws;
    int error = 0;
    for (uint32_t i = 0; !error && i < drawn->count; i++) {
        const struct drawn_record *r = &drawn->at[i];
        struct pool *pool;
        if (r->qty < 1 || r->qty > QUANTITY_MAX)
            return apply_refuse(a, "a quantity is invalid");
        if (!owner_sells_to(r->pool.owner, channel))
            return apply_refuse(a, "it draws from a pool that is not its channel's");
        error = apply_find_pool(a, &r->pool, &pool);
        if (!error)
            error = apply_change_pool(a, pool, 0, r->qty);
        if (!error)
            draws[i] = (struct planned_draw){ .pool = pool_unit(&a->ledger->items, pool),
                                              .qty = r->qty,
                                              .key = pool_read_key(pool),
                                              .ready_ms = r->ready_ms };
    }
    return error;
}

/* Adds the new draws, and lists all of them in the context. */
static int add_draws(const struct applying *a, struct id_entry *entry, uint64_t word,
                     const struct drawn *drawn)
{
    if (state_final(word_state(word)))
        return apply_refuse(a, "its reservation is in the wrong state");
    if (drawn->first != entry->draw_count || drawn->count > REDRAWN_MAX ||
        entry->draw_count + drawn->count > DRAWS_MAX)
        return apply_refuse(a, "its draws do not follow the others");
    int error = draw_more(a, drawn, entry->channel);
    if (!error && !draws_track(&a->ledger->ids, &a->ctx->cursor, entry, drawn->count))
        error = apply_no_space(a, "reservations");
    if (error)
        return error;
    redraw_store(a->ctx, entry, a->ctx->order_plan->draws, drawn->count);
    redraw_date(a->ctx, entry, drawn->first, a->lsn);
    following_list(a, entry, drawn->first);
    list_draws(a->ctx, entry);
    return 0;
}

/* The reservation draws less of that draw. */
static int draw_less(const struct applying *a, const struct rejected_record *less,
                     struct draw **draw)
{
    const struct draw_list *list = &a->ctx->draw_list;
    if (less->draw >= list->count || less->qty == 0 ||
        less->qty > draw_left(list->draws[less->draw]) || less->off > less->qty ||
        less->cancelled > less->qty)
        return apply_refuse(a, "it gives back what its reservation does not draw");
    *draw = list->draws[less->draw];
    int error = apply_change_pool(a, pool_at(&a->ledger->items, (*draw)->pool), -(int64_t)less->off,
                                  -(int64_t)less->qty);
    if (!error && less->off > 0)
        error = apply_check_come(a, pool_at(&a->ledger->items, (*draw)->pool));
    part_settled(a->ctx, *draw, less->qty);
    (*draw)->qty -= less->qty - less->cancelled; /* @recover-redraw */
    (*draw)->cancelled += less->cancelled;
    return error;
}

/* Shows the reservation, and what the step's op stands for, or gives up. */
static int end_redraw(struct applying *a, struct id_entry *entry, uint64_t word, struct text op,
                      uint64_t content, int error)
{
    struct id_entry *op_entry;
    if (error) {
        entry_put(entry, word);
        return error;
    }
    enum entry_state to = state_of_draws(&a->ledger->ids, entry, word_state(word));
    entry->lsn_last = a->lsn;
    settle_entry(a->ctx, entry, word_with_last(with_state(word, to), a->record->type));
    if (op.len == 0)
        return 0;
    error = apply_fresh_entry(a, op, &op_entry);
    if (!error)
        remember_step(a->ctx, op_entry, content, a->lsn, to, op.len);
    return error;
}

int apply_redraw(struct applying *a)
{
    struct redraw_fields f;
    struct id_entry *entry;
    struct draw *draw;
    uint64_t word;
    if (!redraw_decode(a->record, &f) || a->record->flags >= STATE_COUNT)
        return apply_refuse(a, "it is malformed");
    apply_set_time(a, f.fixed.time_ms);
    int error = apply_find_reservation(a, f.id, &entry, &word);
    if (error)
        return error;
    struct drawn drawn = { f.fixed.first, f.fixed.draw_count, f.drawn };
    a->moves = a->moves && drawn.count > 0 && f.fixed.less_count > 0;
    error = add_draws(a, entry, word, &drawn);
    for (uint32_t i = 0; !error && i < f.fixed.less_count; i++) {
        struct rejected_record less = { .draw = f.less[i].draw, .qty = f.less[i].qty };
        error = draw_less(a, &less, &draw);
    }
    return end_redraw(a, entry, word, f.op, f.fixed.content, error);
}

/* What the place could not give because it is damaged is there still. */
static int keep_damaged(const struct applying *a, const struct draw *draw, uint32_t units)
{
    uint64_t key = pool_read_key(pool_at(&a->ledger->items, draw->pool));
    struct pool_key damaged = { key_item(key), key_location(key), owner_of(POOL_DAMAGED, 0) };
    struct pool *pool;
    int error = apply_find_pool(a, &damaged, &pool);
    return error ? error : apply_change_pool(a, pool, units, 0);
}

int apply_reject(struct applying *a)
{
    struct reject_fields f;
    struct id_entry *entry;
    struct draw *draw = NULL;
    uint64_t word;
    if (!reject_decode(a->record, &f) || a->record->flags >= STATE_COUNT ||
        f.fixed.reason >= REJECT_REASON_COUNT)
        return apply_refuse(a, "it is malformed");
    a->time_ms = f.fixed.time_ms;
    apply_set_time(a, f.fixed.time_ms);
    int error = apply_find_reservation(a, f.id, &entry, &word);
    if (error)
        return error;
    struct drawn drawn = { f.fixed.first, f.fixed.draw_count, f.drawn };
    error = add_draws(a, entry, word, &drawn);
    for (uint32_t i = 0; !error && i < f.fixed.less_count; i++) {
        error = draw_less(a, &f.less[i], &draw);
        if (error)
            break;
        draw_tracked(draw)->rejected = true; /* @recover-rejected */
        if (f.fixed.reason == REJECT_DAMAGED && f.less[i].off > 0)
            error = keep_damaged(a, draw, f.less[i].off);
        if (f.less[i].off > 0)
            recent_add(&a->ctx->recent, a->time_ms, unit_at_place(&a->ledger->items, draw->pool),
                       -(int64_t)f.less[i].off);
    }
    return end_redraw(a, entry, word, f.op, f.fixed.content, error);
}
