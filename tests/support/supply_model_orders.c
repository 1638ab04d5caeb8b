/* SPDX-License-Identifier: Apache-2.0 */
/* The model's reservations: where they draw from, and what becomes of that. */
#include "tests/support/supply_model.h"

#include <assert.h>
#include <string.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- what a channel may take ---- */

/* While an order is planned: what each place, and each supply, has left for the channel. */
struct left {
    int64_t own[DEPOT_PLACES], loose[DEPOT_PLACES], way[DEPOT_IDS + 1];
};

static int64_t loose_of(const struct depot *d, const struct depot_channel *c, int item, int place)
{
    int64_t safety = c->ignore_safety ? 0 : d->safety[item][place];
    int64_t free = d->stock[item][place].loose - depot_loose_promised(d, item, place) - safety;
    return free > 0 ? free : 0;
}

static int64_t way_of(const struct depot *d, const struct depot_channel *c, int item, int supply)
{
    const struct depot_line *line = depot_line_of((struct depot *)d, supply, item);
    uint64_t eta_ms = d->ids[supply].eta_ms;
    if (!line || !c->incoming || !c->sells[d->ids[supply].to] || eta_ms <= d->now_ms)
        return 0;
    if (c->horizon_s >= 0 && eta_ms > d->now_ms + (uint64_t)c->horizon_s * 1000)
        return 0;
    int64_t free = line->kept + line->way - depot_line_promised(d, supply, item);
    return free > 0 ? free : 0;
}

static void look(const struct depot *d, int channel, int item, struct left *left)
{
    const struct depot_channel *c = &d->channels[channel];
    memset(left, 0, sizeof *left);
    for (int place = 0; place < DEPOT_PLACES; place++) {
        const struct depot_stock *s = &d->stock[item][place];
        if (!c->sells[place])
            continue;
        left->loose[place] = loose_of(d, c, item, place);
        if (channel == DEPOT_OWNER && s->own > s->own_reserved)
            left->own[place] = s->own - s->own_reserved;
    }
    for (int id = 1; id <= d->last_id; id++)
        left->way[id] = way_of(d, c, item, id);
}

/* In all, or at one place. */
static int64_t sum_of(const struct depot *d, const struct left *left, int at)
{
    int64_t sum = 0;
    for (int place = 0; place < DEPOT_PLACES; place++)
        if (at == NO_PLACE || at == place)
            sum += left->own[place] + left->loose[place];
    for (int id = 1; id <= d->last_id; id++)
        if (at == NO_PLACE || at == d->ids[id].to)
            sum += left->way[id];
    return sum;
}

/* What a line that is bound to the place may take, or one that is not. */
static int64_t takeable(const struct depot *d, int channel, const struct left *left, int at)
{
    int64_t above = sum_of(d, left, NO_PLACE) - d->channels[channel].buffer;
    return least(sum_of(d, left, at), above > 0 ? above : 0);
}

int64_t depot_available(const struct depot *d, int channel, int item)
{
    struct left left;
    look(d, channel, item, &left);
    return takeable(d, channel, &left, NO_PLACE);
}

/* ---- planning ---- */

static void draw(struct depot_answer *plan, int item, int place, int from, int64_t qty)
{
    assert(plan->draw_count < DEPOT_DRAWS);
    plan->draws[plan->draw_count++] =
        (struct depot_draw){ .item = item, .place = place, .from = from, .qty = qty };
}

/* Places are in the order of their priority. */
static void draw_from_places(struct depot_answer *plan, int item, int at, int from, int64_t *left,
                             int64_t *wanted)
{
    for (int place = 0; place < DEPOT_PLACES; place++) {
        int64_t qty = least(left[place], *wanted);
        if (qty == 0 || (at != NO_PLACE && at != place))
            continue;
        draw(plan, item, place, from, qty);
        left[place] -= qty;
        *wanted -= qty;
    }
}

/* The earliest first. */
static void draw_from_supplies(const struct depot *d, struct depot_answer *plan, int item, int at,
                               int64_t *left, int64_t *wanted)
{
    while (*wanted > 0) {
        int best = 0;
        for (int id = 1; id <= d->last_id; id++)
            if (left[id] > 0 && (at == NO_PLACE || at == d->ids[id].to) &&
                (best == 0 || d->ids[id].eta_ms < d->ids[best].eta_ms))
                best = id;
        if (best == 0)
            return;
        int64_t qty = least(left[best], *wanted);
        draw(plan, item, d->ids[best].to, best, qty);
        left[best] -= qty;
        *wanted -= qty;
    }
}

/* First what is there, then what is elsewhere and is sent, and last what is expected there. */
static bool draw_sent(const struct depot *d, const struct depot_request *r,
                      const struct depot_asked_line *line, struct left *left,
                      struct depot_answer *plan)
{
    int at = r->at - 1;
    int64_t wanted = line->qty, sum = sum_of(d, left, at);
    int64_t above = sum_of(d, left, NO_PLACE) - d->channels[r->channel].buffer;
    struct left elsewhere = *left;
    elsewhere.own[at] = elsewhere.loose[at] = 0;
    for (int place = 0; place < DEPOT_PLACES; place++)
        sum += elsewhere.own[place] + elsewhere.loose[place];
    if (!d->channels[r->channel].sells[at] || least(sum, above) < wanted)
        return false;
    draw_from_places(plan, line->item, at, FROM_OWN, left->own, &wanted);
    draw_from_places(plan, line->item, at, FROM_LOOSE, left->loose, &wanted);
    draw_from_places(plan, line->item, NO_PLACE, FROM_OWN, left->own, &wanted);
    draw_from_places(plan, line->item, NO_PLACE, FROM_LOOSE, left->loose, &wanted);
    draw_from_supplies(d, plan, line->item, at, left->way, &wanted);
    assert(wanted == 0);
    return true;
}

static bool draw_line(const struct depot *d, int channel, const struct depot_asked_line *line,
                      struct left *left, struct depot_answer *plan)
{
    int64_t wanted = line->qty;
    if (takeable(d, channel, left, line->place) < wanted)
        return false;
    draw_from_places(plan, line->item, line->place, FROM_OWN, left->own, &wanted);
    draw_from_places(plan, line->item, line->place, FROM_LOOSE, left->loose, &wanted);
    draw_from_supplies(d, plan, line->item, line->place, left->way, &wanted);
    assert(wanted == 0);
    return true;
}

/* Lines that are bound to a place are planned first. */
static bool plan(const struct depot *d, const struct depot_request *r, struct depot_answer *all)
{
    static struct left left[DEPOT_ITEMS];
    static struct depot_answer of_line[DEPOT_LINES];
    for (int item = 0; item < DEPOT_ITEMS; item++)
        look(d, r->channel, item, &left[item]);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < r->line_count; i++) {
            const struct depot_asked_line *line = &r->lines[i];
            if ((line->place == NO_PLACE || r->at) != pass)
                continue;
            of_line[i].draw_count = 0;
            if (r->at ? !draw_sent(d, r, line, &left[line->item], &of_line[i])
                      : !draw_line(d, r->channel, line, &left[line->item], &of_line[i]))
                return false;
        }
    for (int i = 0; i < r->line_count; i++)
        for (int j = 0; j < of_line[i].draw_count; j++)
            all->draws[all->draw_count++] = of_line[i].draws[j];
    return true;
}

/* ---- reserve ---- */

static uint64_t ready_ms(const struct depot *d, const struct depot_draw *draw)
{
    uint64_t from = draw->from > 0 ? d->ids[draw->from].eta_ms : 0;
    from = from > d->now_ms ? from : d->now_ms;
    return from + (uint64_t)d->lead_time_s[draw->place] * 1000;
}

void depot_reserve(struct depot *d, const struct depot_request *r, struct depot_id *x,
                   struct depot_answer *a)
{
    struct depot_answer planned = { .draw_count = 0 };
    for (int i = 0; i < r->line_count; i++)
        if (!d->known[r->lines[i].item]) {
            depot_refuse(a, CODE_UNKNOWN_SKU, NULL);
            return;
        }
    if (!plan(d, r, &planned)) {
        depot_refuse(a, CODE_INSUFFICIENT_STOCK, NULL);
        return;
    }
    enum code code = r->at ? depot_send(d, r, &planned) : CODE_OK;
    if (code) {
        depot_refuse(a, code, NULL);
        return;
    }
    x->use = USED_RESERVATION;
    x->state = r->confirm ? "confirmed" : "held";
    x->expires_ms = d->now_ms + r->ttl_ms;
    x->number = ++d->promises;
    x->draw_count = planned.draw_count;
    for (int i = 0; i < planned.draw_count; i++) {
        struct depot_draw *draw = &planned.draws[i];
        draw->promised_ms = draw->ready_ms = ready_ms(d, draw);
        if (draw->from == FROM_OWN)
            d->stock[draw->item][draw->place].own_reserved += draw->qty;
    }
    memcpy(x->draws, planned.draws, sizeof x->draws);
    depot_view(x, a);
}

/* ---- the path ---- */

void depot_confirm(struct depot *d, const struct depot_request *r, struct depot_answer *a)
{
    struct depot_id *x = &d->ids[r->id];
    if (x->use != USED_RESERVATION) {
        depot_refuse(a, CODE_UNKNOWN_RESERVATION, NULL);
        return;
    }
    if (strcmp(x->state, "held") != 0 && strcmp(x->state, "confirmed") != 0) {
        depot_refuse(a, CODE_WRONG_STATE, x->state);
        return;
    }
    x->state = "confirmed";
    depot_view(x, a);
}

static void cancel(struct depot *d, struct depot_draw *draw, int64_t qty)
{
    draw->cancelled += qty;
    if (draw->from == FROM_OWN)
        d->stock[draw->item][draw->place].own_reserved -= qty;
}

static void fulfil(struct depot *d, struct depot_draw *draw, int64_t qty)
{
    struct depot_stock *s = &d->stock[draw->item][draw->place];
    if (qty > 0)
        draw->handed_ms = draw->ready_ms;
    draw->fulfilled += qty;
    d->tally[draw->item][draw->place] -= qty;
    if (draw->from > 0)
        depot_line_of(d, draw->from, draw->item)->kept -= qty;
    else if (draw->from == FROM_LOOSE)
        s->loose -= qty;
    else
        s->own -= qty;
    if (draw->from == FROM_OWN)
        s->own_reserved -= qty;
}

static bool is_due(const struct depot *d, const struct depot_id *x)
{
    return x->use == USED_RESERVATION && strcmp(x->state, "held") == 0 &&
           x->expires_ms <= d->now_ms;
}

bool depot_expire(struct depot *d, int id)
{
    struct depot_id *x = &d->ids[id];
    if (!is_due(d, x))
        return false;
    x->state = "expired";
    x->last = DO_RESERVE;
    for (int i = 0; i < x->draw_count; i++)
        cancel(d, &x->draws[i], draw_open(&x->draws[i]));
    return true;
}

int depot_overdue(const struct depot *d)
{
    for (int id = 1; id <= d->last_id; id++)
        if (is_due(d, &d->ids[id]))
            return id;
    return 0;
}

/* ---- fulfil and cancel ---- */

/* Units that the place has for that draw's promises; from a supply: once those who were promised
 * earlier have theirs. */
int64_t depot_there_for(const struct depot *d, const struct depot_id *x,
                        const struct depot_draw *draw)
{
    if (draw->from == FROM_OWN)
        return d->stock[draw->item][draw->place].own;
    if (draw->from == FROM_LOOSE)
        return d->stock[draw->item][draw->place].loose;
    int64_t there = depot_line_of((struct depot *)d, draw->from, draw->item)->kept;
    for (int id = 1; d->in_order && id <= d->last_id; id++) {
        const struct depot_id *other = &d->ids[id];
        if (other->use != USED_RESERVATION || other->number >= x->number)
            continue;
        for (int i = 0; i < other->draw_count; i++)
            if (other->draws[i].from == draw->from && other->draws[i].item == draw->item)
                there -= draw_open(&other->draws[i]);
    }
    return there;
}

static bool same_source(const struct depot_draw *a, const struct depot_draw *b)
{
    return a->item == b->item && a->place == b->place && a->from == b->from;
}

/* Of all draws from one place or supply together, without what the step settles so far. */
static int64_t still_there(const struct depot *d, const struct depot_id *x, int at,
                           const int64_t qty[DEPOT_DRAWS])
{
    int64_t there = depot_there_for(d, x, &x->draws[at]);
    for (int i = 0; i < x->draw_count; i++)
        if (same_source(&x->draws[i], &x->draws[at]))
            there -= qty[i];
    return there > 0 ? there : 0;
}

/* Spreads the step over the draws of each item, in their order; a fulfil first over what is
 * there. */
static enum code spread(const struct depot *d, const struct depot_request *r,
                        const struct depot_id *x, int64_t qty[DEPOT_DRAWS])
{
    for (int i = 0; i < x->draw_count; i++)
        qty[i] = r->line_count == 0 ? draw_open(&x->draws[i]) : 0;
    for (int line = 0; line < r->line_count; line++) {
        int64_t wanted = r->lines[line].qty;
        if (!d->known[r->lines[line].item])
            return CODE_UNKNOWN_SKU;
        for (int pass = r->kind == DO_FULFIL ? 0 : 1; pass < 2; pass++) {
            for (int i = 0; i < x->draw_count; i++) {
                if (x->draws[i].item != r->lines[line].item)
                    continue;
                int64_t part = least(draw_open(&x->draws[i]) - qty[i], wanted);
                if (pass == 0)
                    part = least(part, still_there(d, x, i, qty));
                qty[i] += part;
                wanted -= part;
            }
        }
        if (wanted > 0)
            return CODE_WRONG_STATE;
    }
    return CODE_OK;
}

/* Of all draws from one place or supply together. */
static bool may_fulfil(const struct depot *d, const struct depot_id *x,
                       const int64_t qty[DEPOT_DRAWS])
{
    for (int i = 0; i < x->draw_count; i++) {
        const struct depot_draw *one = &x->draws[i];
        int64_t sum = 0;
        for (int j = 0; j < x->draw_count; j++)
            if (same_source(&x->draws[j], one))
                sum += qty[j];
        if (qty[i] > 0 && sum > depot_there_for(d, x, one))
            return false;
    }
    return true;
}

static void find_state(struct depot_id *x)
{
    int64_t fulfilled = 0;
    for (int i = 0; i < x->draw_count; i++) {
        if (draw_open(&x->draws[i]) > 0)
            return;
        fulfilled += x->draws[i].fulfilled;
    }
    x->state = fulfilled > 0 ? "fulfilled" : "cancelled";
}

static bool done_before(const struct depot_request *r, const struct depot_id *x)
{
    const char *goal = r->kind == DO_FULFIL ? "fulfilled" : "cancelled";
    bool over = strcmp(x->state, "held") != 0 && strcmp(x->state, "confirmed") != 0;
    return r->line_count == 0 && over && (strcmp(x->state, goal) == 0 || x->last == r->kind);
}

static bool may_step(const struct depot_request *r, const struct depot_id *x)
{
    return strcmp(x->state, "confirmed") == 0 ||
           (r->kind == DO_CANCEL && strcmp(x->state, "held") == 0);
}

static enum code settle(struct depot *d, const struct depot_request *r, struct depot_id *x)
{
    int64_t qty[DEPOT_DRAWS];
    if (done_before(r, x))
        return CODE_OK;
    if (!may_step(r, x))
        return CODE_WRONG_STATE;
    enum code code = spread(d, r, x, qty);
    if (!code && r->kind == DO_FULFIL && !may_fulfil(d, x, qty))
        code = CODE_INSUFFICIENT_STOCK;
    for (int i = 0; !code && i < x->draw_count; i++)
        if (r->kind == DO_FULFIL)
            fulfil(d, &x->draws[i], qty[i]);
        else
            cancel(d, &x->draws[i], qty[i]);
    if (code)
        return code;
    x->last = r->kind;
    find_state(x);
    return CODE_OK;
}

void depot_step(struct depot *d, const struct depot_request *r, struct depot_answer *a)
{
    struct depot_id *x = &d->ids[r->id];
    if (x->use != USED_RESERVATION) {
        depot_refuse(a, CODE_UNKNOWN_RESERVATION, NULL);
        return;
    }
    enum code code = settle(d, r, x);
    if (code)
        depot_refuse(a, code, code == CODE_WRONG_STATE ? x->state : NULL);
    else
        depot_view(x, a);
}

/* Of one reservation. come: units that are left for it and later ones. */
static void put_off(const struct depot *d, struct depot_id *of, int supply, int64_t *come)
{
    const struct depot_id *x = &d->ids[supply];
    int64_t open[DEPOT_ITEMS] = { 0 };
    for (int i = 0; i < of->draw_count; i++)
        if (of->draws[i].from == supply)
            open[of->draws[i].item] += draw_open(&of->draws[i]);
    for (int i = 0; i < of->draw_count; i++) {
        struct depot_draw *draw = &of->draws[i];
        if (draw->from == supply && draw_open(draw) > 0 && open[draw->item] > come[draw->item])
            draw->ready_ms = x->eta_ms + (uint64_t)d->lead_time_s[x->to] * 1000;
        draw->vague |= draw->from == supply && x->rescheduled > RESCHEDULES_TOLD_APART;
    }
    for (int item = 0; item < DEPOT_ITEMS; item++)
        come[item] -= open[item];
}

/* What is promised from the supply and is not covered by what has come is ready at another time
 * now; the earliest promises are covered first. */
void depot_promise_anew(struct depot *d, int supply)
{
    const struct depot_id *x = &d->ids[supply];
    int64_t come[DEPOT_ITEMS] = { 0 };
    uint64_t number = 0;
    for (int i = 0; i < x->line_count; i++)
        come[x->lines[i].item] = x->lines[i].kept;
    while (number++ < d->promises)
        for (int id = 1; id <= d->last_id; id++)
            if (d->ids[id].use == USED_RESERVATION && d->ids[id].number == number)
                put_off(d, &d->ids[id], supply, come);
}
