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
    int64_t sign = qty < 0 ? -1 : 1; /* of what a reservation draws no longer */
    /* Only what has come can leave without the promise. */
    if (reserved == 0)
        return history_tell_pool(taking, on_hand == 0 && pool->expected > 0 ? own : &shared, qty);
    if (later != 0)
        error = history_tell_pool(taking, own, sign * (later > 0 ? later : -later));
    if (of_come != 0 && !error)
        error = history_tell_pool(taking, &shared, sign * (of_come > 0 ? of_come : -of_come));
    return error;
}

int history_move(struct taking *taking, const struct pool_key *key, int64_t on_hand,
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

int history_move_units(struct taking *taking, const struct pool_key *key, int64_t delta)
{
    return history_move(taking, key, delta, 0, delta_at_place(key->owner, delta));
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
    return history_move(taking, &shared, 0, 0, 0);
}

static int take_movement(struct taking *taking)
{
    static const char *const kinds[] = { NULL, "receive", "adjust", "count", "return" };
    struct movement_fields f;
    const struct movement_record *r = &f.fixed;
    struct history_event *event = &taking->event;
    unsigned kind = movement_kind_of(taking->record->flags);
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
    return history_change_pools(taking, &f);
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
    int error = history_move(taking, from, -qty, 0, -qty);
    return error ? error : history_move(taking, to, qty, 0, qty);
}

/* A promise is short: qty is what is missing to it. */
static int take_short(struct taking *taking)
{
    struct shortage_fields f;
    struct history_event *event = &taking->event;
    if (!shortage_decode(taking->record, &f))
        return -EILSEQ;
    bool asked =
        history_asks_pool(taking->history, &f.fixed.pool) || history_asks_id(taking->history, f.id);
    if (!asked || f.id.len == 0)
        return 0;
    event->type = "short";
    event->id = f.id;
    event->time_ms = f.fixed.time_ms;
    event->has_channel = f.fixed.channel != 0;
    event->channel = event->has_channel ? (uint16_t)(f.fixed.channel - 1) : 0;
    return history_move(taking, &f.fixed.pool, 0, 0, f.fixed.qty);
}

/* Most records do not match the filter: for an item, that is cheap to see. */
static bool concerns_others(const struct history *history, const struct record_head *record)
{
    struct movement_fields f;
    if (history->filter.subject != HISTORY_ITEM)
        return false;
    switch (record->type) {
    case RECORD_MOVEMENT:
    case RECORD_SHIFT:
        return movement_decode(record, &f) && f.fixed.pool.item != history->filter.item;
    case RECORD_SOLD:
        return history_sold_of_others(history, record);
    case RECORD_RESERVE:
    case RECORD_SENT:
    case RECORD_AMEND:
    case RECORD_MOVE:
    case RECORD_SOURCED:
    case RECORD_REJECT:
    case RECORD_EXTEND:
    case RECORD_CONFIRM:
    case RECORD_FULFIL:
    case RECORD_CANCEL:
    case RECORD_RESTOCK:
    case RECORD_READY:
    case RECORD_NOT_COLLECTED:
    case RECORD_EXPIRE:
        return history_order_of_others(history, record);
    default:
        return history_supply_of_others(history, record);
    }
}

static int take(struct taking *taking)
{
    switch ((enum record_type)taking->record->type) { /* no default: a new type must decide what it
                                                         tells */
    case RECORD_ITEM:
        return take_item(taking);
    case RECORD_STOCKING:
        return take_stocking(taking);
    case RECORD_MOVEMENT:
        return take_movement(taking);
    case RECORD_SOLD:
        return history_take_sold(taking);
    case RECORD_SHIFT:
        return history_take_shift(taking);
    case RECORD_ALLOT:
        return take_allot(taking);
    case RECORD_RESERVE:
    case RECORD_SENT:
    case RECORD_EXTEND:
    case RECORD_CONFIRM:
    case RECORD_READY:
    case RECORD_NOT_COLLECTED:
    case RECORD_AMEND:
    case RECORD_MOVE:
    case RECORD_SOURCED:
    case RECORD_REJECT:
    case RECORD_FULFIL:
    case RECORD_CANCEL:
    case RECORD_RESTOCK:
    case RECORD_EXPIRE:
    case RECORD_OP:
        return history_take_order(taking);
    case RECORD_SHORT:
        return take_short(taking);
    case RECORD_VOID: /* these move no stock */
    case RECORD_LOCATION:
    case RECORD_CHANNEL:
    case RECORD_CALENDAR:
    case RECORD_CLIENT:
    case RECORD_REFUSED:
    case RECORD_UNDONE:
    case RECORD_CROSSING:
        break;
    case RECORD_SUPPLY:
    case RECORD_SHIP:
    case RECORD_ARRIVE:
    case RECORD_WITHDRAW:
    case RECORD_RESCHEDULE:
    case RECORD_SWEEP:
    case RECORD_DUE:
        return history_take_supply(taking);
    }
    return 0;
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
    return take(&taking);
}
