/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/history/requests.h"

#include <stdio.h>
#include <string.h>

const char *const request_places[PLACES] = { "main", "annex" };

void board_init(struct board *board)
{
    memset(board, 0, sizeof *board);
    pthread_mutex_init(&board->lock, NULL);
}

/* ---- small parts of requests ---- */

void request_id(struct workload *w, char kind, char id[STOCKD_ID_MAX + 1])
{
    snprintf(id, STOCKD_ID_MAX + 1, "%c%u-%u", kind, w->client, w->number++);
}

void pack_sku(stockd_pack *pack, unsigned item)
{
    char sku[16];
    snprintf(sku, sizeof sku, "item%u", item);
    stockd_pack_str(pack, sku);
}

/* What tills sell, and only they: there is always enough of it. */
static void pack_bulk(stockd_pack *pack, unsigned item)
{
    stockd_pack_str(pack, item == 0 ? "bulk0" : "bulk1");
}

unsigned any_item(struct workload *w)
{
    return (unsigned)random_below(&w->random, (int)w->items);
}

void request_begin(struct request *request, stockd_pack *pack, const char *method, size_t params)
{
    request->method = method;
    stockd_pack_init(pack, request->params, sizeof request->params);
    stockd_pack_array(pack, params);
}

void request_finish(struct request *request, stockd_pack *pack)
{
    assert(stockd_pack_status(pack) == STOCKD_OK);
    request->length = pack->len;
}

/* ---- the requests ---- */

static const char *any_channel(struct workload *w)
{
    static const char *const channels[] = { "default", "default", "default", "web", "app", "till" };
    static const char *const promising[] = { "soon", "soon", "near", "default" };
    if (w->supplies)
        return promising[random_below(&w->random, 4)];
    return channels[random_below(&w->random, w->settings ? 6 : 5)];
}

static void pack_order_options(struct workload *w, stockd_pack *pack, bool backorder)
{
    stockd_pack_map(pack, backorder ? 2 : 1);
    if (backorder) {
        stockd_pack_str(pack, "backorder");
        stockd_pack_bool(pack, true);
    }
    if (random_chance(&w->random, 40)) {
        stockd_pack_str(pack, "confirm");
        stockd_pack_bool(pack, true);
        return;
    }
    stockd_pack_str(pack, "ttl_ms");
    bool brief = random_chance(&w->random, 4);
    stockd_pack_u64(pack, brief ? (uint64_t)random_between(&w->random, 10, 80) : 3600000);
}

/* Lines of one order name a place all or none, so that what each of them asks for is plain. What
 * waits may come from anywhere. */
void ask_reserve(struct workload *w, struct request *request)
{
    stockd_pack pack;
    struct order_note *order = &w->order;
    const char *place =
        random_chance(&w->random, 20) ? request_places[random_below(&w->random, 2)] : NULL;
    bool backorder = w->backorders && !place && random_chance(&w->random, 40);
    request_id(w, 'o', order->id);
    order->lines = (unsigned)(random_chance(&w->random, 50) ? 1 : random_between(&w->random, 2, 3));
    request_begin(request, &pack, "reserve", 4);
    stockd_pack_str(&pack, order->id);
    stockd_pack_str(&pack, any_channel(w));
    stockd_pack_array(&pack, order->lines);
    for (unsigned i = 0; i < order->lines; i++) {
        order->item[i] = any_item(w);
        stockd_pack_array(&pack, place ? 3 : 2);
        pack_sku(&pack, order->item[i]);
        stockd_pack_u64(&pack, (uint64_t)random_between(&w->random, 1, 2));
        if (place)
            stockd_pack_str(&pack, place);
    }
    pack_order_options(w, &pack, backorder);
    request_finish(request, &pack);
}

bool any_order(struct workload *w, struct order_note *order)
{
    struct board *board = w->board;
    unsigned i = (unsigned)random_below(&w->random, BOARD_ORDERS);
    pthread_mutex_lock(&board->lock);
    *order = board->orders[i];
    pthread_mutex_unlock(&board->lock);
    return order->id[0] != '\0';
}

bool any_supply(struct workload *w, struct supply_note *supply)
{
    struct board *board = w->board;
    unsigned i = (unsigned)random_below(&w->random, BOARD_SUPPLIES);
    pthread_mutex_lock(&board->lock);
    *supply = board->supplies[i];
    pthread_mutex_unlock(&board->lock);
    return supply->id[0] != '\0';
}

/* A step of all that is left, or of one unit of one line; the latter has an id of its own. */
void ask_step(struct workload *w, struct request *request)
{
    static const char *const steps[] = { "confirm", "confirm", "cancel", "cancel",
                                         "fulfil",  "fulfil",  "fulfil" };
    stockd_pack pack;
    struct order_note order;
    char op[STOCKD_ID_MAX + 1];
    if (!any_order(w, &order)) {
        ask_reserve(w, request);
        return;
    }
    const char *step = steps[random_below(&w->random, w->supplies ? 7 : 5)];
    bool part = strcmp(step, "confirm") != 0 && random_chance(&w->random, 35);
    request_begin(request, &pack, step, part ? 3 : 1);
    stockd_pack_str(&pack, order.id);
    if (part) {
        request_id(w, 's', op);
        stockd_pack_array(&pack, 1);
        stockd_pack_array(&pack, 2);
        pack_sku(&pack, order.item[random_below(&w->random, (int)order.lines)]);
        stockd_pack_u64(&pack, 1);
        stockd_pack_map(&pack, 1);
        stockd_pack_str(&pack, "op");
        stockd_pack_str(&pack, op);
    }
    request_finish(request, &pack);
}

void pack_op(struct workload *w, stockd_pack *pack)
{
    char op[STOCKD_ID_MAX + 1];
    request_id(w, 'r', op);
    stockd_pack_map(pack, 1);
    stockd_pack_str(pack, "op");
    stockd_pack_str(pack, op);
}

/* A unit of one item is to come from the other place. */
void ask_move(struct workload *w, struct request *request, const struct order_note *order)
{
    stockd_pack pack;
    bool back = random_chance(&w->random, 50);
    request_begin(request, &pack, "move", 3);
    stockd_pack_str(&pack, order->id);
    stockd_pack_array(&pack, 1);
    stockd_pack_array(&pack, 4);
    pack_sku(&pack, order->item[random_below(&w->random, (int)order->lines)]);
    stockd_pack_str(&pack, request_places[back]);
    stockd_pack_str(&pack, request_places[!back]);
    stockd_pack_u64(&pack, 1);
    pack_op(w, &pack);
    request_finish(request, &pack);
}

/* One or two items, each at a place, so that what is drawn anew is plain; or a move. */
static void ask_redraw(struct workload *w, struct request *request)
{
    stockd_pack pack;
    struct order_note order;
    if (!any_order(w, &order)) {
        ask_reserve(w, request);
        return;
    }
    if (random_chance(&w->random, 50)) {
        ask_move(w, request, &order);
        return;
    }
    unsigned first = order.item[random_below(&w->random, (int)order.lines)];
    unsigned second = (first + 1) % w->items;
    unsigned lines = w->items > 1 && random_chance(&w->random, 40) ? 2 : 1;
    request_begin(request, &pack, "amend", 3);
    stockd_pack_str(&pack, order.id);
    stockd_pack_array(&pack, lines);
    for (unsigned i = 0; i < lines; i++) {
        stockd_pack_array(&pack, 3);
        pack_sku(&pack, i == 0 ? first : second);
        stockd_pack_u64(&pack, (uint64_t)random_between(&w->random, 1, 2));
        stockd_pack_str(&pack, request_places[random_below(&w->random, 2)]);
    }
    pack_op(w, &pack);
    request_finish(request, &pack);
}

/* One unit of one item, so that the engine may find it in one place, or in none. */
void ask_reject(struct workload *w, struct request *request)
{
    static const char *const reasons[] = { "busy", "not_found", "damaged" };
    stockd_pack pack;
    struct order_note order;
    char op[STOCKD_ID_MAX + 1];
    if (!any_order(w, &order)) {
        ask_reserve(w, request);
        return;
    }
    bool cancels = w->supplies || random_chance(&w->random, 20);
    request_begin(request, &pack, "reject", 4);
    stockd_pack_str(&pack, order.id);
    stockd_pack_str(&pack, request_places[random_chance(&w->random, 30)]);
    stockd_pack_array(&pack, 1);
    stockd_pack_array(&pack, 2);
    unsigned item = order.item[random_below(&w->random, (int)order.lines)];
    bool kept = w->supplies && item == w->items - 1; /* of that nothing is ever found missing */
    pack_sku(&pack, item);
    stockd_pack_u64(&pack, 1);
    stockd_pack_map(&pack, cancels ? 3 : 2);
    request_id(w, 'j', op);
    stockd_pack_str(&pack, "op");
    stockd_pack_str(&pack, op);
    stockd_pack_str(&pack, "reason");
    stockd_pack_str(&pack, reasons[random_below(&w->random, kept ? 1 : 3)]);
    if (cancels) {
        stockd_pack_str(&pack, "on_fail");
        stockd_pack_str(&pack, "cancel");
    }
    request_finish(request, &pack);
}

void ask_movement(struct workload *w, struct request *request, const char *method, unsigned item,
                  int64_t qty)
{
    stockd_pack pack;
    char id[STOCKD_ID_MAX + 1];
    request_id(w, 'm', id);
    request_begin(request, &pack, method, 4);
    stockd_pack_str(&pack, id);
    pack_sku(&pack, item);
    stockd_pack_str(&pack, request_places[random_chance(&w->random, 30)]);
    stockd_pack_i64(&pack, qty);
    request_finish(request, &pack);
}

static void pack_units(struct workload *w, stockd_pack *pack, unsigned item, int most)
{
    stockd_pack_array(pack, 1);
    stockd_pack_array(pack, 2);
    pack_sku(pack, item);
    stockd_pack_u64(pack, (uint64_t)random_between(&w->random, 1, most));
}

/* Of one item only: while some of it is on its way, less can be said of who is served first. */
static void ask_expect(struct workload *w, struct request *request)
{
    stockd_pack pack;
    request_id(w, 'e', w->supply.id);
    request_begin(request, &pack, "expect", 4);
    stockd_pack_str(&pack, w->supply.id);
    stockd_pack_str(&pack, request_places[random_chance(&w->random, 30)]);
    w->supply.lines = 1;
    w->supply.item[0] = 0;
    pack_units(w, &pack, 0, 3);
    stockd_pack_map(&pack, 1);
    stockd_pack_str(&pack, "eta_ms");
    stockd_pack_u64(&pack, UINT64_C(4000000000000));
    request_finish(request, &pack);
}

/* All that is left of it, or a unit. */
static void ask_arrive(struct workload *w, struct request *request)
{
    stockd_pack pack;
    char op[STOCKD_ID_MAX + 1];
    struct supply_note supply;
    if (!any_supply(w, &supply)) {
        ask_expect(w, request);
        return;
    }
    request_begin(request, &pack, "arrive", 3);
    stockd_pack_str(&pack, supply.id);
    if (random_chance(&w->random, 50))
        stockd_pack_nil(&pack);
    else
        pack_units(w, &pack, 0, 1);
    request_id(w, 'a', op);
    stockd_pack_map(&pack, 1);
    stockd_pack_str(&pack, "op");
    stockd_pack_str(&pack, op);
    request_finish(request, &pack);
}

static void ask_sold(struct workload *w, struct request *request)
{
    stockd_pack pack;
    char id[STOCKD_ID_MAX + 1];
    unsigned lines = (unsigned)random_between(&w->random, 1, 2);
    unsigned first = (unsigned)random_below(&w->random, 2);
    request_id(w, 'k', id);
    request_begin(request, &pack, "sold", 4);
    stockd_pack_str(&pack, id);
    stockd_pack_str(&pack, "default");
    stockd_pack_str(&pack, request_places[0]);
    stockd_pack_array(&pack, lines);
    for (unsigned i = 0; i < lines; i++) {
        stockd_pack_array(&pack, 2);
        pack_bulk(&pack, (first + i) % 2);
        stockd_pack_u64(&pack, (uint64_t)random_between(&w->random, 1, 3));
    }
    request_finish(request, &pack);
}

/* From one place to the other, at once. */
static void ask_transfer(struct workload *w, struct request *request)
{
    stockd_pack pack;
    char id[STOCKD_ID_MAX + 1];
    bool back = random_chance(&w->random, 40);
    request_id(w, 't', id);
    request_begin(request, &pack, "transfer", 4);
    stockd_pack_str(&pack, id);
    stockd_pack_str(&pack, request_places[back]);
    stockd_pack_str(&pack, request_places[!back]);
    stockd_pack_array(&pack, 1);
    stockd_pack_array(&pack, 2);
    pack_sku(&pack, any_item(w));
    stockd_pack_u64(&pack, (uint64_t)random_between(&w->random, 1, 2));
    request_finish(request, &pack);
}

/* Each says all that it can say, so that nothing need be known of earlier ones; and has a number of
 * its own, so that none is already set. */
static void ask_setting(struct workload *w, struct request *request)
{
    stockd_pack pack;
    bool stocking = random_chance(&w->random, 75);
    uint64_t number = (uint64_t)w->client * 1000000 + w->number++;
    request_begin(request, &pack, stocking ? "stocking_set" : "item_set", stocking ? 3 : 2);
    pack_sku(&pack, any_item(w));
    if (stocking)
        stockd_pack_str(&pack, request_places[random_below(&w->random, 2)]);
    stockd_pack_map(&pack, stocking ? 3 : 2);
    stockd_pack_str(&pack, "safety");
    stockd_pack_u64(&pack, (uint64_t)random_below(&w->random, 3));
    stockd_pack_str(&pack, stocking ? "lead_time_s" : "low_stock");
    stockd_pack_u64(&pack, number);
    if (stocking) {
        stockd_pack_str(&pack, "stocked");
        stockd_pack_bool(&pack, random_chance(&w->random, 70));
    }
    request_finish(request, &pack);
}

void ask_availability(struct workload *w, struct request *request)
{
    stockd_pack pack;
    request_begin(request, &pack, "availability", 2);
    stockd_pack_str(&pack, any_channel(w));
    stockd_pack_array(&pack, 2);
    pack_sku(&pack, any_item(w));
    pack_sku(&pack, any_item(w));
    request_finish(request, &pack);
}

void ask_stock(struct workload *w, struct request *request)
{
    stockd_pack pack;
    request_begin(request, &pack, "stock", 1);
    if (random_chance(&w->random, 20))
        pack_bulk(&pack, (unsigned)random_below(&w->random, 2));
    else
        pack_sku(&pack, any_item(w));
    request_finish(request, &pack);
}

void ask_reservation(struct workload *w, struct request *request)
{
    stockd_pack pack;
    struct order_note order;
    if (!any_order(w, &order)) {
        ask_stock(w, request);
        return;
    }
    request_begin(request, &pack, "reservation", 1);
    stockd_pack_str(&pack, order.id);
    request_finish(request, &pack);
}

/* What it asked itself a while ago, or what somebody is asking just now: the id is the same. */
void ask_again(struct workload *w, struct request *request)
{
    if (random_chance(&w->random, 50) && w->asked >= ASKED_BEFORE) {
        *request = w->before[random_below(&w->random, ASKED_BEFORE)];
        return;
    }
    pthread_mutex_lock(&w->board->lock);
    *request = w->board->change;
    pthread_mutex_unlock(&w->board->lock);
    if (!request->method)
        ask_stock(w, request);
}

static void choose(struct workload *w, struct request *request)
{
    int dice = random_below(&w->random, 100);
    if (w->settings && random_chance(&w->random, 3))
        ask_setting(w, request);
    else if (w->backorders && random_chance(&w->random, 8))
        ask_reject(w, request);
    else if (w->backorders && random_chance(&w->random, 3))
        ask_expect(w, request);
    else if (w->backorders && random_chance(&w->random, 4))
        ask_arrive(w, request);
    else if (w->backorders && random_chance(&w->random, 8)) /* else nothing is ever there */
        ask_movement(w, request, "receive", any_item(w), random_between(&w->random, 1, 2));
    else if (w->wanting >= 0 && dice < 8)
        ask_movement(w, request, "receive", (unsigned)w->wanting, random_between(&w->random, 1, 2));
    else if (dice < 40)
        ask_reserve(w, request);
    else if (dice < 44)
        ask_transfer(w, request);
    else if (dice < 63)
        ask_step(w, request);
    else if (dice < 74)
        ask_redraw(w, request);
    else if (random_chance(&w->random, 8))
        ask_sold(w, request);
    else if (dice < 77)
        ask_movement(w, request, "adjust", any_item(w), random_chance(&w->random, 30) ? 1 : -1);
    else if (dice < 78 && !w->backorders) /* that would leave all places short for ever */
        ask_movement(w, request, "count", any_item(w), random_between(&w->random, 2, 5));
    else if (dice < 86)
        ask_availability(w, request);
    else if (dice < 92)
        ask_stock(w, request);
    else if (dice < 96)
        ask_reservation(w, request);
    else
        ask_again(w, request);
}

/* One that others may send again: a setting has no id by which it would be the same. */
static bool is_change(const struct request *request)
{
    return strstr(request->method, "_set") == NULL &&
           strcmp(request->method, "availability") != 0 && strcmp(request->method, "stock") != 0 &&
           strcmp(request->method, "reservation") != 0 && strcmp(request->method, "supply") != 0;
}

void workload_next(struct workload *w, struct request *request)
{
    w->order.id[0] = w->supply.id[0] = '\0';
    if (w->supplies)
        choose_supply(w, request);
    else
        choose(w, request);
    if (!is_change(request))
        return;
    w->before[w->asked++ % ASKED_BEFORE] = *request;
    pthread_mutex_lock(&w->board->lock);
    w->board->change = *request;
    pthread_mutex_unlock(&w->board->lock);
}

void workload_learn(struct workload *w, const struct request *request, bool granted)
{
    struct board *board = w->board;
    if (w->supply.id[0] != '\0' && granted) {
        pthread_mutex_lock(&board->lock);
        board->supplies[board->next_supply++ % BOARD_SUPPLIES] = w->supply;
        pthread_mutex_unlock(&board->lock);
    }
    if (w->order.id[0] == '\0' || strcmp(request->method, "reserve") != 0)
        return;
    w->wanting = granted ? -1 : (int)w->order.item[0];
    if (!granted)
        return;
    pthread_mutex_lock(&board->lock);
    board->orders[board->next_order++ % BOARD_ORDERS] = w->order;
    pthread_mutex_unlock(&board->lock);
}
