/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same id from several contexts at once: exactly one does it, and all get the same result. Each
 * number is used for one of: the same receive from all; the same reserve from all; two different
 * reserves, of which one wins and the other is a conflict; the same partial step with an op.
 */
#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, NUMBERS = 6000 * RACE_SCALE, STEP_QTY = 2 };

enum part { RECEIVED, RESERVED_ALIKE, RESERVED_OTHERWISE, STEPPED, PARTS };

static struct outcome {
    _Atomic uint64_t lsn;
    _Atomic uint32_t done;    /* replies of OK */
    _Atomic uint32_t variant; /* 1 or 2: whose content won */
} outcomes[NUMBERS];

static void note(struct racer *racer, uint64_t number, uint64_t lsn, unsigned variant)
{
    struct outcome *o = &outcomes[number];
    uint64_t none = 0;
    uint32_t nobody = 0;
    if (!atomic_compare_exchange_strong(&o->lsn, &none, lsn))
        RACE_MUST(none == lsn, "number %llu was done at LSN %llu and at %llu",
                  (unsigned long long)number, (unsigned long long)none, (unsigned long long)lsn);
    if (!atomic_compare_exchange_strong(&o->variant, &nobody, variant))
        RACE_MUST(nobody == variant, "number %llu was done with two contents",
                  (unsigned long long)number);
    atomic_fetch_add(&o->done, 1);
    racer->tally[number % PARTS]++;
}

static void receive(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct movement_result result;
    struct movement m = { .id = race_name(&id, 'm', number),
                          .sku = text_of("received"),
                          .location = text_of("main"),
                          .qty = 1 };
    enum code code = racer_receive(racer, &m, &result);
    RACE_MUST(code == CODE_OK, "receive: %s", ctx_failure(racer->ctx)->message);
    note(racer, number, result.lsn, 1);
}

static void reserve(struct racer *racer, uint64_t number, unsigned variant)
{
    struct race_name id;
    struct reservation_view view;
    struct order_line lines[2] = { { .sku = text_of("alike"), .qty = 1 },
                                   { .sku = text_of("other"), .qty = 1 } };
    struct order order = { .id = race_name(&id, 'r', number),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = variant,
                           .confirm = true };
    enum code code = racer_reserve(racer, &order, &view);
    bool lost = number % PARTS == RESERVED_OTHERWISE && code == CODE_CONFLICT;
    RACE_MUST(code == CODE_OK || lost, "reserve: %s", ctx_failure(racer->ctx)->message);
    if (code == CODE_OK) {
        RACE_MUST(view.draw_count == variant, "the other's draws");
        note(racer, number, view.lsn, variant);
    }
}

static bool is_fulfil(uint64_t number)
{
    return number / PARTS % 2;
}

/* All reserve the same, and then all do the same part of it, under one op. */
static void step(struct racer *racer, uint64_t number)
{
    struct race_name id, op;
    struct reservation_view view;
    struct order_line line = { .sku = text_of("stepped"), .qty = 3 * STEP_QTY };
    struct order order = { .id = race_name(&id, 's', number),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    RACE_MUST(racer_reserve(racer, &order, &view) == CODE_OK, "to be stepped: %s",
              ctx_failure(racer->ctx)->message);
    struct order_line part = { .sku = line.sku, .qty = STEP_QTY };
    struct step step = {
        .id = order.id, .op = race_name(&op, 'o', number), .lines = &part, .line_count = 1
    };
    enum code code =
        is_fulfil(number) ? racer_fulfil(racer, &step, &view) : racer_cancel(racer, &step, &view);
    RACE_MUST(code == CODE_OK, "step: %s", ctx_failure(racer->ctx)->message);
    note(racer, number, view.lsn, 1);
}

static void do_all(struct racer *racer)
{
    for (uint64_t number = 0; number < NUMBERS && racer_goes_on(racer, number); number++) {
        switch ((enum part)(number % PARTS)) {
        case RECEIVED:
            receive(racer, number);
            break;
        case RESERVED_ALIKE:
            reserve(racer, number, 1);
            break;
        case RESERVED_OTHERWISE:
            reserve(racer, number, 1 + racer->index % 2);
            break;
        default:
            step(racer, number);
            break;
        }
        if (number % 8 == 0)
            racer_turn(racer);
    }
}

static void expect(struct race *race, const char *sku, int64_t on_hand, int64_t reserved)
{
    int64_t is_on_hand, is_reserved;
    race_sum(race, text_of(sku), &is_on_hand, &is_reserved);
    RACE_MUST(is_on_hand == on_hand && is_reserved == reserved,
              "%s: %lld on hand and %lld reserved, not %lld and %lld", sku, (long long)is_on_hand,
              (long long)is_reserved, (long long)on_hand, (long long)reserved);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    int64_t each = NUMBERS / PARTS, done[PARTS] = { 0 }, others = 0, fulfilled = 0;
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race_stock(&race, text_of("received"), text_of("main"), 1);
    race_stock(&race, text_of("alike"), text_of("main"), 2 * each);
    race_stock(&race, text_of("other"), text_of("main"), each);
    race_stock(&race, text_of("stepped"), text_of("main"), 3 * STEP_QTY * each);
    race_run(&race, CONTEXTS, do_all, racers);

    uint64_t numbers = race_steps(&race, NUMBERS);
    for (uint64_t i = 0; i < numbers; i++) {
        unsigned answered = atomic_load(&outcomes[i].done);
        enum part part = (enum part)(i % PARTS);
        bool split = part == RESERVED_OTHERWISE;
        done[part]++;
        others += split && atomic_load(&outcomes[i].variant) == 2;
        fulfilled += part == STEPPED && is_fulfil(i);
        RACE_MUST(answered == (split ? CONTEXTS / 2 : CONTEXTS), "number %llu: %u were answered",
                  (unsigned long long)i, answered);
    }
    expect(&race, "received", 1 + done[RECEIVED], 0);
    expect(&race, "alike", 2 * each, done[RESERVED_ALIKE] + done[RESERVED_OTHERWISE]);
    expect(&race, "other", each, others);
    expect(&race, "stepped", (3 * each - fulfilled) * STEP_QTY, 2 * done[STEPPED] * STEP_QTY);
    race_close(&race, "same_id");
    return 0;
}
