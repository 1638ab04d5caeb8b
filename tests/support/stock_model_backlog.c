/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The naive model: backlogs. What orders promise before it is there, and whom what comes serves:
 * whoever was promised first, before anybody else gets anything.
 */
#include <assert.h>
#include <string.h>

#include "engine/ledger/ledger.h"
#include "tests/support/stock_model.h"

enum { WAITING = 4096 };

int64_t *model_reserved(struct model *m, const struct answer_draw *d)
{
    struct model_item *item = &m->items[d->item];
    return d->location == NOWHERE ? &item->awaited[d->kind - MODEL_AWAITED + 1]
                                  : &item->pools[d->location][d->kind].reserved;
}

int64_t model_backlog(const struct model *m, int item)
{
    int64_t sum = 0;
    for (int p = 0; p < 1 + MODEL_LOCATIONS; p++)
        sum += m->items[item].awaited[p];
    return sum;
}

void model_tell(struct model *m, enum model_event_type type, const struct model_id *x, int item,
                int location, int64_t qty)
{
    assert(m->event_count < MODEL_EVENTS);
    m->events[m->event_count++] =
        (struct model_event){ type, (int)(x - m->ids), x->channel, item, location, qty };
}

void model_unsure(struct model *m, int item)
{
    m->items[item].unsure = true;
}

void model_all_unsure(struct model *m)
{
    for (int i = 0; i < MODEL_ITEMS; i++)
        model_unsure(m, i);
}

/* ---- promises ---- */

static int64_t wanted_of(const struct request *r, int item)
{
    int64_t sum = 0;
    for (int i = 0; i < r->line_count; i++)
        sum += r->lines[i].item == item ? r->lines[i].qty : 0;
    return sum;
}

static int64_t planned_of(const struct model_plan *plan, int item)
{
    int64_t sum = 0;
    for (int d = 0; d < plan->count; d++)
        sum += plan->draws[d].item == item ? plan->draws[d].qty : 0;
    return sum;
}

static void await(struct model_plan *plan, int item, int place, int64_t qty)
{
    for (int d = 0; d < plan->count; d++) {
        struct answer_draw *draw = &plan->draws[d];
        if (draw->item == item && draw->location == NOWHERE &&
            draw->kind == MODEL_AWAITED + place) {
            draw->qty += qty;
            return;
        }
    }
    assert(plan->count < MODEL_DRAWS);
    plan->draws[plan->count++] = (struct answer_draw){ .item = item,
                                                       .location = NOWHERE,
                                                       .kind = MODEL_AWAITED + place,
                                                       .qty = qty,
                                                       .ready_ms = READY_NEVER };
}

/* Of several lines of one item that fall short, the last ones wait if there is not room for all. */
enum code model_plan_backlog(const struct model *m, const struct request *r, bool limited,
                             struct model_plan *plan, struct answer *a)
{
    int64_t lacking[MODEL_ITEMS] = { 0 };
    for (int i = 0; i < r->line_count; i++) {
        int item = r->lines[i].item;
        int64_t room = m->items[item].backorder_limit - model_backlog(m, item);
        room = room < 0 ? 0 : room;
        lacking[item] = wanted_of(r, item) - planned_of(plan, item);
        if (!limited || lacking[item] <= room)
            continue;
        lacking[item] = room;
        if (r->partial)
            continue;
        a->short_count = 1;
        a->shorts[0] =
            (struct answer_short){ item, wanted_of(r, item), planned_of(plan, item) + room };
        return CODE_INSUFFICIENT_STOCK;
    }
    for (int i = r->line_count - 1; i >= 0; i--) {
        int64_t *left = &lacking[r->lines[i].item];
        int64_t lacks = r->lines[i].qty - plan->got[i];
        int64_t qty = *left < lacks ? *left : lacks;
        if (qty > 0)
            await(plan, r->lines[i].item, model_bound_to(r, i), qty);
        *left -= qty;
    }
    if (plan->count > 0)
        return CODE_OK;
    a->short_count = 1;
    a->shorts[0] = (struct answer_short){ r->lines[0].item, wanted_of(r, r->lines[0].item), 0 };
    return CODE_INSUFFICIENT_STOCK;
}

/* ---- who is served ---- */

/* An order that waits for units of an item, from a place or (NOWHERE) from any. */
struct waiting {
    struct model_id *x;
    int place;
    int64_t left;
};

static int64_t left_awaited(const struct model_id *x, int item, int place)
{
    int64_t left = 0;
    for (int d = 0; d < x->draw_count; d++)
        if (x->draws[d].item == item && x->draws[d].location == NOWHERE &&
            x->draws[d].kind == MODEL_AWAITED + place)
            left += model_left(&x->draws[d]);
    return left;
}

/* The one that was promised first; of one order, what a place alone may serve, in the order of the
 * places' creation. */
static bool comes_first(const struct model *m, const struct waiting *a, const struct waiting *b)
{
    if (a->x != b->x)
        return a->x->lsn_first < b->x->lsn_first;
    if (a->place == NOWHERE || b->place == NOWHERE)
        return b->place == NOWHERE;
    return m->locations[a->place].age < m->locations[b->place].age;
}

static int list_waiting(const struct model *m, int item, struct waiting list[WAITING])
{
    int count = 0;
    for (int i = 1; i <= m->id_count; i++) {
        struct model_id *x = &m->ids[i];
        if (x->use != USE_RESERVATION || model_state_final(x->state) ||
            (strcmp(x->state, "held") == 0 && x->expires_ms <= m->now_ms))
            continue;
        for (int place = NOWHERE; place < MODEL_LOCATIONS; place++) {
            struct waiting w = { x, place, left_awaited(x, item, place) };
            int at = count;
            if (w.left == 0)
                continue;
            assert(count < WAITING);
            for (; at > 0 && comes_first(m, &w, &list[at - 1]); at--)
                list[at] = list[at - 1];
            list[at] = w;
            count++;
        }
    }
    return count;
}

/* What it would get now. */
static int64_t find_for(const struct model *m, const struct waiting *w, int item,
                        struct model_plan *plan)
{
    struct answer ignored = { .code = CODE_OK };
    struct request r = { .at = NOWHERE,
                         .line_count = 1,
                         .lines = { { .item = item, .location = w->place, .qty = w->left } } };
    struct model_demand demand = { .channel = w->x->channel,
                                   .pickup = w->x->collected,
                                   .waits = true,
                                   .excluded = w->x->rejected,
                                   .partial = true,
                                   .may_be_empty = true };
    model_plan(m, &demand, &r, plan, &ignored);
    return planned_of(plan, item);
}

static void serve(struct model *m, const struct waiting *w, int item, const struct model_plan *plan)
{
    int64_t found = planned_of(plan, item);
    for (int d = 0; d < w->x->draw_count; d++) {
        struct answer_draw *draw = &w->x->draws[d];
        if (draw->item != item || draw->location != NOWHERE ||
            draw->kind != MODEL_AWAITED + w->place)
            continue;
        int64_t qty = model_left(draw) < found ? model_left(draw) : found;
        draw->qty -= qty;
        *model_reserved(m, draw) -= qty;
        found -= qty;
    }
    assert(found == 0);
    model_draw(m, w->x, plan);
    for (int d = 0; d < plan->count; d++)
        model_tell(m, MODEL_SOURCED, w->x, item, plan->draws[d].location, plan->draws[d].qty);
    w->x->tracked = true;
    w->x->last_step = ASK_KINDS;
    w->x->lsn_last = 0; /* of no request */
}

/* True: somebody was served. */
static bool serve_item(struct model *m, int item)
{
    static struct waiting list[WAITING];
    struct model_plan plan;
    bool any = false;
    m->items[item].changed = m->items[item].unsure = false;
    int count = model_backlog(m, item) > 0 ? list_waiting(m, item, list) : 0;
    for (int i = 0; i < count; i++) {
        if (find_for(m, &list[i], item, &plan) == 0)
            continue;
        serve(m, &list[i], item, &plan);
        any = true;
    }
    return any;
}

bool model_would_serve(const struct model *m, int item)
{
    static struct waiting list[WAITING];
    struct model_plan plan;
    int count = model_backlog(m, item) > 0 ? list_waiting(m, item, list) : 0;
    for (int i = 0; i < count; i++)
        if (find_for(m, &list[i], item, &plan) > 0)
            return true;
    return false;
}

bool model_serve_before(struct model *m, const struct model_plan *plan)
{
    for (int d = 0; d < plan->count; d++)
        if (plan->draws[d].location != NOWHERE && serve_item(m, plan->draws[d].item))
            return true;
    return false;
}

void model_serve_changed(struct model *m)
{
    for (int i = 0; i < m->first_count; i++)
        if (m->items[m->first[i]].changed)
            serve_item(m, m->first[i]);
    for (int i = 0; i < MODEL_ITEMS; i++)
        if (m->items[i].changed)
            serve_item(m, i);
    m->first_count = 0;
}

void model_serve_all(struct model *m)
{
    for (int i = 0; i < MODEL_ITEMS; i++)
        m->items[i].changed = true;
    model_serve_changed(m);
}
