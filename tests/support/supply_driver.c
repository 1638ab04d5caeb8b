/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/supply_driver.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/supply.h"
#include "engine/log/record.h"
#include "tests/support/supply_names.h"

#define DIFFER(...) (snprintf(why, size, __VA_ARGS__), false)

/* ---- settings ---- */

static void must(struct ctx *ctx, enum code code)
{
    if (code == CODE_OK)
        return;
    fprintf(stderr, "supply_driver: a setting is refused: %s\n", ctx_failure(ctx)->message);
    exit(1);
}

static void set_place(struct ctx *ctx, const struct depot *d, int place)
{
    struct name name;
    uint64_t lsn;
    struct location_setting s = { .code = place_name(&name, place),
                                  .has_priority = true,
                                  .priority = place,
                                  .has_lead_time = true,
                                  .lead_time_s = d->lead_time_s[place] };
    must(ctx, ledger_set_location(ctx, &s, &lsn));
}

static void set_channel(struct ctx *ctx, const struct depot *d, int channel)
{
    const struct depot_channel *c = &d->channels[channel];
    struct name name, names[DEPOT_PLACES];
    struct text places[DEPOT_PLACES];
    uint64_t lsn;
    struct channel_setting s = { .code = channel_name(&name, channel),
                                 .has_places = true,
                                 .places = places,
                                 .has_buffer = true,
                                 .buffer = c->buffer,
                                 .has_ignore_safety = true,
                                 .ignore_safety = c->ignore_safety,
                                 .has_incoming = true,
                                 .incoming = c->incoming,
                                 .has_horizon = c->horizon_s >= 0,
                                 .horizon_s = c->horizon_s };
    for (int place = 0; place < DEPOT_PLACES; place++)
        if (c->sells[place])
            places[s.place_count++] = place_name(&names[place], place);
    must(ctx, ledger_set_channel(ctx, &s, &lsn));
}

static void set_safety(struct ctx *ctx, const struct depot *d, int place)
{
    struct name name;
    uint64_t lsn;
    struct location_setting s = { .code = place_name(&name, place),
                                  .has_safety = true,
                                  .safety = d->safety[0][place] };
    must(ctx, ledger_set_location(ctx, &s, &lsn)); /* the same for all items */
}

void depot_set_up(struct ctx *ctx, const struct depot *d)
{
    forget_names();
    for (int place = 0; place < DEPOT_PLACES; place++) {
        set_place(ctx, d, place);
        set_safety(ctx, d, place);
    }
    for (int channel = 0; channel < DEPOT_CHANNELS; channel++)
        set_channel(ctx, d, channel);
}

/* ---- asking ---- */

/* The texts of a request. They live as long as the failure that may name them. */
static struct {
    struct name id, op, item, place, to, channel;
    struct name line_item[DEPOT_LINES], line_place[DEPOT_LINES];
    struct order_line order_lines[DEPOT_LINES];
    struct supply_line supply_lines[DEPOT_LINES];
} asked;

static void fill_lines(const struct depot_request *r)
{
    for (int i = 0; i < r->line_count; i++) {
        const struct depot_asked_line *line = &r->lines[i];
        struct text sku = item_name(&asked.line_item[i], line->item);
        asked.supply_lines[i] = (struct supply_line){ sku, line->qty, line->rejected };
        asked.order_lines[i] =
            (struct order_line){ sku, line->qty, place_name(&asked.line_place[i], line->place) };
    }
}

static void drive_movement(struct ctx *ctx, const struct depot_request *r, struct depot_answer *a)
{
    struct movement_result result = { 0 };
    struct allot_result allotted = { 0 };
    struct text id = id_name(&asked.id, r->id), sku = item_name(&asked.item, r->item);
    struct text place = place_name(&asked.place, r->place);
    struct movement m = {
        .id = id, .sku = sku, .location = place, .qty = r->qty, .damaged = r->damaged
    };
    struct allotment allotment = { .id = id,
                                   .sku = sku,
                                   .location = place,
                                   .channel = channel_name(&asked.channel, DEPOT_OWNER),
                                   .qty = r->qty };
    if (r->kind == DO_RECEIVE)
        a->code = ledger_receive(ctx, &m, &result);
    else if (r->kind == DO_ADJUST)
        a->code = ledger_adjust(ctx, &m, &result);
    else if (r->kind == DO_COUNT)
        a->code = ledger_count(ctx, &m, &result);
    else if (r->kind == DO_RETURN)
        a->code = ledger_return(ctx, &m, &result);
    else
        a->code = ledger_allot(ctx, &allotment, &allotted);
    bool moved = r->kind != DO_ALLOT;
    a->lsn = moved ? result.lsn : allotted.lsn;
    a->on_hand = moved ? result.on_hand : allotted.allotted;
    a->available = moved ? result.available : allotted.available;
}

static void take_supply(const struct supply_view *v, struct depot_answer *a)
{
    a->lsn = v->lsn;
    a->state = v->state;
    a->eta_ms = v->eta_ms;
    assert(v->line_count <= DEPOT_LINES);
    a->line_count = (int)v->line_count;
    for (int i = 0; i < a->line_count; i++) {
        const struct supply_line_view *line = &v->lines[i];
        a->lines[i] = (struct depot_line){ .item = number_in(line->sku),
                                           .qty = line->qty,
                                           .shipped = line->shipped,
                                           .accepted = line->accepted,
                                           .rejected = line->rejected,
                                           .lost = line->lost };
    }
}

static void drive_supply(struct ctx *ctx, const struct depot_request *r, struct depot_answer *a)
{
    struct supply_view view = { 0 };
    bool transfer = r->kind == DO_TRANSFER;
    struct supply_order order = { .id = id_name(&asked.id, r->id),
                                  .from = place_name(&asked.place, transfer ? r->place : NO_PLACE),
                                  .location = place_name(&asked.to, transfer ? r->to : r->place),
                                  .lines = asked.supply_lines,
                                  .line_count = (uint32_t)r->line_count,
                                  .has_eta = r->has_eta,
                                  .hold = r->hold,
                                  .eta_ms = r->eta_ms };
    struct supply_step step = { .id = order.id,
                                .op = id_name(&asked.op, r->op),
                                .all = r->all,
                                .lines = asked.supply_lines,
                                .line_count = (uint32_t)r->line_count,
                                .has_eta = r->has_eta,
                                .eta_ms = r->eta_ms,
                                .close = r->close };
    fill_lines(r);
    if (r->kind == DO_EXPECT)
        a->code = ledger_expect(ctx, &order, &view);
    else if (transfer)
        a->code = ledger_transfer(ctx, &order, &view);
    else if (r->kind == DO_SHIP)
        a->code = ledger_ship(ctx, &step, &view);
    else if (r->kind == DO_ARRIVE)
        a->code = ledger_arrive(ctx, &step, &view);
    else if (r->kind == DO_RESCHEDULE)
        a->code = ledger_reschedule(ctx, &step, &view);
    else
        a->code = ledger_withdraw(ctx, &step, &view);
    if (a->code == CODE_OK)
        take_supply(&view, a);
}

static void take_reservation(const struct reservation_view *v, struct depot_answer *a)
{
    a->lsn = v->lsn;
    a->state = v->state;
    a->expires_ms = v->expires_ms;
    assert(v->draw_count <= DEPOT_DRAWS);
    a->draw_count = (int)v->draw_count;
    for (int i = 0; i < a->draw_count; i++) {
        const struct draw_view *draw = &v->draws[i];
        a->draws[i] = (struct depot_draw){ .item = number_in(draw->sku),
                                           .place = number_in(draw->location),
                                           .qty = draw->qty,
                                           .fulfilled = draw->fulfilled,
                                           .cancelled = draw->cancelled,
                                           .ready_ms = draw->ready_ms };
    }
}

static void drive_reservation(struct ctx *ctx, const struct depot_request *r,
                              struct depot_answer *a)
{
    struct reservation_view view = { 0 };
    struct order order = { .id = id_name(&asked.id, r->id),
                           .channel = channel_name(&asked.channel, r->channel),
                           .lines = asked.order_lines,
                           .line_count = (uint32_t)r->line_count,
                           .has_ttl = !r->confirm,
                           .ttl_ms = r->ttl_ms,
                           .confirm = r->confirm };
    struct step step = { .id = order.id,
                         .op = id_name(&asked.op, r->op),
                         .lines = asked.order_lines,
                         .line_count = (uint32_t)r->line_count };
    fill_lines(r);
    if (r->at) {
        name_sends(r->id);
        order.at = place_name(&asked.place, r->at - 1);
        order.supply = text_of("any");
        order.terms.mode = text_of("pickup");
    }
    if (r->kind == DO_RESERVE)
        a->code = ledger_reserve(ctx, &order, &view);
    else if (r->kind == DO_CONFIRM)
        a->code = ledger_confirm(ctx, order.id, text_of("paid"), &view);
    else if (r->kind == DO_FULFIL)
        a->code = ledger_fulfil(ctx, &step, &view);
    else
        a->code = ledger_cancel(ctx, &step, &view);
    if (a->code == CODE_OK)
        take_reservation(&view, a);
}

void depot_drive(struct ctx *ctx, const struct depot_request *r, struct depot_answer *a)
{
    memset(a, 0, sizeof *a);
    if (r->kind <= DO_ALLOT)
        drive_movement(ctx, r, a);
    else if (r->kind <= DO_WITHDRAW)
        drive_supply(ctx, r, a);
    else
        drive_reservation(ctx, r, a);
    if (a->code == CODE_OK)
        return;
    enum code code = a->code;
    depot_refuse(a, code, code == CODE_WRONG_STATE ? ctx_failure(ctx)->state : NULL);
}

/* ---- comparing answers ---- */

static bool same_state(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* What is settled keeps the time that held when it was handed over last. */
static uint64_t settled_ms(const struct depot_draw *draw)
{
    return draw->handed_ms != 0 ? draw->handed_ms : draw->promised_ms;
}

/* first: of an answer that was given before, only what was promised counts. */
static bool draws_agree(const struct depot_answer *engine, const struct depot_answer *model,
                        bool first, char *why, size_t size)
{
    if (engine->draw_count != model->draw_count)
        return DIFFER("%d draws, not %d", engine->draw_count, model->draw_count);
    for (int i = 0; i < engine->draw_count; i++) {
        const struct depot_draw *e = &engine->draws[i], *m = &model->draws[i];
        if (e->item != m->item || e->place != m->place || e->qty != m->qty)
            return DIFFER("draw %d: item %d at %d, %lld units, not item %d at %d, %lld", i, e->item,
                          e->place, (long long)e->qty, m->item, m->place, (long long)m->qty);
        if (!first && (e->fulfilled != m->fulfilled || e->cancelled != m->cancelled))
            return DIFFER("draw %d: %lld fulfilled, %lld cancelled, not %lld and %lld", i,
                          (long long)e->fulfilled, (long long)e->cancelled, (long long)m->fulfilled,
                          (long long)m->cancelled);
        uint64_t ready_ms = first || draw_open(m) > 0 ? m->ready_ms : settled_ms(m);
        if (e->ready_ms != ready_ms && (first || !m->vague))
            return DIFFER("draw %d: ready at %llu, not %llu", i, (unsigned long long)e->ready_ms,
                          (unsigned long long)ready_ms);
    }
    return true;
}

static bool lines_agree(const struct depot_answer *engine, const struct depot_answer *model,
                        char *why, size_t size)
{
    if (engine->line_count != model->line_count)
        return DIFFER("%d lines, not %d", engine->line_count, model->line_count);
    for (int i = 0; i < engine->line_count; i++) {
        const struct depot_line *e = &engine->lines[i], *m = &model->lines[i];
        if (e->item != m->item || e->qty != m->qty || e->shipped != m->shipped ||
            e->accepted != m->accepted || e->rejected != m->rejected || e->lost != m->lost)
            return DIFFER("line %d: item %d: %lld, %lld, %lld, %lld, %lld, "
                          "not item %d: %lld, %lld, %lld, %lld, %lld",
                          i, e->item, (long long)e->qty, (long long)e->shipped,
                          (long long)e->accepted, (long long)e->rejected, (long long)e->lost,
                          m->item, (long long)m->qty, (long long)m->shipped, (long long)m->accepted,
                          (long long)m->rejected, (long long)m->lost);
    }
    return true;
}

bool depot_answers_agree(const struct depot_request *r, const struct depot_answer *engine,
                         const struct depot_answer *model, char *why, size_t size)
{
    bool step = r->kind == DO_FULFIL || r->kind == DO_CANCEL;
    if (engine->code != model->code)
        return DIFFER("%s, not %s", code_name(engine->code), code_name(model->code));
    if (!same_state(engine->state, model->state))
        return DIFFER("state %s, not %s", engine->state ? engine->state : "none",
                      model->state ? model->state : "none");
    if (engine->on_hand != model->on_hand || engine->available != model->available)
        return DIFFER("%lld on hand, %lld available, not %lld and %lld", (long long)engine->on_hand,
                      (long long)engine->available, (long long)model->on_hand,
                      (long long)model->available);
    if (step && engine->draw_count == 0) /* a step with an op, again: it has no more than a state */
        return true;
    if (engine->eta_ms != model->eta_ms || engine->expires_ms != model->expires_ms)
        return DIFFER("ETA %llu, expires %llu, not %llu and %llu",
                      (unsigned long long)engine->eta_ms, (unsigned long long)engine->expires_ms,
                      (unsigned long long)model->eta_ms, (unsigned long long)model->expires_ms);
    return lines_agree(engine, model, why, size) &&
           draws_agree(engine, model, r->kind == DO_RESERVE, why, size);
}

/* ---- comparing stock ---- */

/* What a look at an item's pools shows. */
struct shown {
    int64_t on_hand[DEPOT_PLACES][3], reserved[DEPOT_PLACES][3]; /* shared, allotted, damaged */
    int64_t way[DEPOT_IDS + 1];
};

static bool row_agrees(const struct depot *d, const struct pool_view *p, int item,
                       struct shown *shown, char *why, size_t size)
{
    int supply = number_in(p->supply);
    const struct depot_id *x = &d->ids[supply];
    const struct depot_line *line = depot_line_of((struct depot *)d, supply, item);
    if (!line || line->way == 0)
        return DIFFER("units of supply %d are shown, which brings none", supply);
    shown->way[supply] += p->on_hand;
    const char *kind = x->from == NO_PLACE ? "expected" : "in_transit";
    if (strcmp(p->kind, kind) != 0 || p->eta_ms != x->eta_ms || number_in(p->location) != x->to)
        return DIFFER("supply %d is shown as %s, at %d, ETA %llu", supply, p->kind,
                      number_in(p->location), (unsigned long long)p->eta_ms);
    if (p->on_hand != line->way || p->reserved != depot_way_promised(d, supply, item))
        return DIFFER("supply %d: %lld expected, %lld promised, not %lld and %lld", supply,
                      (long long)p->on_hand, (long long)p->reserved, (long long)line->way,
                      (long long)depot_way_promised(d, supply, item));
    return true;
}

static bool gather_rows(const struct depot *d, const struct stock_view *view, int item,
                        struct shown *shown, char *why, size_t size)
{
    static const char *const kinds[] = { "shared", "allotted", "damaged" };
    memset(shown, 0, sizeof *shown);
    for (uint32_t i = 0; i < view->pool_count; i++) {
        const struct pool_view *p = &view->pools[i];
        int kind = 0, place = number_in(p->location);
        while (kind < 3 && strcmp(p->kind, kinds[kind]) != 0)
            kind++;
        if (kind == 3 && !row_agrees(d, p, item, shown, why, size))
            return false;
        if (kind == 3)
            continue;
        shown->on_hand[place][kind] += p->on_hand;
        shown->reserved[place][kind] += p->reserved;
    }
    return true;
}

static bool place_agrees(const struct depot *d, const struct shown *shown, int item, int place,
                         char *why, size_t size)
{
    const struct depot_stock *s = &d->stock[item][place];
    int64_t on_hand[] = { s->loose + depot_kept(d, item, place), s->own, s->damaged };
    int64_t reserved[] = { depot_reserved(d, item, place) - s->own_reserved, s->own_reserved, 0 };
    for (int kind = 0; kind < 3; kind++)
        if (shown->on_hand[place][kind] != on_hand[kind] ||
            shown->reserved[place][kind] != reserved[kind])
            return DIFFER("item %d at %d, kind %d: %lld on hand, %lld reserved, not %lld and %lld",
                          item, place, kind, (long long)shown->on_hand[place][kind],
                          (long long)shown->reserved[place][kind], (long long)on_hand[kind],
                          (long long)reserved[kind]);
    if (on_hand[0] + on_hand[1] != d->tally[item][place])
        return DIFFER("item %d at %d: %lld on hand, but %lld came and stayed", item, place,
                      (long long)(on_hand[0] + on_hand[1]), (long long)d->tally[item][place]);
    return true;
}

static bool sums_agree(const struct depot *d, const struct stock_view *view, int item, char *why,
                       size_t size)
{
    int64_t on_hand = 0, reserved = 0;
    for (int place = 0; place < DEPOT_PLACES; place++) {
        on_hand += depot_on_hand(d, item, place);
        reserved += depot_reserved(d, item, place);
    }
    if (view->on_hand != on_hand || view->reserved != reserved ||
        view->available != on_hand - reserved)
        return DIFFER("item %d: %lld on hand, %lld reserved, %lld available, not %lld and %lld",
                      item, (long long)view->on_hand, (long long)view->reserved,
                      (long long)view->available, (long long)on_hand, (long long)reserved);
    return true;
}

static bool stock_agrees(struct ctx *ctx, const struct depot *d, int item, char *why, size_t size)
{
    static struct shown shown;
    struct stock_view view;
    struct name name;
    enum code code = ledger_stock(ctx, item_name(&name, item), &view);
    if (code != (d->known[item] ? CODE_OK : CODE_UNKNOWN_SKU))
        return DIFFER("stock of item %d: %s", item, code_name(code));
    if (code)
        return true;
    if (!gather_rows(d, &view, item, &shown, why, size))
        return false;
    for (int place = 0; place < DEPOT_PLACES; place++)
        if (!place_agrees(d, &shown, item, place, why, size))
            return false;
    for (int id = 1; id <= d->last_id; id++) {
        const struct depot_line *line = depot_line_of((struct depot *)d, id, item);
        if (shown.way[id] != (line ? line->way : 0))
            return DIFFER("item %d, supply %d: %lld shown, not %lld", item, id,
                          (long long)shown.way[id], (long long)(line ? line->way : 0));
    }
    return sums_agree(d, &view, item, why, size);
}

bool depot_item_agrees(struct ctx *ctx, const struct depot *d, int item, char *why, size_t size)
{
    struct name name, sku_name;
    struct text sku = item_name(&sku_name, item);
    int64_t available;
    uint64_t lsn;
    for (int channel = 0; channel < DEPOT_CHANNELS; channel++) {
        struct text code = channel_name(&name, channel);
        if (ledger_availability(ctx, code, &sku, 1, &available, &lsn) != CODE_OK)
            return DIFFER("availability: %s", ctx_failure(ctx)->message);
        int64_t wanted = d->known[item] ? depot_available(d, channel, item) : NO_SUCH_SKU;
        if (available != wanted)
            return DIFFER("item %d, channel %d: %lld available, not %lld", item, channel,
                          (long long)available, (long long)wanted);
    }
    return stock_agrees(ctx, d, item, why, size);
}

int depot_expired(const struct record_head *record)
{
    struct expire_fields f;
    return expire_decode(record, &f) ? number_in(f.id) : 0;
}

bool depot_told_short(struct ctx *ctx, const struct record_head *record, struct depot_short *told)
{
    struct shortage_fields f;
    if (record->type != RECORD_SHORT || !shortage_decode(record, &f) || f.id.len == 0)
        return false;
    enum pool_kind kind = owner_kind(f.fixed.pool.owner);
    const struct location *place = &ledger_catalogue(ctx)->locations[f.fixed.pool.location];
    *told = (struct depot_short){ .id = number_in(f.id),
                                  .item = number_in(ledger_sku(ctx, f.fixed.pool.item)),
                                  .place = number_in(code_text(&place->code)),
                                  .from = kind == POOL_SHARED     ? FROM_LOOSE
                                          : kind == POOL_ALLOTTED ? FROM_OWN
                                                                  : 1,
                                  .qty = f.fixed.qty };
    return true;
}

/* ---- comparing documents and reservations ---- */

bool depot_id_agrees(struct ctx *ctx, const struct depot *d, int id, char *why, size_t size)
{
    static struct depot_answer engine, model;
    const struct depot_id *x = &d->ids[id];
    struct supply_view supply;
    struct reservation_view reservation;
    struct name name;
    bool is_supply = x->use == USED_SUPPLY;
    memset(&engine, 0, sizeof engine);
    memset(&model, 0, sizeof model);
    if (is_supply)
        engine.code = ledger_supply(ctx, id_name(&name, id), &supply);
    else
        engine.code = ledger_reservation(ctx, id_name(&name, id), &reservation);
    if (engine.code)
        return DIFFER("id %d: %s", id, ctx_failure(ctx)->message);
    if (!is_supply && strcmp(reservation.parts[0].step, depot_part_step(x)) != 0)
        return DIFFER("id %d: its part is %s, not %s", id, reservation.parts[0].step,
                      depot_part_step(x));
    if (is_supply)
        take_supply(&supply, &engine);
    else
        take_reservation(&reservation, &engine);
    depot_view(x, &model);
    struct depot_request asks = { .kind = DO_CONFIRM };
    char what[256];
    if (!depot_answers_agree(&asks, &engine, &model, what, sizeof what))
        return DIFFER("id %d: %s", id, what);
    if (is_supply && (strcmp(supply.kind, x->from == NO_PLACE ? "expect" : "transfer") != 0 ||
                      number_in(supply.location) != x->to ||
                      (x->from != NO_PLACE && number_in(supply.from) != x->from) ||
                      number_in(supply.reservation) != x->of))
        return DIFFER("id %d: a %s from %d to %d", id, supply.kind, number_in(supply.from),
                      number_in(supply.location));
    return true;
}

static bool is_late(const struct depot *d, const struct depot_id *x)
{
    return strcmp(x->state, "in_transit") == 0 && x->eta_ms != 0 && x->eta_ms <= d->now_ms;
}

bool depot_list_agrees(struct ctx *ctx, const struct depot *d, int place, bool late, char *why,
                       size_t size)
{
    struct name name;
    struct supply_filter filter = { .location = place_name(&name, place),
                                    .has_late = true,
                                    .late = late };
    struct supply_walk walk;
    struct supply_view view;
    uint64_t lsn;
    uint32_t budget = UINT32_MAX;
    int listed = 0, wanted = 0;
    if (ledger_supplies_begin(ctx, &filter, &walk, &lsn) != CODE_OK)
        return DIFFER("supplies: %s", ctx_failure(ctx)->message);
    while (ledger_supplies_next(ctx, &filter, &walk, &budget, &view) == SUPPLY_FOUND) {
        const struct depot_id *x = &d->ids[number_in(view.id)];
        listed++;
        if (x->use != USED_SUPPLY || x->to != place || is_late(d, x) != late)
            return DIFFER("supply %d is listed at %d as %s", number_in(view.id), place,
                          late ? "late" : "not late");
    }
    for (int id = 1; id <= d->last_id; id++) {
        const struct depot_id *x = &d->ids[id];
        wanted += x->use == USED_SUPPLY && x->to == place && is_late(d, x) == late;
    }
    return listed == wanted ||
           DIFFER("%d supplies are listed at %d, not %d", listed, place, wanted);
}

/* ---- showing ---- */

void depot_print(const struct depot_request *r)
{
    static const char *const names[] = { "receive",  "adjust",   "count",   "return", "allot",
                                         "expect",   "transfer", "ship",    "arrive", "reschedule",
                                         "withdraw", "reserve",  "confirm", "fulfil", "cancel" };
    printf("%s id %d", names[r->kind], r->id);
    if (r->op)
        printf(" op %d", r->op);
    if (r->kind <= DO_ALLOT)
        printf(" item %d at %d qty %lld%s", r->item, r->place, (long long)r->qty,
               r->damaged ? " damaged" : "");
    if (r->kind == DO_EXPECT || r->kind == DO_TRANSFER)
        printf(" at %d to %d%s", r->place, r->to, r->hold ? " held" : "");
    if (r->has_eta)
        printf(" eta %llu", (unsigned long long)r->eta_ms);
    if (r->at)
        printf(" sent to %d", r->at - 1);
    if (r->kind == DO_RESERVE)
        printf(" channel %d %s ttl %llu", r->channel, r->confirm ? "confirmed" : "held",
               (unsigned long long)r->ttl_ms);
    printf("%s%s", r->all ? " all" : "", r->close ? " close" : "");
    for (int i = 0; i < r->line_count; i++)
        printf(" [item %d qty %lld/%lld at %d]", r->lines[i].item, (long long)r->lines[i].qty,
               (long long)r->lines[i].rejected, r->lines[i].place);
    printf("\n");
}
