/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reader is told is the truth of a moment.
 *
 * One: an answer that says "as of LSN l" includes every change up to l. Holds are cancelled one
 * after the other, so each cancel makes one more unit available, and a reader can be checked
 * afterwards. Two: a channel with a buffer adds up several pools; units move between them while it
 * does, and there is never more free than the buffer, so it must never get one.
 */
#include <stdlib.h>

#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, HOLDS = 15000 * RACE_SCALE, SAMPLES = 1 << 20, MILLISECONDS = 1500 };

/* One unit at each place, one for each of the movers, and the rest is the buffer. */
enum { PLACES = 100, BUFFER = PLACES - (CONTEXTS - 1) };

/* ---- as of ---- */

struct sample {
    uint64_t lsn;
    int64_t available;
};

static uint64_t cancelled_at[HOLDS]; /* by the canceller; read after the race */
static struct sample *samples;
static unsigned sample_count;
static _Atomic bool cancelling;

static void hold_all(struct racer *racer)
{
    for (uint64_t i = 0; i < HOLDS; i++) {
        RACE_MUST(racer_take(racer, i, "default", text_of("held"), 1) == CODE_OK, "hold");
        if (i % 32 == 0)
            racer_turn(racer);
    }
}

static void cancel_all(struct racer *racer)
{
    struct race_name id;
    struct reservation_view view;
    for (uint64_t i = 0; i < HOLDS; i++) {
        struct step step = { .id = race_name(&id, 'a', i) };
        RACE_MUST(racer_cancel(racer, &step, &view) == CODE_OK, "cancel");
        cancelled_at[i] = view.lsn;
        if (i % 32 == 0)
            racer_turn(racer);
    }
    atomic_store(&cancelling, false);
}

static void look(struct racer *racer)
{
    struct text sku = text_of("held");
    while (atomic_load(&cancelling) && sample_count < SAMPLES) {
        struct sample *s = &samples[sample_count++];
        enum code code =
            ledger_availability(racer->ctx, text_of("default"), &sku, 1, &s->available, &s->lsn);
        RACE_MUST(code == CODE_OK, "availability");
        if (sample_count % 32 == 0)
            racer_turn(racer);
    }
}

static void cancel_and_look(struct racer *racer)
{
    if (racer->index == 0)
        cancel_all(racer);
    else
        look(racer);
}

/* Samples are in the order of their LSNs, and so are the cancels. */
static void check_samples(void)
{
    int64_t cancels = 0;
    for (unsigned i = 0; i < sample_count; i++) {
        while (cancels < HOLDS && cancelled_at[cancels] <= samples[i].lsn)
            cancels++;
        RACE_MUST(samples[i].available >= cancels,
                  "as of LSN %llu %lld are available, but %lld were cancelled by then",
                  (unsigned long long)samples[i].lsn, (long long)samples[i].available,
                  (long long)cancels);
    }
}

/* ---- the buffer ---- */

static void move_units(struct racer *racer)
{
    struct race_name name;
    uint64_t number = UINT64_C(1) << 32, held = number;
    RACE_MUST(racer_take(racer, held, "default", text_of("moving"), 1) == CODE_OK, "first");
    racer_keep_pace(racer, 9);
    while (!racer_is_done(racer, MILLISECONDS)) {
        number++;
        struct text place = race_name(&name, 'L', (uint64_t)random_below(&racer->random, PLACES));
        if (racer_take_at(racer, number, "default", text_of("moving"), 1, place) == CODE_OK) {
            RACE_MUST(racer_drop(racer, held) == CODE_OK, "drop");
            held = number;
        }
        if (number % 16 == 0)
            racer_turn(racer);
    }
}

static void want_one_more(struct racer *racer)
{
    racer_keep_pace(racer, 10); /* not before each mover has its unit */
    for (uint64_t i = UINT64_C(1) << 33; !racer_is_done(racer, MILLISECONDS); i++) {
        enum code code = racer_take(racer, i, "careful", text_of("moving"), 1);
        RACE_MUST(code == CODE_INSUFFICIENT_STOCK, "what the buffer keeps was sold: %s",
                  code_name(code));
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

static void move_and_want(struct racer *racer)
{
    if (racer->index == 0)
        want_one_more(racer);
    else
        move_units(racer);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    samples = calloc(SAMPLES, sizeof *samples);
    RACE_MUST(samples, "no memory");
    race_stock(&race, text_of("held"), text_of("main"), HOLDS);
    race_run(&race, 1, hold_all, racers);
    atomic_store(&cancelling, true);
    race_run(&race, 2, cancel_and_look, racers);
    check_samples();
    free(samples);

    for (uint64_t i = 0; i < PLACES; i++) {
        struct race_name name;
        struct text place = race_name(&name, 'L', i);
        race_add_location(&race, name.at);
        race_stock(&race, text_of("moving"), place, 1);
    }
    race_set_channel(&race, &(struct channel_setting){
                                .code = text_of("careful"), .has_buffer = true, .buffer = BUFFER });
    race_run(&race, CONTEXTS, move_and_want, racers);
    race_close(&race, "moment");
    return 0;
}
