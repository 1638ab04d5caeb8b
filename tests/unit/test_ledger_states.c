/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole state table of a reservation: each state, each operation, what comes of it. Live, and
 * again on a ledger that was recovered from the log at that point.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/ledger_rig.h"

enum { TTL_MS = 1000, QTY = 4 };

enum stage {
    UNKNOWN,   /* never made */
    HELD,      /* */
    HELD_LESS, /* and a part of it cancelled */
    CONFIRMED,
    PART_DONE, /* confirmed, and a part of it fulfilled */
    FULFILLED,
    PART_FULFILLED, /* fulfilled in part, and the rest cancelled: ends as fulfilled */
    CANCELLED,
    EXPIRED,
    LESS_EXPIRED, /* a part was cancelled, the rest expired */
    STAGES
};

enum operation {
    EXTEND,
    CONFIRM,
    FULFIL_ALL,
    FULFIL_ONE,
    FULFIL_FIVE, /* more than there is */
    CANCEL_ALL,
    CANCEL_ONE,
    LOOK,
    RESERVE_SAME,
    RESERVE_OTHER,
    RECEIVE,
    OPERATIONS
};

static const char *const stage_names[STAGES] = { "unknown",        "held",      "held_less",
                                                 "confirmed",      "part_done", "fulfilled",
                                                 "part_fulfilled", "cancelled", "expired",
                                                 "less_expired" };

static const char *const operation_names[OPERATIONS] = {
    "extend",     "confirm",     "fulfil_all",   "fulfil_one",    "fulfil_five", "cancel_all",
    "cancel_one", "reservation", "reserve_same", "reserve_other", "receive"
};

/*
 * What is expected, as one word each: the state it is in afterwards, as the reply says; or the
 * error: "unknown", "wrong" or "conflict".
 */
static const char *const table[STAGES][OPERATIONS] = {
    [UNKNOWN] = { "unknown", "unknown", "unknown", "unknown", "unknown", "unknown", "unknown",
                  "unknown", "held", "held", "moved" },
    [HELD] = { "held", "confirmed", "wrong", "wrong", "wrong", "cancelled", "held", "held", "held",
               "conflict", "conflict" },
    [HELD_LESS] = { "held", "confirmed", "wrong", "wrong", "wrong", "cancelled", "held", "held",
                    "held", "conflict", "conflict" },
    [CONFIRMED] = { "wrong", "confirmed", "fulfilled", "confirmed", "wrong", "cancelled",
                    "confirmed", "confirmed", "held", "conflict", "conflict" },
    [PART_DONE] = { "wrong", "confirmed", "fulfilled", "confirmed", "wrong", "fulfilled",
                    "confirmed", "confirmed", "held", "conflict", "conflict" },
    [FULFILLED] = { "wrong", "wrong", "fulfilled", "wrong", "wrong", "wrong", "wrong", "fulfilled",
                    "held", "conflict", "conflict" },
    [PART_FULFILLED] = { "wrong", "wrong", "fulfilled", "wrong", "wrong", "fulfilled", "wrong",
                         "fulfilled", "held", "conflict", "conflict" },
    [CANCELLED] = { "wrong", "wrong", "wrong", "wrong", "wrong", "cancelled", "wrong", "cancelled",
                    "held", "conflict", "conflict" },
    [EXPIRED] = { "wrong", "wrong", "wrong", "wrong", "wrong", "wrong", "wrong", "expired", "held",
                  "conflict", "conflict" },
    [LESS_EXPIRED] = { "wrong", "wrong", "wrong", "wrong", "wrong", "wrong", "wrong", "expired",
                       "held", "conflict", "conflict" },
};

static struct ledger_rig rig;
static struct ctx *ctx;
static uint64_t now;
static struct reservation_view view;

static void iteration(uint64_t ms)
{
    now += ms;
    ledger_end(ctx);
    ledger_begin(ctx, now, now);
}

static enum code reserve(const char *id, int64_t qty)
{
    struct order_line line = { text_of("tea"), qty, { NULL, 0 } };
    return ledger_reserve(ctx,
                          &(struct order){ .id = text_of(id),
                                           .channel = text_of("default"),
                                           .lines = &line,
                                           .line_count = 1,
                                           .has_ttl = true,
                                           .ttl_ms = TTL_MS },
                          &view);
}

static enum code receive(const char *id, int64_t qty)
{
    struct movement_result result;
    return ledger_receive(
        ctx,
        &(struct movement){
            .id = text_of(id), .sku = text_of("tea"), .location = text_of("main"), .qty = qty },
        &result);
}

/* qty 0: all. */
static enum code step(bool fulfil, int64_t qty)
{
    struct order_line line = { text_of("tea"), qty, { NULL, 0 } };
    struct step s = { .id = text_of("r"), .lines = &line, .line_count = qty > 0 };
    return fulfil ? ledger_fulfil(ctx, &s, &view) : ledger_cancel(ctx, &s, &view);
}

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void set_up(void)
{
    now = 1000000;
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 4, .pools = 4, .reservations = 64, .contexts = 1, .hash_seed = 1 });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, now, now);
    must(receive("stock", 100));
}

static void tear_down(void)
{
    ledger_rig_close(&rig);
}

static void bring_to(enum stage stage)
{
    if (stage == UNKNOWN)
        return;
    must(reserve("r", QTY));
    if (stage == HELD_LESS || stage == LESS_EXPIRED)
        must(step(false, 1));
    if (stage >= CONFIRMED && stage <= PART_FULFILLED)
        must(ledger_confirm(ctx, text_of("r"), text_of(""), &view));
    if (stage == PART_DONE || stage == PART_FULFILLED)
        must(step(true, 1));
    if (stage == FULFILLED)
        must(step(true, 0));
    if (stage == PART_FULFILLED || stage == CANCELLED)
        must(step(false, 0));
    if (stage >= EXPIRED)
        iteration(TTL_MS); /* who meets it next expires it */
}

static enum code operate(enum operation operation)
{
    switch (operation) {
    case EXTEND:
        return ledger_extend(ctx, text_of("r"), 77, &view);
    case CONFIRM:
        return ledger_confirm(ctx, text_of("r"), text_of(""), &view);
    case FULFIL_ALL:
        return step(true, 0);
    case FULFIL_ONE:
        return step(true, 1);
    case FULFIL_FIVE:
        return step(true, QTY + 1);
    case CANCEL_ALL:
        return step(false, 0);
    case CANCEL_ONE:
        return step(false, 1);
    case LOOK:
        return ledger_reservation(ctx, text_of("r"), &view);
    case RESERVE_SAME:
        return reserve("r", QTY);
    case RESERVE_OTHER:
        return reserve("r", QTY + 1);
    default:
        view.state = "moved";
        return receive("r", 1);
    }
}

static const char *outcome(enum code code)
{
    switch (code) {
    case CODE_OK:
        return view.state;
    case CODE_UNKNOWN_RESERVATION:
        return "unknown";
    case CODE_WRONG_STATE:
        cr_assert_not_null(ctx_failure(ctx)->state, "it says in which state it is");
        return "wrong";
    case CODE_CONFLICT:
        return "conflict";
    default:
        return ctx_failure(ctx)->message;
    }
}

/* Goes on with the ledger that the log makes. */
static void recover(void)
{
    static struct ledger_rig follower;
    char why[256];
    ledger_end(ctx);
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, now, why, sizeof why), "%s", why);
    ledger_rig_close(&rig);
    rig = follower;
    rig.ledger->log = &rig.log;
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, now, now);
}

static void expect_balanced(const char *what)
{
    char why[256];
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s: %s", what, why);
}

static void run_table(bool recovered)
{
    for (int stage = 0; stage < STAGES; stage++)
        for (int operation = 0; operation < OPERATIONS; operation++) {
            set_up();
            bring_to((enum stage)stage);
            if (recovered)
                recover();
            const char *is = outcome(operate((enum operation)operation));
            cr_assert_str_eq(is, table[stage][operation], "%s, %s: %s", stage_names[stage],
                             operation_names[operation], is);
            expect_balanced(operation_names[operation]);
            tear_down();
        }
}

Test(ledger_states, each_operation_in_each_state)
{
    run_table(false);
}

Test(ledger_states, the_same_after_recovery)
{
    run_table(true);
}

/* ---- what is asked again gives the first result ---- */

Test(ledger_states, asking_again_changes_nothing)
{
    set_up();
    must(reserve("r", QTY));
    uint64_t reserved = view.lsn, deadline = view.expires_ms;
    must(ledger_confirm(ctx, text_of("r"), text_of(""), &view));
    uint64_t confirmed = view.lsn;
    must(step(true, 1));
    iteration(5);
    must(reserve("r", QTY));
    cr_assert_eq(view.lsn, reserved);
    cr_assert_eq(view.expires_ms, deadline, "as it was granted, though it has no deadline now");
    must(ledger_confirm(ctx, text_of("r"), text_of(""), &view));
    cr_assert_eq(view.lsn, confirmed);
    must(step(true, 0));
    uint64_t fulfilled = view.lsn;
    must(step(true, 0));
    cr_assert_eq(view.lsn, fulfilled);
    cr_assert_eq(atomic_load(&rig.log.tail), fulfilled, "nothing more is in the log");
    tear_down();
}

Test(ledger_states, a_deadline_is_extended_from_now)
{
    set_up();
    must(reserve("r", QTY));
    cr_assert_eq(view.expires_ms, now + TTL_MS);
    iteration(TTL_MS - 1);
    must(ledger_extend(ctx, text_of("r"), TTL_MS, &view));
    cr_assert_eq(view.expires_ms, now + TTL_MS);
    iteration(TTL_MS - 1);
    must(ledger_reservation(ctx, text_of("r"), &view));
    cr_assert_str_eq(view.state, "held");
    iteration(1);
    must(ledger_reservation(ctx, text_of("r"), &view));
    cr_assert_str_eq(view.state, "expired");
    tear_down();
}

Test(ledger_states, a_wall_clock_that_jumps_moves_no_deadline)
{
    set_up();
    must(reserve("r", QTY));
    ledger_end(ctx);
    ledger_begin(ctx, now, now + 3600000);
    must(ledger_reservation(ctx, text_of("r"), &view));
    cr_assert_str_eq(view.state, "held");
    cr_assert_eq(view.expires_ms, now + 3600000 + TTL_MS, "it is told by the clock of now");
    ledger_end(ctx);
    ledger_begin(ctx, now + TTL_MS, now - 3600000);
    must(ledger_reservation(ctx, text_of("r"), &view));
    cr_assert_str_eq(view.state, "expired");
    tear_down();
}

Test(ledger_states, the_wheel_expires_within_a_tick)
{
    for (uint64_t start = 0; start < 40; start++) {
        int64_t available = NO_SUCH_SKU;
        uint64_t lsn;
        struct text sku = text_of("tea");
        set_up();
        iteration(start);
        must(reserve("r", QTY));
        uint64_t deadline = now + TTL_MS;
        while (now < deadline + 16) {
            iteration(1);
            ledger_expire(ctx, 8);
            must(ledger_availability(ctx, text_of("default"), &sku, 1, &available, &lsn));
            if (now < deadline)
                cr_assert_eq(available, 100 - QTY, "%llu ms early",
                             (unsigned long long)(deadline - now));
        }
        cr_assert_eq(available, 100);
        tear_down();
    }
}
