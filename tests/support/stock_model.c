/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: movements and questions. */
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
    m->locations[0] = (struct model_location){
        .known = true, .ships = true, .pickup = true, .active = true, .priority = 100
    };
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

void model_set_time(struct model *m, uint64_t now_ms)
{
    m->now_ms = now_ms;
}

bool model_let_expire(struct model *m, int id)
{
    struct model_id *x = model_find(m, id);
    if (x->use != USE_RESERVATION || strcmp(x->state, "held") != 0 || x->expires_ms > m->now_ms)
        return false;
    model_expire(m, x, 0);
    return true;
}

void model_pass(struct model *m, uint64_t now_ms)
{
    m->now_ms = now_ms;
    for (int i = 1; i <= m->id_count; i++) {
        struct model_id *x = &m->ids[i];
        model_let_expire(m, i);
        if (x->use == USE_RESERVATION && strcmp(x->state, "confirmed") == 0)
            model_leave_behind(m, x);
    }
    model_serve_changed(m);
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
    pool->unused = false;
    return true;
}

void model_forget_unused(struct model *m)
{
    for (int i = 0; i < MODEL_ITEMS; i++)
        for (int l = 0; l < MODEL_LOCATIONS; l++)
            for (int k = 0; k < MODEL_KINDS; k++) {
                struct model_pool *pool = &m->items[i].pools[l][k];
                if (!pool->unused)
                    continue;
                pool->made = pool->unused = false;
                m->pool_count--;
            }
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
    if (r->kind != ASK_SOLD)
        m->items[r->item].changed = true;
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
    if (!m->items[r->item].known)
        return;
    int64_t backlog = model_backlog(m, r->item);
    a->available = model_channel_available(m, r->channel, r->item);
    int64_t hidden = backlog < a->available ? backlog : a->available;
    if (model_would_serve(m, r->item))
        a->available -= hidden;
    else if (m->items[r->item].unsure)
        a->may_hide = hidden;
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
    a->backlog = model_backlog(m, r->item);
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
    case ASK_REJECT:
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
        model_set_location(m, r, engine_lsn, a);
        break;
    case ASK_SET_CHANNEL:
        model_set_channel(m, r, engine_lsn, a);
        break;
    case ASK_SET_STOCKING:
        model_set_stocking(m, r, a);
        break;
    default:
        model_set_item(m, r, engine_lsn, a);
        break;
    }
    model_serve_changed(m);
}
