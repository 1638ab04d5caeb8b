/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: orders that are amended, and units of them that move to other places. */
#include <string.h>

#include "tests/support/stock_model.h"

/* What a change of an order's draws comes to. */
struct redrawing {
    int64_t done[MODEL_KEPT]; /* fulfilled, and not counted for a line yet */
    int64_t left[MODEL_KEPT]; /* reserved, and not kept by a line yet */
    struct request anew;      /* what is to be drawn anew */
    struct model_plan plan;
};

static void begin(struct redrawing *w, const struct model_id *x)
{
    memset(w, 0, sizeof *w);
    w->anew.at = NOWHERE;
    for (int d = 0; d < x->draw_count; d++) {
        w->done[d] = x->draws[d].fulfilled;
        w->left[d] = model_left(&x->draws[d]);
    }
}

int64_t model_take_out(const struct model_id *x, int64_t list[MODEL_KEPT], int item, int location,
                       int64_t wanted)
{
    for (int d = 0; d < x->draw_count && wanted > 0; d++) {
        const struct answer_draw *draw = &x->draws[d];
        if (draw->item != item || (location != NOWHERE && draw->location != location))
            continue;
        int64_t qty = list[d] < wanted ? list[d] : wanted;
        list[d] -= qty;
        wanted -= qty;
    }
    return wanted;
}

static void draw_anew(struct redrawing *w, int item, int location, int64_t qty)
{
    w->anew.lines[w->anew.line_count++] =
        (struct request_line){ .item = item, .location = location, .qty = qty };
}

static bool alive(const struct model_id *x)
{
    return strcmp(x->state, "held") == 0 || strcmp(x->state, "confirmed") == 0;
}

/* Where units are drawn, or waited for; NOWHERE: at any place. */
static int place_of(const struct answer_draw *d)
{
    return d->location == NOWHERE ? d->kind - MODEL_AWAITED : d->location;
}

/* What is collected grows where it is collected. False: that is not clear. */
static bool bind_to_pickup(const struct model_id *x, struct request *anew)
{
    int place = NOWHERE, places = 0;
    for (int d = 0; d < x->draw_count; d++) {
        int at = place_of(&x->draws[d]);
        if (x->draws[d].qty == 0 || at == NOWHERE || at == place)
            continue;
        place = at;
        places++;
    }
    for (int i = 0; i < anew->line_count; i++) {
        if (anew->lines[i].location == NOWHERE && places != 1)
            return false;
        if (anew->lines[i].location == NOWHERE)
            anew->lines[i].location = place;
    }
    return true;
}

/* Draws anew, and gives back what is in `less`: all or nothing. */
static enum code redraw(struct model *m, struct model_id *x, const struct request *r,
                        struct redrawing *w, const int64_t less[MODEL_KEPT], struct answer *a,
                        bool *again)
{
    int64_t given = 0;
    for (int d = 0; d < x->draw_count; d++)
        given += less[d];
    *again = given == 0 && w->anew.line_count == 0;
    if (*again)
        return CODE_OK;
    if (x->collected && !bind_to_pickup(x, &w->anew))
        return CODE_BAD_REQUEST;
    struct model_demand demand = { .channel = x->channel,
                                   .pickup = x->collected,
                                   .excluded = x->rejected };
    if (!model_plan(m, &demand, &w->anew, &w->plan, a))
        return CODE_INSUFFICIENT_STOCK;
    if (model_serve_before(m, &w->plan))
        return CODE_DEFERRED;
    if (!model_track(m, x, r, w->plan.count))
        return CODE_LIMIT;
    for (int d = 0; d < x->draw_count; d++) {
        struct answer_draw *draw = &x->draws[d];
        *model_reserved(m, draw) -= less[d];
        m->items[draw->item].changed |= less[d] > 0;
        draw->qty -= less[d];
    }
    for (int d = 0; d < w->plan.count && r->kind == ASK_MOVE; d++)
        model_tell(m, MODEL_MOVED, x, w->plan.draws[d].item, w->plan.draws[d].location,
                   w->plan.draws[d].qty);
    model_draw(m, x, &w->plan);
    return CODE_OK;
}

/* Lines that name a place choose first. What was fulfilled counts, then what is reserved. */
enum code model_amend(struct model *m, struct model_id *x, const struct request *r,
                      struct answer *a, bool *again)
{
    struct redrawing w;
    if (!alive(x))
        return model_wrong_state(x, a);
    int64_t more[MODEL_LINES];
    begin(&w, x);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < r->line_count; i++) {
            const struct request_line *line = &r->lines[i];
            if ((line->location == NOWHERE) != (pass == 1))
                continue;
            if (!m->items[line->item].known)
                return CODE_UNKNOWN_SKU;
            if (pass == 0 && !m->locations[line->location].known)
                return CODE_UNKNOWN_LOCATION;
            more[i] = model_take_out(x, w.done, line->item, line->location, line->qty);
            more[i] = model_take_out(x, w.left, line->item, line->location, more[i]);
        }
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < r->line_count; i++) {
            const struct request_line *line = &r->lines[i];
            if ((line->location == NOWHERE) != (pass == 1))
                continue;
            if (pass == 0) /* what was fulfilled elsewhere counts, too */
                more[i] = model_take_out(x, w.done, line->item, NOWHERE, more[i]);
            if (more[i] > 0)
                draw_anew(&w, line->item, line->location, more[i]);
        }
    return redraw(m, x, r, &w, w.left, a, again);
}

enum code model_move(struct model *m, struct model_id *x, const struct request *r, struct answer *a,
                     bool *again)
{
    struct redrawing w;
    int64_t less[MODEL_KEPT] = { 0 };
    if (!alive(x))
        return model_wrong_state(x, a);
    begin(&w, x);
    for (int i = 0; i < r->line_count; i++) {
        const struct request_line *line = &r->lines[i];
        if (!m->items[line->item].known)
            return CODE_UNKNOWN_SKU;
        if (!m->locations[line->location].known || !m->locations[line->to].known)
            return CODE_UNKNOWN_LOCATION;
        int64_t missing = model_take_out(x, w.left, line->item, line->location, line->qty);
        if (missing > 0) {
            a->shorts[a->short_count++] =
                (struct answer_short){ line->item, line->qty, line->qty - missing };
            return model_wrong_state(x, a);
        }
        draw_anew(&w, line->item, line->to, line->qty);
    }
    for (int d = 0; d < x->draw_count; d++)
        less[d] = model_left(&x->draws[d]) - w.left[d];
    return redraw(m, x, r, &w, less, a, again);
}
