/* SPDX-License-Identifier: Apache-2.0 */
/* Applies records of what becomes of a reservation's draws: places that set them aside, and steps
 * that draw elsewhere. */
#include "engine/ledger/ledger.h"

#include <assert.h>

#include "engine/ledger/ctx.h"
#include "engine/ops/parts.h"
#include "engine/ops/redraw.h"
#include "engine/ops/reservation.h"
#include "engine/replay/apply_inside.h"
#include "engine/store/draws.h"

static int set_step(const struct applying *a, struct id_entry *entry, uint64_t word,
                    uint16_t location, enum part_step step, uint64_t collect_by_ms)
{
    if (word_state(word) != STATE_CONFIRMED)
        return apply_refuse(a, "its reservation is not confirmed");
    if (location >= catalogue_now(a->ctx)->location_count ||
        part_at(a->ctx, entry, location).left == 0)
        return apply_refuse(a, "its reservation has nothing left at that location");
    if (!draws_track(&a->ledger->ids, &a->ctx->cursor, entry, 0))
        return apply_no_space(a, "reservations");
    parts_set_step(a->ctx, entry, location, step, collect_by_ms);
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
    error = set_step(a, entry, word, r->location, PART_READY, r->collect_by_ms);
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
    uint64_t collect_by_ms = part_at(a->ctx, entry, f.fixed.location).collect_by_ms;
    error = set_step(a, entry, word, f.fixed.location, PART_NOT_COLLECTED, collect_by_ms);
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

/* ---- amend, move ---- */

/* What the reservation draws no longer. */
static int draw_less(const struct applying *a, const struct redraw_fields *f)
{
    const struct draw_list *list = &a->ctx->draw_list;
    int error = 0;
    for (uint32_t i = 0; !error && i < f->fixed.less_count; i++) {
        const struct step_record *less = &f->less[i];
        if (less->draw >= list->count || less->qty == 0 ||
            less->qty > draw_left(list->draws[less->draw]))
            return apply_refuse(a, "it gives back what its reservation does not draw");
        struct draw *draw = list->draws[less->draw];
        error =
            apply_change_pool(a, pool_at(&a->ledger->items, draw->pool), 0, -(int64_t)less->qty);
        part_settled(a->ctx, draw, less->qty);
        draw->qty -= less->qty;
    }
    return error;
}

/* What it draws instead, behind its other draws. */
static int draw_more(const struct applying *a, const struct redraw_fields *f, uint16_t channel)
{
    struct planned_draw *draws = a->ctx->order_plan->draws;
    int error = 0;
    for (uint32_t i = 0; !error && i < f->fixed.draw_count; i++) {
        const struct drawn_record *drawn = &f->drawn[i];
        struct pool *pool;
        if (drawn->qty < 1 || drawn->qty > QUANTITY_MAX)
            return apply_refuse(a, "a quantity is invalid");
        if (!owner_sells_to(drawn->pool.owner, channel))
            return apply_refuse(a, "it draws from a pool that is not its channel's");
        error = apply_find_pool(a, &drawn->pool, &pool);
        if (!error)
            error = apply_change_pool(a, pool, 0, drawn->qty);
        if (!error)
            draws[i] = (struct planned_draw){ .pool = pool_unit(&a->ledger->items, pool),
                                              .qty = drawn->qty,
                                              .key = pool_read_key(pool),
                                              .ready_ms = drawn->ready_ms };
    }
    return error;
}

static int change_draws(const struct applying *a, struct id_entry *entry, uint64_t word,
                        const struct redraw_fields *f)
{
    if (state_final(word_state(word)))
        return apply_refuse(a, "its reservation is in the wrong state");
    if (f->fixed.first != entry->draw_count || f->fixed.draw_count > REDRAWN_MAX ||
        entry->draw_count + f->fixed.draw_count > DRAWS_MAX)
        return apply_refuse(a, "its draws do not follow the others");
    int error = draw_more(a, f, entry->channel);
    if (!error && !draws_track(&a->ledger->ids, &a->ctx->cursor, entry, f->fixed.draw_count))
        error = apply_no_space(a, "reservations");
    if (error)
        return error;
    redraw_store(a->ctx, entry, a->ctx->order_plan->draws, f->fixed.draw_count);
    redraw_date(a->ctx, entry, f->fixed.first, a->lsn);
    list_draws(a->ctx, entry);
    return draw_less(a, f);
}

int apply_redraw(struct applying *a)
{
    struct redraw_fields f;
    struct id_entry *entry, *op_entry;
    uint64_t word;
    if (!redraw_decode(a->record, &f) || a->record->flags >= STATE_COUNT)
        return apply_refuse(a, "it is malformed");
    apply_set_time(a, f.fixed.time_ms);
    int error = apply_find_reservation(a, f.id, &entry, &word);
    if (error)
        return error;
    error = change_draws(a, entry, word, &f);
    if (error) {
        entry_put(entry, word);
        return error;
    }
    enum entry_state to = state_of_draws(&a->ledger->ids, entry, word_state(word));
    entry->lsn_last = a->lsn;
    settle_entry(a->ctx, entry, word_with_last(with_state(word, to), a->record->type));
    if (f.op.len == 0)
        return 0;
    error = apply_fresh_entry(a, f.op, &op_entry);
    if (!error)
        remember_step(a->ctx, op_entry, f.fixed.content, a->lsn, to, f.op.len);
    return error;
}
