/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: sourcing, and the lives of reservations. */
#include <string.h>

#include "tests/support/stock_model.h"

enum { MOST = (1 << 28) - 1, DEFAULT_MS = 15 * 60 * 1000 };

/* ---- sourcing ---- */

/* An order being planned: what is left of each pool, and what each line gets. */
struct planning {
    const struct model *m;
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

static void plan_begin(struct planning *p, const struct model *m, int channel)
{
    memset(p, 0, sizeof *p);
    p->m = m;
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
    return bound == NOWHERE ? p->m->locations[location].ships : bound == location;
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
    plan_begin(&p, m, channel);
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

static int bound_to(const struct request *r, int line)
{
    return r->lines[line].location != NOWHERE ? r->lines[line].location : r->at;
}

static int64_t wanted_freely(const struct request *r, int item)
{
    int64_t sum = 0;
    for (int i = 0; i < r->line_count; i++)
        if (bound_to(r, i) == NOWHERE && r->lines[i].item == item)
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
        if (bound_to(r, i) != NOWHERE)
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
        free += bound_to(r, i) == NOWHERE;
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
            int bound = bound_to(r, i);
            if ((bound == NOWHERE) != (pass == 1))
                continue;
            int64_t there = takeable(p, line->item, bound);
            if (there >= line->qty)
                take_line(p, i, line->item, bound, line->qty);
            else
                a->shorts[a->short_count++] = (struct answer_short){ line->item, line->qty, there };
        }
    }
}

/* ---- reserve ---- */

static bool same_order(const struct request *a, const struct request *b)
{
    if (a->channel != b->channel || a->at != b->at || a->has_ttl != b->has_ttl ||
        a->ttl_ms != b->ttl_ms || a->confirm != b->confirm || a->ref != b->ref ||
        a->line_count != b->line_count)
        return false;
    for (int i = 0; i < a->line_count; i++)
        if (a->lines[i].item != b->lines[i].item || a->lines[i].qty != b->lines[i].qty ||
            a->lines[i].location != b->lines[i].location)
            return false;
    return true;
}

static void view(const struct model_id *x, struct answer *a)
{
    a->code = CODE_OK;
    a->lsn = x->lsn_last;
    a->state = x->state;
    a->channel = x->channel;
    a->expires_ms = strcmp(x->state, "held") == 0 ? x->expires_ms : 0;
    a->draw_count = x->draw_count;
    memcpy(a->draws, x->draws, sizeof a->draws);
}

static enum code check_names(const struct model *m, const struct request *r)
{
    if (r->channel >= MODEL_CHANNELS || !m->channels[r->channel].known)
        return CODE_UNKNOWN_CHANNEL;
    if (r->at != NOWHERE && !m->locations[r->at].known)
        return CODE_UNKNOWN_LOCATION;
    for (int i = 0; i < r->line_count; i++) {
        const struct request_line *line = &r->lines[i];
        if (line->location != NOWHERE && !m->locations[line->location].known)
            return CODE_UNKNOWN_LOCATION;
        if (!m->items[line->item].known)
            return CODE_UNKNOWN_SKU;
    }
    return CODE_OK;
}

static bool order_fits(const struct request *r)
{
    if (!model_id_fits(r->id) || r->line_count == 0 ||
        (r->has_ttl && (r->ttl_ms < 1 || r->ttl_ms > UINT32_MAX)))
        return false;
    for (int i = 0; i < r->line_count; i++)
        if (r->lines[i].qty < 1 || r->lines[i].qty > MOST)
            return false;
    return true;
}

static void history_order(struct model *m, const struct planning *p, const struct request *r,
                          struct model_id *x)
{
    x->draw_count = 0;
    for (int i = 0; i < r->line_count; i++)
        for (int d = 0; d < p->draws[i]; d++) {
            int item = r->lines[i].item, from = p->from[i][d], kind = p->kind[i][d];
            x->draws[x->draw_count++] = (struct answer_draw){
                .item = item,
                .location = from,
                .kind = kind,
                .qty = p->got[i][d],
                .ready_ms = x->created_ms + (uint64_t)model_lead_time_s(m, item, from) * 1000,
            };
            m->items[item].pools[from][kind].reserved += p->got[i][d];
        }
}

/* Slots that the order takes beside that of its id. */
static int planned_slots(const struct planning *p, const struct request *r, bool *timed)
{
    int draws = 0;
    *timed = false;
    for (int i = 0; i < r->line_count; i++)
        for (int d = 0; d < p->draws[i]; d++, draws++)
            *timed |= model_lead_time_s(p->m, r->lines[i].item, p->from[i][d]) > 0;
    return model_more_slots(draws, *timed, r->ref != 0);
}

static void repeat_order(const struct model_id *x, const struct request *r, struct answer *a)
{
    a->code = CODE_CONFLICT;
    if (x->use != USE_RESERVATION || !same_order(&x->asked, r))
        return;
    view(x, a);
    a->lsn = x->lsn_first;
    a->state = x->first.state;
    a->expires_ms = x->first.expires_ms;
}

void model_reserve(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    a->code = CODE_BAD_REQUEST;
    if (!order_fits(r))
        return;
    struct model_id *x = model_find(m, r->id);
    if (x->use != USE_NOTHING) {
        repeat_order(x, r, a);
        return;
    }
    a->code = CODE_LIMIT;
    if (!model_slots_left(m, 1) || (a->code = check_names(m, r)) != CODE_OK)
        return;
    struct planning p;
    plan_begin(&p, m, r->channel);
    plan_order(&p, r, a);
    a->code = CODE_INSUFFICIENT_STOCK;
    if (a->short_count > 0)
        return;
    x->slots = 1 + planned_slots(&p, r, &x->timed);
    a->code = CODE_LIMIT;
    if (!model_slots_left(m, x->slots))
        return;
    int64_t hold = m->channels[r->channel].hold_ttl_ms;
    uint64_t ttl = hold ? (uint64_t)hold : DEFAULT_MS;
    if (r->has_ttl)
        ttl = r->ttl_ms;
    x->use = USE_RESERVATION;
    x->was_reservation = true;
    x->asked = *r;
    x->state = r->confirm ? "confirmed" : "held";
    x->channel = r->channel;
    x->ref = r->ref;
    x->created_ms = m->now_ms;
    x->expires_ms = r->confirm ? 0 : m->now_ms + ttl;
    x->lsn_first = x->lsn_last = x->lsn_confirmed = lsn;
    x->last_step = ASK_KINDS;
    history_order(m, &p, r, x);
    view(x, a);
    x->first = *a;
}

/* ---- what becomes of it ---- */

/* CODE_OK with the reservation. */
static enum code find_reservation(struct model *m, int id, struct model_id **x)
{
    if (!model_id_fits(id))
        return CODE_BAD_REQUEST;
    *x = model_find(m, id);
    return (*x)->use == USE_RESERVATION ? CODE_OK : CODE_UNKNOWN_RESERVATION;
}

static void wrong_state(const struct model_id *x, struct answer *a)
{
    a->code = CODE_WRONG_STATE;
    a->state = x->state;
}

void model_reservation(struct model *m, const struct request *r, struct answer *a)
{
    struct model_id *x;
    a->code = find_reservation(m, r->id, &x);
    if (a->code)
        return;
    view(x, a);
    a->ref = x->ref;
}

void model_extend(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    struct model_id *x;
    a->code = CODE_BAD_REQUEST;
    if (r->ttl_ms < 1 || r->ttl_ms > UINT32_MAX ||
        (a->code = find_reservation(m, r->id, &x)) != CODE_OK)
        return;
    if (strcmp(x->state, "held") != 0) {
        wrong_state(x, a);
        return;
    }
    x->expires_ms = m->now_ms + r->ttl_ms;
    x->lsn_last = lsn;
    view(x, a);
}

/* Its draws move to other slots, beside the ref, while they still have those that they had. */
static enum code replace_ref(const struct model *m, struct model_id *x, int ref)
{
    int more = model_more_slots(x->draw_count, x->timed, true);
    if (!model_slots_left(m, more))
        return CODE_LIMIT;
    x->ref = ref;
    x->slots = 1 + more;
    return CODE_OK;
}

void model_confirm(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    struct model_id *x;
    a->code = find_reservation(m, r->id, &x);
    if (a->code)
        return;
    if (strcmp(x->state, "confirmed") == 0) {
        view(x, a);
        a->lsn = x->lsn_confirmed;
        return;
    }
    if (strcmp(x->state, "held") != 0) {
        wrong_state(x, a);
        return;
    }
    a->code = r->ref ? replace_ref(m, x, r->ref) : CODE_OK;
    if (a->code)
        return;
    x->state = "confirmed";
    x->lsn_last = x->lsn_confirmed = lsn;
    view(x, a);
}

void model_expire(struct model *m, struct model_id *x, uint64_t lsn)
{
    for (int i = 0; i < x->draw_count; i++) {
        struct answer_draw *d = &x->draws[i];
        int64_t left = d->qty - d->fulfilled - d->cancelled;
        m->items[d->item].pools[d->location][d->kind].reserved -= left;
        d->cancelled += left;
    }
    x->state = "expired";
    x->lsn_last = lsn;
    x->last_step = ASK_KINDS;
}

/* ---- fulfil and cancel ---- */

static bool same_step(const struct request *a, const struct request *b)
{
    if (a->kind != b->kind || a->id != b->id || a->line_count != b->line_count)
        return false;
    for (int i = 0; i < a->line_count; i++)
        if (a->lines[i].item != b->lines[i].item || a->lines[i].qty != b->lines[i].qty)
            return false;
    return true;
}

static bool step_fits(const struct request *r)
{
    if (!model_id_fits(r->id) || !model_id_fits(r->op) || r->id == r->op)
        return false;
    for (int i = 0; i < r->line_count; i++)
        if (r->lines[i].qty < 1 || r->lines[i].qty > MOST)
            return false;
    return true;
}

/* How much of each draw the step settles. */
static enum code choose(const struct model *m, const struct model_id *x, const struct request *r,
                        int64_t part[MODEL_DRAWS], struct answer *a)
{
    for (int d = 0; d < x->draw_count && r->line_count == 0; d++)
        part[d] = x->draws[d].qty - x->draws[d].fulfilled - x->draws[d].cancelled;
    for (int i = 0; i < r->line_count; i++) {
        const struct request_line *line = &r->lines[i];
        int64_t wanted = line->qty;
        if (!m->items[line->item].known)
            return CODE_UNKNOWN_SKU;
        if (r->kind == ASK_FULFIL)
            wanted = model_choose_there(m, x, line->item, wanted, part);
        for (int d = 0; d < x->draw_count; d++) {
            const struct answer_draw *draw = &x->draws[d];
            int64_t left = draw->qty - draw->fulfilled - draw->cancelled - part[d];
            int64_t qty = left < wanted ? left : wanted;
            if (draw->item != line->item)
                continue;
            part[d] += qty;
            wanted -= qty;
        }
        if (wanted > 0) {
            a->state = x->state;
            a->shorts[a->short_count++] =
                (struct answer_short){ line->item, line->qty, line->qty - wanted };
            return CODE_WRONG_STATE;
        }
    }
    return CODE_OK;
}

/* Is what is to be shipped on hand? A count may have found less. All that is not is listed. */
static enum code on_hand(const struct model *m, const struct model_id *x,
                         const int64_t part[MODEL_DRAWS], struct answer *a)
{
    int64_t wanted[MODEL_ITEMS][MODEL_LOCATIONS][MODEL_KINDS] = { 0 };
    for (int d = 0; d < x->draw_count; d++)
        wanted[x->draws[d].item][x->draws[d].location][x->draws[d].kind] += part[d];
    for (int i = 0; i < MODEL_ITEMS; i++)
        for (int l = 0; l < MODEL_LOCATIONS; l++)
            for (int k = 0; k < MODEL_KINDS; k++) {
                int64_t there = m->items[i].pools[l][k].on_hand;
                if (wanted[i][l][k] > there && a->short_count < MODEL_LINES)
                    a->shorts[a->short_count++] =
                        (struct answer_short){ i, wanted[i][l][k], there };
            }
    return a->short_count > 0 ? CODE_INSUFFICIENT_STOCK : CODE_OK;
}

static void settle(struct model *m, struct model_id *x, const struct request *r,
                   const int64_t part[MODEL_DRAWS])
{
    bool left = false, fulfilled = false;
    for (int d = 0; d < x->draw_count; d++) {
        struct answer_draw *draw = &x->draws[d];
        struct model_pool *pool = &m->items[draw->item].pools[draw->location][draw->kind];
        pool->reserved -= part[d];
        if (r->kind == ASK_FULFIL) {
            pool->on_hand -= part[d];
            draw->fulfilled += part[d];
            x->fulfilled[draw->item] += part[d];
            if (part[d] > 0)
                model_moved(m, draw->item, draw->location, draw->kind, -part[d]);
        } else {
            draw->cancelled += part[d];
        }
        left |= draw->qty > draw->fulfilled + draw->cancelled;
        fulfilled |= draw->fulfilled > 0;
    }
    if (!left)
        x->state = fulfilled ? "fulfilled" : "cancelled";
    x->last_step = r->kind;
}

static void step(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    struct model_id *x;
    int64_t part[MODEL_DRAWS] = { 0 };
    a->code = find_reservation(m, r->id, &x);
    if (a->code)
        return;
    const char *goal = r->kind == ASK_FULFIL ? "fulfilled" : "cancelled";
    if (r->line_count == 0 && model_state_final(x->state) &&
        (strcmp(x->state, goal) == 0 || x->last_step == r->kind)) {
        view(x, a);
        return;
    }
    if (strcmp(x->state, "confirmed") != 0 &&
        (r->kind == ASK_FULFIL || strcmp(x->state, "held") != 0)) {
        wrong_state(x, a);
        return;
    }
    a->code = choose(m, x, r, part, a);
    if (!a->code && r->kind == ASK_FULFIL)
        a->code = on_hand(m, x, part, a);
    if (a->code)
        return;
    settle(m, x, r, part);
    x->lsn_last = lsn;
    view(x, a);
}

void model_step(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    a->code = CODE_BAD_REQUEST;
    if (!step_fits(r))
        return;
    if (r->op == 0) {
        step(m, r, lsn, a);
        return;
    }
    struct model_id *op = model_find(m, r->op);
    if (op->use != USE_NOTHING) {
        a->code = CODE_CONFLICT;
        if (op->use == USE_STEP && same_step(&op->asked, r))
            *a = op->first;
        return;
    }
    a->code = CODE_LIMIT;
    if (!model_slots_left(m, 1))
        return;
    step(m, r, lsn, a);
    if (a->code)
        return;
    a->lsn = lsn; /* the op has a record of its own, also where nothing was left to do */
    op->use = USE_STEP;
    op->asked = *r;
    op->first = (struct answer){ .code = CODE_OK, .lsn = a->lsn, .state = a->state };
}
