/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A refusal changes nothing. Random requests, most of them wrong in some way, meet small tables
 * that are soon full. After each that is refused the ledger is what it was before: the same
 * catalogue, items, pools, versions and remembered changes in its contents, the same metrics, and
 * nothing in the log.
 *
 *   refusals [--seed N] [--seconds S]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/contents_rig.h"
#include "tests/support/histories.h"
#include "tests/support/random.h"

enum { ITEMS = 5, POOLS = 9, SLOTS = 4096, STEP_MS = WHEEL_TICK_MS, STEPS = 3000 };

/* All that a refusal must leave alone. */
struct state {
    struct contents contents;
    struct ledger_metrics metrics;
    uint64_t tail;
};

static struct ledger_rig rig;
static struct ctx *ctx;
static struct random r;
static struct histories histories;
static uint64_t now, outcomes[CODE_COUNT];
static int next_id;

struct name {
    char at[80];
};

static bool chance(int percent)
{
    return random_chance(&r, percent);
}

/* One of a few names, now and then one that is not there or cannot be. */
static struct text name(struct name *to, const char *what, int count)
{
    if (chance(4))
        snprintf(to->at, sizeof to->at, "%s\xff", what);
    else if (chance(4))
        snprintf(to->at, sizeof to->at, "%070d", 7);
    else
        snprintf(to->at, sizeof to->at, "%s%d", what, random_below(&r, count));
    return text_of(to->at);
}

static struct text id_of(struct name *to)
{
    int number = chance(10) && next_id > 0 ? random_below(&r, next_id) : next_id++;
    snprintf(to->at, sizeof to->at, "%0*d", chance(2) ? ID_MAX + 1 : 1, number);
    return text_of(to->at);
}

static int64_t quantity(void)
{
    if (chance(5))
        return random_between(&r, -1, 1);
    if (chance(10))
        return QUANTITY_MAX + random_between(&r, -1, 1);
    return random_between(&r, 1, 30);
}

/* ---- requests ---- */

static enum code ask_movement(void)
{
    static enum code (*const kinds[])(struct ctx *, const struct movement *,
                                      struct movement_result *) = { ledger_receive, ledger_adjust,
                                                                    ledger_count, ledger_return };
    struct name id, sku, at, ref;
    struct movement_result result;
    struct movement m = { .id = id_of(&id),
                          .sku = name(&sku, "S", ITEMS + 2),
                          .location = name(&at, "L", 5),
                          .qty = quantity(),
                          .has_as_of = chance(50),
                          .as_of_ms = now - (uint64_t)random_below(&r, 100000) };
    if (chance(20))
        m.ref = name(&ref, "R", 50);
    int kind = random_below(&r, 4);
    m.damaged = kinds[kind] == ledger_return && chance(30);
    if (chance(20))
        m.qty = -m.qty;
    return kinds[kind](ctx, &m, &result);
}

static enum code ask_allot(void)
{
    struct name id, sku, at, channel;
    struct allot_result result;
    struct allotment a = { .id = id_of(&id),
                           .sku = name(&sku, "S", ITEMS + 1),
                           .location = name(&at, "L", 5),
                           .channel = name(&channel, "C", 4),
                           .qty = chance(50) ? quantity() : -quantity() };
    return ledger_allot(ctx, &a, &result);
}

static enum code ask_reserve(void)
{
    struct name id, channel, skus[4], at[4];
    struct order_line lines[4];
    struct reservation_view view;
    struct order o = { .channel = name(&channel, "C", 4),
                       .lines = lines,
                       .line_count = (uint32_t)random_below(&r, 5),
                       .has_ttl = true,
                       .ttl_ms = STEP_MS * (uint64_t)random_below(&r, 20),
                       .confirm = chance(40) };
    for (uint32_t i = 0; i < o.line_count; i++) {
        lines[i] = (struct order_line){ .sku = name(&skus[i], "S", ITEMS), .qty = quantity() };
        if (chance(20))
            lines[i].location = name(&at[i], "L", 5);
    }
    o.id = chance(60) ? name(&id, "R", 50) : id_of(&id);
    return ledger_reserve(ctx, &o, &view);
}

static enum code ask_step(void)
{
    struct name id, op, skus[3];
    struct order_line lines[3];
    struct reservation_view view;
    struct step s = { .id = name(&id, "R", 50),
                      .lines = lines,
                      .line_count = (uint32_t)random_below(&r, 4) };
    for (uint32_t i = 0; i < s.line_count; i++)
        lines[i] = (struct order_line){ .sku = name(&skus[i], "S", ITEMS), .qty = quantity() };
    if (chance(30))
        s.op = id_of(&op);
    switch (random_below(&r, 4)) {
    case 0:
        return ledger_fulfil(ctx, &s, &view);
    case 1:
        return ledger_cancel(ctx, &s, &view);
    case 2:
        return ledger_confirm(ctx, s.id, (struct text){ NULL, 0 }, &view);
    default:
        return ledger_extend(ctx, s.id, STEP_MS * (uint64_t)random_below(&r, 20), &view);
    }
}

static enum code ask_setting(void)
{
    struct name codes[3], text, place;
    uint64_t lsn;
    struct text kind = name(&text, "kind", 2);
    struct text places[2] = { name(&place, "L", 6), text_of("L0") };
    struct location_setting l = { .code = name(&codes[0], "L", 5),
                                  .has_kind = chance(50),
                                  .kind = kind,
                                  .has_priority = true,
                                  .priority = quantity() * (chance(10) ? 1000 : 1),
                                  .has_active = true,
                                  .active = chance(80) };
    struct channel_setting c = { .code = name(&codes[1], "C", 4),
                                 .has_buffer = true,
                                 .buffer = chance(60) ? 0 : quantity(),
                                 .has_places = chance(50),
                                 .places = places,
                                 .place_count = (uint32_t)random_below(&r, 3) };
    struct item_setting i = { .sku = name(&codes[2], "S", ITEMS + 2),
                              .has_low_stock = true,
                              .low_stock = quantity(),
                              .has_name = chance(50),
                              .name = kind };
    switch (random_below(&r, 3)) {
    case 0:
        return ledger_set_location(ctx, &l, &lsn);
    case 1:
        return ledger_set_channel(ctx, &c, &lsn);
    default:
        return ledger_set_item(ctx, &i, &lsn);
    }
}

static enum code ask(void)
{
    static enum code (*const kinds[])(
        void) = { ask_movement, ask_movement, ask_allot, ask_reserve,
                  ask_reserve,  ask_step,     ask_step,  ask_setting };
    return kinds[random_below(&r, (int)(sizeof kinds / sizeof kinds[0]))]();
}

/* ---- what it was before ---- */

static void take_state(struct state *state)
{
    char why[200];
    if (!contents_take(&state->contents, rig.ledger, why, sizeof why)) {
        printf("%s\n", why);
        exit(1);
    }
    ledger_metrics(rig.ledger, &state->metrics);
    state->tail = atomic_load(&rig.log.tail);
}

static bool same_runs(const struct contents *left, const struct contents *right,
                      enum contents_kind kind)
{
    const struct contents_run *a = left->first, *b = right->first;
    for (;; a = a->next, b = b->next) {
        while (a && a->kind != kind)
            a = a->next;
        while (b && b->kind != kind)
            b = b->next;
        if (!a || !b)
            return a == b;
        if (a->length != b->length || memcmp(a->bytes, b->bytes, a->length) != 0)
            return false;
    }
}

/* NULL, or what is another. */
static const char *difference(const struct state *a, const struct state *b)
{
    if (a->tail != b->tail)
        return "something was put into the log";
    if (a->metrics.items != b->metrics.items)
        return "the number of items";
    if (a->metrics.pools != b->metrics.pools)
        return "the number of pools";
    if (!same_runs(&a->contents, &b->contents, CONTENTS_SETTINGS))
        return "the catalogue";
    if (!same_runs(&a->contents, &b->contents, CONTENTS_ITEMS))
        return "items, pools or versions";
    if (!same_runs(&a->contents, &b->contents, CONTENTS_RECENT))
        return "the remembered changes";
    return NULL;
}

/* One request in an iteration of its own; what is refused must leave the state as it is. */
static void step(struct state *state)
{
    now += STEP_MS * (uint64_t)random_below(&r, 3);
    ledger_begin(ctx, now, now);
    unsigned expired = ledger_expire(ctx, 1000);
    if (chance(1)) {
        recent_forget(&ctx->recent, now - 50000);
        expired++;
    }
    ledger_end(ctx);
    if (expired > 0) {
        contents_free(&state->contents);
        take_state(state);
    }
    ledger_begin(ctx, now, now);
    enum code code = ask();
    ledger_end(ctx);
    struct state after;
    take_state(&after);
    const char *changed = code != CODE_OK ? difference(state, &after) : NULL;
    if (changed) {
        printf("refused with %s (%s), but another: %s; --seed %llu\n", code_name(code),
               ctx_failure(ctx)->message, changed, (unsigned long long)histories.seed);
        exit(1);
    }
    outcomes[code]++;
    contents_free(&state->contents);
    *state = after;
    ledger_rig_drain(&rig);
}

static void run(void)
{
    struct state state;
    next_id = 0;
    now = 1000000 / STEP_MS * STEP_MS;
    ledger_rig_open(&rig, &(struct ledger_config){ .items = ITEMS,
                                                   .pools = POOLS,
                                                   .reservations = SLOTS,
                                                   .contexts = 1,
                                                   .hash_seed = random_next(&r) });
    ctx = ledger_ctx(rig.ledger, 0);
    take_state(&state);
    for (int i = 0; i < STEPS; i++)
        step(&state);
    contents_free(&state.contents);
    ledger_rig_close(&rig);
}

int main(int argc, char **argv)
{
    if (!histories_begin(&histories, argc, argv, 2, NULL))
        return 2;
    while (histories_next(&histories)) {
        r.state = histories.seed;
        run();
    }
    for (int code = 0; code < CODE_COUNT; code++)
        if (outcomes[code] > 0)
            printf("%s %llu\n", code_name((enum code)code), (unsigned long long)outcomes[code]);
    histories_end(&histories);
    return histories.one || (outcomes[CODE_OK] > 0 && outcomes[CODE_LIMIT] > 0) ? 0 : 1;
}
