/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: movements, settings and questions. */
#include "tests/support/stock_model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = (1 << 28) - 1 };

void model_init(struct model *m, const struct model_limits *limits, int max_ids, int max_moves)
{
    memset(m, 0, sizeof *m);
    m->limits = *limits;
    m->ids = calloc((size_t)max_ids + 1, sizeof *m->ids);
    m->moves = calloc((size_t)max_moves, sizeof *m->moves);
    m->max_ids = max_ids;
    m->locations[0] =
        (struct model_location){ .known = true, .ships = true, .active = true, .priority = 100 };
    m->channels[0] = (struct model_channel){ .known = true };
    m->location_count = 1;
}

void model_destroy(struct model *m)
{
    free(m->ids);
    free(m->moves);
}

bool model_id_fits(int id)
{
    return id != BAD_ID_EMPTY && id != BAD_ID_LONG;
}

bool model_state_final(const char *state)
{
    return strcmp(state, "fulfilled") == 0 || strcmp(state, "cancelled") == 0 ||
           strcmp(state, "expired") == 0;
}

bool model_same_lines(const struct request *a, const struct request *b)
{
    bool same = a->line_count == b->line_count;
    for (int i = 0; same && i < a->line_count; i++) {
        const struct request_line *x = &a->lines[i], *y = &b->lines[i];
        same =
            x->item == y->item && x->qty == y->qty && x->location == y->location && x->to == y->to;
    }
    return same;
}

struct model_id *model_find(struct model *m, int id)
{
    assert(id >= 1);
    assert(id <= m->max_ids);
    if (id > m->id_count)
        m->id_count = id;
    return &m->ids[id];
}

bool model_finished(const struct model *m, int id)
{
    if (id < 1 || id > m->id_count)
        return false;
    const struct model_id *x = &m->ids[id];
    return x->use == USE_MOVEMENT || x->use == USE_STEP ||
           (x->use == USE_RESERVATION && model_state_final(x->state));
}

void model_forget(struct model *m, int id)
{
    assert(model_finished(m, id));
    m->ids[id].forgotten = m->ids[id].use;
    m->ids[id].use = USE_NOTHING;
}

void model_recall(struct model *m, int id)
{
    struct model_id *x = model_find(m, id);
    if (x->use == USE_NOTHING)
        x->use = x->forgotten;
    x->forgotten = USE_NOTHING;
}

int model_live_slots(const struct model *m)
{
    int count = 0;
    for (int i = 1; i <= m->id_count; i++) {
        const struct model_id *x = &m->ids[i];
        if (x->use != USE_RESERVATION || model_state_final(x->state))
            continue;
        count += x->slots;
    }
    return count;
}

bool model_slots_left(const struct model *m, int wanted)
{
    if (m->limits.slots == 0)
        return true;
    return model_live_slots(m) + wanted <= m->limits.slots;
}

void model_moved(struct model *m, int item, int location, int kind, int64_t delta)
{
    m->moves[m->move_count++] = (struct model_move){ m->now_ms, item, location, kind, delta };
}

void model_pass(struct model *m, uint64_t now_ms)
{
    m->now_ms = now_ms;
    for (int i = 1; i <= m->id_count; i++) {
        struct model_id *x = &m->ids[i];
        if (x->use == USE_RESERVATION && strcmp(x->state, "held") == 0 && x->expires_ms <= now_ms)
            model_expire(m, x, 0);
        if (x->use == USE_RESERVATION && strcmp(x->state, "confirmed") == 0)
            model_leave_behind(m, x);
    }
}

/* ---- movements ---- */

static bool same_movement(const struct request *a, const struct request *b)
{
    return a->kind == b->kind && a->item == b->item && a->location == b->location &&
           a->qty == b->qty && a->ref == b->ref && a->returned == b->returned &&
           a->damaged == b->damaged && a->has_as_of == b->has_as_of && a->as_of_ms == b->as_of_ms &&
           a->channel == b->channel && a->has_if_on_hand == b->has_if_on_hand &&
           a->if_on_hand == b->if_on_hand && a->from_kind == b->from_kind &&
           a->to_kind == b->to_kind && a->shelf == b->shelf && model_same_lines(a, b);
}

static bool quantity_fits(const struct request *r)
{
    if (r->kind == ASK_ADJUST || r->kind == ASK_ALLOT)
        return r->qty != 0 && r->qty >= -MOST && r->qty <= MOST;
    if (r->kind == ASK_COUNT) /* what was set aside at another time is not known */
        return r->qty >= 0 && r->qty <= MOST && !(r->shelf && r->has_as_of);
    for (int i = 0; i < r->line_count; i++)
        if (r->lines[i].qty < 1 || r->lines[i].qty > MOST)
            return false;
    if (r->kind == ASK_SOLD)
        return r->line_count > 0;
    return r->qty >= 1 && r->qty <= MOST;
}

void model_sum_place(const struct model *m, int item, int location, int64_t *on_hand,
                     int64_t *reserved)
{
    *on_hand = *reserved = 0;
    *on_hand -= m->items[item].pools[location][MODEL_OWED].on_hand;
    for (int k = 0; k < MODEL_KINDS; k++) {
        const struct model_pool *pool = &m->items[item].pools[location][k];
        if (!model_sold_kind(k))
            continue;
        *on_hand += pool->on_hand;
        *reserved += pool->reserved;
    }
}

static int64_t wanted_delta(const struct model *m, const struct request *r)
{
    if (r->kind != ASK_COUNT)
        return r->qty;
    int64_t counted = r->qty, on_hand, reserved;
    for (int i = 0; r->has_as_of && i < m->move_count; i++) {
        const struct model_move *x = &m->moves[i];
        if (x->item == r->item && x->location == r->location && model_sold_kind(x->kind) &&
            x->time_ms > r->as_of_ms)
            counted += x->delta;
    }
    if (r->shelf)
        counted += model_aside(m, r->item, r->location);
    if (counted < 0)
        counted = 0;
    model_sum_place(m, r->item, r->location, &on_hand, &reserved);
    return counted - on_hand;
}

/* Checks the movement's item and pool; makes the item if the kind of movement does. */
static void make_item(struct model *m, struct model_item *item)
{
    m->item_count += !item->known;
    item->known = true;
}

static enum code find_movement(struct model *m, const struct request *r, struct model_pool **pool)
{
    if (r->location >= MODEL_LOCATIONS || !m->locations[r->location].known)
        return CODE_UNKNOWN_LOCATION;
    struct model_item *item = &m->items[r->item];
    bool makes = r->kind == ASK_RECEIVE || r->kind == ASK_COUNT;
    if (!item->known && !makes)
        return CODE_UNKNOWN_SKU;
    if (!item->known && r->has_if_on_hand && r->if_on_hand != 0)
        return CODE_STALE;
    if (!item->known && m->item_count == m->limits.items)
        return CODE_LIMIT;
    *pool = &item->pools[r->location][r->damaged ? MODEL_DAMAGED : MODEL_SHARED];
    return CODE_OK;
}

bool model_make_pool(struct model *m, struct model_pool *pool)
{
    if (!pool->made && m->pool_count == m->limits.pools)
        return false;
    if (!pool->made)
        pool->age = ++m->pool_count;
    pool->made = true;
    return true;
}

int model_fulfilled(const struct model *m, int id, int *item)
{
    for (; id > 0; id--)
        for (int i = 0; i < MODEL_ITEMS; i++)
            if (m->ids[id].fulfilled[i] > 0) {
                *item = i;
                return id;
            }
    return 0;
}

/* Never more of an item than the reservation was fulfilled with. */
static enum code check_returned(struct model *m, const struct request *r, struct answer *a)
{
    const struct model_id *x = model_find(m, r->returned);
    if (r->returned == r->id || !x->was_reservation)
        return CODE_UNKNOWN_RESERVATION;
    int64_t left = x->fulfilled[r->item] - x->returned[r->item];
    if (r->qty <= left)
        return CODE_OK;
    a->state = x->state;
    a->shorts[a->short_count++] = (struct answer_short){ r->item, r->qty, left };
    return CODE_WRONG_STATE;
}

static void note_count(struct model *m, const struct request *r)
{
    uint64_t *known = &m->items[r->item].counted_ms[r->location];
    uint64_t time_ms = r->has_as_of && r->as_of_ms < m->now_ms ? r->as_of_ms : m->now_ms;
    *known = time_ms > *known ? time_ms : *known;
}

static enum code move(struct model *m, const struct request *r, struct answer *a)
{
    int64_t *delta = &a->delta;
    struct answer_short *shortfall = &a->shorts[0];
    struct model_pool *pool;
    enum code code = find_movement(m, r, &pool);
    if (!code && r->returned)
        code = check_returned(m, r, a);
    if (code)
        return code;
    int64_t on_hand, reserved, there = model_sellable(m, r->item, r->location);
    model_sum_place(m, r->item, r->location, &on_hand, &reserved);
    if (r->has_if_on_hand && on_hand != r->if_on_hand)
        return CODE_STALE;
    *delta = wanted_delta(m, r);
    if (*delta < 0 && there + *delta < 0) {
        *shortfall = (struct answer_short){ r->item, -*delta, there };
        return CODE_INSUFFICIENT_STOCK;
    }
    bool makes = r->kind == ASK_COUNT || *delta > 0;
    int moves = m->move_count;
    if (makes && !model_make_pool(m, pool))
        return CODE_LIMIT;
    if (r->kind == ASK_COUNT)
        note_count(m, r);
    if (*delta > 0 && !r->damaged && !model_come(m, r->item, r->location, *delta))
        return CODE_LIMIT;
    if (r->damaged && pool->on_hand + *delta > MOST)
        return CODE_LIMIT;
    make_item(m, &m->items[r->item]); /* nothing refuses it any more */
    if (*delta < 0)
        model_lose(m, r->item, r->location, -1, -*delta, m->now_ms);
    if (r->damaged)
        pool->on_hand += *delta;
    if (r->kind == ASK_COUNT) /* it corrects what is booked, and moves nothing */
        m->move_count = moves;
    return CODE_OK;
}

static enum code allot(struct model *m, const struct request *r, struct answer_short *shortfall)
{
    if (!m->locations[r->location].known)
        return CODE_UNKNOWN_LOCATION;
    if (!m->channels[r->channel].known)
        return CODE_UNKNOWN_CHANNEL;
    if (!m->items[r->item].known)
        return CODE_UNKNOWN_SKU;
    struct model_pool *pools = m->items[r->item].pools[r->location];
    struct model_pool *own = &pools[MODEL_ALLOTTED + r->channel];
    struct model_pool *from = r->qty > 0 ? &pools[MODEL_SHARED] : own;
    struct model_pool *to = r->qty > 0 ? own : &pools[MODEL_SHARED];
    int64_t qty = r->qty > 0 ? r->qty : -r->qty, free = from->on_hand - from->reserved;
    if (free < qty) {
        *shortfall = (struct answer_short){ r->item, qty, free > 0 ? free : 0 };
        return CODE_INSUFFICIENT_STOCK;
    }
    if (!model_make_pool(m, to) || to->on_hand + qty > MOST)
        return CODE_LIMIT;
    from->on_hand -= qty;
    to->on_hand += qty;
    return CODE_OK;
}

static void ask_movement(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    a->code = CODE_BAD_REQUEST;
    if (!model_id_fits(r->id) || !quantity_fits(r))
        return;
    struct model_id *x = model_find(m, r->id);
    if (x->use != USE_NOTHING) {
        a->code = CODE_CONFLICT;
        if (x->use == USE_MOVEMENT && same_movement(&x->asked, r))
            *a = x->first;
        return;
    }
    a->code = CODE_LIMIT;
    if (!model_slots_left(m, 1))
        return;
    if (r->kind == ASK_ALLOT)
        a->code = allot(m, r, &a->shorts[0]);
    else if (r->kind == ASK_SOLD)
        a->code = model_sell(m, r, a);
    else if (r->kind == ASK_SHIFT)
        a->code = model_shift(m, r, a);
    else
        a->code = move(m, r, a);
    if (a->code == CODE_INSUFFICIENT_STOCK)
        a->short_count = 1;
    if (a->code) {
        a->delta = 0;
        return;
    }
    int64_t on_hand, reserved;
    model_sum_place(m, r->item, r->location, &on_hand, &reserved);
    if (r->kind != ASK_SOLD) {
        a->on_hand = on_hand;
        a->available = on_hand - reserved;
    }
    if (r->kind == ASK_ALLOT)
        a->on_hand = m->items[r->item].pools[r->location][MODEL_ALLOTTED + r->channel].on_hand;
    a->lsn = lsn;
    if (r->returned)
        model_find(m, r->returned)->returned[r->item] += r->qty;
    x->use = USE_MOVEMENT;
    x->asked = *r;
    x->first = *a;
}

/* ---- questions ---- */

static void ask_availability(const struct model *m, const struct request *r, struct answer *a)
{
    a->code = CODE_UNKNOWN_CHANNEL;
    if (r->channel >= MODEL_CHANNELS || !m->channels[r->channel].known)
        return;
    a->code = CODE_OK;
    a->available = -1;
    if (m->items[r->item].known)
        a->available = model_channel_available(m, r->channel, r->item);
}

static void ask_stock(const struct model *m, const struct request *r, struct answer *a)
{
    const struct model_item *item = &m->items[r->item];
    a->code = CODE_UNKNOWN_SKU;
    if (!item->known)
        return;
    a->code = CODE_OK;
    for (int l = 0; l < MODEL_LOCATIONS; l++) {
        for (int k = 0; k < MODEL_KINDS; k++) {
            int64_t there = item->pools[l][k].on_hand;
            a->pools[l][k].on_hand = k == MODEL_OWED ? -there : there;
            a->pools[l][k].reserved = item->pools[l][k].reserved;
        }
        int64_t on_hand, reserved;
        model_sum_place(m, r->item, l, &on_hand, &reserved);
        a->on_hand += on_hand;
        a->reserved += reserved;
        a->available += m->locations[l].active ? on_hand - reserved : 0;
    }
}

/* ---- settings ---- */

static void ask_set_location(struct model *m, const struct request *r, uint64_t lsn,
                             struct answer *a)
{
    struct model_location next = m->locations[r->location];
    if (!next.known)
        next = (struct model_location){
            .known = true, .ships = true, .active = true, .priority = 100, .age = m->location_count
        };
    if (r->has_priority)
        next.priority = r->priority;
    if (r->has_lead_time)
        next.lead_time_s = r->lead_time_s;
    if (r->has_safety)
        next.safety = r->safety;
    if (r->has_ships)
        next.ships = r->ships;
    if (r->has_active)
        next.active = r->active;
    if (r->has_groups)
        next.groups = r->groups;
    struct model_location *at = &m->locations[r->location];
    bool same = at->known && at->ships == next.ships && at->active == next.active &&
                at->priority == next.priority && at->lead_time_s == next.lead_time_s &&
                at->safety == next.safety && at->groups == next.groups;
    a->code = CODE_OK;
    a->lsn = at->lsn;
    if (same)
        return;
    if (!at->known)
        m->location_count++;
    *at = next;
    at->lsn = a->lsn = lsn;
}

static bool place_known(const struct model *m, int place)
{
    if (place < MODEL_LOCATIONS)
        return m->locations[place].known;
    for (int l = 0; l < MODEL_LOCATIONS; l++)
        if (m->locations[l].known && m->locations[l].groups >> (place - MODEL_LOCATIONS) & 1)
            return true;
    return false;
}

static bool same_channel(const struct model_channel *a, const struct model_channel *b)
{
    if (a->known != b->known || a->buffer != b->buffer || a->hold_ttl_ms != b->hold_ttl_ms ||
        a->sourcing != b->sourcing || a->ignore_safety != b->ignore_safety ||
        a->incoming != b->incoming || a->has_horizon != b->has_horizon ||
        a->horizon_s != b->horizon_s || a->place_count != b->place_count)
        return false;
    for (int i = 0; i < a->place_count; i++)
        if (a->places[i] != b->places[i])
            return false;
    return true;
}

static void ask_set_channel(struct model *m, const struct request *r, uint64_t lsn,
                            struct answer *a)
{
    struct model_channel next = m->channels[r->channel];
    next.known = true;
    if (r->has_buffer)
        next.buffer = r->buffer;
    if (r->has_hold)
        next.hold_ttl_ms = r->hold_ttl_ms;
    if (r->has_sourcing)
        next.sourcing = r->sourcing;
    if (r->has_ignore_safety)
        next.ignore_safety = r->ignore_safety;
    if (r->has_incoming)
        next.incoming = r->incoming;
    if (r->has_horizon) {
        next.has_horizon = true;
        next.horizon_s = r->horizon_s;
    }
    if (r->has_places) {
        next.place_count = r->place_count;
        memcpy(next.places, r->places, sizeof next.places);
    }
    a->code = CODE_UNKNOWN_LOCATION;
    for (int i = 0; r->has_places && i < r->place_count; i++)
        if (!place_known(m, r->places[i]))
            return;
    a->code = CODE_OK;
    a->lsn = m->channels[r->channel].lsn;
    if (same_channel(&m->channels[r->channel], &next))
        return;
    next.lsn = a->lsn = lsn;
    m->channels[r->channel] = next;
}

static void ask_set_item(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    struct model_item *item = &m->items[r->item];
    a->code = CODE_LIMIT;
    if (!item->known && m->item_count == m->limits.items)
        return;
    if (!item->known)
        m->item_count++;
    bool has = item->has_low_stock || r->has_low_stock;
    int low = r->has_low_stock ? r->low_stock : item->low_stock;
    bool has_safety = item->has_safety || r->has_safety;
    int safety = r->has_safety ? r->safety : item->safety;
    bool same = item->detailed && item->has_low_stock == has && item->low_stock == low &&
                item->has_safety == has_safety && item->safety == safety;
    item->known = item->detailed = true;
    item->has_safety = has_safety;
    item->safety = safety;
    item->has_low_stock = has;
    item->low_stock = low;
    if (!same)
        item->lsn = lsn;
    a->code = CODE_OK;
    a->lsn = item->lsn;
}

/* A stocking comes with the shared pool of its place. */
static void ask_set_stocking(struct model *m, const struct request *r, struct answer *a)
{
    struct model_item *item = &m->items[r->item];
    struct model_stocking *s = &item->stockings[r->location];
    struct model_stocking next = *s;
    a->code = CODE_UNKNOWN_SKU;
    if (!item->known)
        return;
    a->code = CODE_UNKNOWN_LOCATION;
    if (!m->locations[r->location].known)
        return;
    if (!s->set)
        next = (struct model_stocking){ .set = true, .safety = -1, .lead_time_s = -1 };
    if (r->has_stocked)
        next.not_stocked = !r->stocked;
    if (r->has_safety)
        next.safety = r->safety;
    if (r->has_lead_time)
        next.lead_time_s = r->lead_time_s;
    a->code = CODE_OK;
    if (!s->set && !next.not_stocked && next.safety < 0 && next.lead_time_s < 0)
        return; /* as it is anyway */
    a->code = CODE_LIMIT;
    if (!model_make_pool(m, &item->pools[r->location][MODEL_SHARED]))
        return;
    a->code = CODE_OK;
    *s = next;
}

void model_ask(struct model *m, const struct request *r, uint64_t engine_lsn, struct answer *a)
{
    memset(a, 0, sizeof *a);
    switch (r->kind) {
    case ASK_RECEIVE:
    case ASK_ADJUST:
    case ASK_COUNT:
    case ASK_RETURN:
    case ASK_ALLOT:
    case ASK_SOLD:
    case ASK_SHIFT:
        ask_movement(m, r, engine_lsn, a);
        break;
    case ASK_RESERVE:
        model_reserve(m, r, engine_lsn, a);
        break;
    case ASK_EXTEND:
        model_extend(m, r, engine_lsn, a);
        break;
    case ASK_CONFIRM:
        model_confirm(m, r, engine_lsn, a);
        break;
    case ASK_FULFIL:
    case ASK_CANCEL:
    case ASK_READY:
    case ASK_RESTOCK:
    case ASK_AMEND:
    case ASK_MOVE:
        model_step(m, r, engine_lsn, a);
        break;
    case ASK_RESERVATION:
        model_reservation(m, r, a);
        break;
    case ASK_AVAILABILITY:
        ask_availability(m, r, a);
        break;
    case ASK_STOCK:
        ask_stock(m, r, a);
        break;
    case ASK_SET_LOCATION:
        ask_set_location(m, r, engine_lsn, a);
        break;
    case ASK_SET_CHANNEL:
        ask_set_channel(m, r, engine_lsn, a);
        break;
    case ASK_SET_STOCKING:
        ask_set_stocking(m, r, a);
        break;
    default:
        ask_set_item(m, r, engine_lsn, a);
        break;
    }
}
