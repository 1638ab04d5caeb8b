/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the answers of the engine and of the model. */
#include <stdio.h>
#include <string.h>

#include "tests/support/ledger_driver.h"

static bool same_text(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static bool same_short(const struct answer_short *a, const struct answer_short *b)
{
    return a->item == b->item && a->wanted == b->wanted && a->available == b->available;
}

/* A fulfil names one of the pools that are short, whichever it met first. */
static bool same_shorts(const struct request *r, const struct answer *e, const struct answer *m)
{
    if (r->kind == ASK_FULFIL && e->code == CODE_INSUFFICIENT_STOCK) {
        for (int i = 0; i < m->short_count; i++)
            if (same_short(&e->shorts[0], &m->shorts[i]))
                return e->short_count == 1;
        return false;
    }
    if (e->short_count != m->short_count)
        return false;
    for (int i = 0; i < e->short_count; i++)
        if (!same_short(&e->shorts[i], &m->shorts[i]))
            return false;
    return true;
}

static bool same_draws(const struct answer *e, const struct answer *m)
{
    if (e->draw_count != m->draw_count)
        return false;
    for (int i = 0; i < e->draw_count; i++) {
        const struct answer_draw *x = &e->draws[i], *y = &m->draws[i];
        if (x->item != y->item || x->location != y->location || x->qty != y->qty ||
            x->fulfilled != y->fulfilled || x->cancelled != y->cancelled ||
            x->ready_ms != y->ready_ms)
            return false;
    }
    return true;
}

static bool same_missing(const struct answer *e, const struct answer *m)
{
    if (e->missing_count != m->missing_count)
        return false;
    for (int i = 0; i < e->missing_count; i++)
        if (e->missing[i].item != m->missing[i].item || e->missing[i].qty != m->missing[i].qty)
            return false;
    return true;
}

static bool same_parts(const struct answer *e, const struct answer *m)
{
    if (e->part_count != m->part_count)
        return false;
    for (int i = 0; i < e->part_count; i++) {
        const struct answer_part *x = &e->parts[i], *y = &m->parts[i];
        if (x->location != y->location || !same_text(x->step, y->step) ||
            x->ready_ms != y->ready_ms || x->collect_by_ms != y->collect_by_ms)
            return false;
    }
    return true;
}

#define MUST(same, what)                                                                           \
    do {                                                                                           \
        if (!(same)) {                                                                             \
            snprintf(why, size, "%s differs", what);                                               \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

bool driver_agrees(const struct request *r, const struct answer *engine, const struct answer *model,
                   char *why, size_t size)
{
    if (engine->code != model->code) {
        snprintf(why, size, "engine: %s, model: %s", code_name(engine->code),
                 code_name(model->code));
        return false;
    }
    if (model->lsn != 0 && engine->lsn != model->lsn) {
        snprintf(why, size, "LSN: engine %llu, model %llu", (unsigned long long)engine->lsn,
                 (unsigned long long)model->lsn);
        return false;
    }
    int64_t hidden = model->available - engine->available;
    if (engine->delta != model->delta || engine->on_hand != model->on_hand ||
        (hidden != 0 && hidden != model->may_hide) || engine->reserved != model->reserved) {
        snprintf(why, size,
                 "engine: delta %lld, on hand %lld, reserved %lld, available %lld; "
                 "model: %lld, %lld, %lld, %lld",
                 (long long)engine->delta, (long long)engine->on_hand, (long long)engine->reserved,
                 (long long)engine->available, (long long)model->delta, (long long)model->on_hand,
                 (long long)model->reserved, (long long)model->available);
        return false;
    }
    MUST(same_text(engine->state, model->state), "state");
    MUST(engine->channel == model->channel, "channel");
    MUST(engine->ref == model->ref, "ref");
    MUST(engine->expires_ms == model->expires_ms, "deadline");
    MUST(same_shorts(r, engine, model), "what fell short");
    MUST(engine->backlog == model->backlog, "the backlog");
    MUST(same_draws(engine, model), "where it is drawn from");
    MUST(same_missing(engine, model), "what is missing");
    MUST(same_parts(engine, model), "how far its parts are");
    MUST(memcmp(engine->pools, model->pools, sizeof engine->pools) == 0, "pools");
    return true;
}

void driver_print(const struct request *r)
{
    static const char *const kinds[ASK_KINDS] = {
        "receive",      "adjust",  "count",        "return",      "allot",    "sold",
        "shift",        "reserve", "extend",       "confirm",     "fulfil",   "cancel",
        "ready",        "restock", "amend",        "move",        "reject",   "reservation",
        "availability", "stock",   "location_set", "channel_set", "item_set", "stocking_set"
    };
    printf("%s id %d op %d item %d location %d channel %d qty %lld", kinds[r->kind], r->id, r->op,
           r->item, r->location, r->channel, (long long)r->qty);
    if (r->ref)
        printf(" ref %d", r->ref);
    if (r->returned)
        printf(" of reservation %d", r->returned);
    if (r->has_as_of)
        printf(" as_of %llu", (unsigned long long)r->as_of_ms);
    if (r->has_ttl || r->kind == ASK_EXTEND)
        printf(" ttl %llu", (unsigned long long)r->ttl_ms);
    if (r->has_collect_by)
        printf(" collect by %llu", (unsigned long long)r->collect_by_ms);
    if (r->shelf)
        printf(" shelf");
    if (r->kind == ASK_REJECT)
        printf(" reason %d%s", r->reason, r->cancels ? " cancels" : "");
    if (r->partial || r->backorder)
        printf("%s%s", r->partial ? " partial" : "", r->backorder ? " backorder" : "");
    if (r->has_backorder_limit)
        printf(" backorder_limit %d", r->backorder_limit);
    if (r->kind == ASK_RESERVE || r->kind == ASK_FULFIL || r->kind == ASK_CANCEL)
        printf(" at %d%s", r->at, r->confirm ? " confirm" : "");
    for (int i = 0; i < r->line_count; i++)
        printf(" [item %d qty %lld location %d to %d]", r->lines[i].item,
               (long long)r->lines[i].qty, r->lines[i].location, r->lines[i].to);
    printf("\n");
}
