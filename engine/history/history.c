/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/history/history.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/history/history_inside.h"
#include "engine/store/id_table.h"
#include "engine/store/pool.h"

void history_open(struct history *history, const struct history_filter *filter)
{
    assert(filter->subject <= HISTORY_ID);
    assert(filter->id_len <= ID_MAX);
    *history = (struct history){ .filter = *filter };
}

void history_close(struct history *history)
{
    history_free_names(&history->holds);
    history_free_names(&history->supplies);
    free(history->pools);
    *history = (struct history){ 0 };
}

/* ---- events ---- */

/* Events come in one order, so their times never go back: neither with the wall clock, which is
 * checked against the batch's engine time (protocol/clock.h: within a second they count as one),
 * nor by the difference between two threads' iterations. */
static uint64_t tell_time(struct taking *taking, uint64_t time_ms)
{
    enum { ONE_CLOCK_MS = 1000 };
    struct history *history = taking->history;
    uint64_t batch_ms = taking->batch_ms;
    uint64_t apart = time_ms > batch_ms ? time_ms - batch_ms : batch_ms - time_ms;
    if (apart > ONE_CLOCK_MS)
        time_ms = batch_ms;
    if (time_ms > history->time_ms)
        history->time_ms = time_ms;
    assert(history->time_ms >= time_ms || apart > ONE_CLOCK_MS || time_ms == 0);
    return history->time_ms;
}

int history_tell(struct taking *taking, const struct history_event *event)
{
    struct history *history = taking->history;
    struct history_event told = *event;
    assert(told.type); /* every event says what it is */
    assert(!told.has_pool || (told.has_item && told.kind));
    told.time_ms = tell_time(taking, event->time_ms);
    history->concerned = true;
    return taking->emit ? taking->emit(taking->context, &told) : 0;
}

bool history_asks_id(const struct history *history, struct text id)
{
    return history->filter.subject == HISTORY_ID &&
           text_equal(id, (struct text){ history->filter.id, history->filter.id_len });
}

bool history_asks_pool(const struct history *history, const struct pool_key *key)
{
    return history->filter.subject == HISTORY_ALL ||
           (history->filter.subject == HISTORY_ITEM && history->filter.item == key->item);
}

int history_tell_pool(struct taking *taking, const struct pool_key *key, int64_t qty)
{
    struct history_event event = taking->event;
    event.has_item = event.has_pool = true;
    event.pool = *key;
    event.qty = qty;
    if (!event.kind)
        event.kind = pool_kind_name(owner_kind(key->owner));
    if (history_knows_pools(taking->history)) {
        struct history_shown shown;
        const struct history_pool *pool = history_pool_of(taking->history, key);
        if (!pool)
            return -ENOMEM;
        history_show_pool(pool, &shown);
        event.kind = shown.kind;
        event.on_hand = shown.on_hand;
        event.reserved = shown.reserved;
        event.has_stock = true;
    }
    if (owner_kind(key->owner) == POOL_ALLOTTED && !event.has_channel) {
        event.channel = owner_channel(key->owner);
        event.has_channel = true;
    }
    return history_tell(taking, &event);
}

/* A reservation of expected units changes two parts of what `stock` shows: units that have come,
 * which count as shared, and those that have not. Emits an event for each part that changes. A
 * query by id does not track pools; it assumes that units have come only once they are
 * fulfilled. */
static int change_promised(struct taking *taking, const struct pool_key *own, int64_t on_hand,
                           int64_t reserved, int64_t qty)
{
    struct history *history = taking->history;
    struct pool_key shared = history_shared(own->item, own->location);
    if (!history_knows_pools(history))
        return history_tell_pool(taking, on_hand ? &shared : own, qty);
    const struct history_pool *pool = history_pool_of(history, own);
    if (!pool)
        return -ENOMEM;
    int64_t promised = pool->reserved, of_come = pool->come_reserved;
    int error = history_change_pool(
        history, own, (struct history_change){ .on_hand = on_hand, .reserved = reserved });
    if (error)
        return error;
    pool = history_pool_of(history, own);
    of_come = pool->come_reserved - of_come;
    int64_t later = pool->reserved - promised - of_come;
    if (reserved == 0)
        return history_tell_pool(taking, pool->expected > 0 ? own : &shared, qty);
    if (later != 0)
        error = history_tell_pool(taking, own, later > 0 ? later : -later);
    if (of_come != 0 && !error)
        error = history_tell_pool(taking, &shared, of_come > 0 ? of_come : -of_come);
    return error;
}

/* Emits what happened to a pool. A query by id does not track pools. */
static int change(struct taking *taking, const struct pool_key *key, int64_t on_hand,
                  int64_t reserved, int64_t qty)
{
    struct history_change change = { .on_hand = on_hand, .reserved = reserved };
    if (owner_kind(key->owner) == POOL_EXPECTED)
        return change_promised(taking, key, on_hand, reserved, qty);
    int error = history_knows_pools(taking->history)
                    ? history_change_pool(taking->history, key, change)
                    : 0;
    return error ? error : history_tell_pool(taking, key, qty);
}

static int take_item(struct taking *taking)
{
    struct item_fields f;
    const struct history *history = taking->history;
    if (!item_decode(taking->record, &f))
        return -EILSEQ;
    bool asked = history->filter.subject == HISTORY_ALL ||
                 (history->filter.subject == HISTORY_ITEM && history->filter.item == f.fixed.item);
    if (!asked)
        return 0;
    taking->history->born = true;
    taking->event.type = f.fixed.detailed ? "item_set" : "item";
    taking->event.has_item = true;
    taking->event.pool.item = f.fixed.item;
    return history_tell(taking, &taking->event);
}

static int take_stocking(struct taking *taking)
{
    struct stocking_fields f;
    if (!stocking_decode(taking->record, &f))
        return -EILSEQ;
    struct pool_key shared = { f.fixed.item, f.fixed.location, owner_of(POOL_SHARED, 0) };
    if (!history_asks_pool(taking->history, &shared))
        return 0;
    taking->event.type = "stocking_set";
    taking->event.has_stocking = true;
    taking->event.stocking = (struct stocking){ .stocked = f.fixed.stocked,
                                                .safety = f.fixed.safety,
                                                .lead_time_s = f.fixed.lead_time_s };
    return change(taking, &shared, 0, 0, 0);
}

static int take_movement(struct taking *taking)
{
    static const char *const kinds[] = { NULL, "receive", "adjust", "count", "return" };
    struct movement_fields f;
    const struct movement_record *r = &f.fixed;
    struct history_event *event = &taking->event;
    unsigned kind = taking->record->flags;
    if (!movement_decode(taking->record, &f) || kind < MOVE_RECEIVE || kind > MOVE_RETURN)
        return -EILSEQ;
    bool returned = kind == MOVE_RETURN && history_asks_id(taking->history, f.ref);
    if (!history_asks_pool(taking->history, &r->pool) && !history_asks_id(taking->history, f.id) &&
        !returned)
        return 0;
    event->id = f.id;
    event->ref = f.ref;
    event->reason = f.reason;
    event->type = kinds[kind];
    event->time_ms = r->time_ms;
    int error = change(taking, &r->pool, r->delta, 0, r->delta);
    for (uint32_t i = 0; i < r->more_count && !error; i++) /* pools of the same item */
        error = change(taking, &f.more[i].pool, f.more[i].delta, 0, f.more[i].delta);
    return error;
}

/* Two events: one for the pool that the units leave, one for the pool that they go to. */
static int take_allot(struct taking *taking)
{
    struct allot_fields f;
    const struct allot_record *r = &f.fixed;
    struct history_event *event = &taking->event;
    if (!allot_decode(taking->record, &f) || owner_kind(r->pool.owner) != POOL_ALLOTTED)
        return -EILSEQ;
    if (!history_asks_pool(taking->history, &r->pool) && !history_asks_id(taking->history, f.id))
        return 0;
    struct pool_key shared = { r->pool.item, r->pool.location, owner_of(POOL_SHARED, 0) };
    const struct pool_key *from = r->delta > 0 ? &shared : &r->pool;
    const struct pool_key *to = r->delta > 0 ? &r->pool : &shared;
    int64_t qty = llabs(r->delta);
    event->id = f.id;
    event->type = "allot";
    event->time_ms = r->time_ms;
    event->channel = owner_channel(r->pool.owner);
    event->has_channel = true;
    int error = change(taking, from, -qty, 0, -qty);
    return error ? error : change(taking, to, qty, 0, qty);
}

static int take_reserve(struct taking *taking)
{
    struct reserve_fields f;
    const struct reserve_record *r = &f.fixed;
    struct history *history = taking->history;
    struct history_event *event = &taking->event;
    struct history_draw kept[DRAWS_MAX];
    uint32_t count = 0;
    if (!reserve_decode(taking->record, &f) || r->draw_count > DRAWS_MAX || f.id.len > ID_MAX)
        return -EILSEQ;
    bool asked = history_asks_id(history, f.id);
    for (uint16_t i = 0; i < r->draw_count; i++) {
        const struct draw_record *draw = &f.draws[i];
        if (asked || history_asks_pool(history, &draw->pool))
            kept[count++] = (struct history_draw){ draw->pool, i, draw->qty, draw->qty };
    }
    if (count == 0)
        return 0;
    if (history_set_hold(history, f.id, r->channel, kept, count) != 0)
        return -ENOMEM;
    event->id = f.id;
    event->type = "reserve";
    event->time_ms = r->created_ms;
    event->channel = r->channel;
    event->has_channel = true;
    event->state = state_name(r->ttl_ms ? STATE_HELD : STATE_CONFIRMED);
    event->expires_ms = r->ttl_ms ? r->created_ms + r->ttl_ms : 0;
    int error = 0;
    for (uint32_t i = 0; i < count && !error; i++)
        error = change(taking, &kept[i].pool, 0, kept[i].qty, kept[i].qty);
    return error;
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

/* Emits a step that changes no stock for every pool that has something left. */
static int tell_all(struct taking *taking, const struct history_hold *hold)
{
    int error = 0;
    for (uint32_t i = 0; i < hold->draw_count && !error; i++)
        if (hold->draws[i].left > 0)
            error = change(taking, &hold->draws[i].pool, 0, 0, hold->draws[i].left);
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
    return hold ? tell_all(taking, hold) : 0;
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
    return hold ? tell_all(taking, hold) : 0;
}

static int settle(struct taking *taking, struct history_draw *draw, uint32_t qty, bool fulfil)
{
    if (qty > draw->left)
        return -EILSEQ;
    draw->left -= qty;
    assert(draw->left <= draw->qty);
    return change(taking, &draw->pool, fulfil ? -(int64_t)qty : 0, -(int64_t)qty, qty);
}

static int settle_all(struct taking *taking, struct history_hold *hold, bool fulfil)
{
    int error = 0;
    for (uint32_t i = 0; i < hold->draw_count && !error; i++)
        if (hold->draws[i].left > 0)
            error = settle(taking, &hold->draws[i], hold->draws[i].left, fulfil);
    return error;
}

static int compare_index(const void *index, const void *draw)
{
    return (int)*(const uint16_t *)index - (int)((const struct history_draw *)draw)->index;
}

static int settle_some(struct taking *taking, struct history_hold *hold,
                       const struct step_record *steps, uint32_t count, bool fulfil)
{
    int error = 0;
    for (uint32_t s = 0; s < count && !error; s++) {
        uint16_t index = steps[s].draw;
        struct history_draw *draw =
            bsearch(&index, hold->draws, hold->draw_count, sizeof hold->draws[0], compare_index);
        if (draw) /* otherwise it is of another item */
            error = settle(taking, draw, steps[s].qty, fulfil);
    }
    return error;
}

static void drop_if_settled(struct history *history, struct history_hold *hold)
{
    uint64_t left = 0;
    for (uint32_t i = 0; i < hold->draw_count; i++)
        left += hold->draws[i].left;
    if (left == 0)
        history_drop_hold(history, hold);
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
    struct history_hold *hold = hold_asked(taking, f.id, fulfil ? "fulfil" : "cancel");
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

/* Most records do not match the filter: for an item, that is cheap to see. */
static bool concerns_others(const struct history *history, const struct record_head *record)
{
    struct movement_fields f;
    if (history->filter.subject != HISTORY_ITEM)
        return false;
    switch (record->type) {
    case RECORD_MOVEMENT:
        return movement_decode(record, &f) && f.fixed.pool.item != history->filter.item;
    case RECORD_RESERVE:
        return !draws_from(record, history->filter.item);
    case RECORD_EXTEND:
    case RECORD_CONFIRM:
    case RECORD_FULFIL:
    case RECORD_CANCEL:
    case RECORD_EXPIRE:
        return history->holds.count == 0;
    default:
        return history_supply_of_others(history, record);
    }
}

int history_take(struct history *history, const struct record_head *record, uint64_t lsn,
                 uint64_t time_ms, history_emit *to, void *context)
{
    assert(lsn > history->lsn); /* records come in the order of the log */
    assert(record->length >= sizeof *record);
    if (concerns_others(history, record)) {
        history->concerned = false;
        history->lsn = lsn;
        return 0;
    }
    struct taking taking = {
        .history = history,
        .record = record,
        .batch_ms = time_ms,
        .event = { .lsn = lsn,
                   .time_ms = time_ms,
                   .record = (enum record_type)record->type,
                   .client = record->client },
        .emit = to,
        .context = context,
    };
    history->concerned = false;
    history->lsn = lsn;
    switch ((enum record_type)record->type) { /* no default: a new type must decide what it tells */
    case RECORD_ITEM:
        return take_item(&taking);
    case RECORD_STOCKING:
        return take_stocking(&taking);
    case RECORD_MOVEMENT:
        return take_movement(&taking);
    case RECORD_ALLOT:
        return take_allot(&taking);
    case RECORD_RESERVE:
        return take_reserve(&taking);
    case RECORD_EXTEND:
        return take_extend(&taking);
    case RECORD_CONFIRM:
        return take_confirm(&taking);
    case RECORD_FULFIL:
    case RECORD_CANCEL:
        return take_step(&taking);
    case RECORD_EXPIRE:
        return take_expire(&taking);
    case RECORD_OP:
        return take_op(&taking);
    case RECORD_VOID: /* these move no stock */
    case RECORD_LOCATION:
    case RECORD_CHANNEL:
    case RECORD_CALENDAR:
    case RECORD_CLIENT:
    case RECORD_REFUSED:
    case RECORD_UNDONE:
        break;
    case RECORD_SUPPLY:
    case RECORD_SHIP:
    case RECORD_ARRIVE:
    case RECORD_WITHDRAW:
    case RECORD_RESCHEDULE:
    case RECORD_SWEEP:
    case RECORD_DUE:
        return history_take_supply(&taking);
    }
    return 0;
}
