/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once on a few items: receive, return, adjust, count, allot, reserve (several lines,
 * bound and free), extend, confirm, fulfil and cancel in part and whole, expiry. What is on hand in
 * the end must be the sum of what the replies said was moved, per item; and nothing is reserved.
 */
#include <string.h>

#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, ITEMS = 4, PLACES = 3, OWN = 8, MILLISECONDS = 3000 };

static const char *const items[ITEMS] = { "red", "green", "blue", "grey" };
static const char *const places[PLACES] = { "main", "north", "south" };

/* An order of one racer's own: nobody else touches it but the clock. */
struct own {
    uint64_t number;
    bool live;
    int64_t fulfilled[ITEMS]; /* as far as replies said */
};

/* tally[item]: what on hand has grown by, as far as the racer was told. */
struct mine {
    struct own orders[OWN];
    uint64_t next;
};

static struct mine all[CONTEXTS];

static struct mine *mine_of(struct racer *racer)
{
    return &all[racer->index];
}

static struct text own_id(struct racer *racer, struct race_name *name, uint64_t number)
{
    return race_name(name, (char)('a' + racer->index), number);
}

/* Units that go to a channel's own and back: what is on hand stays as it is. */
static void allot(struct racer *racer)
{
    struct race_name name;
    struct allot_result result;
    struct random *r = &racer->random;
    int64_t qty = random_between(r, 1, 5);
    struct allotment a = { .id = own_id(racer, &name, ++mine_of(racer)->next),
                           .sku = text_of(items[random_below(r, ITEMS)]),
                           .location = text_of(places[random_below(r, PLACES)]),
                           .channel = text_of(random_chance(r, 50) ? "default" : "split"),
                           .qty = random_chance(r, 60) ? qty : -qty };
    enum code code = racer_allot(racer, &a, &result);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "allot: %s",
              ctx_failure(racer->ctx)->message);
}

static void move(struct racer *racer)
{
    struct race_name name;
    struct movement_result result;
    struct random *r = &racer->random;
    int item = random_below(r, ITEMS), what = random_below(r, 10);
    struct movement m = { .id = own_id(racer, &name, ++mine_of(racer)->next),
                          .sku = text_of(items[item]),
                          .location = text_of(places[random_below(r, PLACES)]),
                          .qty = random_between(r, 1, 6) };
    enum code code;
    if (what < 5) {
        code = racer_receive(racer, &m, &result);
    } else if (what < 7) {
        code = racer_return(racer, &m, &result);
    } else if (what < 9) {
        m.qty = -m.qty;
        code = racer_adjust(racer, &m, &result);
    } else {
        m.qty = random_between(r, 0, 30);
        code = racer_count(racer, &m, &result);
    }
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "move: %s",
              ctx_failure(racer->ctx)->message);
    if (code == CODE_OK)
        racer->tally[item] += result.delta;
}

static void reserve(struct racer *racer, struct own *own)
{
    struct race_name name;
    struct reservation_view view;
    struct random *r = &racer->random;
    struct order_line lines[6];
    own->number = ++mine_of(racer)->next;
    struct order order = { .id = own_id(racer, &name, own->number),
                           .channel = text_of(random_chance(r, 50) ? "default" : "split"),
                           .lines = lines,
                           .line_count =
                               (uint32_t)random_between(r, 1, random_chance(r, 70) ? 2 : 6),
                           .has_ttl = true,
                           .ttl_ms = (uint64_t)random_between(r, 1, 30),
                           .confirm = random_chance(r, 30) };
    for (uint32_t i = 0; i < order.line_count; i++) {
        lines[i] = (struct order_line){ .sku = text_of(items[random_below(r, ITEMS)]),
                                        .qty = random_between(r, 1, 4) };
        if (random_chance(r, 20))
            lines[i].location = text_of(places[random_below(r, PLACES)]);
    }
    enum code code = racer_reserve(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "reserve: %s",
              ctx_failure(racer->ctx)->message);
    own->live = code == CODE_OK;
    memset(own->fulfilled, 0, sizeof own->fulfilled);
}

/* The reply says how much was fulfilled in all; what is new since the last one was moved now. */
static void count_fulfilled(struct racer *racer, struct own *own,
                            const struct reservation_view *view)
{
    for (int i = 0; i < ITEMS; i++) {
        int64_t sum = 0;
        for (uint32_t d = 0; d < view->draw_count; d++)
            if (text_equal(view->draws[d].sku, text_of(items[i])))
                sum += view->draws[d].fulfilled;
        racer->tally[i] -= sum - own->fulfilled[i];
        own->fulfilled[i] = sum;
    }
}

/* It may have expired, and been forgotten since. */
static bool usual(enum code code)
{
    return code == CODE_OK || code == CODE_WRONG_STATE || code == CODE_INSUFFICIENT_STOCK ||
           code == CODE_UNKNOWN_RESERVATION;
}

static void go_on(struct racer *racer, struct own *own)
{
    struct race_name name, op;
    struct reservation_view view;
    struct random *r = &racer->random;
    struct text id = own_id(racer, &name, own->number);
    struct order_line line = { .sku = text_of(items[random_below(r, ITEMS)]), .qty = 1 };
    struct step step = { .id = id, .lines = &line };
    if (random_chance(r, 60)) {
        step.op = own_id(racer, &op, ++mine_of(racer)->next);
        step.line_count = 1;
    }
    enum code code;
    int what = random_below(r, 10);
    if (what < 2)
        code = racer_extend(racer, id, (uint64_t)random_between(r, 1, 30), &view);
    else if (what < 4)
        code = racer_confirm(racer, id, &view);
    else if (what < 8)
        code = racer_fulfil(racer, &step, &view);
    else
        code = racer_cancel(racer, &step, &view);
    RACE_MUST(usual(code), "%s: %s", code_name(code), ctx_failure(racer->ctx)->message);
    if (code == CODE_OK)
        count_fulfilled(racer, own, &view);
    bool ended =
        code == CODE_OK && strcmp(view.state, "held") != 0 && strcmp(view.state, "confirmed") != 0;
    if (ended || code == CODE_UNKNOWN_RESERVATION)
        own->live = false;
}

static void live(struct racer *racer)
{
    for (int i = 0; !racer_is_done(racer, MILLISECONDS); i++) {
        struct own *own = &mine_of(racer)->orders[random_below(&racer->random, OWN)];
        if (random_chance(&racer->random, 25))
            move(racer);
        else if (random_chance(&racer->random, 15))
            allot(racer);
        else if (!own->live)
            reserve(racer, own);
        else
            go_on(racer, own);
        if (i % 8 == 0)
            racer_turn(racer);
    }
    for (int i = 0; i < OWN; i++) {
        struct race_name name;
        struct reservation_view view;
        struct step step = { .id = own_id(racer, &name, mine_of(racer)->orders[i].number) };
        if (mine_of(racer)->orders[i].live)
            RACE_MUST(usual(racer_cancel(racer, &step, &view)), "the last cancel");
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race.never_short = false;
    for (int i = 1; i < PLACES; i++)
        race_add_location(&race, places[i]);
    race_set_channel(&race, &(struct channel_setting){ .code = text_of("split"),
                                                       .has_sourcing = true,
                                                       .sourcing = text_of("fewest") });
    for (int i = 0; i < ITEMS; i++)
        race_stock(&race, text_of(items[i]), text_of("main"), 20);
    race_run(&race, CONTEXTS, live, racers);
    for (int i = 0; i < ITEMS; i++) {
        int64_t on_hand, reserved, wanted = 20;
        for (unsigned s = 0; s < CONTEXTS; s++)
            wanted += racers[s].tally[i];
        race_sum(&race, text_of(items[i]), &on_hand, &reserved);
        RACE_MUST(on_hand == wanted, "%s: %lld on hand, but the replies add up to %lld", items[i],
                  (long long)on_hand, (long long)wanted);
        RACE_MUST(reserved == 0, "%s: %lld are still reserved", items[i], (long long)reserved);
    }
    race_close(&race, "conservation");
    return 0;
}
