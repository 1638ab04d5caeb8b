/* SPDX-License-Identifier: Apache-2.0 */
/* What one context does to a hold that another context has in its wheel: the inbox between them. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/ledger_rig.h"

enum { SLOTS = 128, HOLD_MS = 60000 };

static struct ledger_rig rig;
static struct ctx *owner, *other;
static struct id_table *ids;
static uint64_t now;
static struct reservation_view view;

static void begin(struct ctx *ctx)
{
    ledger_end(ctx);
    ledger_begin(ctx, now, now);
}

static void must(const struct ctx *ctx, enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static void set_up(void)
{
    now = 1000000;
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 8, .pools = 8, .reservations = SLOTS, .contexts = 2, .hash_seed = 3 });
    ids = &rig.ledger->ids;
    owner = ledger_ctx(rig.ledger, 0);
    other = ledger_ctx(rig.ledger, 1);
    ledger_begin(owner, now, now);
    ledger_begin(other, now, now);
    struct movement_result moved;
    struct movement m = {
        .id = text_of("m"), .sku = text_of("tea"), .location = text_of("main"), .qty = 10
    };
    must(owner, ledger_receive(owner, &m, &moved));
}

static void tear_down(void)
{
    char why[256];
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&rig);
}

TestSuite(ledger_read_inbox, .init = set_up, .fini = tear_down);

static struct id_entry *hold(const char *id)
{
    struct order_line line = { .sku = text_of("tea"), .qty = 1 };
    struct order order = { .id = text_of(id),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1,
                           .has_ttl = true,
                           .ttl_ms = HOLD_MS };
    must(owner, ledger_reserve(owner, &order, &view));
    struct id_entry *entry;
    uint64_t word;
    uint64_t hash = id_hash(ids, text_of(id));
    cr_assert_eq(id_table_find(ids, text_of(id), hash, &entry, &word), ENTRY_FOUND);
    entry_put(entry, word);
    return entry;
}

Test(ledger_read_inbox, a_hold_that_another_context_ended_is_queued_in_the_owners_iteration)
{
    struct id_entry *entry = hold("r");
    must(other, ledger_cancel(other, &(struct step){ .id = text_of("r") }, &view));
    uint64_t before = id_table_remembered(ids);
    begin(owner);
    cr_assert_eq(entry->owner, NO_OWNER);
    cr_assert_eq(id_table_remembered(ids), before + 1);
    cr_assert_eq(ids->contexts[owner->index].last, entry_number(ids, entry) + 1);
    cr_assert_eq(owner->wheel.count, 0);
}

Test(ledger_read_inbox, a_busy_message_is_read_as_soon_as_it_is_put)
{
    uint64_t word;
    struct id_entry *entry = hold("r");
    must(other, ledger_extend(other, text_of("r"), 100, &view));
    cr_assert_eq(ctx_take_wakeups(other), UINT64_C(1) << owner->index);
    cr_assert(entry_take(entry, &word));
    begin(owner);
    cr_assert(entry->in_inbox, "it was busy");
    cr_assert_leq(ledger_next_deadline(owner), now + WHEEL_TICK_MS,
                  "nobody wakes the owner a second time");
    entry_put(entry, word);
    now += WHEEL_TICK_MS;
    begin(owner);
    cr_assert_not(entry->in_inbox);
    cr_assert_leq(ledger_next_deadline(owner), now + 100);
    now += 100;
    begin(owner);
    ledger_expire(owner, 10);
    must(owner, ledger_reservation(owner, text_of("r"), &view));
    cr_assert_str_eq(view.state, "expired");
}

/*
 * The interleaving that once wrote into another order's draws. The owner takes its inbox, and finds
 * the message busy: a question has it. It is final and in no wheel, for the owner itself expired it
 * after it had been in_inbox. Once the question is over, somebody looks for slots.
 */
Test(ledger_read_inbox, the_slot_of_a_message_that_is_found_busy_is_not_reused)
{
    uint64_t word;
    struct id_entry *entry = hold("r");
    must(other, ledger_extend(other, text_of("r"), 1, &view));
    now += 2;
    owner->engine_ms = now; /* it expires what it meets before it reads its inbox */
    must(owner, ledger_reservation(owner, text_of("r"), &view));
    cr_assert_str_eq(view.state, "expired");
    cr_assert_eq(entry->owner, NO_OWNER);
    struct id_entry *message = wheel_take_inbox(&owner->wheel, ids);
    cr_assert_eq(message, entry);
    cr_assert(entry_take(entry, &word)); /* the question */
    cr_assert_null(wheel_inbox_next(ids, message));
    cr_assert_not(entry_take(message, &(uint64_t){ 0 }));
    entry_put(entry, word); /* the question is over */
    uint32_t chain = 0;
    struct draws_entry *draws;
    while ((draws = slots_take_draws(ids, &owner->cursor)) != NULL) {
        cr_assert_neq((struct id_entry *)(void *)draws, entry, "its slot was reused");
        draws->next = chain;
        chain = entry_number(ids, (struct id_entry *)(void *)draws) + 1;
    }
    wheel_send_again(&owner->wheel, ids, message);
    begin(owner);
    cr_assert_not(entry->in_inbox);
    cr_assert_eq(slots_take_draws(ids, &owner->cursor), (struct draws_entry *)(void *)entry,
                 "read, it makes way");
    slots_give_back(ids, &owner->cursor, entry);
    slots_free_draws(ids, &owner->cursor, chain);
}
