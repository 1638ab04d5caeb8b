/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/model_requests.h"

#include <string.h>

#include "engine/base/limits.h"
#include "engine/store/wheel.h"

enum { MOST = (1 << 28) - 1 };

static int pick_id(struct request_maker *maker)
{
    struct random *r = &maker->random;
    if (random_chance(r, 2))
        return random_chance(r, 50) ? BAD_ID_EMPTY : BAD_ID_LONG;
    if (maker->next_id > 1 && random_chance(r, 12)) {
        int back = random_between(r, 1, 40);
        return maker->next_id - back >= 1 ? maker->next_id - back : 1;
    }
    return maker->next_id++;
}

/* One of the latest orders, whatever became of it; 0: there is none yet. */
static int pick_known(struct request_maker *maker)
{
    int known = maker->order_count < ORDERS_REMEMBERED ? maker->order_count : ORDERS_REMEMBERED;
    return known == 0 ? 0 : maker->orders[random_below(&maker->random, known)];
}

static int pick_order(struct request_maker *maker)
{
    int known = random_chance(&maker->random, 4) ? 0 : pick_known(maker);
    return known ? known : pick_id(maker);
}

static int64_t pick_quantity(struct request_maker *maker, int usual)
{
    struct random *r = &maker->random;
    if (random_chance(r, 1))
        return random_chance(r, 50) ? MOST : MOST - random_below(r, 40);
    if (random_chance(r, 1))
        return random_chance(r, 50) ? 0 : (int64_t)MOST + 1;
    return random_between(r, 1, usual);
}

static uint64_t pick_ttl(struct request_maker *maker)
{
    struct random *r = &maker->random;
    if (random_chance(r, 2))
        return random_chance(r, 50) ? 0 : (uint64_t)UINT32_MAX + 1;
    if (random_chance(r, 10))
        return 1 + random_next(r) % UINT32_MAX;
    return (uint64_t)random_between(r, 1, random_chance(r, 50) ? 300 : 6000);
}

static void pick_movement(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    q->id = pick_id(maker);
    q->item = random_below(r, MODEL_ITEMS);
    q->location = random_chance(r, 60) ? random_below(r, 2) : random_below(r, MODEL_LOCATIONS);
    q->qty = pick_quantity(maker, 12);
    bool takes =
        q->kind == ASK_ADJUST ? random_chance(r, 60) : q->kind == ASK_ALLOT && random_chance(r, 35);
    if (takes)
        q->qty = -q->qty;
    if (q->kind == ASK_COUNT && random_chance(r, 20))
        q->qty = 0;
    if (q->kind == ASK_ALLOT)
        q->channel = random_below(r, random_chance(r, 70) ? 2 : MODEL_CHANNELS);
    else if (random_chance(r, 20))
        q->ref = random_between(r, 1, 30);
    q->damaged = q->kind == ASK_RETURN && random_chance(r, 30);
    if (q->kind == ASK_RETURN && random_chance(r, 70))
        q->returned = pick_known(maker);
    if (q->returned && random_chance(r, 80)) /* mostly one of which something was fulfilled */
        q->returned = model_fulfilled(maker->model, q->returned, &q->item);
    q->has_if_on_hand = (q->kind == ASK_COUNT || q->kind == ASK_ADJUST) && random_chance(r, 20);
    q->if_on_hand = q->has_if_on_hand ? random_between(r, -2, 8) : 0;
    q->has_as_of = q->kind == ASK_COUNT && random_chance(r, 50);
    if (q->has_as_of)
        q->as_of_ms = maker->wall_ms - (uint64_t)random_below(r, 2000);
    q->shelf = q->kind == ASK_COUNT && random_chance(r, q->has_as_of ? 3 : 60);
}

static void pick_lines(struct request_maker *maker, struct request *q, int fewest)
{
    struct random *r = &maker->random;
    q->line_count = random_between(r, fewest, random_chance(r, 60) ? 2 : 5);
    for (int i = 0; i < q->line_count; i++) {
        q->lines[i].item = random_below(r, MODEL_ITEMS);
        if (i > 0 && random_chance(r, 30))
            q->lines[i].item = q->lines[i - 1].item;
        q->lines[i].qty = pick_quantity(maker, 7);
        q->lines[i].location = NOWHERE;
    }
}

/* Often late, and then often before what was counted since. */
static void pick_sold(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    q->id = pick_id(maker);
    q->channel = random_below(r, MODEL_CHANNELS);
    q->location = random_chance(r, 60) ? random_below(r, 2) : random_below(r, MODEL_LOCATIONS);
    pick_lines(maker, q, random_chance(r, 2) ? 0 : 1);
    q->has_as_of = random_chance(r, 50);
    if (q->has_as_of)
        q->as_of_ms = maker->wall_ms - (uint64_t)random_below(r, 3000);
}

static void pick_shift(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    q->id = pick_id(maker);
    q->item = random_below(r, MODEL_ITEMS);
    q->location = random_chance(r, 60) ? random_below(r, 2) : random_below(r, MODEL_LOCATIONS);
    q->qty = pick_quantity(maker, 5);
    q->from_kind = random_chance(r, 60) ? MODEL_SHARED : random_below(r, MODEL_OWED);
    q->to_kind = (q->from_kind + random_between(r, 1, MODEL_OWED - 1)) % MODEL_OWED;
}

static void pick_reserve(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    q->id = pick_id(maker);
    q->channel = random_below(r, MODEL_CHANNELS);
    pick_lines(maker, q, random_chance(r, 2) ? 0 : 1);
    for (int i = 0; i < q->line_count; i++)
        if (random_chance(r, 20))
            q->lines[i].location = random_below(r, MODEL_LOCATIONS);
    q->at = random_chance(r, 12) ? random_below(r, MODEL_LOCATIONS) : NOWHERE;
    q->confirm = random_chance(r, 25);
    q->partial = random_chance(r, 15);
    q->backorder = maker->waits && random_chance(r, 50);
    q->has_ttl = random_chance(r, 60);
    if (q->has_ttl)
        q->ttl_ms = pick_ttl(maker);
    if (random_chance(r, 20))
        q->ref = random_between(r, 1, 30);
    if (q->id > 0)
        maker->orders[maker->order_count++ % ORDERS_REMEMBERED] = q->id;
}

/* A draw of the order, at random; NULL: it has none. */
static const struct answer_draw *pick_draw(struct request_maker *maker, int id)
{
    const struct model_id *x = id < 1 ? NULL : &maker->model->ids[id];
    if (!x || x->draw_count == 0)
        return NULL;
    return &x->draws[random_below(&maker->random, x->draw_count)];
}

/* Items of the order that the step is about, mostly, so that some of it fits. */
static void pick_step_lines(struct request_maker *maker, struct request *q, int fewest)
{
    struct random *r = &maker->random;
    pick_lines(maker, q, fewest);
    for (int i = 0; i < q->line_count; i++) {
        const struct answer_draw *d = pick_draw(maker, q->id);
        if (!d || random_chance(r, 10))
            continue;
        q->lines[i].item = d->item;
        q->lines[i].qty = random_between(r, 1, d->qty > 0 && d->qty < 8 ? (int)d->qty : 8);
        if (q->kind == ASK_MOVE)
            q->lines[i].location = d->location;
    }
}

static void pick_step(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    q->id = pick_order(maker);
    if (random_chance(r, 40))
        q->op = pick_id(maker);
    if (random_chance(r, 30)) {
        const struct answer_draw *d = pick_draw(maker, q->id);
        q->at = d && random_chance(r, 90) ? d->location : random_below(r, MODEL_LOCATIONS);
    }
    if (random_chance(r, 60))
        pick_step_lines(maker, q, 1);
}

/* The latest order that is confirmed, or any. */
static int pick_confirmed(struct request_maker *maker)
{
    int id = 0;
    for (int i = 0; i < 8; i++) {
        id = pick_order(maker);
        if (id > 0 && maker->model->ids[id].state &&
            strcmp(maker->model->ids[id].state, "confirmed") == 0)
            break;
    }
    return id;
}

/* Times at which a wheel turns, so that nobody has to look whether it has turned already. */
static void pick_part(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    q->id = pick_confirmed(maker);
    if (random_chance(r, 40))
        q->op = pick_id(maker);
    const struct answer_draw *d = pick_draw(maker, q->id);
    q->location = d && d->location != NOWHERE && random_chance(r, 95)
                      ? d->location
                      : random_below(r, MODEL_LOCATIONS);
    q->has_collect_by = q->kind == ASK_READY && random_chance(r, 70);
    if (!q->has_collect_by)
        return;
    uint64_t ticks = (uint64_t)random_between(r, 0, random_chance(r, 60) ? 20 : 400);
    q->collect_by_ms = (maker->wall_ms / WHEEL_TICK_MS + ticks) * WHEEL_TICK_MS;
}

/* An order that has been redrawn often is left alone: the model keeps a limited number of draws. Of
 * what waits, or what is rejected, each unit may become a draw. */
static bool redrawn_enough(const struct request_maker *maker, const struct request *q)
{
    if ((q->kind != ASK_AMEND && q->kind != ASK_MOVE && q->kind != ASK_REJECT) || q->id <= 0)
        return false;
    const struct model_id *x = &maker->model->ids[q->id];
    int64_t draws = x->draw_count;
    for (int d = 0; d < x->draw_count; d++)
        if (x->draws[d].location == NOWHERE || q->kind == ASK_REJECT)
            draws += model_left(&x->draws[d]);
    return draws > MODEL_DRAWS / 2;
}

static void pick_reject(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    q->id = pick_confirmed(maker);
    if (random_chance(r, 40))
        q->op = pick_id(maker);
    if (redrawn_enough(maker, q))
        q->kind = ASK_CANCEL;
    const struct answer_draw *d = pick_draw(maker, q->id);
    bool known = d && d->location != NOWHERE && random_chance(r, 95);
    int place = known ? d->location : random_below(r, MODEL_LOCATIONS);
    if (random_chance(r, 40)) {
        pick_step_lines(maker, q, 1);
        if (known && random_chance(r, 80)) {
            q->line_count = 1;
            q->lines[0].item = d->item;
        }
    }
    if (q->kind == ASK_CANCEL)
        return;
    q->location = place;
    q->reason = random_below(r, 3);
    q->cancels = !maker->waits || random_chance(r, 30);
}

static void pick_redraw(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    q->id = random_chance(r, 50) ? pick_confirmed(maker) : pick_order(maker);
    if (random_chance(r, 40))
        q->op = pick_id(maker);
    if (redrawn_enough(maker, q))
        q->kind = ASK_CANCEL;
    pick_step_lines(maker, q, random_chance(r, 2) ? 0 : 1);
    for (int i = 0; i < q->line_count; i++) {
        struct request_line *line = &q->lines[i];
        if (q->kind == ASK_AMEND && random_chance(r, 25))
            line->location = random_below(r, MODEL_LOCATIONS);
        if (q->kind != ASK_MOVE)
            continue;
        if (line->location == NOWHERE)
            line->location = random_below(r, MODEL_LOCATIONS);
        line->to = random_below(r, MODEL_LOCATIONS);
        if (line->to == line->location && random_chance(r, 90))
            line->to = (line->to + 1) % MODEL_LOCATIONS;
    }
}

static void pick_location_setting(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    q->location = random_below(r, MODEL_LOCATIONS);
    q->has_priority = random_chance(r, 50);
    q->has_lead_time = random_chance(r, 30);
    q->has_ships = random_chance(r, 30);
    q->has_pickup = random_chance(r, 20);
    q->has_active = random_chance(r, 30);
    q->has_groups = random_chance(r, 40);
    q->priority = q->has_priority ? random_between(r, -1, 2) : 0;
    q->lead_time_s = q->has_lead_time ? random_below(r, 5) : 0;
    q->has_safety = random_chance(r, 20);
    q->safety = q->has_safety && random_chance(r, 50) ? random_below(r, 4) : 0;
    q->ships = q->has_ships && random_chance(r, 75);
    q->pickup = q->has_pickup && random_chance(r, 60);
    q->active = q->has_active && random_chance(r, 75);
    q->groups = q->has_groups ? (unsigned)random_below(r, 1 << MODEL_GROUPS) : 0;
}

static void pick_channel_setting(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    q->channel = random_below(r, MODEL_CHANNELS);
    q->has_buffer = random_chance(r, 30);
    q->has_hold = random_chance(r, 30);
    q->has_sourcing = random_chance(r, 40);
    q->has_places = random_chance(r, 40);
    q->has_ignore_safety = random_chance(r, 20);
    q->ignore_safety = q->has_ignore_safety && random_chance(r, 50);
    q->has_incoming = random_chance(r, 20);
    q->incoming = q->has_incoming && random_chance(r, 50);
    q->has_horizon = random_chance(r, 20);
    q->horizon_s = q->has_horizon ? random_below(r, 3) : 0;
    q->buffer = q->has_buffer ? random_below(r, 6) : 0;
    q->hold_ttl_ms = q->has_hold ? random_between(r, 1, 5000) : 0;
    q->sourcing = q->has_sourcing ? random_below(r, 4) : 0;
    if (q->has_places && random_chance(r, 80))
        for (int i = random_between(r, 1, 4); i > 0; i--)
            q->places[q->place_count++] = random_below(r, MODEL_PLACES);
}

static void pick_stocking(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    q->location = random_below(r, MODEL_LOCATIONS);
    q->has_stocked = random_chance(r, 40);
    q->has_safety = random_chance(r, 50);
    q->has_lead_time = random_chance(r, 30);
    q->stocked = q->has_stocked && random_chance(r, 60);
    q->safety = q->has_safety ? random_below(r, 5) : 0;
    q->lead_time_s = q->has_lead_time ? random_below(r, 5) : 0;
}

static enum request_kind pick_kind(struct random *r)
{
    static const struct {
        enum request_kind kind;
        int weight;
    } mix[] = { { ASK_RECEIVE, 14 },     { ASK_ADJUST, 5 },       { ASK_COUNT, 5 },
                { ASK_RETURN, 4 },       { ASK_RESERVE, 26 },     { ASK_EXTEND, 5 },
                { ASK_CONFIRM, 9 },      { ASK_FULFIL, 9 },       { ASK_CANCEL, 9 },
                { ASK_RESERVATION, 3 },  { ASK_AVAILABILITY, 3 }, { ASK_STOCK, 2 },
                { ASK_SET_LOCATION, 3 }, { ASK_SET_CHANNEL, 3 },  { ASK_SET_ITEM, 5 },
                { ASK_ALLOT, 8 },        { ASK_SET_STOCKING, 3 }, { ASK_SOLD, 10 },
                { ASK_SHIFT, 5 },        { ASK_READY, 9 },        { ASK_RESTOCK, 5 },
                { ASK_AMEND, 10 },       { ASK_MOVE, 6 },         { ASK_REJECT, 10 } };
    int at = random_below(r, 171);
    unsigned i = 0;
    for (; at >= mix[i].weight; i++)
        at -= mix[i].weight;
    return mix[i].kind;
}

void pick_request(struct request_maker *maker, struct request *q)
{
    struct random *r = &maker->random;
    memset(q, 0, sizeof *q);
    if (maker->past_count > 0 && random_chance(r, 8)) { /* the very same again */
        int back = random_between(r, 1, random_chance(r, 80) ? 30 : 1000);
        *q = maker->past[back < maker->past_count ? maker->past_count - back : 0];
        if ((q->kind == ASK_RESERVE || q->kind <= ASK_RETURN) && random_chance(r, 10))
            q->ref = random_between(r, 0, 30); /* or nearly */
        if (!redrawn_enough(maker, q))
            return;
        memset(q, 0, sizeof *q);
    }
    q->kind = pick_kind(r);
    q->at = NOWHERE;
    if (q->kind <= ASK_ALLOT)
        pick_movement(maker, q);
    else if (q->kind == ASK_SOLD)
        pick_sold(maker, q);
    else if (q->kind == ASK_SHIFT)
        pick_shift(maker, q);
    else if (q->kind == ASK_RESERVE)
        pick_reserve(maker, q);
    else if (q->kind == ASK_FULFIL || q->kind == ASK_CANCEL)
        pick_step(maker, q);
    else if (q->kind == ASK_READY || q->kind == ASK_RESTOCK)
        pick_part(maker, q);
    else if (q->kind == ASK_AMEND || q->kind == ASK_MOVE)
        pick_redraw(maker, q);
    else if (q->kind == ASK_REJECT)
        pick_reject(maker, q);
    else if (q->kind == ASK_SET_LOCATION)
        pick_location_setting(maker, q);
    else if (q->kind == ASK_SET_CHANNEL)
        pick_channel_setting(maker, q);
    else if (q->kind == ASK_SET_STOCKING)
        pick_stocking(maker, q);
    else if (q->kind <= ASK_RESERVATION)
        q->id = pick_order(maker);
    q->item = q->kind >= ASK_AVAILABILITY ? random_below(r, MODEL_ITEMS) : q->item;
    if (q->kind == ASK_AVAILABILITY)
        q->channel = random_below(r, MODEL_CHANNELS);
    if (q->kind == ASK_CONFIRM && random_chance(r, 50))
        q->ref = random_between(r, 1, 30);
    if (q->kind == ASK_EXTEND)
        q->ttl_ms = pick_ttl(maker);
    if (q->kind == ASK_SET_ITEM) {
        q->has_low_stock = random_chance(r, 50);
        q->has_safety = random_chance(r, 30);
        q->safety = q->has_safety ? random_below(r, 4) : 0;
        q->low_stock = q->has_low_stock ? random_below(r, 3) : 0;
        q->has_backorder_limit = random_chance(r, 60);
        q->backorder_limit = q->has_backorder_limit ? random_below(r, 13) : 0;
    }
}
