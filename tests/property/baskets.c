/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random places, stock, stockings and orders against a naive model: which draws a partial `reserve`
 * takes under which terms, that `promise` tells them beforehand, and where `locate` finds a basket.
 *
 *   P1  promise = what a partial reserve then does, draw by draw.
 *   P2  a partial reserve takes, line by line, all that the model says is there.
 *   P3  the same order, all or nothing, is granted if and only if nothing is missing.
 *   P4  by the rules `priority` and `nearest`, the draws are those of the model, in its order.
 *   P5  locate's options are those of the model, in its order.
 *   P6  without a buffer, and if all places ship, locate's units add up to availability.
 *
 *   baskets [--seed N] [--seconds S]
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ledger.h"
#include "tests/support/basket_model.h"
#include "tests/support/histories.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/random.h"

struct name {
    char at[24];
};

static struct ledger_rig rig;
static struct ctx *ctx;
static struct random r;
static struct histories histories;
static struct shop m;
static uint64_t next_id;

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void wrong(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("; %s; --seed %llu\n", ctx_failure(ctx)->message, (unsigned long long)histories.seed);
    exit(1);
}

#define MUST(condition, ...) ((condition) ? (void)0 : wrong(__VA_ARGS__))

static struct text name(struct name *to, const char *what, uint64_t number)
{
    snprintf(to->at, sizeof to->at, "%s%llu", what, (unsigned long long)number);
    return text_of(to->at);
}

/* ---- the engine's side ---- */

struct request {
    struct name id, channel, at, skus[LINES], places[LINES], out[PLACES];
    struct order_line lines[LINES];
    struct text excluded[PLACES];
    struct order order;
};

static void make_request(const struct wish *w, struct request *q)
{
    q->order = (struct order){ .id = name(&q->id, "i", ++next_id),
                               .channel = name(&q->channel, "C", (uint64_t)w->channel),
                               .lines = q->lines,
                               .line_count = (uint32_t)w->line_count,
                               .terms = { .has_lat = w->has_place,
                                          .has_lon = w->has_place,
                                          .lat = w->lat,
                                          .lon = w->lon,
                                          .has_by = w->has_by,
                                          .by_ms = w->by_ms,
                                          .exclude = q->excluded } };
    if (w->mode)
        q->order.terms.mode = text_of(w->mode);
    if (w->at != NO_PLACE)
        q->order.at = name(&q->at, "L", (uint64_t)w->at);
    for (int i = 0; i < w->line_count; i++) {
        q->lines[i] =
            (struct order_line){ .sku = name(&q->skus[i], "S", (uint64_t)w->lines[i].item),
                                 .qty = w->lines[i].qty };
        if (w->lines[i].place != NO_PLACE)
            q->lines[i].location = name(&q->places[i], "L", (uint64_t)w->lines[i].place);
    }
    for (int p = 0; p < PLACES; p++)
        if (w->excluded[p])
            q->excluded[q->order.terms.exclude_count++] = name(&q->out[p], "L", (uint64_t)p);
}

/* The number in a sku or a location's code. */
static int code_number(struct text text)
{
    struct name copy;
    snprintf(copy.at, sizeof copy.at, "%.*s", (int)text.len, text.at);
    return (int)strtol(copy.at + 1, NULL, 10);
}

static void check_missing(const struct reservation_view *view, const int64_t *missing)
{
    int64_t rest[ITEMS];
    memcpy(rest, missing, sizeof rest);
    for (uint32_t i = 0; i < view->missing_count; i++) {
        int item = code_number(view->missing[i].sku);
        MUST(view->missing[i].qty == rest[item], "%lld of S%d are missing, not %lld",
             (long long)view->missing[i].qty, item, (long long)rest[item]);
        rest[item] = 0;
    }
    for (int i = 0; i < ITEMS; i++)
        MUST(rest[i] == 0, "S%d is missing, and nothing is said of it", i);
}

/* P2: each item has as many units as the model says; P4: exactly these draws. */
static void check_draws(const struct reservation_view *view, const struct outcome *o, bool exactly)
{
    int64_t units[ITEMS] = { 0 };
    MUST(!exactly || (int)view->draw_count == o->draw_count, "%u draws, not %d", view->draw_count,
         o->draw_count);
    for (uint32_t i = 0; i < view->draw_count; i++) {
        const struct draw_view *draw = &view->draws[i];
        int item = code_number(draw->sku), place = code_number(draw->location);
        units[item] += draw->qty;
        MUST(draw->ready_ms == NOW + (uint64_t)model_lead_time(&m, item, place) * 1000,
             "draw %u is ready at another time", i);
        const struct model_draw *same = &o->draws[i];
        MUST(!exactly || (item == same->item && place == same->place && draw->qty == same->qty),
             "draw %u: %lld of S%d from L%d, not %lld of S%d from L%d", i, (long long)draw->qty,
             item, place, (long long)same->qty, same->item, same->place);
    }
    for (int i = 0; i < o->draw_count; i++)
        units[o->draws[i].item] -= o->draws[i].qty;
    for (int i = 0; i < ITEMS; i++)
        MUST(units[i] == 0, "S%d: %lld units more than in the model", i, (long long)units[i]);
}

static void cancel(struct text id)
{
    struct reservation_view view;
    struct step step = { .id = id };
    MUST(ledger_cancel(ctx, &step, &view) == CODE_OK, "cancel");
    ledger_rig_drain(&rig);
}

static void check_order(const struct wish *w)
{
    static struct request q;
    static struct draw_view promised[ORDER_DRAWS];
    struct outcome o;
    struct reservation_view told, got;
    memset(&q, 0, sizeof q);
    make_request(w, &q);
    model_order(&m, w, &o);
    MUST(ledger_promise(ctx, &q.order, &told) == CODE_OK, "promise");
    check_missing(&told, o.missing);
    check_draws(&told, &o, w->channel < 2);
    uint32_t count = told.draw_count;
    memcpy(promised, told.draws, count * sizeof promised[0]);
    enum code code = ledger_reserve(ctx, &q.order, &got);
    ledger_rig_drain(&rig);
    MUST(code == (told.missing_count ? CODE_INSUFFICIENT_STOCK : CODE_OK), "P3: %s",
         code_name(code));
    if (code == CODE_OK)
        cancel(q.order.id);
    q.order.id = name(&q.id, "i", ++next_id);
    q.order.partial = true;
    code = ledger_reserve(ctx, &q.order, &got);
    ledger_rig_drain(&rig);
    MUST(code == (count ? CODE_OK : CODE_INSUFFICIENT_STOCK), "partial: %s", code_name(code));
    if (code != CODE_OK)
        return;
    check_missing(&got, o.missing);
    MUST(got.draw_count == count, "P1: %u draws, %u promised", got.draw_count, count);
    for (uint32_t i = 0; i < count; i++) /* P1 */
        MUST(text_equal(got.draws[i].sku, promised[i].sku) &&
                 text_equal(got.draws[i].location, promised[i].location) &&
                 got.draws[i].qty == promised[i].qty &&
                 got.draws[i].ready_ms == promised[i].ready_ms,
             "P1: draw %u is not the one promised", i);
    cancel(q.order.id);
}

/* ---- locate ---- */

static void check_option(const struct located *l, uint32_t i, const struct spot *spot)
{
    const struct place_option *option = &l->options[i];
    MUST(code_number(option->location) == spot->place, "P5: option %u is %.*s, not L%d", i,
         (int)option->location.len, option->location.at, spot->place);
    MUST(option->complete == spot->complete, "P5: option %u: complete", i);
    MUST(option->ready_ms == NOW + (uint64_t)spot->lead_time_s * 1000, "P5: option %u: ready", i);
    MUST(isinf(spot->km) ? isnan(option->distance_km) : fabs(option->distance_km - spot->km) < 1e-3,
         "P5: option %u: %g km, not %g", i, option->distance_km, spot->km);
    for (uint32_t n = 0; n < l->sku_count; n++) {
        int item = code_number(l->skus[n]);
        MUST(located_units(l, option, n) == spot->units[item], "P5: option %u: %u of S%d, not %lld",
             i, located_units(l, option, n), item, (long long)spot->units[item]);
    }
}

static void check_sum(const struct wish *w, const struct basket *basket, const struct located *l)
{
    int64_t sums[ITEMS] = { 0 }, available;
    uint64_t lsn;
    for (uint32_t i = 0; i < l->option_count; i++)
        for (uint32_t n = 0; n < l->sku_count; n++)
            sums[n] += located_units(l, &l->options[i], n);
    for (uint32_t n = 0; n < l->sku_count; n++) {
        MUST(ledger_availability(ctx, basket->channel, &l->skus[n], 1, &available, &lsn) == CODE_OK,
             "availability");
        MUST(sums[n] == available, "P6: channel %d: %lld at the places, %lld available", w->channel,
             (long long)sums[n], (long long)available);
    }
}

static void check_locate(const struct wish *w)
{
    static struct request q;
    struct spot spots[PLACES];
    struct located l;
    bool all_ship = true;
    memset(&q, 0, sizeof q);
    make_request(w, &q);
    struct basket basket = { .channel = q.order.channel,
                             .lines = q.lines,
                             .line_count = q.order.line_count,
                             .terms = q.order.terms,
                             .has_within = w->has_place && random_chance(&r, 40),
                             .within_km = random_between(&r, 10, 900),
                             .limit = random_between(&r, 1, PLACES) };
    for (int p = 0; p < PLACES; p++)
        all_ship &= m.places[p].ships;
    uint32_t count = model_locate(&m, w, basket.has_within ? basket.within_km : INFINITY, spots);
    if (count > (uint32_t)basket.limit)
        count = (uint32_t)basket.limit;
    MUST(ledger_locate(ctx, &basket, &l) == CODE_OK, "locate");
    MUST(l.option_count == count, "P5: %u options, not %u", l.option_count, count);
    for (uint32_t i = 0; i < count; i++)
        check_option(&l, i, &spots[i]);
    if (!all_ship || m.channels[w->channel].buffer > 0)
        return;
    basket = (struct basket){ .channel = basket.channel,
                              .lines = basket.lines,
                              .line_count = basket.line_count,
                              .limit = PLACES };
    MUST(ledger_locate(ctx, &basket, &l) == CODE_OK, "locate");
    check_sum(w, &basket, &l);
}

/* ---- random worlds ---- */

static void set_place(int p, int priority, bool all_ship)
{
    struct name code;
    uint64_t lsn;
    m.places[p].priority = priority;
    m.places[p].ships = all_ship || random_chance(&r, 75);
    m.places[p].pickup = random_chance(&r, 70);
    m.places[p].active = random_chance(&r, 90);
    m.places[p].located = random_chance(&r, 80);
    m.places[p].lat = 45 + random_below(&r, 100000) / 20011.0;
    m.places[p].lon = 5 + random_below(&r, 100000) / 20011.0;
    m.places[p].safety = random_chance(&r, 25) ? random_below(&r, 3) : 0;
    m.places[p].lead_time_s = random_chance(&r, 40) ? random_below(&r, 4) * 60 : 0;
    if (p > 0 && random_chance(&r, 30)) { /* where another is */
        m.places[p].located = m.places[p - 1].located;
        m.places[p].lat = m.places[p - 1].lat;
        m.places[p].lon = m.places[p - 1].lon;
    }
    struct location_setting s = { .code = name(&code, "L", (uint64_t)p) };
    s.has_priority = s.has_ships = s.has_pickup = s.has_active = true;
    s.has_safety = s.has_lead_time = true;
    s.has_lat = s.has_lon = m.places[p].located;
    s.priority = priority;
    s.ships = m.places[p].ships;
    s.pickup = m.places[p].pickup;
    s.active = m.places[p].active;
    s.lat = m.places[p].lat;
    s.lon = m.places[p].lon;
    s.safety = m.places[p].safety;
    s.lead_time_s = m.places[p].lead_time_s;
    MUST(ledger_set_location(ctx, &s, &lsn) == CODE_OK, "location_set");
    ledger_rig_drain(&rig);
}

static void set_channel(int c)
{
    struct name code, names[PLACES];
    struct text places[PLACES];
    uint64_t lsn;
    bool everywhere = random_chance(&r, 50);
    m.channels[c].buffer = random_chance(&r, 40) ? random_below(&r, 7) : 0;
    m.channels[c].ignores = random_chance(&r, 30);
    struct channel_setting s = { .code = name(&code, "C", (uint64_t)c) };
    s.has_sourcing = s.has_buffer = s.has_ignore_safety = s.has_places = true;
    s.sourcing = text_of(model_rules[c]);
    s.buffer = m.channels[c].buffer;
    s.ignore_safety = m.channels[c].ignores;
    s.places = places;
    for (int p = 0; p < PLACES; p++) {
        m.channels[c].sells[p] = everywhere || p == 0 || random_chance(&r, 70);
        if (!everywhere && m.channels[c].sells[p]) {
            places[s.place_count] = name(&names[s.place_count], "L", (uint64_t)p);
            s.place_count++;
        }
    }
    MUST(ledger_set_channel(ctx, &s, &lsn) == CODE_OK, "channel_set");
    ledger_rig_drain(&rig);
}

static void receive(int i, int p, int64_t qty)
{
    struct name id, sku, at;
    struct movement_result result;
    struct movement move = { .id = name(&id, "i", ++next_id),
                             .sku = name(&sku, "S", (uint64_t)i),
                             .location = name(&at, "L", (uint64_t)p),
                             .qty = qty };
    MUST(ledger_receive(ctx, &move, &result) == CODE_OK, "receive");
    m.stock[i][p].shared += qty;
    ledger_rig_drain(&rig);
}

static void allot(int i, int p, int c, int64_t qty)
{
    struct name id, sku, at, to;
    struct allot_result result;
    struct allotment a = { .id = name(&id, "i", ++next_id),
                           .sku = name(&sku, "S", (uint64_t)i),
                           .location = name(&at, "L", (uint64_t)p),
                           .channel = name(&to, "C", (uint64_t)c),
                           .qty = qty };
    MUST(ledger_allot(ctx, &a, &result) == CODE_OK, "allot");
    m.stock[i][p].shared -= qty;
    m.stock[i][p].own[c] += qty;
    ledger_rig_drain(&rig);
}

static void set_stocking(int i, int p)
{
    struct name sku, at;
    uint64_t lsn;
    struct stocked *stock = &m.stock[i][p];
    struct stocking_setting s = { .sku = name(&sku, "S", (uint64_t)i),
                                  .location = name(&at, "L", (uint64_t)p),
                                  .has_stocked = true,
                                  .stocked = random_chance(&r, 70),
                                  .has_safety = random_chance(&r, 50),
                                  .has_lead_time = random_chance(&r, 50) };
    stock->refused = !s.stocked;
    if (s.has_safety)
        stock->safety = s.safety = random_below(&r, 4);
    if (s.has_lead_time)
        stock->lead_time_s = s.lead_time_s = random_below(&r, 4) * 60;
    MUST(ledger_set_stocking(ctx, &s, &lsn) == CODE_OK, "stocking_set");
    ledger_rig_drain(&rig);
}

static void set_item(int i)
{
    struct name sku;
    uint64_t lsn;
    struct item_setting s = { .sku = name(&sku, "S", (uint64_t)i), .has_safety = true };
    m.item_safety[i] = s.safety = random_below(&r, 3);
    MUST(ledger_set_item(ctx, &s, &lsn) == CODE_OK, "item_set");
    ledger_rig_drain(&rig);
}

static void stock_up(void)
{
    for (int i = 0; i < ITEMS; i++) {
        m.item_safety[i] = -1;
        for (int p = 0; p < PLACES; p++) {
            struct stocked *stock = &m.stock[i][p];
            stock->safety = stock->lead_time_s = -1;
            if (random_chance(&r, 70) || p == 0)
                receive(i, p, random_between(&r, 1, 6));
            int64_t qty = stock->shared > 0 ? random_between(&r, 1, (int)stock->shared) : 0;
            if (qty > 0 && random_chance(&r, 40))
                allot(i, p, random_below(&r, CHANNELS), qty);
        }
        for (int p = 0; p < PLACES; p++)
            if (random_chance(&r, 20))
                set_stocking(i, p);
        if (random_chance(&r, 25))
            set_item(i);
    }
}

static struct wish make_wish(void)
{
    struct wish w = { .channel = random_below(&r, CHANNELS),
                      .line_count = random_between(&r, 1, LINES),
                      .at = random_chance(&r, 15) ? random_below(&r, PLACES) : NO_PLACE };
    bool all_bound = random_chance(&r, 20);
    for (int i = 0; i < w.line_count; i++) {
        w.lines[i].item = random_below(&r, ITEMS);
        w.lines[i].qty = random_between(&r, 1, random_chance(&r, 50) ? 3 : 9);
        w.lines[i].place = all_bound || random_chance(&r, 20) ? random_below(&r, PLACES) : NO_PLACE;
    }
    if (random_chance(&r, 30))
        w.mode = all_bound || w.at != NO_PLACE ? "pickup" : "ship";
    w.has_place = random_chance(&r, 50);
    w.lat = 45 + random_below(&r, 100000) / 20011.0;
    w.lon = 5 + random_below(&r, 100000) / 20011.0;
    w.has_by = random_chance(&r, 30);
    w.by_ms = NOW + (uint64_t)random_below(&r, 200) * 1000;
    for (int p = 0; p < PLACES; p++)
        w.excluded[p] = random_chance(&r, 8);
    return w;
}

static void run(void)
{
    char why[256];
    next_id = 0;
    memset(&m, 0, sizeof m);
    ledger_rig_open(&rig, &(struct ledger_config){ .items = ITEMS,
                                                   .pools = 256,
                                                   .reservations = 1 << 14,
                                                   .contexts = 1,
                                                   .hash_seed = random_next(&r) });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    int start = random_below(&r, PLACES);
    bool all_ship = random_chance(&r, 40);
    for (int p = 0; p < PLACES; p++)
        set_place(p, (p * 3 + start) % PLACES, all_ship);
    for (int c = 0; c < CHANNELS; c++)
        set_channel(c);
    stock_up();
    for (int i = 0; i < 60; i++) {
        struct wish w = make_wish();
        check_order(&w);
        if (w.mode && random_chance(&r, 50))
            w.mode = "pickup";
        check_locate(&w);
    }
    ledger_end(ctx);
    MUST(ledger_check(rig.ledger, why, sizeof why) == 0, "%s", why);
    ledger_rig_close(&rig);
}

int main(int argc, char **argv)
{
    if (!histories_begin(&histories, argc, argv, 3, NULL))
        return 2;
    while (histories_next(&histories)) {
        r.state = histories.seed;
        run();
    }
    histories_end(&histories);
    return 0;
}
