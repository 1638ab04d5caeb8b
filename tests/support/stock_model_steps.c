/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: steps of a reservation, with an op or without. */
#include <string.h>

#include "tests/support/stock_model.h"

enum { MOST = (1 << 28) - 1 };

/* ---- what is asked ---- */

static bool same_step(const struct request *a, const struct request *b)
{
    return a->kind == b->kind && a->id == b->id && a->at == b->at && a->location == b->location &&
           a->reason == b->reason && a->cancels == b->cancels &&
           a->has_collect_by == b->has_collect_by && a->collect_by_ms == b->collect_by_ms &&
           model_same_lines(a, b);
}

static bool step_fits(const struct request *r)
{
    bool redraws = r->kind == ASK_AMEND || r->kind == ASK_MOVE;
    if (!model_id_fits(r->id) || !model_id_fits(r->op) || r->id == r->op)
        return false;
    if (redraws && r->line_count == 0)
        return false;
    for (int i = 0; i < r->line_count; i++)
        if (r->lines[i].qty < 1 || r->lines[i].qty > MOST ||
            (r->kind == ASK_MOVE && r->lines[i].location == r->lines[i].to))
            return false;
    return true;
}

int64_t model_left(const struct answer_draw *d)
{
    return d->qty - d->fulfilled - d->cancelled;
}

/* ---- fulfil, cancel, restock ---- */

/* Is the draw one that the step settles? */
static bool concerns(const struct request *r, const struct answer_draw *d)
{
    if (r->kind == ASK_RESTOCK)
        return d->location == r->location && d->step == PART_IS_LEFT_BEHIND;
    return r->at == NOWHERE || d->location == r->at;
}

/* How much of each draw the step settles. */
static enum code choose(const struct model *m, const struct model_id *x, const struct request *r,
                        int64_t part[MODEL_KEPT], struct answer *a)
{
    for (int d = 0; d < x->draw_count && r->line_count == 0; d++)
        if (concerns(r, &x->draws[d]))
            part[d] = model_left(&x->draws[d]);
    for (int i = 0; i < r->line_count; i++) {
        const struct request_line *line = &r->lines[i];
        int64_t wanted = line->qty;
        if (!m->items[line->item].known)
            return CODE_UNKNOWN_SKU;
        if (r->kind == ASK_FULFIL)
            wanted = model_choose_there(m, x, line->item, r->at, wanted, part);
        for (int d = 0; d < x->draw_count; d++) {
            const struct answer_draw *draw = &x->draws[d];
            int64_t left = model_left(draw) - part[d];
            int64_t qty = left < wanted ? left : wanted;
            if (draw->item != line->item || !concerns(r, draw))
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
                         const int64_t part[MODEL_KEPT], struct answer *a)
{
    int64_t wanted[MODEL_ITEMS][MODEL_LOCATIONS][MODEL_KINDS] = { 0 };
    int64_t awaited[MODEL_ITEMS][1 + MODEL_LOCATIONS] = { 0 };
    for (int d = 0; d < x->draw_count; d++)
        if (x->draws[d].location == NOWHERE)
            awaited[x->draws[d].item][x->draws[d].kind - MODEL_AWAITED + 1] += part[d];
        else
            wanted[x->draws[d].item][x->draws[d].location][x->draws[d].kind] += part[d];
    for (int i = 0; i < MODEL_ITEMS; i++)
        for (int p = 0; p < 1 + MODEL_LOCATIONS; p++)
            if (awaited[i][p] > 0 && a->short_count < MODEL_SHORTS)
                a->shorts[a->short_count++] = (struct answer_short){ i, awaited[i][p], 0 };
    for (int i = 0; i < MODEL_ITEMS; i++)
        for (int l = 0; l < MODEL_LOCATIONS; l++)
            for (int k = 0; k < MODEL_KINDS; k++) {
                int64_t there = m->items[i].pools[l][k].on_hand;
                if (wanted[i][l][k] > there && a->short_count < MODEL_SHORTS)
                    a->shorts[a->short_count++] =
                        (struct answer_short){ i, wanted[i][l][k], there };
            }
    return a->short_count > 0 ? CODE_INSUFFICIENT_STOCK : CODE_OK;
}

static void settle(struct model *m, struct model_id *x, const struct request *r,
                   const int64_t part[MODEL_KEPT])
{
    for (int d = 0; d < x->draw_count; d++) {
        struct answer_draw *draw = &x->draws[d];
        *model_reserved(m, draw) -= part[d];
        m->items[draw->item].changed |= part[d] > 0;
        if (r->kind != ASK_FULFIL) {
            draw->cancelled += part[d];
            continue;
        }
        if (part[d] > 0)
            m->items[draw->item].pools[draw->location][draw->kind].on_hand -= part[d];
        draw->fulfilled += part[d];
        x->fulfilled[draw->item] += part[d];
        if (part[d] > 0)
            model_moved(m, draw->item, draw->location, draw->kind, -part[d]);
    }
}

void model_step_done(struct model_id *x, const struct request *r, uint64_t lsn)
{
    bool left = false, fulfilled = false;
    for (int d = 0; d < x->draw_count; d++) {
        left |= model_left(&x->draws[d]) > 0;
        fulfilled |= x->draws[d].fulfilled > 0;
    }
    if (!left)
        x->state = fulfilled ? "fulfilled" : "cancelled";
    x->last_step = r->kind;
    x->lsn_last = lsn;
}

/* Asked for all, of the order or of a place, and it was this kind of step that ended it. */
static bool done_already(const struct model_id *x, const struct request *r, int place)
{
    const char *goal = r->kind == ASK_FULFIL ? "fulfilled" : "cancelled";
    if (r->line_count > 0)
        return false;
    if (place == NOWHERE)
        return model_state_final(x->state) &&
               (strcmp(x->state, goal) == 0 || x->last_step == r->kind);
    struct model_part part = model_part_at(x, place);
    return part.draws > 0 && part.left == 0 && (r->kind == ASK_FULFIL) == (part.fulfilled > 0);
}

static enum code settle_some(struct model *m, struct model_id *x, const struct request *r,
                             struct answer *a, bool *again)
{
    int64_t part[MODEL_KEPT] = { 0 }, sum = 0;
    int place = r->kind == ASK_RESTOCK ? r->location : r->at;
    if (place != NOWHERE && !m->locations[place].known)
        return CODE_UNKNOWN_LOCATION;
    *again = done_already(x, r, place);
    if (*again)
        return CODE_OK;
    if (strcmp(x->state, "confirmed") != 0 &&
        (r->kind != ASK_CANCEL || strcmp(x->state, "held") != 0))
        return model_wrong_state(x, a);
    enum code code = choose(m, x, r, part, a);
    for (int d = 0; d < x->draw_count; d++)
        sum += part[d];
    if (!code && sum == 0)
        return model_wrong_state(x, a);
    if (!code && r->kind == ASK_FULFIL)
        code = on_hand(m, x, part, a);
    if (!code)
        settle(m, x, r, part);
    return code;
}

/* ---- any step ---- */

static void step_once(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    struct model_id *x;
    bool again = false;
    a->code = model_find_reservation(m, r->id, &x);
    if (a->code)
        return;
    if (r->kind == ASK_READY)
        a->code = model_ready(m, x, r, a, &again);
    else if (r->kind == ASK_AMEND)
        a->code = model_amend(m, x, r, a, &again);
    else if (r->kind == ASK_MOVE)
        a->code = model_move(m, x, r, a, &again);
    else if (r->kind == ASK_REJECT)
        a->code = model_reject(m, x, r, a);
    else
        a->code = settle_some(m, x, r, a, &again);
    if (a->code)
        return;
    if (!again && r->kind == ASK_READY)
        x->lsn_last = lsn;
    else if (!again)
        model_step_done(x, r, lsn);
    model_view(x, a);
}

/* Again, if a backlog was served before it. */
static void step(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    do {
        memset(a, 0, sizeof *a);
        step_once(m, r, lsn, a);
    } while (a->code == CODE_DEFERRED);
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
