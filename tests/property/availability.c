/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `availability` is exactly what one `reserve` could take: for random catalogues (priorities,
 * groups, inactive places, places that do not ship), stock, allotments, buffers, other orders, and
 * every sourcing rule, a reserve of just that quantity succeeds, and one of a unit more is refused.
 * Then items at hundreds of locations, and at more of them than one order may draw from.
 *
 *   availability [--seed N] [--seconds S]
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ledger.h"
#include "tests/support/histories.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/random.h"

enum { ITEMS = 4, CHANNELS = 4, PLACES = 8, GROUPS = 2 };

static const char *const rules[] = { "priority", "fewest", "nearest", "balance" };

struct name {
    char at[24];
};

static struct ledger_rig rig;
static struct ctx *ctx;
static struct random r;
static struct histories histories;
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

static void open_rig(uint32_t pools)
{
    next_id = 0;
    ledger_rig_open(&rig, &(struct ledger_config){ .items = ITEMS,
                                                   .pools = pools,
                                                   .reservations = 1 << 16,
                                                   .contexts = 1,
                                                   .hash_seed = random_next(&r) });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, 1000, 1000);
}

static void close_rig(void)
{
    char why[256];
    ledger_end(ctx);
    MUST(ledger_check(rig.ledger, why, sizeof why) == 0, "%s", why);
    ledger_rig_close(&rig);
}

static void receive(int item, int place, int64_t qty)
{
    struct name id, sku, at;
    struct movement_result result;
    struct movement m = { .id = name(&id, "i", ++next_id),
                          .sku = name(&sku, "S", (uint64_t)item),
                          .location = name(&at, "L", (uint64_t)place),
                          .qty = qty };
    MUST(ledger_receive(ctx, &m, &result) == CODE_OK, "receive");
    ledger_rig_drain(&rig);
}

static void allot(int item, int place, int channel, int64_t qty)
{
    struct name id, sku, at, to;
    struct allot_result result;
    struct allotment a = { .id = name(&id, "i", ++next_id),
                           .sku = name(&sku, "S", (uint64_t)item),
                           .location = name(&at, "L", (uint64_t)place),
                           .channel = name(&to, "C", (uint64_t)channel),
                           .qty = qty };
    enum code code = ledger_allot(ctx, &a, &result);
    MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "allot");
    ledger_rig_drain(&rig);
}

/* Sets what is random of it: anew, or again. */
static void set_place(int place)
{
    struct name code, group_names[GROUPS];
    struct text groups[GROUPS];
    uint64_t lsn;
    struct location_setting s = { .code = name(&code, "L", (uint64_t)place),
                                  .has_priority = true,
                                  .priority = random_between(&r, 0, 2),
                                  .has_ships = true,
                                  .ships = random_chance(&r, 75),
                                  .has_active = true,
                                  .active = random_chance(&r, 85),
                                  .has_groups = true,
                                  .groups = groups };
    for (int i = 0; i < GROUPS; i++)
        if (place < 2 || random_chance(&r, 40)) /* each group has a member */
            groups[s.group_count++] = name(&group_names[i], "G", (uint64_t)i);
    MUST(ledger_set_location(ctx, &s, &lsn) == CODE_OK, "location_set");
    ledger_rig_drain(&rig);
}

static void set_channel(int channel, const char *sourcing, int64_t buffer, bool everywhere)
{
    struct name code, names[4];
    struct text places[4];
    uint64_t lsn;
    struct channel_setting s = { .code = name(&code, "C", (uint64_t)channel),
                                 .has_sourcing = true,
                                 .sourcing = text_of(sourcing),
                                 .has_buffer = true,
                                 .buffer = buffer,
                                 .has_places = true,
                                 .places = places };
    if (!everywhere)
        for (; s.place_count < 3; s.place_count++)
            places[s.place_count] =
                random_chance(&r, 40)
                    ? name(&names[s.place_count], "G", (uint64_t)random_below(&r, GROUPS))
                    : name(&names[s.place_count], "L", (uint64_t)random_below(&r, PLACES));
    MUST(ledger_set_channel(ctx, &s, &lsn) == CODE_OK, "channel_set");
    ledger_rig_drain(&rig);
}

static int64_t available(int channel, int item)
{
    struct name code, sku_name;
    int64_t units;
    uint64_t lsn;
    struct text sku = name(&sku_name, "S", (uint64_t)item);
    MUST(ledger_availability(ctx, name(&code, "C", (uint64_t)channel), &sku, 1, &units, &lsn) ==
             CODE_OK,
         "availability");
    return units;
}

static enum code reserve(int channel, int item, int64_t qty, struct reservation_view *view)
{
    struct name id, code, sku;
    struct order_line line = { .sku = name(&sku, "S", (uint64_t)item), .qty = qty };
    struct order order = { .id = name(&id, "i", ++next_id),
                           .channel = name(&code, "C", (uint64_t)channel),
                           .lines = &line,
                           .line_count = 1 };
    enum code result = ledger_reserve(ctx, &order, view);
    MUST(result == CODE_OK || result == CODE_INSUFFICIENT_STOCK, "reserve: %s", code_name(result));
    ledger_rig_drain(&rig);
    return result;
}

static void cancel(uint64_t number)
{
    struct name id;
    struct reservation_view view;
    struct step step = { .id = name(&id, "i", number) };
    MUST(ledger_cancel(ctx, &step, &view) == CODE_OK, "cancel");
    ledger_rig_drain(&rig);
}

static void check_exact(int channel, int item)
{
    struct reservation_view view;
    int64_t units = available(channel, item), drawn = 0;
    MUST(reserve(channel, item, units + 1, &view) != CODE_OK, "%lld are available, %lld were taken",
         (long long)units, (long long)units + 1);
    MUST(ctx_failure(ctx)->shorts[0].available == units,
         "%lld are available, the refusal says %lld", (long long)units,
         (long long)ctx_failure(ctx)->shorts[0].available);
    if (units == 0)
        return;
    MUST(reserve(channel, item, units, &view) == CODE_OK, "%lld are available, and refused",
         (long long)units);
    for (uint32_t i = 0; i < view.draw_count; i++)
        drawn += view.draws[i].qty;
    MUST(drawn == units, "%lld were reserved, %lld drawn", (long long)units, (long long)drawn);
    uint64_t taken = next_id;
    int64_t left = available(channel, item);
    /* Where an order has only so many draws, another has as many again. */
    MUST(left == 0 || view.draw_count == DRAWS_MAX, "%lld are left", (long long)left);
    MUST(left > 0 || reserve(channel, item, 1, &view) != CODE_OK, "one more was there");
    cancel(taken);
    MUST(available(channel, item) == units, "%lld are available again, not %lld",
         (long long)available(channel, item), (long long)units);
}

static void check_all(void)
{
    for (int channel = 0; channel < CHANNELS; channel++)
        for (int item = 0; item < ITEMS; item++)
            check_exact(channel, item);
}

static void run_random(void)
{
    struct reservation_view view;
    open_rig(4096);
    for (int i = 0; i < PLACES; i++)
        set_place(i);
    for (int i = 0; i < CHANNELS; i++)
        set_channel(i, rules[i], random_chance(&r, 50) ? random_below(&r, 9) : 0,
                    random_chance(&r, 30));
    for (int item = 0; item < ITEMS; item++)
        receive(item, random_below(&r, PLACES), random_between(&r, 1, 5));
    for (int i = 0; i < 40; i++) {
        int item = random_below(&r, ITEMS), place = random_below(&r, PLACES);
        int channel = random_below(&r, CHANNELS), what = random_below(&r, 10);
        if (what < 4)
            receive(item, place, random_between(&r, 1, 6));
        else if (what < 7)
            allot(item, place, channel,
                  random_between(&r, 1, 4) * (random_chance(&r, 80) ? 1 : -1));
        else if (what < 9)
            reserve(channel, item, random_between(&r, 1, 5), &view);
        else
            set_place(place);
        if (i % 10 == 9)
            check_all();
    }
    close_rig();
}

/* One item at that many locations, a few units each, allotted in part. */
static void run_wide(int places, bool single_units)
{
    struct name code;
    uint64_t lsn;
    open_rig(16384);
    for (int i = 0; i < places; i++) {
        struct location_setting s = { .code = name(&code, "L", (uint64_t)i),
                                      .has_priority = true,
                                      .priority = random_below(&r, 50) };
        MUST(ledger_set_location(ctx, &s, &lsn) == CODE_OK, "location_set");
        ledger_rig_drain(&rig);
    }
    for (int i = 0; i < CHANNELS; i++)
        set_channel(i, rules[i], single_units ? 0 : i * 10, true);
    for (int i = 0; i < places; i++) {
        receive(0, i, single_units ? 1 : random_between(&r, 1, 9));
        if (!single_units && random_chance(&r, 30))
            allot(0, i, random_below(&r, CHANNELS), 1);
    }
    for (int i = 0; i < CHANNELS; i++) {
        if (single_units)
            MUST(available(i, 0) == (places < DRAWS_MAX ? places : DRAWS_MAX), "not all of them");
        check_exact(i, 0);
    }
    close_rig();
}

int main(int argc, char **argv)
{
    if (!histories_begin(&histories, argc, argv, 3, NULL))
        return 2;
    r.state = histories.seed;
    run_wide(500, true);
    run_wide(500, false);
    run_wide(DRAWS_MAX + 200, true);
    run_wide(DRAWS_MAX + 200, false);
    while (histories_next(&histories)) {
        r.state = histories.seed;
        run_random();
    }
    histories_end(&histories);
    return 0;
}
