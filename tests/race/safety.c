/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Safety stock changes while orders run.
 *
 *   kept    has safety stock at three places, by each of the three settings. They do not change;
 *           no order may leave less than that, at any LSN.
 *   moving  its safety stock changes. An order during which it did not change leaves that much.
 *   tilled  is all safety stock. A channel sells it as long as it ignores safety stock.
 *   free    is restricted now at one of its places, now at the other, but never at both. So no
 *           order is refused: not because it added up two settings.
 */
#include <stdio.h>

#include "engine/ledger/ctx.h"
#include "tests/support/race_rig.h"

enum { SETTER, BUYERS, CONTEXTS = 4 };
enum {
    MILLISECONDS = 2500,
    SETTINGS_LEAST = 50 * RACE_SCALE,
    ORDERS_LEAST = 1500 * RACE_SCALE,
    ALL = 1000,
    STOCK = 20,
    ROUNDS = 40,
    CLAIMS_MAX = 1 << 16
};
enum tally { ORDERS, SETTINGS, CLAIMS, NUMBER };

static const char *const places[] = { "main", "east", "far" };
static const int64_t kept_safety[] = { 5, 3, 2 }; /* the stocking's, the item's, the place's */

/* ---- what is in force ---- */

/* Written by the setter. An odd stamp: it is changing. If the stamp is the same before and after
 * an order, and even, the value was in force during all of it. */
struct in_force {
    _Atomic uint64_t stamp;
    _Atomic int64_t value;
};

static struct in_force moving_safety, till_ignores;
static _Atomic uint64_t turns[RACERS_MAX]; /* of each buyer, who writes it between two orders */

static uint64_t in_force_begin(struct in_force *f, int64_t *value)
{
    uint64_t stamp = atomic_load(&f->stamp);
    *value = atomic_load(&f->value);
    return stamp;
}

static bool in_force_still(struct in_force *f, uint64_t stamp)
{
    return stamp % 2 == 0 && atomic_load(&f->stamp) == stamp;
}

/* Orders that began before the setting had returned may follow the old one; they end first, so that
 * they do not disturb what is claimed of later ones. */
static void wait_for_buyers(struct racer *racer)
{
    for (unsigned i = BUYERS; i < CONTEXTS; i++) {
        uint64_t turn = atomic_load(&turns[i]);
        while (atomic_load(&turns[i]) == turn && atomic_load(&racer->race->pace[i]) != UINT64_MAX)
            racer_turn(racer);
    }
}

/* ---- the setter ---- */

static void set_stocking(struct racer *racer, const char *sku, const char *place, bool stocked,
                         int64_t safety)
{
    enum code code =
        racer_set_stocking(racer, &(struct stocking_setting){ .sku = text_of(sku),
                                                              .location = text_of(place),
                                                              .has_stocked = true,
                                                              .stocked = stocked,
                                                              .has_safety = true,
                                                              .safety = safety });
    RACE_MUST(code == CODE_OK, "stocking: %s", ctx_failure(racer->ctx)->message);
}

static void set_item_safety(struct racer *racer, const char *sku, int64_t safety)
{
    enum code code = racer_set_item(
        racer, &(struct item_setting){ .sku = text_of(sku), .has_safety = true, .safety = safety });
    RACE_MUST(code == CODE_OK, "item: %s", ctx_failure(racer->ctx)->message);
}

static void move_safety(struct racer *racer)
{
    int64_t safety = random_below(&racer->random, 4) * 4;
    atomic_fetch_add(&moving_safety.stamp, 1);
    set_stocking(racer, "moving", "main", true, safety);
    atomic_store(&moving_safety.value, safety);
    wait_for_buyers(racer);
    atomic_fetch_add(&moving_safety.stamp, 1);
}

static void set_till(struct racer *racer)
{
    bool ignores = random_chance(&racer->random, 50);
    atomic_fetch_add(&till_ignores.stamp, 1);
    enum code code = racer_set_channel(
        racer, &(struct channel_setting){
                   .code = text_of("till"), .has_ignore_safety = true, .ignore_safety = ignores });
    RACE_MUST(code == CODE_OK, "till: %s", ctx_failure(racer->ctx)->message);
    atomic_store(&till_ignores.value, ignores);
    atomic_fetch_add(&till_ignores.stamp, 1);
}

/* One place after the other, without a pause: an order that sees the first one restricted must not
 * add to that the second one, restricted a moment later. */
static void restrict_in_turn(struct racer *racer)
{
    for (int i = 0; i < ROUNDS; i++) {
        bool stocked = random_chance(&racer->random, 50);
        set_stocking(racer, "free", places[i % 2], stocked, stocked ? ALL : 0);
        set_stocking(racer, "free", places[i % 2], true, 0);
    }
    set_item_safety(racer, "free", ALL); /* holds at "far" only, where there is some too */
    set_item_safety(racer, "free", 0);
}

static void set_something(struct racer *racer, int step)
{
    if (step % 3 == 0)
        move_safety(racer);
    else if (step % 3 == 1)
        set_till(racer);
    else
        restrict_in_turn(racer);
    racer->tally[SETTINGS]++;
}

/* ---- the buyers ---- */

static enum code buy(struct racer *racer, const char *channel, const char *sku, const char *place,
                     int64_t qty, uint64_t *lsn)
{
    struct race_name id;
    struct reservation_view view;
    struct order_line lines[2] = { { .sku = text_of(sku), .qty = qty } };
    struct order order = { .id = race_name(&id, (char)('a' + racer->index),
                                           (uint64_t)++racer->tally[NUMBER]),
                           .channel = text_of(channel),
                           .lines = lines,
                           .line_count = 1 };
    if (place)
        lines[0].location = text_of(place);
    if (qty > 1) { /* it leaves as much if it asks for the same item twice */
        lines[1] = lines[0];
        lines[0].qty -= lines[1].qty = qty / 2;
        order.line_count = 2;
    }
    enum code code = racer_reserve(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "buy: %s",
              ctx_failure(racer->ctx)->message);
    racer->tally[ORDERS]++;
    *lsn = view.lsn;
    return code;
}

/* Gives back the last order. */
static void drop(struct racer *racer)
{
    RACE_MUST(racer_drop(racer, (uint64_t)racer->tally[NUMBER]) == CODE_OK, "drop");
}

struct claim {
    uint64_t lsn;
    int64_t safety;
};

static struct claim claims[RACERS_MAX][CLAIMS_MAX];

static void buy_moving(struct racer *racer)
{
    uint64_t lsn;
    int64_t safety, *count = &racer->tally[CLAIMS];
    uint64_t stamp = in_force_begin(&moving_safety, &safety);
    if (buy(racer, "default", "moving", "main", random_between(&racer->random, 1, 5), &lsn))
        return;
    if (in_force_still(&moving_safety, stamp) && *count < CLAIMS_MAX)
        claims[racer->index][(*count)++] = (struct claim){ lsn, safety };
    drop(racer);
}

static void buy_tilled(struct racer *racer)
{
    uint64_t lsn;
    int64_t ignores;
    uint64_t stamp = in_force_begin(&till_ignores, &ignores);
    bool sold = buy(racer, "till", "tilled", NULL, 1, &lsn) == CODE_OK;
    RACE_MUST(!in_force_still(&till_ignores, stamp) || sold == (ignores != 0),
              "safety stock is %s on a channel that %s it", sold ? "sold" : "not sold",
              ignores ? "ignores" : "respects");
    if (sold)
        drop(racer);
}

/* Mostly so many that there is enough for two orders, but not beside what must stay. */
static void buy_kept(struct racer *racer)
{
    uint64_t lsn;
    struct random *r = &racer->random;
    const char *place = random_chance(r, 75) ? places[random_below(r, 3)] : NULL;
    int64_t qty = random_chance(r, 75) ? random_between(r, 9, 10) : random_between(r, 1, STOCK);
    if (buy(racer, "default", "kept", place, qty, &lsn) == CODE_OK)
        drop(racer);
}

static void buy_some(struct racer *racer)
{
    uint64_t lsn;
    for (int i = 0; i < 3; i++)
        buy_kept(racer);
    buy_moving(racer);
    buy_tilled(racer);
    RACE_MUST(buy(racer, "two", "free", NULL, 2, &lsn) == CODE_OK,
              "refused, but one place was always free: %s", ctx_failure(racer->ctx)->message);
    drop(racer);
}

static void play_part(struct racer *racer)
{
    bool sets = racer->index == SETTER;
    unsigned counted = sets ? SETTINGS : ORDERS;
    int64_t least = sets ? SETTINGS_LEAST : ORDERS_LEAST;
    for (int i = 0; !racer_has_done(racer, MILLISECONDS, counted, least); i++) {
        if (sets)
            set_something(racer, i);
        else
            buy_some(racer);
        atomic_fetch_add(&turns[racer->index], 1);
        if (i % 8 == 0)
            racer_turn(racer);
    }
}

/* ---- what the follower sees ---- */

static struct claim left_over[RACERS_MAX * CLAIMS_MAX]; /* what was free of "moving" at that LSN */
static uint64_t left_count;
static uint32_t kept_item, moving_item;

static int64_t free_at(const struct race *race, const struct pool_key *key)
{
    return word_available(
        pool_read(pool_find(&race->follower->items, key->item, key->location, key->owner)));
}

static void look(const struct race *race, const struct reserve_fields *f, uint64_t lsn)
{
    for (unsigned i = 0; i < f->fixed.draw_count; i++) {
        const struct pool_key *key = &f->draws[i].pool;
        int64_t left = free_at(race, key);
        if (key->item == kept_item)
            RACE_MUST(left >= kept_safety[key->location], "LSN %llu leaves %lld at %s",
                      (unsigned long long)lsn, (long long)left, places[key->location]);
        if (key->item == moving_item && left_count < RACERS_MAX * CLAIMS_MAX)
            left_over[left_count++] = (struct claim){ lsn, left };
    }
}

static void check_claim(const struct claim *claim)
{
    uint64_t from = 0, to = left_count;
    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        if (left_over[middle].lsn < claim->lsn)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == left_count)
        return; /* beyond what was kept */
    RACE_MUST(left_over[from].lsn == claim->lsn, "no record of the order at LSN %llu",
              (unsigned long long)claim->lsn);
    RACE_MUST(left_over[from].safety >= claim->safety, "LSN %llu leaves %lld of %lld",
              (unsigned long long)claim->lsn, (long long)left_over[from].safety,
              (long long)claim->safety);
}

/* ---- the shop ---- */

static uint32_t stock(struct race *race, const char *sku)
{
    static uint32_t items;
    for (int i = 0; i < 3; i++)
        race_stock(race, text_of(sku), text_of(places[i]), STOCK);
    return items++;
}

static void open_shop(struct race *race)
{
    static const struct text two[] = { { "main", 4 }, { "east", 4 } };
    race_add_location(race, "east");
    race_add_location(race, "far");
    race_set_channel(race, &(struct channel_setting){ .code = text_of("till") });
    race_set_channel(race, &(struct channel_setting){ .code = text_of("two"),
                                                      .has_places = true,
                                                      .places = two,
                                                      .place_count = 2,
                                                      .has_sourcing = true,
                                                      .sourcing = text_of("fewest") });
    kept_item = stock(race, "kept");
    moving_item = stock(race, "moving");
    stock(race, "tilled");
    stock(race, "free");
}

static void set_up(struct racer *racer)
{
    enum code code = racer_set_location(
        racer,
        &(struct location_setting){ .code = text_of("far"), .has_safety = true, .safety = 2 });
    RACE_MUST(code == CODE_OK, "location: %s", ctx_failure(racer->ctx)->message);
    set_stocking(racer, "kept", "main", true, 5);
    set_item_safety(racer, "kept", 3);
    set_stocking(racer, "kept", "far", true, 2);
    set_item_safety(racer, "tilled", ALL);
    for (int i = 0; i < 2; i++)
        set_stocking(racer, "free", places[i], true, 0);
}

int main(int argc, char **argv)
{
    static struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race.followed_reserve = look;
    open_shop(&race);
    race_run(&race, 1, set_up, racers);
    race_run(&race, CONTEXTS, play_part, racers);
    race_close(&race, "safety");
    int64_t total = 0;
    for (unsigned i = BUYERS; i < CONTEXTS; total += racers[i++].tally[CLAIMS])
        for (int64_t n = 0; n < racers[i].tally[CLAIMS]; n++)
            check_claim(&claims[i][n]);
    printf("%lld orders during which the safety stock did not change, %lld settings\n",
           (long long)total, (long long)racers[SETTER].tally[SETTINGS]);
    return 0;
}
