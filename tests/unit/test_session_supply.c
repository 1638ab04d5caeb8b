/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about supply as bytes: which replies wait for the journal, and the list in parts. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/session_rig.h"

static struct session_rig session;

static const struct ledger_config roomy = {
    .items = 1000, .pools = 5000, .reservations = 20000, .contexts = 1, .hash_seed = 1
};

static void open_roomy(void)
{
    session_rig_open(&session, NULL, &roomy);
}

static void close_roomy(void)
{
    session_rig_close(&session);
}

TestSuite(session_supply, .init = open_roomy, .fini = close_roomy);

static const char *asked(const char *method, const char *params)
{
    session_rig_ask(&session, 7, method, params);
    return session_rig_text(&session);
}

static void must(const char *method, const char *params, const char *words)
{
    const char *got = asked(method, params);
    cr_assert(strstr(got, words), "%s %s: wanted %s, got %s", method, params, words, got);
}

/* One after the other, these take a held transfer and an expect through their lives. */
static const struct {
    const char *method, *params, *says;
} steps[] = {
    { "expect", "['e', 'main', [['S', 9]], {'eta_ms': 9000000, 'ref': 'PO'}]",
      "\"id\"=>\"e\", \"state\"=>\"in_transit\", \"eta_ms\"=>9000000, "
      "\"lines\"=>[[\"S\", 9, 9, 0, 0, 0]], \"under_way\"=>[9]}]" },
    { "arrive", "['e', [['S', 5, 1]], {'op': 'o1'}]", "[[\"S\", 9, 9, 5, 1, 0]]" },
    { "withdraw", "['e', [['S', 1]], {'op': 'o2'}]", "[[\"S\", 8, 8, 5, 1, 0]]" },
    { "reschedule", "['e', 9500000]", "\"eta_ms\"=>9500000" },
    { "transfer", "['t', 'main', 'b', [['S', 4]], {'ship': false}]",
      "\"state\"=>\"held\", \"eta_ms\"=>nil" },
    { "ship", "['t', [['S', 1]], {'eta_ms': 9000000, 'op': 'o3'}]", "[[\"S\", 4, 1, 0, 0, 0]]" },
    { "withdraw", "['t', null]", "\"state\"=>\"in_transit\"" },
    { "arrive", "['t', {'close': true}]", "\"state\"=>\"arrived\"" },
};

enum { STEPS = sizeof steps / sizeof *steps };

/* Who asks is shown what is durable, so a question waits for the latest change that it shows. */
Test(session_supply, changes_wait_for_the_journal_and_so_does_who_asks_after_them)
{
    must("location_set", "['b', {}]", "lsn");
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t before = atomic_load(&session.service.log->tail);
        atomic_store(&session.service.log->acknowledged, before);
        connection_open_barriers(&session.connection, before);
        must(steps[i].method, steps[i].params, steps[i].says);
        uint64_t lsn = atomic_load(&session.service.log->tail);
        cr_assert_gt(lsn, before, "step %u", i);
        cr_assert_eq(session.connection.barrier_count, 1, "step %u", i);
        cr_assert_leq(session.connection.barriers[0].lsn, lsn);
        cr_assert_gt(session.connection.barriers[0].lsn, before);
        uint64_t wanted = session.connection.barriers[0].lsn;
        static const char *const questions[] = { "supply", "supplies" };
        for (unsigned q = 0; q < 2; q++) {
            bool expect = i < 4;
            connection_open_barriers(&session.connection, lsn); /* as on another connection */
            must(questions[q], q ? "[]" : expect ? "['e']" : "['t']", "\"eta_ms\"");
            cr_assert_eq(session.connection.barrier_count, 1, "%s after step %u", questions[q], i);
            cr_assert_eq(session.connection.barriers[0].lsn, wanted);
        }
    }
}

Test(session_supply, a_failed_journal_takes_none_and_shows_all)
{
    must("location_set", "['b', {}]", "lsn");
    must(steps[0].method, steps[0].params, steps[0].says);
    ledger_rig_drain(&session.rig);
    atomic_store(&session.service.log->failed, true);
    for (unsigned i = 1; i < STEPS; i++)
        must(steps[i].method, steps[i].params, "[\"read_only\", ");
    must("supply", "['e']",
         "\"kind\"=>\"expect\", \"from\"=>nil, \"location\"=>\"main\", \"ref\"=>\"PO\"}");
    must("supplies", "[]", "\"ref\"=>\"PO\"}], \"next\"=>nil}");
}

Test(session_supply, an_unknown_place_of_a_transfer_is_named)
{
    must("transfer", "['t', 'nowhere', 'main', [['S', 4]]]", "{\"location\"=>\"nowhere\"}");
    must("transfer", "['t', 'main', 'nowhere', [['S', 4]]]", "{\"location\"=>\"nowhere\"}");
}

/* ---- the list in parts ---- */

static unsigned count_of(const char *text, const char *words)
{
    unsigned count = 0;
    for (; (text = strstr(text, words)) != NULL; text++)
        count++;
    return count;
}

/* Turns until the reply comes. */
static const char *answer(unsigned *iterations)
{
    const char *got;
    for (*iterations = 1; strcmp(got = session_rig_text(&session), "(none)") == 0; ++*iterations) {
        cr_assert_lt(*iterations, 10000);
        cr_assert_eq(session.connection.stall, STALL_QUANTUM);
        session_rig_iteration(&session);
        session_rig_retry(&session);
    }
    return got;
}

static void must_expect(int i)
{
    char params[96];
    snprintf(params, sizeof params, "['e%02d', 'main', [['S', 1]]]", i);
    must("expect", params, "\"in_transit\"");
    ledger_rig_drain(&session.rig);
}

/* Few supplies among many other ids: the walk itself is in parts. */
Test(session_supply, a_list_is_answered_in_parts_by_the_ids_walked)
{
    enum { OTHERS = 6000, QUANTUM = 1000 };
    unsigned iterations;
    char params[64];
    must_expect(1);
    for (int i = 0; i < OTHERS; i++) {
        snprintf(params, sizeof params, "['r%d', 'S', 'main', 1]", i);
        must("receive", params, "on_hand");
        ledger_rig_drain(&session.rig);
    }
    must_expect(2);
    session.executor.quantum = QUANTUM;
    uint64_t asked_at = log_head(session.service.log);
    session_rig_ask(&session, 2, "supplies", "[]");
    cr_assert_not_null(session.connection.slicing);
    session_rig_ask(&session, 3, "ping", "[]");
    const char *got = answer(&iterations);
    cr_assert_gt(iterations, OTHERS / QUANTUM / 2);
    cr_assert_eq(count_of(got, "\"kind\"=>"), 2, "%s", got);
    snprintf(params, sizeof params, "{\"lsn\"=>%llu, \"supplies\"", (unsigned long long)asked_at);
    cr_assert(strstr(got, params), "wanted %s, got %s", params, got);
    cr_assert(strstr(answer(&iterations), "pong"), "in order");
    cr_assert_null(session.connection.slicing);
}

Test(session_supply, pages_follow_one_another_in_parts)
{
    enum { SUPPLIES = 20, LIMIT = 7 };
    unsigned iterations, seen = 0;
    char params[64] = "[{'limit': 7}]";
    for (int i = 0; i < SUPPLIES; i++)
        must_expect(i);
    session.executor.quantum = 1;
    for (;;) {
        session_rig_ask(&session, 2, "supplies", params);
        const char *got = answer(&iterations);
        unsigned count = count_of(got, "\"kind\"=>");
        seen += count;
        const char *next = strstr(got, "\"next\"=>\"");
        cr_assert_eq(next != NULL, count == LIMIT, "%s", got);
        if (!next)
            break;
        cr_assert_geq(iterations, LIMIT);
        snprintf(params, sizeof params, "[{'limit': 7, 'after': '%.3s'}]", next + 9);
    }
    cr_assert_eq(seen, SUPPLIES);
}

Test(session_supply, who_goes_in_the_middle_leaves_nothing)
{
    for (int i = 0; i < 20; i++)
        must_expect(i);
    session.executor.quantum = 1;
    session_rig_ask(&session, 2, "supplies", "[]");
    cr_assert_not_null(session.connection.slicing); /* the leak checker looks at the rest */
}

/* Nobody spins until a supply can be shown: the question is tried again. */
Test(session_supply, stock_waits_for_a_supply_that_is_being_changed)
{
    struct id_table *ids = &session.rig.ledger->ids;
    struct text id = text_of("e");
    struct id_entry *entry;
    uint64_t word;
    must("expect", "['e', 'main', [['S', 9]], {'eta_ms': 9000000}]", "\"id\"=>\"e\"");
    cr_assert_eq(id_table_find(ids, id, id_hash(ids, id), &entry, &word), ENTRY_FOUND);
    must("stock", "['S']", "(none)");
    session_rig_retry(&session);
    cr_assert_str_eq(session_rig_text(&session), "(none)");
    entry_put(entry, word);
    session_rig_retry(&session);
    const char *got = session_rig_text(&session);
    cr_assert(strstr(got, "\"supply\"=>\"e\""), "%s", got);
}
