/* SPDX-License-Identifier: Apache-2.0 */
/* The model's stock and documents. */
#include "tests/support/supply_model.h"

#include <assert.h>
#include <string.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t positive(int64_t a)
{
    return a > 0 ? a : 0;
}

void depot_refuse(struct depot_answer *a, enum code code, const char *state)
{
    memset(a, 0, sizeof *a);
    a->code = code;
    a->state = state;
}

/* ---- what is free, and what is short ---- */

static int64_t loose_free(const struct depot *d, int item, int place)
{
    return d->stock[item][place].loose - depot_loose_promised(d, item, place);
}

/* Where the first promise from the line that is not covered stands among all: the number of its
 * reservation, and then its first draw that is open; 0: none. */
static uint64_t first_short(const struct depot *d, int supply, int item)
{
    const struct depot_line *line = depot_line_of((struct depot *)d, supply, item);
    int64_t covered = line->kept + line->way;
    uint64_t after = 0;
    for (;;) {
        const struct depot_id *next = NULL;
        for (int id = 1; id <= d->last_id; id++) {
            const struct depot_id *x = &d->ids[id];
            if (x->use == USED_RESERVATION && x->number > after &&
                (!next || x->number < next->number))
                next = x;
        }
        if (!next)
            return 0;
        after = next->number;
        int first = DEPOT_DRAWS;
        for (int i = next->draw_count - 1; i >= 0; i--)
            if (next->draws[i].from == supply && next->draws[i].item == item &&
                draw_open(&next->draws[i]) > 0) {
                covered -= draw_open(&next->draws[i]);
                first = i;
            }
        if (covered < 0)
            return after * DEPOT_DRAWS + (uint64_t)first;
    }
}

/* The line there that was promised first of those that are short; 0: none. */
static int find_short(const struct depot *d, int item, int place)
{
    int found = 0;
    uint64_t earliest = UINT64_MAX;
    for (int id = 1; id <= d->last_id; id++) {
        if (d->ids[id].to != place || !depot_is_short(d, id, item))
            continue;
        uint64_t place_in_line = first_short(d, id, item);
        if (place_in_line < earliest)
            found = id;
        earliest = place_in_line < earliest ? place_in_line : earliest;
    }
    return found;
}

static void release(struct depot *d, int item, int place)
{
    for (int id = 1; id <= d->last_id; id++) {
        struct depot_line *line = depot_line_of(d, id, item);
        if (!line || d->ids[id].to != place || line->kept == 0)
            continue;
        int64_t free = positive(line->kept - depot_line_promised(d, id, item));
        line->kept -= free;
        d->stock[item][place].loose += free;
    }
}

static void stand_in(struct depot *d, int item, int place)
{
    int supply;
    while (loose_free(d, item, place) > 0 && (supply = find_short(d, item, place)) != 0) {
        d->stock[item][place].loose--;
        depot_line_of(d, supply, item)->kept++;
    }
}

void depot_settle(struct depot *d)
{
    for (int item = 0; item < DEPOT_ITEMS; item++)
        for (int place = 0; place < DEPOT_PLACES; place++) {
            release(d, item, place);
            stand_in(d, item, place);
        }
}

/* ---- movements ---- */

static void take(int64_t *from, int64_t most, int64_t *units)
{
    int64_t taken = least(positive(most), *units);
    *from -= taken;
    *units -= taken;
}

/* What is free goes first; then what is promised. */
static void lose(struct depot *d, int item, int place, int64_t units)
{
    struct depot_stock *s = &d->stock[item][place];
    take(&s->loose, loose_free(d, item, place), &units);
    take(&s->own, s->own - s->own_reserved, &units);
    take(&s->loose, s->loose, &units);
    take(&s->own, s->own, &units);
    for (int id = 1; id <= d->last_id; id++) {
        struct depot_line *line = depot_line_of(d, id, item);
        if (line && d->ids[id].to == place)
            take(&line->kept, line->kept, &units);
    }
    assert(units == 0);
}

static enum code change(struct depot *d, int item, int place, int64_t delta)
{
    if (depot_on_hand(d, item, place) + delta < 0)
        return CODE_INSUFFICIENT_STOCK;
    if (delta > 0)
        d->stock[item][place].loose += delta;
    else
        lose(d, item, place, -delta);
    d->tally[item][place] += delta;
    return CODE_OK;
}

static enum code allot(struct depot *d, const struct depot_request *r)
{
    struct depot_stock *s = &d->stock[r->item][r->place];
    int64_t free = r->qty > 0 ? loose_free(d, r->item, r->place) : s->own - s->own_reserved;
    if (free < (r->qty > 0 ? r->qty : -r->qty))
        return CODE_INSUFFICIENT_STOCK;
    s->loose -= r->qty;
    s->own += r->qty;
    return CODE_OK;
}

static enum code move(struct depot *d, const struct depot_request *r)
{
    bool makes = r->kind == DO_RECEIVE || r->kind == DO_COUNT;
    if (!d->known[r->item] && !makes)
        return CODE_UNKNOWN_SKU;
    d->known[r->item] = true;
    if (r->kind == DO_ALLOT)
        return allot(d, r);
    if (r->kind == DO_COUNT)
        return change(d, r->item, r->place, r->qty - depot_on_hand(d, r->item, r->place));
    if (!r->damaged)
        return change(d, r->item, r->place, r->qty);
    d->stock[r->item][r->place].damaged += r->qty;
    return CODE_OK;
}

static void ask_movement(struct depot *d, const struct depot_request *r, struct depot_id *x,
                         struct depot_answer *a)
{
    a->code = move(d, r);
    if (a->code)
        return;
    int64_t on_hand = depot_on_hand(d, r->item, r->place);
    a->on_hand = r->kind == DO_ALLOT ? d->stock[r->item][r->place].own : on_hand;
    a->available = on_hand - depot_reserved(d, r->item, r->place);
    x->use = USED_MOVEMENT;
}

/* ---- documents ---- */

void depot_view(const struct depot_id *x, struct depot_answer *a)
{
    a->code = CODE_OK;
    a->state = x->state;
    a->eta_ms = x->eta_ms;
    a->expires_ms = x->use == USED_RESERVATION && strcmp(x->state, "held") == 0 ? x->expires_ms : 0;
    a->line_count = x->line_count;
    a->draw_count = x->draw_count;
    memcpy(a->lines, x->lines, sizeof a->lines);
    memcpy(a->draws, x->draws, sizeof a->draws);
}

static bool is_over(const struct depot_id *x)
{
    return strcmp(x->state, "arrived") == 0 || strcmp(x->state, "withdrawn") == 0;
}

static int64_t held_units(const struct depot_id *x)
{
    int64_t sum = 0;
    for (int i = 0; i < x->line_count; i++)
        sum += x->lines[i].qty - x->lines[i].shipped;
    return sum;
}

static void find_state(struct depot_id *x)
{
    int64_t way = 0, shipped = 0;
    for (int i = 0; i < x->line_count; i++) {
        way += x->lines[i].way;
        shipped += x->lines[i].shipped;
    }
    if (way > 0)
        x->state = "in_transit";
    else if (held_units(x) == 0)
        x->state = shipped > 0 ? "arrived" : "withdrawn";
}

/* Units of the line leave `from`, or the supplier. */
static void ship(struct depot *d, struct depot_id *x, struct depot_line *line, int64_t qty)
{
    line->shipped += qty;
    if (x->from != NO_PLACE) {
        d->stock[line->item][x->from].loose -= qty;
        d->tally[line->item][x->from] -= qty;
    }
    if (x->eta_ms != 0 || x->from == NO_PLACE) {
        line->way += qty;
        return;
    }
    line->accepted += qty;
    d->stock[line->item][x->to].loose += qty;
    d->tally[line->item][x->to] += qty;
}

static void add_lines(const struct depot_request *r, struct depot_id *x)
{
    for (int i = 0; i < r->line_count; i++) {
        int at = 0;
        while (at < x->line_count && x->lines[at].item != r->lines[i].item)
            at++;
        if (at == x->line_count)
            x->lines[x->line_count++].item = r->lines[i].item;
        x->lines[at].qty += r->lines[i].qty;
    }
}

static enum code may_make(struct depot *d, const struct depot_request *r, const struct depot_id *x)
{
    if (r->kind == DO_TRANSFER && r->place == r->to)
        return CODE_BAD_REQUEST;
    if (r->has_eta && r->eta_ms <= d->now_ms)
        return CODE_BAD_REQUEST;
    for (int i = 0; i < x->line_count; i++)
        if (r->kind == DO_TRANSFER && !d->known[x->lines[i].item])
            return CODE_UNKNOWN_SKU;
    for (int i = 0; i < x->line_count; i++)
        if (r->kind == DO_TRANSFER && loose_free(d, x->lines[i].item, r->place) < x->lines[i].qty)
            return CODE_INSUFFICIENT_STOCK;
    return CODE_OK;
}

static void ask_supply(struct depot *d, const struct depot_request *r, struct depot_id *x,
                       struct depot_answer *a)
{
    struct depot_id made = { .use = USED_SUPPLY, .state = "held" };
    made.from = r->kind == DO_TRANSFER ? r->place : NO_PLACE;
    made.to = r->kind == DO_TRANSFER ? r->to : r->place;
    made.eta_ms = r->has_eta ? r->eta_ms : 0;
    add_lines(r, &made);
    a->code = may_make(d, r, &made);
    if (a->code)
        return;
    for (int i = 0; i < made.line_count; i++) {
        d->known[made.lines[i].item] = true;
        if (!r->hold)
            ship(d, &made, &made.lines[i], made.lines[i].qty);
    }
    find_state(&made);
    made.number = ++d->promises;
    made.asked = x->asked;
    *x = made;
    depot_view(x, a);
}

/* ---- steps of documents ---- */

/* The lines that the step names; qty[i] and rejected[i] belong to line i. */
struct wanted {
    int64_t qty[DEPOT_LINES], rejected[DEPOT_LINES];
};

static int64_t line_left(const struct depot_id *x, const struct depot_line *line)
{
    return x->from == NO_PLACE ? line->way : line->qty - line->shipped;
}

static int64_t left_of(const struct depot_id *x)
{
    int64_t sum = 0;
    for (int i = 0; i < x->line_count; i++)
        sum += line_left(x, &x->lines[i]);
    return sum;
}

/* Ship and withdraw: no more than is left. */
static enum code gather(struct depot *d, const struct depot_request *r, const struct depot_id *x,
                        struct wanted *w)
{
    memset(w, 0, sizeof *w);
    for (int i = 0; r->all && i < x->line_count; i++)
        w->qty[i] = r->kind == DO_ARRIVE ? x->lines[i].way : line_left(x, &x->lines[i]);
    for (int i = 0; !r->all && i < r->line_count; i++) {
        int at = 0;
        while (at < x->line_count && x->lines[at].item != r->lines[i].item)
            at++;
        if (at == x->line_count)
            return d->known[r->lines[i].item] ? CODE_BAD_REQUEST : CODE_UNKNOWN_SKU;
        w->qty[at] += r->lines[i].qty;
        w->rejected[at] += r->lines[i].rejected;
        if (r->kind != DO_ARRIVE && w->qty[at] > line_left(x, &x->lines[at]))
            return CODE_WRONG_STATE;
    }
    return CODE_OK;
}

static enum code may_ship(const struct depot *d, const struct depot_request *r,
                          const struct depot_id *x)
{
    if (is_over(x) || x->from == NO_PLACE)
        return CODE_WRONG_STATE;
    int64_t way = 0;
    for (int i = 0; i < x->line_count; i++)
        way += x->lines[i].way;
    if (r->has_eta && way > 0 && r->eta_ms != x->eta_ms)
        return CODE_BAD_REQUEST;
    uint64_t eta_ms = r->has_eta ? r->eta_ms : x->eta_ms;
    bool past = (r->has_eta || eta_ms != 0) && eta_ms <= d->now_ms;
    return past ? CODE_BAD_REQUEST : CODE_OK;
}

static enum code step_ship(struct depot *d, const struct depot_request *r, struct depot_id *x)
{
    struct wanted w;
    if (r->all && x->from != NO_PLACE && held_units(x) == 0 && strcmp(x->state, "withdrawn") != 0)
        return CODE_OK; /* it was shipped before */
    enum code code = may_ship(d, r, x);
    if (!code)
        code = gather(d, r, x, &w);
    for (int i = 0; !code && i < x->line_count; i++)
        if (w.qty[i] > d->stock[x->lines[i].item][x->from].loose)
            code = CODE_INSUFFICIENT_STOCK;
    if (code)
        return code;
    if (r->has_eta)
        x->eta_ms = r->eta_ms;
    for (int i = 0; i < x->line_count; i++)
        ship(d, x, &x->lines[i], w.qty[i]);
    return CODE_OK;
}

static void arrive(struct depot *d, struct depot_id *x, struct depot_line *line, int64_t accepted,
                   int64_t rejected)
{
    int supply = (int)(x - d->ids);
    int64_t came = least(accepted, line->way);
    int64_t kept = least(came, positive(depot_line_promised(d, supply, line->item) - line->kept));
    line->way -= came;
    line->way -= least(rejected, line->way);
    line->accepted += accepted;
    line->rejected += rejected;
    line->kept += kept;
    d->stock[line->item][x->to].loose += accepted - kept;
    d->stock[line->item][x->to].damaged += rejected;
    d->tally[line->item][x->to] += accepted;
}

static enum code step_arrive(struct depot *d, const struct depot_request *r, struct depot_id *x)
{
    struct wanted w;
    if (r->all && strcmp(x->state, "arrived") == 0)
        return CODE_OK;
    if (strcmp(x->state, "in_transit") != 0)
        return CODE_WRONG_STATE;
    enum code code = gather(d, r, x, &w);
    for (int i = 0; !code && i < x->line_count; i++) {
        arrive(d, x, &x->lines[i], w.qty[i], w.rejected[i]);
        if (!r->close)
            continue;
        x->lines[i].lost += x->lines[i].way;
        x->lines[i].way = 0;
    }
    return code;
}

static enum code step_withdraw(struct depot *d, const struct depot_request *r, struct depot_id *x)
{
    struct wanted w;
    if (r->all && x->withdrawn)
        return CODE_OK;
    if (is_over(x) || (x->from != NO_PLACE && held_units(x) == 0))
        return CODE_WRONG_STATE;
    enum code code = gather(d, r, x, &w);
    for (int i = 0; !code && i < x->line_count; i++) {
        x->lines[i].qty -= w.qty[i];
        if (x->from != NO_PLACE)
            continue;
        x->lines[i].shipped -= w.qty[i];
        x->lines[i].way -= w.qty[i];
    }
    x->withdrawn |= !code && left_of(x) == 0;
    return code;
}

static enum code step_reschedule(struct depot *d, const struct depot_request *r, struct depot_id *x)
{
    if (is_over(x))
        return CODE_WRONG_STATE;
    if (r->eta_ms == x->eta_ms && r->op == 0)
        return CODE_OK;
    if (r->eta_ms <= d->now_ms)
        return CODE_BAD_REQUEST;
    x->eta_ms = r->eta_ms;
    x->rescheduled++;
    depot_promise_anew(d, (int)(x - d->ids));
    return CODE_OK;
}

static void ask_supply_step(struct depot *d, const struct depot_request *r, struct depot_answer *a)
{
    struct depot_id *x = &d->ids[r->id];
    if (x->use != USED_SUPPLY) {
        depot_refuse(a, CODE_UNKNOWN_RESERVATION, NULL);
        return;
    }
    enum code code = r->kind == DO_SHIP       ? step_ship(d, r, x)
                     : r->kind == DO_ARRIVE   ? step_arrive(d, r, x)
                     : r->kind == DO_WITHDRAW ? step_withdraw(d, r, x)
                                              : step_reschedule(d, r, x);
    if (code) {
        depot_refuse(a, code, code == CODE_WRONG_STATE ? x->state : NULL);
        return;
    }
    find_state(x);
    depot_view(x, a);
}

/* ---- everything ---- */

/* True: the id was used before, and the answer follows from that. */
static bool is_repeat(const struct depot_id *x, const struct depot_request *r,
                      struct depot_answer *a)
{
    if (x->use == USED_NOT)
        return false;
    depot_refuse(a, CODE_CONFLICT, NULL);
    /* Requests are zeroed before they are made. */
    if (memcmp((const char *)&x->asked, (const char *)r, sizeof *r) == 0)
        *a = x->first;
    return true;
}

static void ask(struct depot *d, const struct depot_request *r, struct depot_id *x,
                struct depot_answer *a)
{
    if (r->kind <= DO_ALLOT)
        ask_movement(d, r, x, a);
    else if (r->kind <= DO_TRANSFER)
        ask_supply(d, r, x, a);
    else if (r->kind <= DO_WITHDRAW)
        ask_supply_step(d, r, a);
    else if (r->kind == DO_RESERVE)
        depot_reserve(d, r, x, a);
    else if (r->kind == DO_CONFIRM)
        depot_confirm(d, r, a);
    else
        depot_step(d, r, a);
}

/* The reservation whose part the request may make ready; 0: none. */
static int looks_at(const struct depot *d, const struct depot_request *r)
{
    const struct depot_id *x = &d->ids[r->id];
    switch (r->kind) {
    case DO_ARRIVE:
        return r->all && r->op == 0 && x->state && strcmp(x->state, "arrived") == 0 ? 0 : x->of;
    case DO_CONFIRM:
        return x->state && strcmp(x->state, "held") == 0 ? r->id : 0;
    case DO_FULFIL:
    case DO_CANCEL:
        return r->id;
    default:
        return 0;
    }
}

void depot_ask(struct depot *d, const struct depot_request *r, uint64_t lsn, struct depot_answer *a)
{
    bool makes = r->kind <= DO_TRANSFER || r->kind == DO_RESERVE;
    int named = makes ? r->id : r->op;
    struct depot_id *x = &d->ids[named];
    memset(a, 0, sizeof *a);
    d->last_id = r->id > d->last_id ? r->id : d->last_id;
    d->last_id = r->op > d->last_id ? r->op : d->last_id;
    if (named > 0 && is_repeat(x, r, a))
        return;
    int of = looks_at(d, r);
    ask(d, r, x, a);
    a->lsn = lsn;
    if (a->code)
        return;
    if (named > 0) {
        x->use = x->use == USED_NOT ? USED_STEP : x->use;
        x->asked = *r;
        x->first = *a;
    }
    depot_settle(d);
    depot_look_ready(d, of);
}

void depot_pass(struct depot *d, uint64_t now_ms)
{
    d->now_ms = now_ms;
}
