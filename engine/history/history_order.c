/* SPDX-License-Identifier: Apache-2.0 */
/* What the records of orders tell: reservations, and the steps that change them. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/history/history_inside.h"
#include "engine/store/id_table.h"

int history_take_granted(struct taking *taking, const struct reserve_fields *f)
{
    const struct reserve_record *r = &f->fixed;
    struct history *history = taking->history;
    struct history_event *event = &taking->event;
    struct history_draw kept[DRAWS_MAX];
    uint32_t count = 0;
    if (r->draw_count > DRAWS_MAX || f->id.len > ID_MAX)
        return -EILSEQ;
    bool asked = history_asks_id(history, f->id);
    for (uint16_t i = 0; i < r->draw_count; i++) {
        const struct draw_record *draw = &f->draws[i];
        if (asked || history_asks_pool(history, &draw->pool))
            kept[count++] = (struct history_draw){ draw->pool, i, draw->qty, draw->qty };
    }
    if (count == 0)
        return 0;
    if (history_set_hold(history, f->id, r->channel, kept, count) != 0)
        return -ENOMEM;
    event->id = f->id;
    event->type = "reserve";
    event->time_ms = r->created_ms;
    event->channel = r->channel;
    event->has_channel = true;
    event->ref = f->ref;
    event->state = state_name(r->ttl_ms ? STATE_HELD : STATE_CONFIRMED);
    event->expires_ms = r->ttl_ms ? r->created_ms + r->ttl_ms : 0;
    int error = 0;
    for (uint32_t i = 0; i < count && !error; i++)
        error = history_move(taking, &kept[i].pool, 0, kept[i].qty, kept[i].qty);
    return error;
}

static int take_reserve(struct taking *taking)
{
    struct reserve_fields f;
    return reserve_decode(taking->record, &f) ? history_take_granted(taking, &f) : -EILSEQ;
}

/* Finds the record's hold, and fills in what all its events say of it; NULL: it does not match the
 * filter. */
static struct history_hold *hold_asked(struct taking *taking, struct text id, const char *type)
{
    struct history_hold *hold = history_find_hold(taking->history, id);
    taking->event.type = type;
    taking->event.id = id;
    if (hold) {
        taking->event.channel = hold->channel;
        taking->event.has_channel = true;
    }
    return hold;
}

enum { EVERYWHERE = -1 };

/* Emits a step that changes no stock for every pool at the location that has something left. */
static int tell_at(struct taking *taking, const struct history_hold *hold, int location)
{
    int error = 0;
    for (uint32_t i = 0; i < hold->draw_count && !error; i++) {
        const struct history_draw *draw = &hold->draws[i];
        if (draw->left > 0 && (location == EVERYWHERE || draw->pool.location == location))
            error = history_move(taking, &draw->pool, 0, 0, draw->left);
    }
    return error;
}

static int take_extend(struct taking *taking)
{
    struct extend_fields f;
    if (!extend_decode(taking->record, &f))
        return -EILSEQ;
    const struct history_hold *hold = hold_asked(taking, f.id, "extend");
    taking->event.state = state_name(STATE_HELD);
    taking->event.expires_ms = f.fixed.expires_ms;
    return hold ? tell_at(taking, hold, EVERYWHERE) : 0;
}

static int take_confirm(struct taking *taking)
{
    struct confirm_fields f;
    if (!confirm_decode(taking->record, &f))
        return -EILSEQ;
    const struct history_hold *hold = hold_asked(taking, f.id, "confirm");
    taking->event.ref = f.ref;
    taking->event.state = state_name(STATE_CONFIRMED);
    taking->event.time_ms = f.fixed.time_ms;
    return hold ? tell_at(taking, hold, EVERYWHERE) : 0;
}

static int take_set_aside(struct taking *taking)
{
    struct set_aside_fields f;
    if (!set_aside_decode(taking->record, &f))
        return -EILSEQ;
    const struct history_hold *hold = hold_asked(taking, f.id, "ready");
    taking->event.op = f.op;
    taking->event.state = state_name(STATE_CONFIRMED);
    taking->event.time_ms = f.fixed.time_ms;
    if (!hold && history_asks_id(taking->history, f.op))
        return history_tell(taking, &taking->event);
    return hold ? tell_at(taking, hold, f.fixed.location) : 0;
}

static int take_not_collected(struct taking *taking)
{
    struct not_collected_fields f;
    if (!not_collected_decode(taking->record, &f))
        return -EILSEQ;
    const struct history_hold *hold = hold_asked(taking, f.id, "not_collected");
    taking->event.state = state_name(STATE_CONFIRMED);
    taking->event.time_ms = f.fixed.time_ms;
    return hold ? tell_at(taking, hold, f.fixed.location) : 0;
}

static int compare_index(const void *index, const void *draw)
{
    return (int)*(const uint16_t *)index - (int)((const struct history_draw *)draw)->index;
}

/* NULL: it is of another item. */
static struct history_draw *find_draw(struct history_hold *hold, uint16_t index)
{
    return bsearch(&index, hold->draws, hold->draw_count, sizeof hold->draws[0], compare_index);
}

static void drop_if_settled(struct history *history, struct history_hold *hold)
{
    uint64_t left = 0;
    for (uint32_t i = 0; i < hold->draw_count; i++)
        left += hold->draws[i].left;
    if (left == 0)
        history_drop_hold(history, hold);
}

/* What the reservation draws no longer is told as a negative quantity. */
static int tell_less(struct taking *taking, struct history_hold *hold,
                     const struct step_record *less, uint32_t count)
{
    int error = 0;
    for (uint32_t i = 0; !error && i < count; i++) {
        struct history_draw *draw = find_draw(hold, less[i].draw);
        if (!draw)
            continue;
        if (less[i].qty > draw->left)
            return -EILSEQ;
        draw->left -= less[i].qty;
        draw->qty -= less[i].qty;
        error = history_move(taking, &draw->pool, 0, -(int64_t)less[i].qty, -(int64_t)less[i].qty);
    }
    return error;
}

/* What a record says that its reservation draws instead. */
struct drawn {
    uint16_t channel;
    uint16_t first, count;
    const struct drawn_record *at;
};

/* The hold with the draws that the record adds. It may be new to a query for their item. */
static int add_drawn(struct taking *taking, struct text id, const struct drawn *added)
{
    struct history *history = taking->history;
    const struct history_hold *hold = history_find_hold(history, id);
    struct history_draw kept[DRAWS_MAX];
    uint32_t count = hold ? hold->draw_count : 0, before = count;
    bool asked = history_asks_id(history, id);
    if (hold)
        memcpy(kept, hold->draws, count * sizeof kept[0]);
    for (uint16_t i = 0; i < added->count && count < DRAWS_MAX; i++) {
        const struct drawn_record *drawn = &added->at[i];
        if (asked || history_asks_pool(history, &drawn->pool))
            kept[count++] = (struct history_draw){ drawn->pool, (uint16_t)(added->first + i),
                                                   drawn->qty, drawn->qty };
    }
    if (count > before && history_set_hold(history, id, added->channel, kept, count) != 0)
        return -ENOMEM;
    int error = 0;
    for (uint32_t i = before; i < count && !error; i++)
        error = history_move(taking, &kept[i].pool, 0, kept[i].qty, kept[i].qty);
    return error;
}

/* The order has changed what it draws: told with the new draws. */
static int tell_drawn(struct taking *taking, struct text id, const struct drawn *added)
{
    int error = add_drawn(taking, id, added);
    struct history_hold *hold = history_find_hold(taking->history, id);
    if (hold)
        drop_if_settled(taking->history, hold);
    return error;
}

static const char *redraw_type(unsigned type)
{
    return type == RECORD_MOVE ? "move" : type == RECORD_SOURCED ? "sourced" : "amend";
}

static int take_redraw(struct taking *taking)
{
    struct redraw_fields f;
    if (!redraw_decode(taking->record, &f) || taking->record->flags >= STATE_COUNT ||
        f.id.len > ID_MAX)
        return -EILSEQ;
    struct history_hold *hold = hold_asked(taking, f.id, redraw_type(taking->record->type));
    struct drawn added = { f.fixed.channel, f.fixed.first, f.fixed.draw_count, f.drawn };
    taking->event.op = f.op;
    taking->event.time_ms = f.fixed.time_ms;
    taking->event.channel = f.fixed.channel;
    taking->event.has_channel = true;
    taking->event.state = state_name((enum entry_state)taking->record->flags);
    if (!hold && history_asks_id(taking->history, f.op))
        return history_tell(taking, &taking->event);
    int error = hold ? tell_less(taking, hold, f.less, f.fixed.less_count) : 0;
    return error ? error : tell_drawn(taking, f.id, &added);
}

/* Of one draw: what its place could not give. */
static int tell_rejected(struct taking *taking, struct history_draw *draw,
                         const struct rejected_record *less, bool damaged)
{
    if (less->qty > draw->left || less->off > less->qty || less->cancelled > less->qty)
        return -EILSEQ;
    draw->left -= less->qty;
    draw->qty -= less->qty - less->cancelled;
    int error = history_move(taking, &draw->pool, -(int64_t)less->off, -(int64_t)less->qty,
                             -(int64_t)less->qty);
    if (error || !damaged || less->off == 0)
        return error;
    struct pool_key key = { draw->pool.item, draw->pool.location, owner_of(POOL_DAMAGED, 0) };
    return history_move(taking, &key, less->off, 0, less->off);
}

static int take_reject(struct taking *taking)
{
    static const char *const reasons[] = {
        [REJECT_BUSY] = "busy", [REJECT_NOT_FOUND] = "not_found", [REJECT_DAMAGED] = "damaged"
    };
    struct reject_fields f;
    if (!reject_decode(taking->record, &f) || taking->record->flags >= STATE_COUNT ||
        f.id.len > ID_MAX || f.fixed.reason >= REJECT_REASON_COUNT)
        return -EILSEQ;
    struct history_hold *hold = hold_asked(taking, f.id, "reject");
    struct drawn added = { f.fixed.channel, f.fixed.first, f.fixed.draw_count, f.drawn };
    taking->event.op = f.op;
    taking->event.time_ms = f.fixed.time_ms;
    taking->event.channel = f.fixed.channel;
    taking->event.has_channel = true;
    taking->event.reason = text_of(reasons[f.fixed.reason]);
    taking->event.state = state_name((enum entry_state)taking->record->flags);
    if (!hold && history_asks_id(taking->history, f.op))
        return history_tell(taking, &taking->event);
    int error = 0;
    for (uint32_t i = 0; hold && !error && i < f.fixed.less_count; i++) {
        struct history_draw *draw = find_draw(hold, f.less[i].draw);
        if (draw)
            error = tell_rejected(taking, draw, &f.less[i], f.fixed.reason == REJECT_DAMAGED);
    }
    return error ? error : tell_drawn(taking, f.id, &added);
}

static int settle(struct taking *taking, struct history_draw *draw, uint32_t qty, bool fulfil)
{
    if (qty > draw->left)
        return -EILSEQ;
    draw->left -= qty;
    assert(draw->left <= draw->qty);
    return history_move(taking, &draw->pool, fulfil ? -(int64_t)qty : 0, -(int64_t)qty, qty);
}

static int settle_all(struct taking *taking, struct history_hold *hold, bool fulfil)
{
    int error = 0;
    for (uint32_t i = 0; i < hold->draw_count && !error; i++)
        if (hold->draws[i].left > 0)
            error = settle(taking, &hold->draws[i], hold->draws[i].left, fulfil);
    return error;
}

static int settle_some(struct taking *taking, struct history_hold *hold,
                       const struct step_record *steps, uint32_t count, bool fulfil)
{
    int error = 0;
    for (uint32_t s = 0; s < count && !error; s++) {
        struct history_draw *draw = find_draw(hold, steps[s].draw);
        if (draw)
            error = settle(taking, draw, steps[s].qty, fulfil);
    }
    return error;
}

/* A step found by its own id: its reservation's pools are unknown here. */
static int tell_op(struct taking *taking, const struct step_record *steps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        taking->event.qty += steps[i].qty;
    return history_tell(taking, &taking->event);
}

static int take_step(struct taking *taking)
{
    struct step_head_fields f;
    bool fulfil = taking->record->type == RECORD_FULFIL;
    if (!step_head_decode(taking->record, &f) || taking->record->flags >= STATE_COUNT)
        return -EILSEQ;
    const char *type = fulfil                                   ? "fulfil"
                       : taking->record->type == RECORD_RESTOCK ? "restock"
                                                                : "cancel";
    struct history_hold *hold = hold_asked(taking, f.id, type);
    uint32_t count = f.fixed.step_count;
    taking->event.op = f.op;
    taking->event.time_ms = f.fixed.time_ms;
    if (taking->record->flags != STATE_NONE) /* the first version did not record it */
        taking->event.state = state_name((enum entry_state)taking->record->flags);
    if (!hold)
        return history_asks_id(taking->history, f.op) ? tell_op(taking, f.steps, count) : 0;
    int error = count > 0 ? settle_some(taking, hold, f.steps, count, fulfil)
                          : settle_all(taking, hold, fulfil);
    drop_if_settled(taking->history, hold);
    return error;
}

/* Nothing was left to do: told to a query for the op or its reservation. */
static int take_op(struct taking *taking)
{
    struct op_fields f;
    if (!op_decode(taking->record, &f) || taking->record->flags >= STATE_COUNT)
        return -EILSEQ;
    if (!history_asks_id(taking->history, f.id) && !history_asks_id(taking->history, f.op))
        return 0;
    taking->event.type = "repeat";
    taking->event.id = f.id;
    taking->event.op = f.op;
    taking->event.time_ms = f.fixed.time_ms;
    taking->event.state = state_name((enum entry_state)taking->record->flags);
    return history_tell(taking, &taking->event);
}

static int take_expire(struct taking *taking)
{
    struct expire_fields f;
    if (!expire_decode(taking->record, &f))
        return -EILSEQ;
    struct history_hold *hold = hold_asked(taking, f.id, "expire");
    taking->event.time_ms = f.fixed.time_ms;
    taking->event.state = state_name(STATE_EXPIRED);
    if (!hold)
        return 0;
    int error = settle_all(taking, hold, false);
    history_drop_hold(taking->history, hold);
    return error;
}

/* ---- which concern the query ---- */

static bool draws_from(const struct record_head *record, uint32_t item)
{
    struct reserve_fields f;
    if (!reserve_decode(record, &f))
        return true; /* history_take refuses it */
    for (uint32_t i = 0; i < f.fixed.draw_count; i++)
        if (f.draws[i].pool.item == item)
            return true;
    return false;
}

static bool sends_of(const struct record_head *record, uint32_t item)
{
    struct sent_fields f;
    if (!sent_decode(record, &f))
        return true;
    for (uint32_t i = 0; i < f.fixed.draw_count; i++)
        if (f.draws[i].pool.item == item)
            return true;
    return false;
}

static bool adds_of(const struct record_head *record, uint32_t item)
{
    struct redraw_fields f;
    struct reject_fields r;
    struct drawn added = { .at = NULL };
    if (record->type == RECORD_REJECT ? !reject_decode(record, &r) : !redraw_decode(record, &f))
        return true;
    if (record->type == RECORD_REJECT)
        added = (struct drawn){ .count = r.fixed.draw_count, .at = r.drawn };
    else
        added = (struct drawn){ .count = f.fixed.draw_count, .at = f.drawn };
    for (uint32_t i = 0; i < added.count; i++)
        if (added.at[i].pool.item == item)
            return true;
    return false;
}

bool history_order_of_others(const struct history *history, const struct record_head *record)
{
    uint32_t item = history->filter.item;
    assert(history->filter.subject == HISTORY_ITEM);
    switch (record->type) {
    case RECORD_RESERVE:
        return !draws_from(record, item);
    case RECORD_SENT:
        return !sends_of(record, item);
    case RECORD_AMEND:
    case RECORD_MOVE:
    case RECORD_SOURCED:
    case RECORD_REJECT:
        return history->holds.count == 0 && !adds_of(record, item);
    default:
        return history->holds.count == 0;
    }
}

int history_take_order(struct taking *taking)
{
    switch (taking->record->type) {
    case RECORD_RESERVE:
        return take_reserve(taking);
    case RECORD_SENT:
        return history_take_sent(taking);
    case RECORD_EXTEND:
        return take_extend(taking);
    case RECORD_CONFIRM:
        return take_confirm(taking);
    case RECORD_READY:
        return take_set_aside(taking);
    case RECORD_NOT_COLLECTED:
        return take_not_collected(taking);
    case RECORD_AMEND:
    case RECORD_MOVE:
    case RECORD_SOURCED:
        return take_redraw(taking);
    case RECORD_REJECT:
        return take_reject(taking);
    case RECORD_EXPIRE:
        return take_expire(taking);
    case RECORD_OP:
        return take_op(taking);
    default:
        return take_step(taking);
    }
}
