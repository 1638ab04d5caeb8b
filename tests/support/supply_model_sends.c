/* SPDX-License-Identifier: Apache-2.0 */
/* The model's ship to store: what an order is sent where it is collected. */
#include "tests/support/supply_model.h"

#include <assert.h>
#include <string.h>

/* The transfer from that place, of those that are made with the reservation. */
static int find_send(struct depot_id *made, int from)
{
    int at = 0;
    while (at < DEPOT_SENDS && made[at].use == USED_SUPPLY && made[at].from != from)
        at++;
    assert(at < DEPOT_SENDS); /* one for each of the other places */
    return at;
}

static void add_unit_line(struct depot_id *x, int item, int64_t qty)
{
    int at = 0;
    while (at < x->line_count && x->lines[at].item != item)
        at++;
    if (at == x->line_count)
        x->lines[x->line_count++].item = item;
    x->lines[at].qty += qty;
    x->lines[at].shipped += qty;
    x->lines[at].way += qty;
}

uint64_t depot_send_eta(const struct depot *d, int from)
{
    uint64_t lead_ms = (uint64_t)d->lead_time_s[from] * 1000;
    return d->now_ms + (lead_ms > 0 ? lead_ms : 1);
}

enum code depot_send(struct depot *d, const struct depot_request *r, struct depot_answer *plan)
{
    static struct depot_id made[DEPOT_SENDS];
    int to = r->at - 1;
    memset(made, 0, sizeof made);
    for (int i = 0; i < plan->draw_count; i++) {
        const struct depot_draw *draw = &plan->draws[i];
        if (draw->place == to)
            continue;
        struct depot_id *x = &made[find_send(made, draw->place)];
        x->use = USED_SUPPLY;
        x->state = "in_transit";
        x->from = draw->place;
        x->to = to;
        x->eta_ms = depot_send_eta(d, draw->place);
        x->of = r->id;
        add_unit_line(x, draw->item, draw->qty);
    }
    for (int i = 0; i < DEPOT_SENDS; i++)
        if (made[i].use == USED_SUPPLY && d->ids[r->id + 1 + i].use != USED_NOT)
            return CODE_CONFLICT;
    for (int i = 0; i < plan->draw_count; i++) {
        struct depot_draw *draw = &plan->draws[i];
        if (draw->place == to)
            continue;
        struct depot_stock *s = &d->stock[draw->item][draw->place];
        *(draw->from == FROM_OWN ? &s->own : &s->loose) -= draw->qty;
        d->tally[draw->item][draw->place] -= draw->qty;
        draw->from = r->id + 1 + find_send(made, draw->place);
        draw->place = to;
    }
    for (int i = 0; i < DEPOT_SENDS; i++)
        if (made[i].use == USED_SUPPLY) {
            d->ids[r->id + 1 + i] = made[i];
            d->ids[r->id].awaits = true;
        }
    int last = r->id + DEPOT_SENDS;
    d->last_id = last > d->last_id ? last : d->last_id;
    return CODE_OK;
}

/* ---- ready ---- */

static bool all_there(const struct depot *d, const struct depot_id *x, int place)
{
    bool any = false;
    for (int i = 0; i < x->draw_count; i++) {
        const struct depot_draw *draw = &x->draws[i];
        int64_t open = 0;
        if (draw->from <= 0 || draw->place != place || draw_open(draw) == 0)
            continue;
        any = true;
        for (int j = 0; j < x->draw_count; j++)
            if (x->draws[j].from == draw->from && x->draws[j].item == draw->item)
                open += draw_open(&x->draws[j]);
        if (depot_there_for(d, x, draw) < open)
            return false;
    }
    return any;
}

void depot_look_ready(struct depot *d, int id)
{
    struct depot_id *x = &d->ids[id];
    if (x->use != USED_RESERVATION || !x->awaits || strcmp(x->state, "confirmed") != 0)
        return;
    if (!all_there(d, x, x->draws[0].place))
        return;
    x->awaits = false;
    x->ready = true;
}

void depot_restart(struct depot *d)
{
    for (int id = 1; id <= d->last_id; id++)
        depot_look_ready(d, id);
}

const char *depot_part_step(const struct depot_id *x)
{
    int64_t open = 0, fulfilled = 0;
    for (int i = 0; i < x->draw_count; i++)
        if (x->draws[i].place == x->draws[0].place) {
            open += draw_open(&x->draws[i]);
            fulfilled += x->draws[i].fulfilled;
        }
    if (open > 0)
        return x->ready ? "ready" : "open";
    return fulfilled > 0 ? "fulfilled" : "cancelled";
}
