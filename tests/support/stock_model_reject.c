/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: places that cannot give what was promised from them. */
#include <string.h>

#include "engine/ledger/steps.h"
#include "tests/support/stock_model.h"

enum { MOST = (1 << 28) - 1 };

/* What a reject comes to. */
struct rejecting {
    int64_t less[MODEL_KEPT]; /* of each draw */
    int64_t cancelled[MODEL_KEPT];
    struct request anew;
    struct model_plan plan;
};

/* How much of each draw is rejected. */
static enum code choose(const struct model *m, const struct model_id *x, const struct request *r,
                        struct rejecting *w, struct answer *a)
{
    int64_t left[MODEL_KEPT];
    for (int d = 0; d < x->draw_count; d++)
        left[d] = model_left(&x->draws[d]);
    for (int i = 0; i < r->line_count; i++) {
        const struct request_line *line = &r->lines[i];
        if (!m->items[line->item].known)
            return CODE_UNKNOWN_SKU;
        int64_t missing = model_take_out(x, left, line->item, r->location, line->qty);
        if (missing == 0)
            continue;
        a->shorts[a->short_count++] =
            (struct answer_short){ line->item, line->qty, line->qty - missing };
        return model_wrong_state(x, a);
    }
    for (int d = 0; d < x->draw_count; d++) {
        const struct answer_draw *draw = &x->draws[d];
        bool there = draw->location == r->location;
        bool waits = draw->location == NOWHERE && draw->kind == MODEL_AWAITED + r->location;
        w->less[d] =
            waits || (there && r->line_count == 0) ? model_left(draw) : model_left(draw) - left[d];
    }
    return CODE_OK;
}

/* One line for each item. */
static void list_anew(const struct model_id *x, struct rejecting *w)
{
    w->anew.at = NOWHERE;
    for (int d = 0; d < x->draw_count; d++) {
        int item = x->draws[d].item, line = 0;
        if (w->less[d] == 0)
            continue;
        while (line < w->anew.line_count && w->anew.lines[line].item != item)
            line++;
        if (line == w->anew.line_count)
            w->anew.lines[w->anew.line_count++] =
                (struct request_line){ .item = item, .location = NOWHERE };
        w->anew.lines[line].qty += w->less[d];
    }
}

/* What is not drawn anew is cancelled, of the first draws of the item. */
static void cancel_rest(const struct model_id *x, struct rejecting *w)
{
    for (int i = 0; i < w->anew.line_count; i++) {
        int64_t lacking = w->anew.lines[i].qty;
        for (int d = 0; d < w->plan.count; d++)
            lacking -= w->plan.draws[d].item == w->anew.lines[i].item ? w->plan.draws[d].qty : 0;
        for (int d = 0; d < x->draw_count; d++) {
            if (x->draws[d].item != w->anew.lines[i].item)
                continue;
            w->cancelled[d] = w->less[d] < lacking ? w->less[d] : lacking;
            lacking -= w->cancelled[d];
        }
    }
}

/* Of a draw: what comes off the books, if what was rejected before did already. */
static int64_t taken_off(const struct model *m, const struct model_id *x, const struct request *r,
                         const struct rejecting *w, int draw)
{
    const struct answer_draw *of = &x->draws[draw];
    if (r->reason == REJECT_BUSY || of->location == NOWHERE)
        return 0;
    int64_t there = m->items[of->item].pools[of->location][of->kind].on_hand;
    return there < 0 ? 0 : there < w->less[draw] ? there : w->less[draw];
}

/* Pools for what is damaged. False: there is no room. */
static bool make_damaged(struct model *m, const struct model_id *x, const struct request *r,
                         const struct rejecting *w)
{
    bool fresh[MODEL_ITEMS] = { false }, room = true;
    for (int d = 0; room && d < x->draw_count && r->reason == REJECT_DAMAGED; d++) {
        struct model_pool *to = &m->items[x->draws[d].item].pools[r->location][MODEL_DAMAGED];
        int64_t off = w->less[d] > 0 ? taken_off(m, x, r, w, d) : 0;
        if (off == 0)
            continue;
        bool made = to->made && !to->unused;
        room = model_make_pool(m, to) && to->on_hand + off <= MOST;
        fresh[x->draws[d].item] |= !made && to->made;
    }
    for (int i = 0; i < MODEL_ITEMS; i++)
        m->items[i].pools[r->location][MODEL_DAMAGED].unused |= !room && fresh[i];
    return room;
}

static void carry_out(struct model *m, struct model_id *x, const struct request *r,
                      const struct rejecting *w)
{
    for (int d = 0; d < x->draw_count; d++) {
        struct answer_draw *draw = &x->draws[d];
        if (w->less[d] == 0)
            continue;
        int64_t off = taken_off(m, x, r, w, d);
        *model_reserved(m, draw) -= w->less[d];
        m->items[draw->item].changed = true;
        if (off > 0) {
            m->items[draw->item].pools[r->location][draw->kind].on_hand -= off;
            model_moved(m, draw->item, r->location, draw->kind, -off);
        }
        if (r->reason == REJECT_DAMAGED)
            m->items[draw->item].pools[r->location][MODEL_DAMAGED].on_hand += off;
        draw->qty -= w->less[d] - w->cancelled[d];
        draw->cancelled += w->cancelled[d];
        model_tell(m, MODEL_REJECTED, x, draw->item, r->location, w->less[d]);
    }
    for (int d = 0; d < w->plan.count; d++) {
        const struct answer_draw *draw = &w->plan.draws[d];
        enum model_event_type type = draw->location == NOWHERE ? MODEL_UNSOURCED : MODEL_MOVED;
        model_tell(m, type, x, draw->item, draw->location, draw->qty);
    }
    x->rejected[r->location] = true;
    model_draw(m, x, &w->plan);
}

enum code model_reject(struct model *m, struct model_id *x, const struct request *r,
                       struct answer *a)
{
    struct rejecting w = { .anew = { .at = NOWHERE } };
    bool excluded[MODEL_LOCATIONS];
    if (strcmp(x->state, "confirmed") != 0)
        return model_wrong_state(x, a);
    if (!m->locations[r->location].known)
        return CODE_UNKNOWN_LOCATION;
    if (model_part_at(x, r->location).left == 0)
        return model_wrong_state(x, a);
    enum code code = choose(m, x, r, &w, a);
    if (code)
        return code;
    list_anew(x, &w);
    memcpy(excluded, x->rejected, sizeof excluded);
    excluded[r->location] = true;
    struct model_demand demand = { .channel = x->channel,
                                   .pickup = x->collected,
                                   .excluded = excluded,
                                   .partial = true,
                                   .may_be_empty = true };
    model_plan(m, &demand, &w.anew, &w.plan, a);
    if (r->cancels)
        cancel_rest(x, &w);
    else
        model_plan_backlog(m, &w.anew, false, &w.plan, a);
    if (!model_track(m, x, r, w.plan.count))
        return CODE_LIMIT;
    if (model_serve_before(m, &w.plan))
        return CODE_DEFERRED;
    if (!make_damaged(m, x, r, &w))
        return CODE_LIMIT;
    carry_out(m, x, r, &w);
    return CODE_OK;
}
