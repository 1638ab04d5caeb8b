/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends of a pool's range, and fulfils that are undone.
 *
 * A pool as full as it can be: one context takes units out, another puts as many in. The log may
 * hold the second change before the first; whoever recovers from that must cope. And a fulfil over
 * two pools that finds the second short puts back what it took from the first: that must fit, and a
 * count in between must not be misled by it. A count that finds more has claimed its record by the
 * time that it meets what others have changed: then it gives the record up, and is tried again.
 */
#include "tests/support/race_rig.h"

enum { MILLISECONDS = 1500, HELD = 3, COUNTED = 10 };

static const int64_t full = QUANTITY_MAX;

static void adjust(struct racer *racer, uint64_t number, const char *sku, int64_t delta)
{
    struct race_name id;
    struct movement_result result;
    struct movement m = { .id = race_name(&id, (char)('a' + racer->index), number),
                          .sku = text_of(sku),
                          .location = text_of("main"),
                          .qty = delta };
    enum code code = racer_adjust(racer, &m, &result);
    RACE_MUST(code == CODE_OK || code == CODE_LIMIT || code == CODE_INSUFFICIENT_STOCK,
              "adjust: %s", ctx_failure(racer->ctx)->message);
    racer->tally[0] += code == CODE_OK ? delta : 0;
}

/* The second pool of this reservation is short, so that it can never be fulfilled. */
static void fulfil_in_vain(struct racer *racer, const char *id)
{
    struct reservation_view view;
    struct step step = { .id = text_of(id) };
    enum code code = racer_fulfil(racer, &step, &view);
    RACE_MUST(code == CODE_INSUFFICIENT_STOCK, "fulfil: %s", code_name(code));
}

static void count(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct movement_result result;
    struct movement m = { .id = race_name(&id, 'C', number),
                          .sku = text_of("counted"),
                          .location = text_of("main"),
                          .qty = COUNTED };
    RACE_MUST(racer_count(racer, &m, &result) == CODE_OK, "count: %s",
              ctx_failure(racer->ctx)->message);
    RACE_MUST(result.delta == 0, "nothing was moved, but a count finds %lld more",
              (long long)result.delta);
}

/* Racers 0 and 1 are the two sides; the other two bring the odds nearer. */
static void empty_and_fill(struct racer *racer)
{
    for (uint64_t i = 0; !racer_is_done(racer, MILLISECONDS); i++) {
        bool out = racer->index % 2 == 0;
        adjust(racer, i, "grain", (out ? -1 : 1) * random_between(&racer->random, 1, 5));
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

static void undo_and_fill(struct racer *racer)
{
    for (uint64_t i = UINT64_C(1) << 40; !racer_is_done(racer, MILLISECONDS); i++) {
        if (racer->index % 2 == 0)
            fulfil_in_vain(racer, "sacks");
        else
            adjust(racer, i, "sacks", 1);
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

static void undo_and_count(struct racer *racer)
{
    for (uint64_t i = 0; !racer_is_done(racer, MILLISECONDS); i++) {
        if (racer->index % 2 == 0)
            fulfil_in_vain(racer, "counted");
        else
            count(racer, i);
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

static void count_any(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct movement_result result;
    struct movement m = { .id = race_name(&id, 'S', number),
                          .sku = text_of("shelf"),
                          .location = text_of("main"),
                          .qty = random_between(&racer->random, 1, 40) };
    RACE_MUST(racer_count(racer, &m, &result) == CODE_OK, "count: %s",
              ctx_failure(racer->ctx)->message);
}

static void count_and_move(struct racer *racer)
{
    for (uint64_t i = UINT64_C(1) << 41; !racer_is_done(racer, MILLISECONDS); i++) {
        if (racer->index == 0)
            count_any(racer, i);
        else
            adjust(racer, i, "shelf", random_chance(&racer->random, 50) ? 1 : -1);
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

/* Two items, all of which is promised to one order; then a count finds the second one missing. */
static void prepare(struct racer *racer, const char *sku, const char *missing)
{
    struct reservation_view view;
    struct movement_result result;
    struct order_line lines[2] = { { .sku = text_of(sku), .qty = HELD },
                                   { .sku = text_of(missing), .qty = HELD } };
    struct order order = { .id = text_of(sku),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = 2,
                           .confirm = true };
    RACE_MUST(racer_reserve(racer, &order, &view) == CODE_OK, "reserve: %s",
              ctx_failure(racer->ctx)->message);
    struct movement m = { .id = text_of(missing),
                          .sku = text_of(missing),
                          .location = text_of("main"),
                          .qty = HELD - 1 };
    RACE_MUST(racer_count(racer, &m, &result) == CODE_OK, "count");
}

static void prepare_all(struct racer *racer)
{
    prepare(racer, "sacks", "few sacks");
    prepare(racer, "counted", "uncounted");
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    int64_t on_hand, reserved, moved = 0;
    race_open(&race, 4, &(struct race_tables){ 0 }, argc, argv);
    race.never_short = false;
    race.forgetful = true;
    race_stock(&race, text_of("grain"), text_of("main"), full);
    race_stock(&race, text_of("sacks"), text_of("main"), full);
    race_stock(&race, text_of("few sacks"), text_of("main"), HELD);
    race_stock(&race, text_of("counted"), text_of("main"), COUNTED);
    race_stock(&race, text_of("uncounted"), text_of("main"), HELD);
    race_stock(&race, text_of("shelf"), text_of("main"), COUNTED);
    race_run(&race, 1, prepare_all, racers);

    race_run(&race, 4, empty_and_fill, racers);
    for (int i = 0; i < 4; i++)
        moved += racers[i].tally[0];
    race_sum(&race, text_of("grain"), &on_hand, &reserved);
    RACE_MUST(on_hand == full + moved, "%lld on hand, not %lld", (long long)on_hand,
              (long long)(full + moved));

    race_run(&race, 3, count_and_move, racers);
    race_run(&race, 2, undo_and_fill, racers);
    race_run(&race, 2, undo_and_count, racers);
    race_sum(&race, text_of("counted"), &on_hand, &reserved);
    RACE_MUST(on_hand == COUNTED && reserved == HELD, "counted: %lld on hand, %lld reserved",
              (long long)on_hand, (long long)reserved);
    race_close(&race, "full_pool");
    return 0;
}
