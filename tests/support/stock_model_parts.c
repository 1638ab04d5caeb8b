/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: the parts of reservations. */
#include <string.h>

#include "tests/support/stock_model.h"

static const char *const names[] = { "open", "ready", "not_collected" };

/* The step of what is left: the least of them. */
struct model_part model_part_at(const struct model_id *x, int location)
{
    struct model_part part = { 0 };
    for (int i = 0; i < x->draw_count; i++) {
        const struct answer_draw *d = &x->draws[i];
        if (d->location != location || d->qty == 0)
            continue;
        part.draws++;
        part.fulfilled += d->fulfilled;
        part.ready_ms = d->ready_ms > part.ready_ms ? d->ready_ms : part.ready_ms;
        if (model_left(d) == 0)
            continue;
        if (part.left == 0 || d->step < part.step) {
            part.step = d->step;
            part.collect_by_ms = d->collect_by_ms;
        }
        part.left += model_left(d);
    }
    return part;
}

void model_view_parts(const struct model_id *x, struct answer *a)
{
    bool listed[MODEL_LOCATIONS] = { false };
    for (int i = 0; i < x->draw_count; i++) {
        int location = x->draws[i].location;
        if (x->draws[i].qty == 0 || location == NOWHERE || listed[location])
            continue;
        struct model_part part = model_part_at(x, location);
        listed[location] = true;
        a->parts[a->part_count++] = (struct answer_part){
            .location = location,
            .step = part.left > 0        ? names[part.step]
                    : part.fulfilled > 0 ? "fulfilled"
                                         : "cancelled",
            .ready_ms = part.ready_ms,
            .collect_by_ms = part.collect_by_ms,
        };
    }
}

/* ---- slots ---- */

/* The engine writes one draw beside its id if that is all; more in blocks of seven, those that have
 * times in blocks of four, those that have steps in blocks of two; and a ref in one of its own. */
int model_blocks(const struct model_id *x, int draws)
{
    int per_block = x->tracked ? 2 : x->timed ? 4 : 7;
    if (draws == 1 && per_block == 7 && x->ref == 0)
        return 0;
    return (draws + per_block - 1) / per_block + (x->ref != 0);
}

bool model_reshape(struct model *m, struct model_id *x, int draws, int beside)
{
    int blocks = model_blocks(x, draws);
    if (!model_slots_left(m, beside + blocks))
        return false;
    x->slots = 1 + blocks;
    return true;
}

bool model_track(struct model *m, struct model_id *x, const struct request *r, int draws)
{
    bool tracked = x->tracked;
    if (tracked && draws == 0)
        return true;
    x->tracked = true;
    if (model_reshape(m, x, x->draw_count + draws, r->op != 0))
        return true;
    x->tracked = tracked;
    return false;
}

/* ---- ready, and not collected ---- */

enum code model_ready(struct model *m, struct model_id *x, const struct request *r,
                      struct answer *a, bool *again)
{
    uint64_t by_ms = r->has_collect_by ? r->collect_by_ms : 0;
    if (!m->locations[r->location].known)
        return CODE_UNKNOWN_LOCATION;
    struct model_part part = model_part_at(x, r->location);
    if (strcmp(x->state, "confirmed") != 0 || part.left == 0)
        return model_wrong_state(x, a);
    *again = part.step == PART_IS_READY && part.collect_by_ms == by_ms;
    if (*again)
        return CODE_OK;
    if (r->has_collect_by && by_ms <= m->now_ms)
        return CODE_BAD_REQUEST;
    if (!model_track(m, x, r, 0))
        return CODE_LIMIT;
    for (int i = 0; i < x->draw_count; i++) {
        struct answer_draw *d = &x->draws[i];
        if (d->location != r->location || model_left(d) == 0)
            continue;
        d->step = PART_IS_READY;
        d->collect_by_ms = by_ms;
    }
    return CODE_OK;
}

void model_leave_behind(struct model *m, struct model_id *x)
{
    for (int i = 0; i < x->draw_count; i++) {
        struct answer_draw *d = &x->draws[i];
        if (d->step != PART_IS_READY || model_left(d) == 0 || d->collect_by_ms == 0 ||
            d->collect_by_ms > m->now_ms)
            continue;
        d->step = PART_IS_LEFT_BEHIND;
        x->lsn_last = 0; /* of no request */
    }
}

int64_t model_aside(const struct model *m, int item, int location)
{
    int64_t sum = 0;
    for (int i = 1; i <= m->id_count; i++) {
        const struct model_id *x = &m->ids[i];
        for (int d = 0; x->use == USE_RESERVATION && d < x->draw_count; d++)
            if (x->draws[d].item == item && x->draws[d].location == location &&
                x->draws[d].step != PART_IS_OPEN)
                sum += model_left(&x->draws[d]);
    }
    return sum;
}
