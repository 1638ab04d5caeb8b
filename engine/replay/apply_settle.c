/* SPDX-License-Identifier: Apache-2.0 */
/* Applies records of steps that settle what a reservation draws: fulfil, cancel, restock, and the
 * end of a hold. */
#include "engine/ledger/ledger.h"

#include <assert.h>

#include "engine/ledger/ctx.h"
#include "engine/ops/parts.h"
#include "engine/ops/reservation.h"
#include "engine/ops/sale.h"
#include "engine/replay/apply_inside.h"
#include "engine/store/draws.h"

/* Fulfils or cancels qty units of one draw. */
static int settle_draw(const struct applying *a, struct id_entry *entry, struct draw *draw,
                       uint32_t qty, bool fulfil)
{
    if (qty > draw_left(draw))
        return apply_refuse(a, "it settles more than is left");
    if (qty == 0)
        return 0;                                               /* settled before */
    struct pool *pool = pool_at(&a->ledger->items, draw->pool); /* @recover-step */
    int error = apply_change_pool(a, pool, fulfil ? -(int64_t)qty : 0, -(int64_t)qty);
    if (!error && fulfil)
        error = apply_check_come(a, pool);
    if (error)
        return error;
    if (entry->tracked)
        part_settled(a->ctx, draw, qty);
    if (fulfil) {
        keep_ready(a->ctx, entry, draw);
        draw->fulfilled += qty;
        recent_add(&a->ctx->recent, a->time_ms, unit_at_place(&a->ledger->items, draw->pool),
                   -(int64_t)qty);
    } else {
        draw->cancelled += qty;
    }
    return 0;
}

static int release_all(const struct applying *a, struct id_entry *entry)
{
    struct draw_walk walk = draw_walk_start(&a->ledger->ids, entry);
    struct draw *draw;
    int error = 0;
    while (!error && (draw = draw_walk_next(&walk)) != NULL)
        error = settle_draw(a, entry, draw, draw_left(draw), false);
    return error;
}

/* Adds to the context's parts what the step settles, as it is now. */
static int find_parts(const struct applying *a, struct id_entry *entry,
                      const struct step_head_fields *f, uint32_t *count)
{
    const struct draw_list *list = &a->ctx->draw_list;
    struct step_part *parts = a->ctx->parts;
    bool all = f->fixed.step_count == 0;
    list_draws(a->ctx, entry);
    uint32_t named = all ? list->count : f->fixed.step_count;
    if (named > DRAWS_MAX)
        return apply_refuse(a, "it settles too many draws");
    for (uint32_t i = 0; i < named; i++) {
        uint16_t index = all ? (uint16_t)i : f->steps[i].draw;
        if (index >= list->count)
            return apply_refuse(a, "it names an unknown draw");
        struct draw *draw = list->draws[index];
        uint32_t qty = all ? draw_left(draw) : f->steps[i].qty;
        if (qty > 0) /* of a whole step: not settled before */
            parts[(*count)++] = (struct step_part){ .draw = draw, .index = index, .qty = qty };
    }
    return 0;
}

static int settle_parts(const struct applying *a, struct id_entry *entry,
                        const struct step_head_fields *f, bool fulfil)
{
    const struct step_part *parts = a->ctx->parts;
    uint32_t count = 0;
    int error = find_parts(a, entry, f, &count);
    if (!error && fulfil)
        sale_note(a->ctx, entry, parts, count, a->time_ms);
    for (uint32_t i = 0; !error && i < count; i++)
        error = settle_draw(a, entry, parts[i].draw, parts[i].qty, fulfil);
    return error;
}

int apply_step_head(struct applying *a)
{
    struct step_head_fields f;
    bool fulfil = a->record->type == RECORD_FULFIL;
    struct id_entry *entry, *op_entry;
    uint64_t word;
    if (!step_head_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    a->time_ms = f.fixed.time_ms;
    apply_set_time(a, f.fixed.time_ms);
    int error = apply_find_reservation(a, f.id, &entry, &word);
    if (error)
        return error;
    if (state_final(word_state(word)) || (fulfil && word_state(word) != STATE_CONFIRMED))
        error = apply_refuse(a, "its reservation is in the wrong state");
    else
        error = settle_parts(a, entry, &f, fulfil);
    if (error) {
        entry_put(entry, word);
        return error;
    }
    enum entry_state to = state_of_draws(&a->ledger->ids, entry, word_state(word));
    assert(to == word_state(word) || state_may_become(word_state(word), to)); /* I3 */
    entry->lsn_last = a->lsn;
    settle_entry(a->ctx, entry, word_with_last(with_state(word, to), a->record->type));
    if (f.op.len == 0)
        return 0;
    error = apply_fresh_entry(a, f.op, &op_entry);
    if (!error)
        remember_step(a->ctx, op_entry, f.fixed.content, a->lsn, to, f.op.len);
    return error;
}

int apply_op(struct applying *a)
{
    struct op_fields f;
    struct id_entry *entry;
    if (!op_decode(a->record, &f) || f.id.len < 1 || a->record->flags >= STATE_COUNT)
        return apply_refuse(a, "it is malformed");
    apply_set_time(a, f.fixed.time_ms);
    int error = apply_fresh_entry(a, f.op, &entry);
    if (!error)
        remember_step(a->ctx, entry, f.fixed.content, a->lsn, a->record->flags, f.op.len);
    return error;
}

int apply_expire(struct applying *a)
{
    struct expire_fields f;
    struct id_entry *entry;
    uint64_t word;
    if (!expire_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    apply_set_time(a, f.fixed.time_ms);
    int error = apply_find_reservation(a, f.id, &entry, &word);
    if (error)
        return error;
    if (word_state(word) != STATE_HELD || f.fixed.channel != entry->channel)
        error = apply_refuse(a, "its reservation is not held, or is another channel's");
    else
        error = release_all(a, entry);
    if (error) {
        entry_put(entry, word);
        return error;
    }
    entry->lsn_last = a->lsn;
    settle_entry(a->ctx, entry, word_with_last(with_state(word, STATE_EXPIRED), RECORD_EXPIRE));
    return 0;
}
