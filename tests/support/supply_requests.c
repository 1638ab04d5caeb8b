/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/supply_requests.h"

#include <string.h>

/* ---- settings ---- */

static void pick_channel(struct random *r, bool scarce, struct depot_channel *c)
{
    c->incoming = random_chance(r, scarce ? 90 : 65);
    c->horizon_s = random_chance(r, scarce ? 80 : 50) ? -1 : random_between(r, 1, 20);
    c->ignore_safety = random_chance(r, 25);
    c->buffer = random_chance(r, 30) ? random_between(r, 1, 4) : 0;
    for (int place = 0; place < DEPOT_PLACES; place++)
        c->sells[place] = random_chance(r, 80);
    c->sells[random_below(r, DEPOT_PLACES)] = true;
}

void depot_pick_settings(struct depot_maker *maker, struct depot *d)
{
    struct random *r = &maker->random;
    maker->scarce = random_chance(r, 50);
    maker->items = maker->scarce ? random_between(r, 1, 2) : DEPOT_ITEMS;
    for (int place = 0; place < DEPOT_PLACES; place++) {
        int safety = random_chance(r, 30) ? random_between(r, 1, 3) : 0;
        for (int item = 0; item < DEPOT_ITEMS; item++)
            d->safety[item][place] = safety;
        d->lead_time_s[place] = random_chance(r, 50) ? random_below(r, 4) : 0;
    }
    bool differ = random_chance(r, 60); /* what is sent from two places comes at two times */
    for (int place = 0; differ && place < DEPOT_PLACES; place++)
        d->lead_time_s[place] = place + DEPOT_PLACES * random_below(r, 2);
    for (int channel = 0; channel < DEPOT_CHANNELS; channel++)
        pick_channel(r, maker->scarce, &d->channels[channel]);
}

/* ---- what requests are about ---- */

static bool is_open(const struct depot_id *x)
{
    return x->use == USED_SUPPLY
               ? strcmp(x->state, "held") == 0 || strcmp(x->state, "in_transit") == 0
               : strcmp(x->state, "held") == 0 || strcmp(x->state, "confirmed") == 0;
}

static bool draws_on_supply(const struct depot_id *x)
{
    for (int i = 0; i < x->draw_count; i++)
        if (x->draws[i].from > 0 && draw_open(&x->draws[i]) > 0)
            return true;
    return false;
}

/* One of that use, mostly an open one, rather one that draws on a supply; or any id. */
static int pick_known(struct depot_maker *maker, enum depot_use use)
{
    struct random *r = &maker->random;
    const struct depot *d = maker->depot;
    bool open = random_chance(r, 90), drawn = random_chance(r, 50);
    if (d->last_id == 0 || random_chance(r, 2))
        return random_between(r, 1, maker->next_id);
    int at = random_between(r, 1, d->last_id), found = at;
    for (int i = 0; i < d->last_id; i++) {
        int id = (at + i) % d->last_id + 1;
        const struct depot_id *x = &d->ids[id];
        if (x->use != use || (open && !is_open(x)))
            continue;
        found = id;
        if (use == USED_SUPPLY || !drawn || draws_on_supply(x))
            break;
    }
    return found;
}

static int pick_id(struct depot_maker *maker)
{
    return random_chance(&maker->random, 3) ? random_between(&maker->random, 1, maker->next_id)
                                            : maker->next_id++;
}

/* No other supply has it, so that the order of ETAs is certain. */
static uint64_t pick_eta(struct depot_maker *maker)
{
    struct random *r = &maker->random;
    const struct depot *d = maker->depot;
    if (random_chance(r, 2))
        return d->now_ms - (uint64_t)random_below(r, 2000);
    uint64_t eta_ms =
        d->now_ms + (uint64_t)random_between(r, 1, random_chance(r, 40) ? 3000 : 30000);
    for (int id = 1; id <= d->last_id; id++)
        if (d->ids[id].use == USED_SUPPLY && d->ids[id].eta_ms == eta_ms) {
            eta_ms++;
            id = 0;
        }
    return eta_ms;
}

/* ---- requests ---- */

static void pick_movement(struct depot_maker *maker, struct depot_request *r)
{
    struct random *random = &maker->random;
    const struct depot *d = maker->depot;
    r->id = pick_id(maker);
    r->item = random_below(random, maker->items);
    r->place = random_below(random, DEPOT_PLACES);
    r->qty = random_between(random, 1, maker->scarce ? 2 : 6);
    r->damaged = r->kind == DO_RETURN && random_chance(random, 30);
    if ((r->kind == DO_ADJUST || r->kind == DO_ALLOT) && random_chance(random, 60))
        r->qty = -r->qty;
    int64_t on_hand = depot_on_hand(d, r->item, r->place);
    if (r->kind == DO_COUNT)
        r->qty = random_below(random, maker->scarce ? 2 : (int)on_hand + 4);
    int64_t gone = r->kind == DO_COUNT ? on_hand - r->qty : -r->qty;
    if (r->kind != DO_ALLOT && gone > 0 && gone <= on_hand &&
        !depot_may_lose(d, r->item, r->place, gone))
        r->qty = r->kind == DO_COUNT ? on_hand : -on_hand - 1;
}

static void pick_lines(struct depot_maker *maker, struct depot_request *r, int most)
{
    struct random *random = &maker->random;
    r->line_count = random_chance(random, 60) ? 1 : random_between(random, 1, DEPOT_LINES);
    for (int i = 0; i < r->line_count; i++) {
        r->lines[i].item = random_below(random, maker->items);
        r->lines[i].place = NO_PLACE;
        r->lines[i].qty = random_between(random, 1, most);
    }
}

static void pick_supply(struct depot_maker *maker, struct depot_request *r)
{
    struct random *random = &maker->random;
    r->id = pick_id(maker);
    r->place = random_below(random, DEPOT_PLACES);
    r->has_eta = random_chance(random, r->kind == DO_EXPECT ? 92 : 70);
    if (r->has_eta)
        r->eta_ms = pick_eta(maker);
    pick_lines(maker, r, r->kind == DO_EXPECT ? 9 : 4);
    if (r->kind == DO_EXPECT)
        return;
    r->hold = random_chance(random, 50);
    r->to = (r->place + 1 + random_below(random, DEPOT_PLACES - 1)) % DEPOT_PLACES;
    if (random_chance(random, 2))
        r->to = r->place;
}

/* Units of the supply that the step may be about. */
static int pick_part(struct random *random, const struct depot_line *line, enum depot_kind kind)
{
    int64_t left = kind == DO_SHIP ? line->qty - line->shipped : line->way;
    if (kind == DO_WITHDRAW && line->way == 0)
        left = line->qty - line->shipped;
    return random_between(random, 1, left > 1 && random_chance(random, 90) ? (int)left : 3);
}

static void pick_supply_step(struct depot_maker *maker, struct depot_request *r)
{
    struct random *random = &maker->random;
    r->id = pick_known(maker, USED_SUPPLY);
    const struct depot_id *x = &maker->depot->ids[r->id];
    if (random_chance(random, 35))
        r->op = maker->next_id++;
    r->all = r->kind == DO_RESCHEDULE || random_chance(random, 25);
    r->has_eta = r->kind == DO_RESCHEDULE || (r->kind == DO_SHIP && random_chance(random, 30));
    if (r->has_eta)
        r->eta_ms = random_chance(random, 10) ? x->eta_ms : pick_eta(maker);
    r->close = r->kind == DO_ARRIVE && random_chance(random, maker->scarce ? 35 : 20);
    if (r->all)
        return;
    pick_lines(maker, r, 5);
    for (int i = 0; i < r->line_count; i++) {
        struct depot_asked_line *line = &r->lines[i];
        if (x->line_count > 0 && random_chance(random, 95)) {
            const struct depot_line *of = &x->lines[random_below(random, x->line_count)];
            line->item = of->item;
            line->qty = pick_part(random, of, r->kind);
        }
        if (r->kind == DO_ARRIVE && random_chance(random, maker->scarce ? 40 : 20))
            line->rejected = random_between(random, 1, 3);
        if (r->kind == DO_ARRIVE && random_chance(random, 10))
            line->qty = random_chance(random, 50) ? 0 : line->qty + 4;
    }
}

/* Would what is sent from each other place come at a time of its own? */
static bool may_send(const struct depot *d, int to)
{
    for (int from = 0; from < DEPOT_PLACES; from++) {
        uint64_t eta_ms = depot_send_eta(d, from);
        for (int other = 0; other < from; other++)
            if (from != to && other != to && depot_send_eta(d, other) == eta_ms)
                return false;
        for (int id = 1; from != to && id <= d->last_id; id++)
            if (d->ids[id].use == USED_SUPPLY && d->ids[id].eta_ms == eta_ms)
                return false;
    }
    return true;
}

static void pick_sending(struct depot_maker *maker, struct depot_request *r)
{
    struct random *random = &maker->random;
    int to = random_below(random, DEPOT_PLACES);
    bool fresh = r->id == maker->next_id - 1 && maker->depot->last_id < r->id;
    if (!fresh || !random_chance(random, 30) || !may_send(maker->depot, to))
        return;
    r->at = to + 1;
    maker->next_id += DEPOT_SENDS;
    for (int i = 0; i < r->line_count; i++)
        r->lines[i].place = random_chance(random, 20) ? to : NO_PLACE;
}

static void pick_reserve(struct depot_maker *maker, struct depot_request *r)
{
    struct random *random = &maker->random;
    r->id = pick_id(maker);
    r->channel = random_below(random, DEPOT_CHANNELS);
    r->confirm = random_chance(random, 50);
    r->ttl_ms = r->confirm ? 0 : (uint64_t)random_between(random, 1, 8000);
    pick_lines(maker, r, 5);
    for (int i = 0; i < r->line_count; i++)
        if (random_chance(random, 20))
            r->lines[i].place = random_below(random, DEPOT_PLACES);
    pick_sending(maker, r);
}

static void pick_step(struct depot_maker *maker, struct depot_request *r)
{
    struct random *random = &maker->random;
    r->id = pick_known(maker, USED_RESERVATION);
    const struct depot_id *x = &maker->depot->ids[r->id];
    if (random_chance(random, 35))
        r->op = maker->next_id++;
    if (random_chance(random, 50))
        return;
    pick_lines(maker, r, 3);
    for (int i = 0; i < r->line_count; i++)
        if (x->draw_count > 0 && random_chance(random, 95))
            r->lines[i].item = x->draws[random_below(random, x->draw_count)].item;
}

static enum depot_kind pick_kind(struct random *r, bool scarce)
{
    static const int weights[2][DO_CANCEL + 1] = {
        {
            [DO_RECEIVE] = 4,
            [DO_ADJUST] = 4,
            [DO_COUNT] = 3,
            [DO_RETURN] = 2,
            [DO_ALLOT] = 4,
            [DO_EXPECT] = 8,
            [DO_TRANSFER] = 8,
            [DO_SHIP] = 6,
            [DO_ARRIVE] = 11,
            [DO_RESCHEDULE] = 4,
            [DO_WITHDRAW] = 5,
            [DO_RESERVE] = 20,
            [DO_CONFIRM] = 4,
            [DO_FULFIL] = 10,
            [DO_CANCEL] = 7,
        },
        {
            [DO_RECEIVE] = 4,
            [DO_ADJUST] = 4,
            [DO_COUNT] = 5,
            [DO_RETURN] = 1,
            [DO_ALLOT] = 2,
            [DO_EXPECT] = 9,
            [DO_TRANSFER] = 9,
            [DO_SHIP] = 5,
            [DO_ARRIVE] = 12,
            [DO_RESCHEDULE] = 3,
            [DO_WITHDRAW] = 5,
            [DO_RESERVE] = 22,
            [DO_CONFIRM] = 4,
            [DO_FULFIL] = 10,
            [DO_CANCEL] = 5,
        },
    };
    int at = random_below(r, 100), kind = 0;
    for (; at >= weights[scarce][kind]; kind++)
        at -= weights[scarce][kind];
    return (enum depot_kind)kind;
}

void depot_pick(struct depot_maker *maker, struct depot_request *r)
{
    const struct depot *d = maker->depot;
    memset(r, 0, sizeof *r);
    int again = random_between(&maker->random, 1, maker->next_id);
    if (random_chance(&maker->random, 5) && again <= d->last_id && d->ids[again].use != USED_NOT &&
        d->ids[again].of == 0) {
        *r = d->ids[again].asked; /* the very same again */
        return;
    }
    r->kind = pick_kind(&maker->random, maker->scarce);
    if (r->kind <= DO_ALLOT)
        pick_movement(maker, r);
    else if (r->kind <= DO_TRANSFER)
        pick_supply(maker, r);
    else if (r->kind <= DO_WITHDRAW)
        pick_supply_step(maker, r);
    else if (r->kind == DO_RESERVE)
        pick_reserve(maker, r);
    else if (r->kind == DO_CONFIRM)
        r->id = pick_known(maker, USED_RESERVATION);
    else
        pick_step(maker, r);
    if (r->op == r->id)
        r->op = 0;
}
