/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: sourcing. Where an order's units come from, by its channel's rule. */
#include <string.h>

#include "tests/support/stock_model.h"

/* An order being planned: what is left of each pool, and what each line gets. */
struct planning {
    const struct model *m;
    const struct model_demand *demand;
    const struct model_channel *channel;
    int own;                                       /* the kind of the channel's allotments */
    int64_t left[MODEL_ITEMS][MODEL_LOCATIONS][2]; /* of its allotment; of what is shared */
    int64_t got[MODEL_LINES][MODEL_DRAWS];         /* per line and draw, in the order of taking */
    bool used[MODEL_LOCATIONS];                    /* the order is sent from there anyway */
    int from[MODEL_LINES][MODEL_DRAWS], kind[MODEL_LINES][MODEL_DRAWS];
    int draws[MODEL_LINES];
};

/* Place in the channel's list by which it sells from there; -1: it does not. */
static int place_of(const struct model *m, const struct model_channel *c, int location)
{
    const struct model_location *l = &m->locations[location];
    if (!l->known || !l->active)
        return -1;
    if (c->place_count == 0)
        return 0;
    for (int i = 0; i < c->place_count; i++) {
        int place = c->places[i];
        if (place == location ||
            (place >= MODEL_LOCATIONS && (l->groups >> (place - MODEL_LOCATIONS) & 1)))
            return i;
    }
    return -1;
}

int64_t model_safety(const struct model *m, int item, int location)
{
    const struct model_item *i = &m->items[item];
    const struct model_stocking *s = &i->stockings[location];
    if (s->set && s->safety >= 0)
        return s->safety;
    return i->has_safety ? i->safety : m->locations[location].safety;
}

int model_lead_time_s(const struct model *m, int item, int location)
{
    const struct model_stocking *s = &m->items[item].stockings[location];
    return s->set && s->lead_time_s >= 0 ? s->lead_time_s : m->locations[location].lead_time_s;
}

static void plan_begin(struct planning *p, const struct model *m, const struct model_demand *demand)
{
    int channel = demand->channel;
    memset(p, 0, sizeof *p);
    p->m = m;
    p->demand = demand;
    p->channel = &m->channels[channel];
    p->own = MODEL_ALLOTTED + channel;
    for (int i = 0; i < MODEL_ITEMS; i++)
        for (int l = 0; l < MODEL_LOCATIONS; l++)
            for (int shared = 0; shared < 2; shared++) {
                const struct model_pool *pool =
                    &m->items[i].pools[l][shared ? MODEL_SHARED : p->own];
                int64_t stays = 0;
                if (shared && !p->channel->ignore_safety)
                    stays = model_safety(m, i, l);
                if (place_of(m, p->channel, l) >= 0 && !m->items[i].stockings[l].not_stocked &&
                    pool->on_hand - pool->reserved > stays)
                    p->left[i][l][shared] = pool->on_hand - pool->reserved - stays;
            }
}

static bool serves(const struct planning *p, int bound, int location)
{
    if (p->demand->excluded && p->demand->excluded[location])
        return false;
    if (bound == NOWHERE)
        return p->demand->pickup ? p->m->locations[location].pickup
                                 : p->m->locations[location].ships;
    return bound == location &&
           (!p->demand->pickup || p->demand->waits || p->m->locations[location].pickup);
}

static int64_t takeable(const struct planning *p, int item, int bound)
{
    int64_t total = 0, here = 0;
    for (int l = 0; l < MODEL_LOCATIONS; l++) {
        int64_t there = p->left[item][l][0] + p->left[item][l][1];
        total += there;
        if (serves(p, bound, l))
            here += there;
    }
    int64_t above = total - p->channel->buffer;
    if (above < 0)
        above = 0;
    return here < above ? here : above;
}

int64_t model_channel_available(const struct model *m, int channel, int item)
{
    struct planning p;
    struct model_demand demand = { .channel = channel };
    plan_begin(&p, m, &demand);
    return takeable(&p, item, NOWHERE);
}

static bool earlier(const struct planning *p, int a, int b)
{
    const struct model_location *x = &p->m->locations[a], *y = &p->m->locations[b];
    if (x->priority != y->priority)
        return x->priority < y->priority;
    int place_x = place_of(p->m, p->channel, a), place_y = place_of(p->m, p->channel, b);
    if (place_x != place_y)
        return place_x < place_y;
    return x->age < y->age;
}

static bool better(const struct planning *p, int item, int shared, int a, int b, int64_t wanted)
{
    int64_t x = p->left[item][a][shared], y = p->left[item][b][shared];
    if (p->channel->sourcing == 1) { /* fewest: what has it all, then the most of one */
        if ((x >= wanted) != (y >= wanted))
            return x >= wanted;
        if (x >= wanted && p->used[a] != p->used[b])
            return p->used[a];
        if (x < wanted && x != y)
            return x > y;
    }
    if (p->channel->sourcing == 3 && x != y) /* balance */
        return x > y;
    return earlier(p, a, b);
}

/* The channel's own allotments first, then what is shared. */
static void take_line(struct planning *p, int line, int item, int bound, int64_t wanted)
{
    while (wanted > 0) {
        int best = -1, shared = -1;
        while (best < 0) {
            shared++;
            for (int l = 0; l < MODEL_LOCATIONS; l++)
                if (serves(p, bound, l) && p->left[item][l][shared] > 0 &&
                    (best < 0 || better(p, item, shared, l, best, wanted)))
                    best = l;
        }
        int64_t *left = &p->left[item][best][shared];
        int64_t qty = *left < wanted ? *left : wanted;
        *left -= qty;
        p->used[best] = true;
        p->from[line][p->draws[line]] = best;
        p->kind[line][p->draws[line]] = shared ? MODEL_SHARED : p->own;
        p->got[line][p->draws[line]++] = qty;
        wanted -= qty;
    }
}

int model_bound_to(const struct request *r, int line)
{
    return r->lines[line].location != NOWHERE ? r->lines[line].location : r->at;
}

static int64_t wanted_freely(const struct request *r, int item)
{
    int64_t sum = 0;
    for (int i = 0; i < r->line_count; i++)
        if (model_bound_to(r, i) == NOWHERE && r->lines[i].item == item)
            sum += r->lines[i].qty;
    return sum;
}

/* Can all free lines be sent from there, and would as much of the channel's own be used? */
static bool fills_all(const struct planning *p, const struct request *r, int location)
{
    if (!serves(p, NOWHERE, location))
        return false;
    for (int i = 0; i < r->line_count; i++) {
        int item = r->lines[i].item;
        int64_t wanted = wanted_freely(r, item), own = 0;
        if (model_bound_to(r, i) != NOWHERE)
            continue;
        for (int l = 0; l < MODEL_LOCATIONS; l++)
            own += serves(p, NOWHERE, l) ? p->left[item][l][0] : 0;
        const int64_t *here = p->left[item][location];
        if (takeable(p, item, NOWHERE) < wanted || here[0] + here[1] < wanted ||
            here[0] < (own < wanted ? own : wanted))
            return false;
    }
    return true;
}

/* One parcel, if there is a place for it; rather one that something is sent from anyway. */
static void prefer_one_place(struct planning *p, const struct request *r)
{
    int best = -1, free = 0;
    for (int i = 0; i < r->line_count; i++)
        free += model_bound_to(r, i) == NOWHERE;
    for (int l = 0; l < MODEL_LOCATIONS; l++)
        if (fills_all(p, r, l) &&
            (best < 0 || (p->used[l] != p->used[best] ? p->used[l] : earlier(p, l, best))))
            best = l;
    if (best < 0 || free < 2 || p->channel->sourcing != 1)
        return;
    memset(p->used, 0, sizeof p->used);
    p->used[best] = true;
}

/* Lines that are bound to a place have no choice, so they choose first. */
static void plan_order(struct planning *p, const struct request *r, struct answer *a)
{
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            prefer_one_place(p, r);
        for (int i = 0; i < r->line_count; i++) {
            const struct request_line *line = &r->lines[i];
            int bound = model_bound_to(r, i);
            if ((bound == NOWHERE) != (pass == 1))
                continue;
            int64_t there = takeable(p, line->item, bound);
            int64_t takes = there >= line->qty ? line->qty : p->demand->partial ? there : 0;
            if (takes > 0)
                take_line(p, i, line->item, bound, takes);
            if (there < line->qty)
                a->shorts[a->short_count++] = (struct answer_short){ line->item, line->qty, there };
        }
    }
}

bool model_plan(const struct model *m, const struct model_demand *demand, const struct request *r,
                struct model_plan *plan, struct answer *a)
{
    struct planning p;
    plan_begin(&p, m, demand);
    a->short_count = 0;
    plan_order(&p, r, a);
    plan->count = 0;
    memset(plan->got, 0, sizeof plan->got);
    for (int i = 0; i < r->line_count; i++)
        for (int d = 0; d < p.draws[i]; d++) {
            int item = r->lines[i].item, from = p.from[i][d];
            plan->got[i] += p.got[i][d];
            plan->draws[plan->count++] = (struct answer_draw){
                .item = item,
                .location = from,
                .kind = p.kind[i][d],
                .qty = p.got[i][d],
                .ready_ms = m->now_ms + (uint64_t)model_lead_time_s(m, item, from) * 1000,
            };
        }
    if (demand->partial && (plan->count > 0 || demand->may_be_empty))
        a->short_count = 0;
    return a->short_count == 0;
}
