/* SPDX-License-Identifier: Apache-2.0 */
/* Returns that name a reservation: what the ledger makes of evidence, and when it asks for it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/evidence.h"
#include "tests/support/ledger_rig.h"

static struct ledger_rig rig;
static struct ctx *ctx, *other;
static struct reservation_view view;
static struct movement_result moved;

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static void sell(const char *id, int64_t qty)
{
    struct order_line line = { .sku = text_of("tea"), .qty = qty };
    struct order order = { .id = text_of(id),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    must(ledger_reserve(ctx, &order, &view));
    must(ledger_fulfil(ctx, &(struct step){ .id = text_of(id) }, &view));
}

static void set_up(void)
{
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 8, .pools = 8, .reservations = 640, .contexts = 2, .hash_seed = 3 });
    ctx = ledger_ctx(rig.ledger, 0);
    other = ledger_ctx(rig.ledger, 1);
    ledger_begin(ctx, 1000, 1000);
    ledger_begin(other, 1000, 1000);
    struct movement m = {
        .id = text_of("r"), .sku = text_of("tea"), .location = text_of("main"), .qty = 100
    };
    must(ledger_receive(ctx, &m, &moved));
    sell("sold", 3);
}

static void tear_down(void)
{
    char why[256];
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&rig);
}

TestSuite(returns, .init = set_up, .fini = tear_down);

static struct movement back(const char *id, const char *reservation, int64_t qty,
                            const struct return_evidence *evidence)
{
    return (struct movement){ .id = text_of(id),
                              .sku = text_of("tea"),
                              .location = text_of("main"),
                              .qty = qty,
                              .ref = text_of(reservation),
                              .evidence = evidence };
}

static enum code send_back(struct ctx *by, const char *id, const char *reservation, int64_t qty,
                           const struct return_evidence *evidence)
{
    struct movement m = back(id, reservation, qty, evidence);
    return ledger_return(by, &m, &moved);
}

static struct return_evidence gather(const char *reservation)
{
    uint32_t item;
    must(ledger_find_item(ctx, text_of("tea"), &item));
    ledger_rig_drain(&rig);
    return evidence_gather(rig.records, rig.length, text_of(reservation), item);
}

static int64_t on_hand(void)
{
    struct stock_view stock;
    must(ledger_stock(ctx, text_of("tea"), &stock));
    return stock.on_hand;
}

static void expect_asking(enum code code, const struct ctx *by)
{
    cr_assert_eq(code, CODE_DEFERRED);
    cr_assert(ledger_needs_evidence(by));
}

Test(returns, evidence_is_asked_for_and_changes_nothing)
{
    uint64_t tail = atomic_load(&rig.log.tail);
    expect_asking(send_back(ctx, "b", "sold", 1, NULL), ctx);
    cr_assert_eq(atomic_load(&rig.log.tail), tail);
    cr_assert_eq(on_hand(), 97);
    struct return_evidence evidence = gather("sold");
    must(send_back(ctx, "b", "sold", 1, &evidence));
    cr_assert_not(ledger_needs_evidence(ctx));
    cr_assert_eq(on_hand(), 98);
}

Test(returns, what_is_refused_anyway_is_not_asked_for)
{
    struct movement m = back("b", "sold", 1, NULL);
    m.sku = text_of("none");
    cr_assert_eq(ledger_return(ctx, &m, &moved), CODE_UNKNOWN_SKU);
    m = back("b", "sold", 1, NULL);
    m.location = text_of("nowhere");
    cr_assert_eq(ledger_return(ctx, &m, &moved), CODE_UNKNOWN_LOCATION);
    cr_assert_eq(send_back(ctx, "r", "sold", 1, NULL), CODE_CONFLICT);
    cr_assert_eq(send_back(ctx, "same", "same", 1, NULL), CODE_UNKNOWN_RESERVATION);
    cr_assert_not(ledger_needs_evidence(ctx));
}

Test(returns, a_repeat_needs_no_evidence)
{
    struct return_evidence evidence = gather("sold");
    must(send_back(ctx, "b", "sold", 3, &evidence));
    uint64_t lsn = moved.lsn;
    must(send_back(other, "b", "sold", 3, NULL));
    cr_assert_eq(moved.lsn, lsn);
    cr_assert_eq(on_hand(), 100);
}

Test(returns, never_more_than_was_fulfilled)
{
    struct return_evidence evidence = gather("sold");
    cr_assert_eq(send_back(ctx, "b", "sold", 4, &evidence), CODE_WRONG_STATE);
    const struct failure *failure = ctx_failure(ctx);
    cr_assert_str_eq(failure->state, "fulfilled");
    cr_assert_eq(failure->short_count, 1);
    cr_assert_eq(failure->shorts[0].wanted, 4);
    cr_assert_eq(failure->shorts[0].available, 3);
    must(send_back(ctx, "b", "sold", 3, &evidence));
    evidence = gather("sold");
    cr_assert_eq(send_back(ctx, "c", "sold", 1, &evidence), CODE_WRONG_STATE);
    cr_assert_eq(on_hand(), 100);
}

Test(returns, stale_evidence_is_gathered_anew)
{
    struct return_evidence evidence = gather("sold");
    must(send_back(other, "b", "sold", 2, &evidence));
    expect_asking(send_back(ctx, "c", "sold", 2, &evidence), ctx);
    evidence = gather("sold");
    cr_assert_eq(send_back(ctx, "c", "sold", 2, &evidence), CODE_WRONG_STATE);
    must(send_back(ctx, "c", "sold", 1, &evidence));
    cr_assert_eq(on_hand(), 100);
}

/* A refused return leaves the slot as it was. */
Test(returns, only_what_was_done_makes_evidence_stale)
{
    struct return_evidence evidence = gather("sold");
    cr_assert_eq(send_back(other, "b", "sold", 4, &evidence), CODE_WRONG_STATE);
    must(send_back(ctx, "c", "sold", 3, &evidence));
}

Test(returns, a_busy_slot_defers_without_asking)
{
    struct return_evidence evidence = gather("sold");
    uint64_t hash = id_hash(&rig.ledger->ids, text_of("sold")), last;
    _Atomic uint64_t *slot = return_slot(&rig.ledger->returns, hash);
    cr_assert(return_slot_take(slot, &last));
    cr_assert_not(return_slot_take(slot, &last));
    cr_assert_eq(send_back(ctx, "b", "sold", 1, &evidence), CODE_DEFERRED);
    cr_assert_not(ledger_needs_evidence(ctx));
    return_slot_put(slot, last);
    must(send_back(ctx, "b", "sold", 1, &evidence));
}

Test(returns, what_is_not_kept_any_more_is_named)
{
    struct return_evidence evidence = { .upto = UINT64_MAX >> 1, .begins_lsn = 4711 };
    cr_assert_eq(send_back(ctx, "b", "gone", 1, &evidence), CODE_UNKNOWN_RESERVATION);
    cr_assert(strstr(ctx_failure(ctx)->message, "\"gone\""));
    cr_assert(strstr(ctx_failure(ctx)->message, "4711"));
    evidence.known = true;
    evidence.state = "confirmed";
    evidence.unproven = 5;
    evidence.returned = 1; /* of the unproven ones */
    cr_assert_eq(send_back(ctx, "b", "gone", 1, &evidence), CODE_WRONG_STATE);
    cr_assert(strstr(ctx_failure(ctx)->message, "4711"));
    cr_assert_eq(ctx_failure(ctx)->shorts[0].available, 0);
}

/* Fulfilled with an op, and returned by other ids: what only shares a name with it does not count.
 */
Test(returns, evidence_counts_the_reservation_and_no_other)
{
    struct order_line part = { .sku = text_of("tea"), .qty = 2 };
    sell("other", 5);
    struct order order = { .id = text_of("parts"),
                           .channel = text_of("default"),
                           .lines = &(struct order_line){ .sku = text_of("tea"), .qty = 7 },
                           .line_count = 1,
                           .confirm = true };
    must(ledger_reserve(ctx, &order, &view));
    struct step step = {
        .id = text_of("parts"), .op = text_of("op"), .lines = &part, .line_count = 1
    };
    must(ledger_fulfil(ctx, &step, &view));
    step.op = text_of("op2");
    must(ledger_cancel(ctx, &step, &view));
    struct return_evidence evidence = gather("parts");
    cr_assert(evidence.known);
    cr_assert_str_eq(evidence.state, "confirmed");
    cr_assert_eq(evidence.fulfilled, 2);
    cr_assert_eq(evidence.returned, 0);
    must(send_back(ctx, "b", "parts", 1, &evidence));
    evidence = gather("parts");
    cr_assert_eq(evidence.returned, 1);
    cr_assert_not(gather("op").known);
    cr_assert_not(gather("b").known);
    cr_assert_not(gather("r").known);
}
