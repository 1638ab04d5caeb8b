/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: the lives of reservations. */
#include <assert.h>
#include <string.h>

#include "tests/support/stock_model.h"

enum { MOST = (1 << 28) - 1, DEFAULT_MS = 15 * 60 * 1000 };

static bool same_order(const struct request *a, const struct request *b)
{
    return a->channel == b->channel && a->at == b->at && a->has_ttl == b->has_ttl &&
           a->ttl_ms == b->ttl_ms && a->confirm == b->confirm && a->ref == b->ref &&
           a->partial == b->partial && a->backorder == b->backorder && model_same_lines(a, b);
}

/* What it draws no longer is not shown. */
void model_view(const struct model_id *x, struct answer *a)
{
    a->code = CODE_OK;
    a->lsn = x->lsn_last;
    a->state = x->state;
    a->channel = x->channel;
    a->expires_ms = strcmp(x->state, "held") == 0 ? x->expires_ms : 0;
    a->draw_count = 0;
    for (int d = 0; d < x->draw_count; d++)
        if (x->draws[d].qty > 0)
            a->draws[a->draw_count++] = x->draws[d];
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

void model_draw(struct model *m, struct model_id *x, const struct model_plan *plan)
{
    for (int i = 0; i < plan->count; i++) {
        const struct answer_draw *d = &plan->draws[i];
        *model_reserved(m, d) += d->qty;
        if (d->location == NOWHERE)
            m->items[d->item].changed = true;
        assert(x->draw_count < MODEL_KEPT);
        x->draws[x->draw_count++] = *d;
    }
}

/* Is any of it ready later than at once? What is collected has times in any case. */
static bool is_timed(const struct model *m, const struct model_plan *plan, bool collected)
{
    bool timed = collected;
    for (int i = 0; i < plan->count; i++)
        timed |= plan->draws[i].ready_ms > m->now_ms;
    return timed;
}

/* What was granted then; what became of it. */
static void repeat_order(const struct model_id *x, const struct request *r, struct answer *a)
{
    a->code = CODE_CONFLICT;
    if (x->use != USE_RESERVATION || !same_order(&x->asked, r))
        return;
    model_view(x, a);
    a->lsn = x->lsn_first;
    a->state = x->first.state;
    a->expires_ms = x->first.expires_ms;
    a->draw_count = 0;
    for (int d = 0; d < x->draw_count; d++)
        if (x->draws[d].granted > 0) {
            a->draws[a->draw_count] = x->draws[d];
            a->draws[a->draw_count++].qty = x->draws[d].granted;
        }
    a->missing_count = x->first.missing_count;
    memcpy(a->missing, x->first.missing, sizeof a->missing);
}

/* Of a partial order: the rest of each item, in the order of the items' first lines. */
static void list_missing(const struct request *r, const struct model_plan *plan, struct answer *a)
{
    for (int i = 0; i < r->line_count; i++) {
        int item = r->lines[i].item, first = 0;
        int64_t missing = 0;
        while (r->lines[first].item != item)
            first++;
        for (int j = 0; j < r->line_count; j++)
            missing += r->lines[j].item == item ? r->lines[j].qty : 0;
        for (int d = 0; d < plan->count; d++)
            missing -= plan->draws[d].item == item ? plan->draws[d].qty : 0;
        if (first == i && missing > 0)
            a->missing[a->missing_count++] = (struct answer_missing){ item, missing };
    }
}

static enum code plan_order(struct model *m, const struct request *r, struct model_plan *plan,
                            struct answer *a)
{
    struct model_demand demand = { .channel = r->channel,
                                   .partial = r->partial || r->backorder,
                                   .may_be_empty = r->backorder };
    enum code code = CODE_OK;
    do
        if (!model_plan(m, &demand, r, plan, a))
            return CODE_INSUFFICIENT_STOCK;
        else if (r->backorder)
            code = model_plan_backlog(m, r, true, plan, a);
    while (!code && model_serve_before(m, plan));
    return code;
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
    struct model_plan plan;
    a->code = plan_order(m, r, &plan, a);
    if (a->code)
        return;
    x->collected = r->at != NOWHERE;
    x->timed = is_timed(m, &plan, x->collected);
    x->tracked = false;
    x->ref = r->ref;
    int blocks = model_blocks(x, plan.count);
    a->code = CODE_LIMIT;
    if (!model_slots_left(m, 1 + blocks))
        return;
    x->slots = 1 + blocks;
    int64_t hold = m->channels[r->channel].hold_ttl_ms;
    uint64_t ttl = hold ? (uint64_t)hold : DEFAULT_MS;
    if (r->has_ttl)
        ttl = r->ttl_ms;
    x->use = USE_RESERVATION;
    x->was_reservation = true;
    x->asked = *r;
    x->state = r->confirm ? "confirmed" : "held";
    x->channel = r->channel;
    x->created_ms = m->now_ms;
    x->expires_ms = r->confirm ? 0 : m->now_ms + ttl;
    x->lsn_first = x->lsn_last = x->lsn_confirmed = lsn;
    x->last_step = ASK_KINDS;
    x->draw_count = 0;
    memset(x->rejected, 0, sizeof x->rejected);
    model_draw(m, x, &plan);
    for (int d = 0; d < x->draw_count; d++)
        x->draws[d].granted = x->draws[d].qty;
    model_view(x, a);
    if (r->partial)
        list_missing(r, &plan, a);
    x->first = *a;
}

/* ---- what becomes of it ---- */

enum code model_find_reservation(struct model *m, int id, struct model_id **x)
{
    if (!model_id_fits(id))
        return CODE_BAD_REQUEST;
    *x = model_find(m, id);
    return (*x)->use == USE_RESERVATION ? CODE_OK : CODE_UNKNOWN_RESERVATION;
}

enum code model_wrong_state(const struct model_id *x, struct answer *a)
{
    a->state = x->state;
    return CODE_WRONG_STATE;
}

void model_reservation(struct model *m, const struct request *r, struct answer *a)
{
    struct model_id *x;
    a->code = model_find_reservation(m, r->id, &x);
    if (a->code)
        return;
    model_view(x, a);
    model_view_parts(x, a);
    a->ref = x->ref;
}

void model_extend(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    struct model_id *x;
    a->code = CODE_BAD_REQUEST;
    if (r->ttl_ms < 1 || r->ttl_ms > UINT32_MAX ||
        (a->code = model_find_reservation(m, r->id, &x)) != CODE_OK)
        return;
    if (strcmp(x->state, "held") != 0) {
        a->code = model_wrong_state(x, a);
        return;
    }
    x->expires_ms = m->now_ms + r->ttl_ms;
    x->lsn_last = lsn;
    model_view(x, a);
}

/* Its draws move to other slots, beside the ref, while they still have those that they had. */
static enum code replace_ref(struct model *m, struct model_id *x, int ref)
{
    int before = x->ref;
    x->ref = ref;
    if (model_reshape(m, x, x->draw_count, 0))
        return CODE_OK;
    x->ref = before;
    return CODE_LIMIT;
}

void model_confirm(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    struct model_id *x;
    a->code = model_find_reservation(m, r->id, &x);
    if (a->code)
        return;
    if (strcmp(x->state, "confirmed") == 0) {
        model_view(x, a);
        a->lsn = x->lsn_confirmed;
        return;
    }
    if (strcmp(x->state, "held") != 0) {
        a->code = model_wrong_state(x, a);
        return;
    }
    a->code = r->ref ? replace_ref(m, x, r->ref) : CODE_OK;
    if (a->code)
        return;
    x->state = "confirmed";
    x->lsn_last = x->lsn_confirmed = lsn;
    model_view(x, a);
}

void model_expire(struct model *m, struct model_id *x, uint64_t lsn)
{
    for (int i = 0; i < x->draw_count; i++) {
        struct answer_draw *d = &x->draws[i];
        int64_t left = model_left(d);
        *model_reserved(m, d) -= left;
        m->items[d->item].changed = true; /* though perhaps nothing of it was left */
        d->cancelled += left;
    }
    x->state = "expired";
    x->lsn_last = lsn;
    x->last_step = ASK_KINDS;
}
