/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/ledger_driver.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/steps.h"
#include "tests/support/evidence.h"

/* ---- names ---- */

/* Lengths differ, so that records of all lengths come about. */
static struct text write_name(struct driver_name *to, const char *message, int number, int padding)
{
    int n = snprintf(to->at, sizeof to->at, "%s%d", message, number);
    for (int i = 0; i < padding; i++)
        to->at[n++] = '-';
    to->len = (uint32_t)n;
    return (struct text){ to->at, to->len };
}

struct text driver_sku(struct driver_name *buffer, int item)
{
    return write_name(buffer, "S", item, item * 5);
}

struct text driver_location(struct driver_name *buffer, int location)
{
    if (location == NOWHERE)
        return (struct text){ NULL, 0 };
    if (location == 0)
        return text_of("main");
    if (location >= MODEL_LOCATIONS && location < MODEL_PLACES)
        return write_name(buffer, "G", location - MODEL_LOCATIONS, 3);
    return write_name(buffer, "L", location, location);
}

struct text driver_channel(struct driver_name *buffer, int channel)
{
    return channel == 0 ? text_of("default") : write_name(buffer, "C", channel, 0);
}

struct text driver_id(struct driver_name *buffer, int id)
{
    if (id == 0)
        return (struct text){ NULL, 0 };
    if (id == BAD_ID_EMPTY)
        return text_of("");
    if (id == BAD_ID_LONG)
        return write_name(buffer, "i", 1, ID_MAX - 1);
    return write_name(buffer, "i", id, id % 31);
}

int driver_number(struct text t)
{
    int number = 0;
    if (t.len == 4 && memcmp(t.at, "main", 4) == 0)
        return 0;
    if (t.len == 7 && memcmp(t.at, "default", 7) == 0)
        return 0;
    for (uint32_t i = 1; i < t.len && t.at[i] >= '0' && t.at[i] <= '9'; i++)
        number = number * 10 + (t.at[i] - '0');
    return number;
}

int driver_place(struct text t)
{
    return text_given(t) ? driver_number(t) : NOWHERE;
}

/* ---- asking ---- */

/* The texts of a request. They live as long as the failure that may name them. */
static struct texts {
    struct driver_name id, op, sku, location, channel, ref;
    struct driver_name line_sku[MODEL_LINES], line_location[MODEL_LINES];
    struct driver_name line_to[MODEL_LINES];
    struct order_line lines[MODEL_LINES];
    struct move_line moves[MODEL_LINES];
} asked;

static void fill_lines(const struct request *r)
{
    for (int i = 0; i < r->line_count; i++)
        asked.lines[i] = (struct order_line){
            .sku = driver_sku(&asked.line_sku[i], r->lines[i].item),
            .qty = r->lines[i].qty,
            .location = driver_location(&asked.line_location[i], r->lines[i].location),
        };
    for (int i = 0; r->kind == ASK_MOVE && i < r->line_count; i++)
        asked.moves[i] = (struct move_line){
            .sku = asked.lines[i].sku,
            .from = asked.lines[i].location,
            .to = driver_location(&asked.line_to[i], r->lines[i].to),
            .qty = r->lines[i].qty,
        };
}

/* With evidence from all records so far, once the ledger asks for it. */
static enum code ask_return(struct ledger_rig *rig, struct ctx *ctx, const struct movement *m,
                            struct movement_result *result)
{
    struct movement again = *m;
    struct return_evidence evidence;
    uint32_t item;
    enum code code = ledger_return(ctx, m, result);
    if (code != CODE_DEFERRED || !ledger_needs_evidence(ctx) ||
        ledger_find_item(ctx, m->sku, &item) != CODE_OK)
        return code;
    ledger_rig_drain(rig);
    evidence = evidence_gather(rig->records, rig->length, m->ref, item);
    again.evidence = &evidence;
    return ledger_return(ctx, &again, result);
}

static void ask_movement(struct ledger_rig *rig, struct ctx *ctx, const struct request *r,
                         struct answer *a)
{
    struct movement_result result = { 0 };
    struct movement m = { .id = driver_id(&asked.id, r->id),
                          .sku = driver_sku(&asked.sku, r->item),
                          .location = driver_location(&asked.location, r->location),
                          .qty = r->qty,
                          .damaged = r->damaged,
                          .has_as_of = r->has_as_of,
                          .has_if_on_hand = r->has_if_on_hand,
                          .shelf = r->shelf,
                          .as_of_ms = r->as_of_ms,
                          .if_on_hand = r->if_on_hand };
    if (r->ref)
        m.reason = write_name(&asked.ref, "r", r->ref, r->ref);
    m.ref = r->kind == ASK_RETURN ? driver_id(&asked.op, r->returned) : m.reason;
    if (r->kind == ASK_RECEIVE)
        a->code = ledger_receive(ctx, &m, &result);
    else if (r->kind == ASK_ADJUST)
        a->code = ledger_adjust(ctx, &m, &result);
    else if (r->kind == ASK_COUNT)
        a->code = ledger_count(ctx, &m, &result);
    else
        a->code = ask_return(rig, ctx, &m, &result);
    if (a->code)
        return;
    a->lsn = result.lsn;
    a->delta = result.delta;
    a->on_hand = result.on_hand;
    a->available = result.available;
}

static void ask_allot(struct ctx *ctx, const struct request *r, struct answer *a)
{
    struct allot_result result = { 0 };
    struct allotment allotment = { .id = driver_id(&asked.id, r->id),
                                   .sku = driver_sku(&asked.sku, r->item),
                                   .location = driver_location(&asked.location, r->location),
                                   .channel = driver_channel(&asked.channel, r->channel),
                                   .qty = r->qty };
    a->code = ledger_allot(ctx, &allotment, &result);
    if (a->code)
        return;
    a->lsn = result.lsn;
    a->on_hand = result.allotted;
    a->available = result.available;
}

static void take_view(const struct reservation_view *v, struct answer *a)
{
    a->lsn = v->lsn;
    a->state = v->state;
    a->channel = driver_number(v->channel);
    a->expires_ms = v->expires_ms;
    a->draw_count = (int)v->draw_count;
    assert(v->draw_count <= MODEL_KEPT);
    for (uint32_t i = 0; i < v->draw_count; i++) {
        const struct draw_view *d = &v->draws[i];
        a->draws[i] = (struct answer_draw){ .item = driver_number(d->sku),
                                            .location = driver_place(d->location),
                                            .qty = d->qty,
                                            .fulfilled = d->fulfilled,
                                            .cancelled = d->cancelled,
                                            .ready_ms = d->ready_ms };
    }
    a->part_count = (int)v->part_count;
    for (uint32_t i = 0; i < v->part_count; i++) {
        const struct part_view *p = &v->parts[i];
        a->parts[i] = (struct answer_part){ .location = driver_number(p->location),
                                            .step = p->step,
                                            .ready_ms = p->ready_ms,
                                            .collect_by_ms = p->collect_by_ms };
    }
}

/* ready, restock, amend, move and reject. */
static enum code ask_step(struct ctx *ctx, const struct request *r, struct reservation_view *view)
{
    struct text id = driver_id(&asked.id, r->id), op = driver_id(&asked.op, r->op);
    struct text location = driver_location(&asked.location, r->location);
    uint32_t count = (uint32_t)r->line_count;
    struct set_aside ready = { id, location, op, r->has_collect_by, r->collect_by_ms };
    struct step restock = { .id = id, .op = op, .location = location };
    struct amendment amend = { id, op, asked.lines, count };
    struct relocation move = { id, op, asked.moves, count };
    struct rejection reject = { .id = id,
                                .location = location,
                                .op = op,
                                .lines = asked.lines,
                                .line_count = count,
                                .reason = (enum reject_reason)r->reason,
                                .cancels = r->cancels };
    if (r->kind == ASK_READY)
        return ledger_ready(ctx, &ready, view);
    if (r->kind == ASK_RESTOCK)
        return ledger_restock(ctx, &restock, view);
    if (r->kind == ASK_REJECT)
        return ledger_reject(ctx, &reject, view);
    return r->kind == ASK_AMEND ? ledger_amend(ctx, &amend, view) : ledger_move(ctx, &move, view);
}

static void ask_reservation(struct ctx *ctx, const struct request *r, struct answer *a)
{
    struct reservation_view view;
    struct text id = driver_id(&asked.id, r->id);
    struct text ref = r->ref ? write_name(&asked.ref, "r", r->ref, r->ref) : text_of("");
    fill_lines(r);
    struct order order = { .id = id,
                           .channel = driver_channel(&asked.channel, r->channel),
                           .lines = asked.lines,
                           .line_count = (uint32_t)r->line_count,
                           .has_ttl = r->has_ttl,
                           .ttl_ms = r->ttl_ms,
                           .at = driver_location(&asked.location, r->at),
                           .confirm = r->confirm,
                           .partial = r->partial,
                           .backorder = r->backorder,
                           .ref = ref };
    struct step step = { .id = id,
                         .op = driver_id(&asked.op, r->op),
                         .location = driver_location(&asked.location, r->at),
                         .lines = asked.lines,
                         .line_count = (uint32_t)r->line_count };
    memset(&view, 0, sizeof view);
    if (r->kind == ASK_RESERVE)
        a->code = ledger_reserve(ctx, &order, &view);
    else if (r->kind == ASK_EXTEND)
        a->code = ledger_extend(ctx, id, r->ttl_ms, &view);
    else if (r->kind == ASK_CONFIRM)
        a->code = ledger_confirm(ctx, id, ref, &view);
    else if (r->kind == ASK_FULFIL)
        a->code = ledger_fulfil(ctx, &step, &view);
    else if (r->kind == ASK_CANCEL)
        a->code = ledger_cancel(ctx, &step, &view);
    else if (r->kind == ASK_RESERVATION)
        a->code = ledger_reservation(ctx, id, &view);
    else
        a->code = ask_step(ctx, r, &view);
    if (a->code != CODE_OK)
        return;
    take_view(&view, a);
    for (uint32_t i = 0; i < view.missing_count; i++)
        a->missing[a->missing_count++] =
            (struct answer_missing){ driver_number(view.missing[i].sku), view.missing[i].qty };
    a->ref = r->kind == ASK_RESERVATION ? driver_number(view.ref) : 0;
}

static const char *const kind_names[MODEL_ALLOTTED] = { "shared", "damaged", "quality", "display",
                                                        "owed" };

static int kind_of(const char *name)
{
    int kind = 0;
    while (kind < MODEL_ALLOTTED && strcmp(name, kind_names[kind]) != 0)
        kind++;
    return kind;
}

static void ask_shift(struct ctx *ctx, const struct request *r, struct answer *a)
{
    struct movement_result result = { 0 };
    struct movement m = { .id = driver_id(&asked.id, r->id),
                          .sku = driver_sku(&asked.sku, r->item),
                          .location = driver_location(&asked.location, r->location),
                          .qty = r->qty };
    const char *from = r->from_kind == MODEL_SHARED ? "sellable" : kind_names[r->from_kind];
    const char *to = r->to_kind == MODEL_SHARED ? "sellable" : kind_names[r->to_kind];
    a->code = ledger_shift(ctx, &m, text_of(from), text_of(to), &result);
    if (a->code)
        return;
    a->lsn = result.lsn;
    a->on_hand = result.on_hand;
    a->available = result.available;
}

static void ask_sold(struct ctx *ctx, const struct request *r, struct answer *a)
{
    struct sold_view view;
    fill_lines(r);
    struct sale sale = { .id = driver_id(&asked.id, r->id),
                         .channel = driver_channel(&asked.channel, r->channel),
                         .location = driver_location(&asked.location, r->location),
                         .lines = asked.lines,
                         .line_count = (uint32_t)r->line_count,
                         .has_at = r->has_as_of,
                         .at_ms = r->as_of_ms };
    a->code = ledger_sold(ctx, &sale, &view);
    if (a->code)
        return;
    a->lsn = view.lsn;
    for (uint32_t i = 0; i < view.line_count; i++) {
        a->on_hand += (i + 1) * view.lines[i].on_hand;
        a->available += (i + 1) * view.lines[i].available;
    }
}

int64_t driver_backlog(struct ctx *ctx, int item)
{
    struct driver_name sku;
    struct stock_look look;
    const struct pool_view *pools;
    uint64_t lsn;
    if (ledger_stock_begin(ctx, driver_sku(&sku, item), &look, &lsn) != CODE_OK)
        return 0;
    while (ledger_stock_next(ctx, &look, &pools) > 0) {
    }
    return look.backlog;
}

static void ask_stock(struct ctx *ctx, const struct request *r, struct answer *a)
{
    struct driver_name sku;
    struct stock_view view;
    a->backlog = driver_backlog(ctx, r->item);
    a->code = ledger_stock(ctx, driver_sku(&sku, r->item), &view);
    if (a->code)
        return;
    a->on_hand = view.on_hand;
    a->reserved = view.reserved;
    a->available = view.available;
    for (uint32_t i = 0; i < view.pool_count; i++) {
        const struct pool_view *p = &view.pools[i];
        int kind = kind_of(p->kind);
        if (strcmp(p->kind, "allotted") == 0)
            kind = MODEL_ALLOTTED + driver_number(p->channel);
        a->pools[driver_number(p->location)][kind].on_hand = p->on_hand;
        a->pools[driver_number(p->location)][kind].reserved = p->reserved;
    }
}

static void ask_availability(struct ctx *ctx, const struct request *r, struct answer *a)
{
    uint64_t lsn;
    struct text sku = driver_sku(&asked.sku, r->item);
    a->code = ledger_availability(ctx, driver_channel(&asked.channel, r->channel), &sku, 1,
                                  &a->available, &lsn);
    if (a->code)
        a->available = 0;
}

static void set_location(struct ctx *ctx, const struct request *r, struct answer *a)
{
    struct driver_name group_names[MODEL_GROUPS];
    struct text groups[MODEL_GROUPS];
    struct location_setting s = { .code = driver_location(&asked.location, r->location),
                                  .has_priority = r->has_priority,
                                  .has_lead_time = r->has_lead_time,
                                  .has_safety = r->has_safety,
                                  .safety = r->safety,
                                  .has_ships = r->has_ships,
                                  .has_pickup = r->has_pickup,
                                  .pickup = r->pickup,
                                  .has_active = r->has_active,
                                  .has_groups = r->has_groups,
                                  .priority = r->priority,
                                  .lead_time_s = r->lead_time_s,
                                  .ships = r->ships,
                                  .active = r->active,
                                  .groups = groups };
    for (int i = 0; i < MODEL_GROUPS; i++)
        if (r->groups >> i & 1)
            groups[s.group_count++] = driver_location(&group_names[i], MODEL_LOCATIONS + i);
    a->code = ledger_set_location(ctx, &s, &a->lsn);
}

static void set_channel(struct ctx *ctx, const struct request *r, struct answer *a)
{
    static const char *const sourcing[] = { "priority", "fewest", "nearest", "balance" };
    struct driver_name names[MODEL_PLACES];
    struct text places[MODEL_PLACES];
    struct channel_setting s = { .code = driver_channel(&asked.channel, r->channel),
                                 .has_places = r->has_places,
                                 .has_buffer = r->has_buffer,
                                 .has_hold_ttl = r->has_hold,
                                 .has_sourcing = r->has_sourcing,
                                 .has_ignore_safety = r->has_ignore_safety,
                                 .ignore_safety = r->ignore_safety,
                                 .has_incoming = r->has_incoming,
                                 .incoming = r->incoming,
                                 .has_horizon = r->has_horizon,
                                 .horizon_s = r->horizon_s,
                                 .places = places,
                                 .place_count = (uint32_t)r->place_count,
                                 .buffer = r->buffer,
                                 .hold_ttl_ms = r->hold_ttl_ms,
                                 .sourcing = text_of(sourcing[r->sourcing]) };
    for (int i = 0; i < r->place_count; i++)
        places[i] = driver_location(&names[i], r->places[i]);
    a->code = ledger_set_channel(ctx, &s, &a->lsn);
}

static void set_item(struct ctx *ctx, const struct request *r, struct answer *a)
{
    struct driver_name sku;
    struct item_setting s = { .sku = driver_sku(&sku, r->item),
                              .has_low_stock = r->has_low_stock,
                              .low_stock = r->low_stock,
                              .has_backorder_limit = r->has_backorder_limit,
                              .backorder_limit = r->backorder_limit,
                              .has_safety = r->has_safety,
                              .safety = r->safety };
    a->code = ledger_set_item(ctx, &s, &a->lsn);
}

static void set_stocking(struct ctx *ctx, const struct request *r, struct answer *a)
{
    struct driver_name sku;
    struct stocking_setting s = { .sku = driver_sku(&sku, r->item),
                                  .location = driver_location(&asked.location, r->location),
                                  .has_stocked = r->has_stocked,
                                  .has_safety = r->has_safety,
                                  .has_lead_time = r->has_lead_time,
                                  .stocked = r->stocked,
                                  .safety = r->safety,
                                  .lead_time_s = r->lead_time_s };
    a->code = ledger_set_stocking(ctx, &s, &a->lsn);
}

void driver_ask(struct ledger_rig *rig, struct ctx *ctx, const struct request *r, struct answer *a)
{
    memset(a, 0, sizeof *a);
    if (r->kind <= ASK_RETURN)
        ask_movement(rig, ctx, r, a);
    else if (r->kind == ASK_ALLOT)
        ask_allot(ctx, r, a);
    else if (r->kind == ASK_SOLD)
        ask_sold(ctx, r, a);
    else if (r->kind == ASK_SHIFT)
        ask_shift(ctx, r, a);
    else if (r->kind <= ASK_RESERVATION)
        ask_reservation(ctx, r, a);
    else if (r->kind == ASK_AVAILABILITY)
        ask_availability(ctx, r, a);
    else if (r->kind == ASK_STOCK)
        ask_stock(ctx, r, a);
    else if (r->kind == ASK_SET_LOCATION)
        set_location(ctx, r, a);
    else if (r->kind == ASK_SET_CHANNEL)
        set_channel(ctx, r, a);
    else if (r->kind == ASK_SET_STOCKING)
        set_stocking(ctx, r, a);
    else
        set_item(ctx, r, a);
    if (a->code == CODE_OK || a->code == CODE_DEFERRED)
        return;
    const struct failure *f = ctx_failure(ctx);
    a->lsn = 0;
    if (a->code == CODE_WRONG_STATE)
        a->state = f->state;
    if (a->code != CODE_INSUFFICIENT_STOCK && a->code != CODE_WRONG_STATE)
        return;
    a->short_count = (int)f->short_count;
    for (int i = 0; i < a->short_count; i++)
        a->shorts[i] = (struct answer_short){ driver_number(f->shorts[i].sku), f->shorts[i].wanted,
                                              f->shorts[i].available };
}
