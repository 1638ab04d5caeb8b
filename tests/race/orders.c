/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of orders while others change them: two racers make orders, set them aside and cancel
 * them, one pages through the list. Whatever was made before the list began and not cancelled
 * before it ended is on it exactly once.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/orders.h"
#include "engine/ledger/steps.h"
#include "tests/support/race_rig.h"

enum { MAKERS = 2, NUMBERS = 500 * RACE_SCALE, OPEN = 40, STANDING = 100, PAGE_MOST = 25 };

/* Of a maker. It says that an order is made when it is, and that one is cancelled before it is. */
static _Atomic uint64_t made[MAKERS], cancelled[MAKERS];        /* numbers below these */
static unsigned char seen[MAKERS][NUMBERS], standing[STANDING]; /* the lister's own */

static struct text id_of(struct race_name *name, unsigned maker, uint64_t number)
{
    return race_name(name, (char)('A' + maker), number);
}

static void make(struct racer *racer, struct text id, const char *location)
{
    struct reservation_view view;
    struct order_line lines[] = {
        { .sku = text_of("tea"), .qty = 1, .location = text_of(location) },
        { .sku = text_of("tea"), .qty = 1, .location = text_of("third") },
    };
    struct order order = { .id = id,
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = random_chance(&racer->random, 30) ? 2 : 1,
                           .confirm = true };
    RACE_MUST(racer_reserve(racer, &order, &view) == CODE_OK, "reserve: %s",
              ctx_failure(racer->ctx)->message);
}

static void set_aside(struct racer *racer, struct text id)
{
    struct reservation_view view;
    struct set_aside asked = { .id = id,
                               .location = text_of("main"),
                               .has_collect_by = true,
                               .collect_by_ms = UINT64_C(1) << 50 };
    asked.collect_by_ms += (uint64_t)random_below(&racer->random, 1000);
    enum code code;
    while ((code = ledger_ready(racer->ctx, &asked, &view)) == CODE_DEFERRED)
        racer_turn(racer);
    RACE_MUST(code == CODE_OK, "ready: %s", ctx_failure(racer->ctx)->message);
}

static void change_orders(struct racer *racer)
{
    unsigned maker = racer->index;
    struct race_name name;
    struct reservation_view view;
    for (uint64_t n = 0; n < NUMBERS; n++) {
        make(racer, id_of(&name, maker, n), "main");
        atomic_store(&made[maker], n + 1);
        set_aside(racer, race_name(&name, 's', (uint64_t)random_below(&racer->random, STANDING)));
        if (random_chance(&racer->random, 30))
            set_aside(racer, id_of(&name, maker, n));
        racer_turn(racer);
        if (n < OPEN)
            continue;
        atomic_store(&cancelled[maker], n - OPEN + 1);
        struct step step = { .id = id_of(&name, maker, n - OPEN) };
        RACE_MUST(racer_cancel(racer, &step, &view) == CODE_OK, "cancel: %s",
                  ctx_failure(racer->ctx)->message);
    }
    atomic_store(&cancelled[maker], UINT64_MAX); /* it says no more */
}

static void note(const struct order_walk *walk)
{
    char text[ID_MAX + 1] = { 0 };
    memcpy(text, walk->id, walk->id_len);
    uint64_t number = strtoull(text + 1, NULL, 10);
    unsigned char *count = text[0] == 's' ? &standing[number] : &seen[text[0] - 'A'][number];
    RACE_MUST(*count == 0, "\"%s\" is on the list twice", text);
    *count = 1;
}

/* Returns whether there is more; then `after` is where. */
static bool list_page(struct racer *racer, struct race_name *after, struct order_filter *filter)
{
    struct order_walk walk;
    struct reservation_view view;
    enum order_found found = ORDER_FOUND;
    uint64_t lsn;
    enum code code;
    while ((code = ledger_orders_begin(racer->ctx, filter, &walk, &lsn)) == CODE_DEFERRED)
        racer_turn(racer);
    RACE_MUST(code == CODE_OK, "orders: %s", ctx_failure(racer->ctx)->message);
    for (int left = random_between(&racer->random, 1, PAGE_MOST); left > 0;) {
        uint64_t work = ctx_work(racer->ctx);
        found = ledger_orders_next(racer->ctx, filter, &walk, work + 50, &view);
        if (found == ORDER_END)
            return false;
        if (found == ORDER_NOT_YET) {
            racer_turn(racer);
            continue;
        }
        note(&walk);
        left--;
    }
    memcpy(after->at, walk.id, walk.id_len);
    filter->after = (struct text){ after->at, walk.id_len };
    return true;
}

static void list_once(struct racer *racer)
{
    struct race_name after;
    uint64_t from[MAKERS], to[MAKERS];
    struct order_filter filter = { .location = text_of("main"), .state = text_of("confirmed") };
    memset(seen, 0, sizeof seen);
    memset(standing, 0, sizeof standing);
    for (unsigned m = 0; m < MAKERS; m++)
        to[m] = atomic_load(&made[m]);
    while (list_page(racer, &after, &filter))
        racer->operations++;
    for (unsigned m = 0; m < MAKERS; m++) {
        from[m] = atomic_load(&cancelled[m]);
        for (uint64_t n = from[m]; n < to[m]; n++)
            RACE_MUST(seen[m][n], "order %c%llu is missing from the list", 'A' + m,
                      (unsigned long long)n);
    }
    for (unsigned n = 0; n < STANDING; n++)
        RACE_MUST(standing[n], "order s%u is missing from the list", n);
}

static void work(struct racer *racer)
{
    if (racer->index < MAKERS) {
        change_orders(racer);
        return;
    }
    do {
        list_once(racer);
        racer_turn(racer);
        racer->tally[0]++;
    } while (atomic_load(&cancelled[0]) != UINT64_MAX || atomic_load(&cancelled[1]) != UINT64_MAX);
}

static void make_standing(struct racer *racer)
{
    struct race_name name;
    for (uint64_t n = 0; n < STANDING; n++)
        make(racer, race_name(&name, 's', n), "main");
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, MAKERS + 1, &(struct race_tables){ .keep_records = false }, argc, argv);
    race_add_location(&race, "third");
    race_stock(&race, text_of("tea"), text_of("main"), MAKERS * NUMBERS + STANDING);
    race_stock(&race, text_of("tea"), text_of("third"), MAKERS * NUMBERS + STANDING);
    race_run(&race, 1, make_standing, racers);
    race_run(&race, MAKERS + 1, work, racers);
    RACE_MUST(racers[MAKERS].tally[0] > 0, "nothing was listed");
    race_close(&race, "orders");
    return 0;
}
