/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supplies: documents of one or two lines, from outside and between the places, in all their steps;
 * and orders that are promised what is on its way. Each ETA is given once, so that the time at
 * which a unit is ready says which supply it is from; some have passed within milliseconds.
 */
#include <string.h>
#include <time.h>

#include "tests/history/requests.h"

static uint64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Each client has milliseconds of its own, and gives none of them twice. */
static uint64_t fresh_eta(struct workload *w)
{
    enum { CLIENTS = 16, HOUR_MS = 3600000 };
    static const int ahead_ms[ETA_KINDS] = { 5, HOUR_MS / 4, HOUR_MS * 2 };
    int dice = random_below(&w->random, 100);
    int kind = dice < 30 ? 0 : dice < 75 ? 1 : 2;
    uint64_t at = wall_ms() + (uint64_t)(ahead_ms[kind] + random_below(&w->random, 60));
    uint64_t eta_ms = (at / CLIENTS + 1) * CLIENTS + w->client % CLIENTS;
    if (eta_ms <= w->eta_ms[kind])
        eta_ms = w->eta_ms[kind] + CLIENTS;
    w->eta_ms[kind] = eta_ms;
    return eta_ms;
}

static void pack_eta(struct workload *w, stockd_pack *pack)
{
    stockd_pack_str(pack, "eta_ms");
    stockd_pack_u64(pack, fresh_eta(w));
}

static void pack_fresh_lines(struct workload *w, stockd_pack *pack, int most)
{
    struct supply_note *supply = &w->supply;
    supply->lines = w->items > 1 && random_chance(&w->random, 30) ? 2 : 1;
    supply->item[0] = any_item(w);
    supply->item[1] = (supply->item[0] + 1) % w->items;
    stockd_pack_array(pack, supply->lines);
    for (unsigned i = 0; i < supply->lines; i++) {
        stockd_pack_array(pack, 2);
        pack_sku(pack, supply->item[i]);
        stockd_pack_u64(pack, (uint64_t)random_between(&w->random, 1, most));
    }
}

static void ask_expect(struct workload *w, struct request *request)
{
    stockd_pack pack;
    bool dated = random_chance(&w->random, 92);
    request_id(w, 'e', w->supply.id);
    w->supply.transfer = false;
    request_begin(request, &pack, "expect", 4);
    stockd_pack_str(&pack, w->supply.id);
    stockd_pack_str(&pack, request_places[random_chance(&w->random, 40)]);
    pack_fresh_lines(w, &pack, 5);
    stockd_pack_map(&pack, dated ? 1 : 0);
    if (dated)
        pack_eta(w, &pack);
    request_finish(request, &pack);
}

/* At once, under way, or held until it is shipped. */
static void ask_transfer(struct workload *w, struct request *request)
{
    stockd_pack pack;
    bool back = random_chance(&w->random, 40);
    bool held = random_chance(&w->random, 60), dated = random_chance(&w->random, 75);
    request_id(w, 't', w->supply.id);
    w->supply.transfer = true;
    request_begin(request, &pack, "transfer", 5);
    stockd_pack_str(&pack, w->supply.id);
    stockd_pack_str(&pack, request_places[back]);
    stockd_pack_str(&pack, request_places[!back]);
    pack_fresh_lines(w, &pack, 4);
    stockd_pack_map(&pack, (unsigned)held + (unsigned)dated);
    if (dated)
        pack_eta(w, &pack);
    if (held) {
        stockd_pack_str(&pack, "ship");
        stockd_pack_bool(&pack, false);
    }
    request_finish(request, &pack);
}

/* nil: all that is left. */
static void pack_some(struct workload *w, stockd_pack *pack, const struct supply_note *supply,
                      bool all)
{
    if (all) {
        stockd_pack_nil(pack);
        return;
    }
    stockd_pack_array(pack, 1);
    stockd_pack_array(pack, 2);
    pack_sku(pack, supply->item[random_below(&w->random, (int)supply->lines)]);
    stockd_pack_u64(pack, (uint64_t)random_between(&w->random, 1, 2));
}

static void pack_own_op(struct workload *w, stockd_pack *pack)
{
    char op[STOCKD_ID_MAX + 1];
    request_id(w, 'p', op);
    stockd_pack_str(pack, "op");
    stockd_pack_str(pack, op);
}

static void ask_ship(struct workload *w, struct request *request, const struct supply_note *supply)
{
    stockd_pack pack;
    bool all = random_chance(&w->random, 25), dated = random_chance(&w->random, 30);
    bool named = !all || random_chance(&w->random, 50);
    request_begin(request, &pack, "ship", 3);
    stockd_pack_str(&pack, supply->id);
    pack_some(w, &pack, supply, all);
    stockd_pack_map(&pack, (unsigned)named + (unsigned)dated);
    if (named)
        pack_own_op(w, &pack);
    if (dated)
        pack_eta(w, &pack);
    request_finish(request, &pack);
}

static void ask_withdraw(struct workload *w, struct request *request,
                         const struct supply_note *supply)
{
    stockd_pack pack;
    bool all = random_chance(&w->random, 40), named = !all || random_chance(&w->random, 50);
    request_begin(request, &pack, "withdraw", 3);
    stockd_pack_str(&pack, supply->id);
    pack_some(w, &pack, supply, all);
    stockd_pack_map(&pack, named);
    if (named)
        pack_own_op(w, &pack);
    request_finish(request, &pack);
}

/* Some come, of which some may be rejected, and more may come than was expected. */
static void pack_arrivals(struct workload *w, stockd_pack *pack, const struct supply_note *supply,
                          bool close)
{
    int most = random_chance(&w->random, 12) ? 5 : 2;
    bool rejects = random_chance(&w->random, 25);
    stockd_pack_array(pack, 1);
    stockd_pack_array(pack, rejects ? 3 : 2);
    pack_sku(pack, supply->item[random_below(&w->random, (int)supply->lines)]);
    stockd_pack_u64(pack, (uint64_t)random_between(&w->random, close || rejects ? 0 : 1, most));
    if (rejects)
        stockd_pack_u64(pack, 1);
}

static void ask_arrive(struct workload *w, struct request *request,
                       const struct supply_note *supply)
{
    stockd_pack pack;
    bool all = random_chance(&w->random, 30), named = !all || random_chance(&w->random, 50);
    bool close = !all && random_chance(&w->random, 15);
    request_begin(request, &pack, "arrive", 3);
    stockd_pack_str(&pack, supply->id);
    if (all)
        stockd_pack_nil(&pack);
    else
        pack_arrivals(w, &pack, supply, close);
    stockd_pack_map(&pack, (unsigned)named + (unsigned)close);
    if (named)
        pack_own_op(w, &pack);
    if (close) {
        stockd_pack_str(&pack, "close");
        stockd_pack_bool(&pack, true);
    }
    request_finish(request, &pack);
}

static void ask_reschedule(struct workload *w, struct request *request,
                           const struct supply_note *supply)
{
    stockd_pack pack;
    bool named = random_chance(&w->random, 70);
    request_begin(request, &pack, "reschedule", 3);
    stockd_pack_str(&pack, supply->id);
    stockd_pack_u64(&pack, fresh_eta(w));
    stockd_pack_map(&pack, named);
    if (named)
        pack_own_op(w, &pack);
    request_finish(request, &pack);
}

static void ask_supply(struct request *request, const struct supply_note *supply)
{
    stockd_pack pack;
    request_begin(request, &pack, "supply", 1);
    stockd_pack_str(&pack, supply->id);
    request_finish(request, &pack);
}

static void ask_supply_step(struct workload *w, struct request *request)
{
    struct supply_note supply;
    int dice = random_below(&w->random, 100);
    if (!any_supply(w, &supply))
        ask_expect(w, request);
    else if (supply.transfer && dice < 30)
        ask_ship(w, request, &supply);
    else if (dice < 50)
        ask_arrive(w, request, &supply);
    else if (dice < (supply.transfer ? 75 : 65))
        ask_withdraw(w, request, &supply);
    else if (dice < 85)
        ask_reschedule(w, request, &supply);
    else
        ask_supply(request, &supply);
}

static void ask_to_move(struct workload *w, struct request *request)
{
    struct order_note order;
    if (any_order(w, &order))
        ask_move(w, request, &order);
    else
        ask_reserve(w, request);
}

/* Of the last item nothing is ever found missing: there all can be said of who has what. */
static void ask_own_movement(struct workload *w, struct request *request)
{
    if (w->items > 1 && random_chance(&w->random, 25))
        ask_movement(w, request, "adjust", 0, -1);
    else
        ask_movement(w, request, "receive", any_item(w), random_between(&w->random, 1, 2));
}

/* The step that it asked for last, with the same op: it must not be done twice. */
static bool ask_last_again(struct workload *w, struct request *request)
{
    const struct request *last = &w->before[(w->asked + ASKED_BEFORE - 1) % ASKED_BEFORE];
    if (w->asked == 0 || (strcmp(last->method, "ship") != 0 && strcmp(last->method, "arrive") != 0))
        return false;
    *request = *last;
    return true;
}

void choose_supply(struct workload *w, struct request *request)
{
    int dice = random_below(&w->random, 100);
    if (random_chance(&w->random, 15) && ask_last_again(w, request))
        return;
    if (dice < 22)
        ask_reserve(w, request);
    else if (dice < 39)
        ask_step(w, request);
    else if (dice < 43)
        ask_to_move(w, request);
    else if (dice < 45)
        ask_reject(w, request);
    else if (dice < 49)
        ask_expect(w, request);
    else if (dice < 54)
        ask_transfer(w, request);
    else if (dice < 85)
        ask_supply_step(w, request);
    else if (dice < 88)
        ask_own_movement(w, request);
    else if (dice < 90)
        ask_availability(w, request);
    else if (dice < 93)
        ask_stock(w, request);
    else if (dice < 95)
        ask_reservation(w, request);
    else
        ask_again(w, request);
}
