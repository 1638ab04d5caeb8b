/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises outlive settings. Channels (locations and groups, buffer, rule), locations (active,
 * ships, priority, groups) and allotments change all the time, by two threads, while three others
 * sell: orders of one and several lines, bound and free, on four channels, that are confirmed,
 * fulfilled and cancelled in part and whole, sent again, or left to expire; and receive and adjust.
 * A sixth runs the live check. What must hold, by docs/PROTOCOL.md and the rule "one catalogue per
 * operation" of docs/CONCURRENCY.md:
 *
 * What was granted
 *   - is confirmed, fulfilled and cancelled without a refusal, to the last unit, also when no
 *     location is active any more, no channel names it, and buffers are as great as can be;
 *   - is answered in the same way, draws and all, when it is asked again with the same id;
 *   - was drawn from places that the channel sold from at some instant of the call (active, in its
 *     set, and shipping unless the line is bound), and from no other channel's units.
 * What was refused, truly was not there:
 *   - "steady" has units of its own, at a place that is always in its set, for all its orders at
 *     once and its greatest buffer. No order of its is refused for them, and they come from there;
 *   - nor for units that are its own or shared as allotments come and go, but nobody else's;
 *   - "hop" sells from either of two places. The one that it is about to sell from is filled
 *     before it is set, the other one emptied after it, so that at no instant it has none.
 * What is not for sale, is not sold: "careful" has a buffer of at least all there is, or has none
 *   and sells only from a place that does not ship or is not active just then. Half of the one
 *   setting and half of the other would sell.
 * Pools: none is short at any look, for no adjustment takes more than is free; what was allotted to
 *   a channel that never orders is never promised.
 * A setting stands until it is set again, whatever else is set meanwhile.
 *
 * When all is at rest, after each round: of every item, what is reserved is what orders have left,
 * and what is on hand is what replies say was moved. On every channel one reserve takes just what
 * availability says, and one more is refused; that is what lies in pools that it may sell from,
 * less at most its buffer.
 */
#include <stdio.h>

#include "tests/support/race_deal.h"

enum { DECIDERS = 2, SELLERS = 3, CHECKER = DECIDERS + SELLERS, CONTEXTS };
enum { ROUNDS = 2 + RACE_SCALE, STEPS = 1500 * RACE_SCALE, STEPS_PER_PACE = 16 };
enum { SLOTS = 5, MOST_WANTED = 4 }; /* of one item, by an order */
enum { LONG_MS = 24 * 60 * 60 * 1000, BRIEF_MS = 20, PAST_BRIEF_MS = 1000 };

/* What all orders of "steady" hold at once of one item, at most, and its buffer. */
enum { STEADY_ROOM = 10, STEADY_BUFFER = 5, STEADY_UNITS = STEADY_ROOM + STEADY_BUFFER };
/* Of KEPT; and of what is allotted to who never orders: more than all adjustments take. */
enum { KEPT_UNITS = 40, CLOSED_UNITS = 1000000 };

/* What a thread knows; the main thread looks at it while no other runs. */
struct mine {
    uint64_t next; /* id */
    struct deal deals[SLOTS];
    int64_t grown[ITEMS]; /* on hand, as replies said */
};

static struct mine all[CONTEXTS];
static _Atomic unsigned working;       /* deciders and sellers of this round */
static uint64_t held_from, held_until; /* the numbers of what hop holds; its decider */
static _Atomic int64_t granted[CHANNELS], refused[CHANNELS];
static int64_t checks, judged; /* by the live check */

/* Of what only "steady" can starve: units that its orders may ask for still. */
static _Atomic int64_t room[ITEMS] = { [OWN] = STEADY_ROOM, [SHUTTLE] = STEADY_ROOM };

static struct mine *mine_of(const struct racer *racer)
{
    return &all[racer->index];
}

static char message_of(const struct racer *racer)
{
    return (char)('a' + racer->index);
}

static struct text new_id(struct racer *racer, struct race_name *name)
{
    return race_name(name, message_of(racer), ++mine_of(racer)->next);
}

static enum shop_place some_place(struct random *r)
{
    return (enum shop_place)random_between(r, MAIN, BARE);
}

/* ---- allotments and movements ---- */

static bool allot(struct racer *racer, enum shop_item item, enum shop_place place,
                  const char *channel, int64_t qty)
{
    struct race_name name;
    return shop_allot(racer, new_id(racer, &name), item, place, channel, qty);
}

static void receive(struct racer *racer, enum shop_item item, enum shop_place place, int64_t qty)
{
    struct race_name name;
    shop_receive(racer, new_id(racer, &name), item, place, qty);
    mine_of(racer)->grown[item] += qty;
}

/* Only where something is allotted to who never orders: so it takes nothing that was promised. */
static void adjust(struct racer *racer)
{
    struct race_name name;
    struct random *r = &racer->random;
    enum shop_item item = random_chance(r, 50) ? RED : BLUE;
    enum shop_place place = random_chance(r, 50) ? MAIN : NORTH;
    int64_t qty = random_between(r, 1, 3), delta = random_chance(r, 50) ? qty : -qty;
    shop_adjust(racer, new_id(racer, &name), item, place, delta);
    mine_of(racer)->grown[item] += delta;
}

/* As much comes in as went out; what "steady" had of its own becomes its own again, although others
 * may be quicker. */
static void restock(struct racer *racer, enum shop_channel channel, enum shop_item item,
                    int64_t qty)
{
    bool own = channel == STEADY && item == OWN;
    mine_of(racer)->grown[item] -= qty;
    enum shop_place place = own || item == SHUTTLE ? MAIN : some_place(&racer->random);
    do
        receive(racer, item, place, qty);
    while (own && !allot(racer, item, place, shop_channel(STEADY), qty));
}

/* ---- deciders: each owns some channels and locations ---- */

static void set_some_place(struct racer *racer)
{
    struct random *r = &racer->random;
    unsigned groups = (unsigned)random_next(r) & GROUPS;
    if (racer->index == 0) {
        if (random_chance(r, 50))
            shop_set_place(racer, NORTH, groups | ((unsigned)random_next(r) & OPEN));
        else
            shop_set_place(racer, BARE, groups | (shop_state(BARE) & OPEN));
    } else if (random_chance(r, 50)) {
        shop_set_place(racer, SOUTH, groups | ((unsigned)random_next(r) & OPEN));
    } else {
        shop_set_place(racer, MAIN, groups | OPEN | 1 << HUB);
    }
}

static void set_some_channel(struct racer *racer)
{
    struct random *r = &racer->random;
    enum shop_channel channel = racer->index == 0 ? WEB : random_chance(r, 50) ? SHOP : STEADY;
    unsigned set = (unsigned)random_next(r) & (ANYWHERE - 1);
    int64_t buffer = random_below(r, STEADY_BUFFER + 1);
    if (channel == STEADY)
        set |= random_chance(r, 50) ? 1U << MAIN : 1U << HUB;
    if (set == 0 || (channel != SHOP && random_chance(r, 20)))
        set = ANYWHERE;
    shop_set_channel(racer, channel, set, buffer);
}

/* See above. At each instant one of the two keeps it from selling. */
static void turn_careful(struct racer *racer)
{
    struct random *r = &racer->random;
    unsigned groups = shop_state(BARE) & GROUPS;
    if (shop_buffer(CAREFUL) > 0) {
        shop_set_place(racer, BARE, groups | (random_chance(r, 50) ? ACTIVE : SHIPS));
        shop_set_channel(racer, CAREFUL, 1 << BARE, 0);
    } else {
        int64_t buffer = KEPT_UNITS + random_below(r, 10);
        bool any = random_chance(r, 50);
        shop_set_channel(racer, CAREFUL, any ? ANYWHERE : 1 << BARE | 1 << MAIN, buffer);
        shop_set_place(racer, BARE, groups | OPEN);
    }
}

static void let_go(struct racer *racer)
{
    for (; held_from < held_until; held_from++)
        RACE_MUST(racer_drop(racer, held_from) == CODE_OK, "drop");
}

static void hop(struct racer *racer)
{
    enum shop_place from = shop_set(HOP) & 1 << MAIN ? MAIN : ANNEX;
    enum shop_place to = from == MAIN ? ANNEX : MAIN;
    enum code code;
    let_go(racer);
    shop_set_channel(racer, HOP, 1U << to, 0);
    held_from = mine_of(racer)->next + 1;
    do
        code = racer_take_at(racer, held_until = ++mine_of(racer)->next, "default",
                             text_of(shop_item(HOPPER)), 1, shop_name(from));
    while (code == CODE_OK);
    RACE_MUST(code == CODE_INSUFFICIENT_STOCK, "hop: %s", ctx_failure(racer->ctx)->message);
}

static void allot_some(struct racer *racer)
{
    static const enum shop_channel to[] = { WEB, SHOP, CAREFUL };
    static const enum shop_item of[] = { RED, BLUE, KEPT };
    struct random *r = &racer->random;
    int64_t qty = random_between(r, 1, 4), delta = random_chance(r, 50) ? qty : -qty;
    int what = random_below(r, 4);
    if (what == 0)
        allot(racer, SHUTTLE, MAIN, shop_channel(STEADY), 4 * delta);
    else if (what > 1)
        allot(racer, of[random_below(r, 3)], some_place(r), shop_channel(to[random_below(r, 3)]),
              delta);
    else if (allot(racer, OWN, MAIN, shop_channel(STEADY), qty))
        RACE_MUST(allot(racer, OWN, MAIN, shop_channel(STEADY), -qty), "what was allotted is gone");
}

static void decide(struct racer *racer)
{
    int what = random_below(&racer->random, 10);
    if (what < 2)
        set_some_place(racer);
    else if (what < 5)
        set_some_channel(racer);
    else if (what < 7)
        allot_some(racer);
    else if (racer->index == 0)
        turn_careful(racer);
    else
        hop(racer);
}

/* ---- sellers: a new order ---- */

static enum shop_item choose_item(struct random *r, enum shop_channel channel, uint32_t line)
{
    static const enum shop_item sold[CHANNELS][4] = { [WEB] = { RED, BLUE, OWN, KEPT },
                                                      [SHOP] = { RED, BLUE, OWN, KEPT },
                                                      [STEADY] = { OWN, OWN, SHUTTLE, RED },
                                                      [CAREFUL] = { KEPT, RED, BLUE, KEPT } };
    return sold[channel][channel == CAREFUL && line == 0 ? 0 : random_below(r, 4)];
}

/* The order binds all its lines to one place, or some lines bind themselves, or none is bound. */
static void choose_bound(struct random *r, struct deal *deal)
{
    unsigned at = deal->channel == STEADY ? MAIN : (unsigned)random_between(r, MAIN, CELLAR);
    bool common = random_chance(r, 10);
    for (int i = 0; i < ITEMS; i++)
        if (common || random_chance(r, 25))
            deal->bound[i] = at;
    if (common)
        deal->order.at = shop_name(at);
}

/* Asks for as much as there may be room for. */
static void add_line(struct random *r, struct deal *deal, enum shop_item item)
{
    int64_t qty = random_between(r, 1, 2);
    bool scarce = deal->channel == STEADY && item != RED;
    if (deal->wanted[item] + qty > MOST_WANTED)
        return;
    if (scarce && atomic_fetch_sub(&room[item], qty) < qty)
        atomic_fetch_add(&room[item], qty);
    else
        deal_add(deal, item, qty);
}

/* They are there again for others. */
static void leave_room(const struct deal *deal, const int64_t units[ITEMS])
{
    for (int i = 0; deal->channel == STEADY && i < ITEMS; i++)
        atomic_fetch_add(&room[i], units[i]);
}

static void make_order(struct racer *racer, struct deal *deal, enum shop_channel channel)
{
    struct random *r = &racer->random;
    bool brief = channel != STEADY && random_chance(r, 10);
    deal_begin(deal, channel, message_of(racer), ++mine_of(racer)->next);
    deal->order.confirm = !brief && random_chance(r, 30);
    deal->order.has_ttl = true;
    deal->order.ttl_ms = brief ? (uint64_t)random_between(r, 1, BRIEF_MS) : LONG_MS;
    if (channel != CAREFUL)
        choose_bound(r, deal);
    for (int i = random_between(r, 1, DEAL_LINES); i > 0; i--)
        add_line(r, deal, choose_item(r, channel, deal->order.line_count));
    if (deal->order.line_count == 0)
        deal_add(deal, RED, 1);
}

static void check_granted(const struct deal *deal)
{
    RACE_MUST(deal->channel != CAREFUL, "careful sold what its settings keep");
    for (uint32_t i = 0; i < deal->draw_count; i++)
        RACE_MUST(deal->channel != STEADY || deal->draws[i].item != OWN ||
                      deal->draws[i].place == MAIN,
                  "steady did not take its own first");
}

static void check_refused(const struct deal *deal, const struct failure *failure)
{
    RACE_MUST(failure->short_count > 0, "refused for nothing");
    for (unsigned i = 0; i < failure->short_count; i++) {
        const struct shortfall *s = &failure->shorts[i];
        RACE_MUST(deal->channel != STEADY || shop_item_of(s->sku) == RED,
                  "steady cannot have its own: %s", failure->message);
        RACE_MUST(s->available < s->wanted, "refused, but %lld of %lld are there",
                  (long long)s->available, (long long)s->wanted);
    }
}

/* Granted, it is the seller's to go on with; if it is brief, the clock's. */
static void order(struct racer *racer, struct deal *deal, enum shop_channel channel)
{
    make_order(racer, deal, channel);
    if (deal_ask(racer, deal) == CODE_OK) {
        check_granted(deal);
        atomic_fetch_add(&granted[channel], 1);
    } else {
        check_refused(deal, ctx_failure(racer->ctx));
        leave_room(deal, deal->wanted);
        atomic_fetch_add(&refused[channel], 1);
    }
    if (deal->order.ttl_ms != LONG_MS)
        deal->live = false;
}

/* ---- sellers: what becomes of it ---- */

/* What was shipped comes in again. */
static void follow_up(struct racer *racer, const struct deal *deal, bool ship,
                      const int64_t gone[ITEMS])
{
    for (int i = 0; ship && i < ITEMS; i++)
        if (gone[i] > 0)
            restock(racer, deal->channel, (enum shop_item)i, gone[i]);
    leave_room(deal, gone);
}

static void step(struct racer *racer, struct deal *deal, bool ship)
{
    struct race_name op;
    struct random *r = &racer->random;
    int64_t gone[ITEMS] = { 0 };
    unsigned item = (unsigned)random_below(r, ITEMS);
    while (deal->left[item] == 0)
        item = (item + 1) % ITEMS;
    gone[item] = random_between(r, 1, (int)deal->left[item]);
    deal_step(racer, deal, ship, new_id(racer, &op), (enum shop_item)item, gone[item]);
    follow_up(racer, deal, ship, gone);
}

static void end(struct racer *racer, struct deal *deal, bool ship)
{
    int64_t gone[ITEMS];
    deal_end(racer, deal, ship, gone);
    follow_up(racer, deal, ship, gone);
}

static void go_on(struct racer *racer, struct deal *deal)
{
    struct random *r = &racer->random;
    int what = random_below(r, 10);
    if (what < 2)
        deal_ask_again(racer, deal);
    else if (!deal->confirmed && what < 6)
        deal_confirm(racer, deal);
    else if (what < 8)
        step(racer, deal, deal->confirmed && what < 7);
    else
        end(racer, deal, deal->confirmed && random_chance(r, 70));
}

static void take_hopper(struct racer *racer)
{
    uint64_t number = ++mine_of(racer)->next;
    RACE_MUST(racer_take(racer, number, shop_channel(HOP), text_of(shop_item(HOPPER)), 1) ==
                  CODE_OK,
              "one was there at every instant: %s", ctx_failure(racer->ctx)->message);
    RACE_MUST(racer_drop(racer, number) == CODE_OK, "drop");
    atomic_fetch_add(&granted[HOP], 1);
}

static void sell(struct racer *racer)
{
    static const enum shop_channel channels[] = {
        WEB, WEB, WEB, SHOP, SHOP, STEADY, STEADY, CAREFUL
    };
    struct random *r = &racer->random;
    struct deal *deal = &mine_of(racer)->deals[random_below(r, SLOTS)];
    int what = random_below(r, 20);
    if (what == 0)
        adjust(racer);
    else if (what == 1)
        shop_look(racer, (enum shop_item)random_below(r, ITEMS));
    else if (what < 5)
        take_hopper(racer);
    else if (deal->live)
        go_on(racer, deal);
    else
        order(racer, deal, channels[random_below(r, 8)]);
}

/* ---- a round ---- */

static void check_live(struct racer *racer)
{
    struct check_report report;
    atomic_store(&racer->race->pace[racer->index], UINT64_MAX); /* nobody waits for it */
    do {
        racer_check(racer, NULL, &report);
        checks++;
        judged += (int64_t)(report.items - report.moving);
    } while (atomic_load(&working) > 0);
}

static void play(struct racer *racer)
{
    if (racer->index == CHECKER) {
        check_live(racer);
        return;
    }
    for (uint64_t i = 0; i < STEPS && !racer_is_done(racer, RACE_MOST_MS); i++) {
        if (racer->index < DECIDERS)
            decide(racer);
        else
            sell(racer);
        if (i % STEPS_PER_PACE == 0) {
            racer_turn(racer);
            racer_keep_pace(racer, i / STEPS_PER_PACE);
        }
    }
    atomic_fetch_sub(&working, 1);
}

/* ---- at rest ---- */

static void check_sums(struct race *race, const int64_t stocked[ITEMS])
{
    for (unsigned i = 0; i < ITEMS; i++) {
        const char *item = shop_item((enum shop_item)i);
        int64_t on_hand, reserved, wanted = stocked[i];
        int64_t left = i == HOPPER ? (int64_t)(held_until - held_from) : 0;
        for (int s = 0; s < CONTEXTS; s++) {
            wanted += all[s].grown[i];
            for (int d = 0; d < SLOTS; d++)
                left += all[s].deals[d].live ? all[s].deals[d].left[i] : 0;
        }
        race_sum(race, text_of(item), &on_hand, &reserved);
        RACE_MUST(on_hand == wanted, "%s: %lld on hand, but replies add up to %lld", item,
                  (long long)on_hand, (long long)wanted);
        RACE_MUST(reserved == left, "%s: %lld are reserved, but orders have %lld left", item,
                  (long long)reserved, (long long)left);
    }
}

static enum code take(struct racer *racer, struct deal *deal, enum shop_channel channel,
                      enum shop_item item, int64_t qty)
{
    deal_begin(deal, channel, message_of(racer), ++mine_of(racer)->next);
    deal_add(deal, item, qty);
    return deal_ask(racer, deal);
}

static void check_available(struct racer *racer, enum shop_channel channel, enum shop_item item)
{
    struct deal deal;
    int64_t gone[ITEMS];
    int64_t count = shop_available(racer, channel, item), reach = shop_reach(racer, channel, item);
    RACE_MUST(count <= reach && count >= reach - shop_buffer(channel),
              "%lld of %s are available on %s, but %lld are within reach", (long long)count,
              shop_item(item), shop_channel(channel), (long long)reach);
    RACE_MUST(take(racer, &deal, channel, item, count + 1) == CODE_INSUFFICIENT_STOCK,
              "%s took one more of %s than is available", shop_channel(channel), shop_item(item));
    RACE_MUST(ctx_failure(racer->ctx)->shorts[0].available == count,
              "a refusal says another figure than availability");
    if (count == 0)
        return;
    RACE_MUST(take(racer, &deal, channel, item, count) == CODE_OK,
              "%s cannot take the %lld of %s that are available", shop_channel(channel),
              (long long)count, shop_item(item));
    RACE_MUST(shop_available(racer, channel, item) == 0, "there are still some");
    deal_end(racer, &deal, false, gone);
    RACE_MUST(shop_available(racer, channel, item) == count, "what was cancelled is not back");
}

static void check_rest(struct racer *racer)
{
    struct check_report report;
    racer_check(racer, NULL, &report);
    RACE_MUST(report.items == ITEMS && report.moving == 0, "not all is at rest");
    for (int channel = 0; channel < CHANNELS; channel++)
        for (int item = 0; item < ITEMS; item++)
            check_available(racer, (enum shop_channel)channel, (enum shop_item)item);
}

/* ---- the worst and the best of settings ---- */

static void close_all(struct racer *racer)
{
    for (int place = 0; place < CELLAR; place++)
        shop_set_place(racer, (enum shop_place)place, 0);
    for (int channel = 0; channel < CHANNELS; channel++)
        shop_set_channel(racer, (enum shop_channel)channel, 1 << CELLAR, QUANTITY_MAX);
}

/* Every order that is left, to its last unit. */
static void settle(struct racer *racer)
{
    for (int i = 0; i < SLOTS; i++) {
        struct deal *deal = &mine_of(racer)->deals[i];
        if (deal->live && !deal->confirmed)
            deal_confirm(racer, deal);
        if (deal->live)
            end(racer, deal, true);
    }
    if (racer->index == 1)
        let_go(racer);
}

static void open_again(struct racer *racer)
{
    for (int place = 0; place < CELLAR; place++)
        shop_set_place(racer, (enum shop_place)place, OPEN | 1 << HUB);
    for (int channel = 0; channel < CHANNELS; channel++)
        shop_set_channel(racer, (enum shop_channel)channel, 1 << HUB,
                         channel == CAREFUL ? KEPT_UNITS : 0);
    shop_set_channel(racer, HOP, 1 << MAIN, 0);
}

static void play_round(struct race *race, const int64_t stocked[ITEMS])
{
    struct racer racers[RACERS_MAX];
    atomic_store(&working, CHECKER);
    race_run(race, CONTEXTS, play, racers);
    atomic_fetch_add(&race->time_offset, PAST_BRIEF_MS);
    race_run(race, CONTEXTS, racer_turn, racers);
    check_sums(race, stocked);
    race_run(race, 1, check_rest, racers);
    check_sums(race, stocked);
    race_run(race, 1, close_all, racers);
    race_run(race, CHECKER, settle, racers);
    check_sums(race, stocked);
    race_run(race, 1, open_again, racers);
}

/* ---- before ---- */

static const int64_t stocks[ITEMS][PLACES] = {
    [RED] = { 12 + CLOSED_UNITS, 6 + CLOSED_UNITS, 6, 6, 0, 6 },
    [BLUE] = { 12 + CLOSED_UNITS, 6 + CLOSED_UNITS, 6, 6, 0, 6 },
    [OWN] = { [MAIN] = 6 + STEADY_UNITS, [SOUTH] = 6 },
    [SHUTTLE] = { [MAIN] = STEADY_UNITS },
    [KEPT] = { 15, 10, 0, KEPT_UNITS - 25, 0, 0 },
    [HOPPER] = { [MAIN] = SELLERS, [ANNEX] = SELLERS },
};

static void allot_first(struct racer *racer)
{
    bool done = allot(racer, OWN, MAIN, shop_channel(STEADY), STEADY_UNITS);
    for (enum shop_item item = RED; item <= BLUE; item++)
        for (enum shop_place place = MAIN; place <= NORTH; place++)
            done &= allot(racer, item, place, shop_closed, CLOSED_UNITS);
    RACE_MUST(done, "allot before the race");
}

static void stock_up(struct race *race, int64_t stocked[ITEMS])
{
    struct racer racers[RACERS_MAX];
    for (unsigned item = 0; item < ITEMS; item++)
        for (unsigned place = 0; place < PLACES; place++) {
            int64_t qty = stocks[item][place];
            stocked[item] += qty;
            if (qty > 0)
                race_stock(race, text_of(shop_item(item)), shop_name(place), qty);
        }
    race_run(race, 1, allot_first, racers);
    race_run(race, 1, open_again, racers);
}

/* Is it worth anything? */
static void report(void)
{
    for (unsigned i = 0; i < CHANNELS; i++)
        printf("%s: %lld granted, %lld refused\n", shop_channel((enum shop_channel)i),
               (long long)granted[i], (long long)refused[i]);
    printf("%lld checks judged %lld items\n", (long long)checks, (long long)judged);
    RACE_MUST(granted[WEB] > 0 && refused[WEB] > 0 && granted[STEADY] > 0 && refused[CAREFUL] > 0 &&
                  granted[HOP] > 0,
              "some kind of order was never granted, or never refused");
}

int main(int argc, char **argv)
{
    struct race race;
    int64_t stocked[ITEMS] = { 0 };
    race_open(&race, CONTEXTS, &(struct race_tables){ .reservations = 1 << 13 }, argc, argv);
    race.forgetful = true;
    shop_open(&race);
    stock_up(&race, stocked);
    for (int round = 0; round < ROUNDS; round++)
        play_round(&race, stocked);
    report();
    race_close(&race, "promises");
    return 0;
}
