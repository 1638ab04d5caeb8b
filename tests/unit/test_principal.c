/* SPDX-License-Identifier: Apache-2.0 */
/* Who a connection's requests are from, and which of them may go to their methods. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>

#include "engine/log/record.h"
#include "protocol/address.h"
#include "protocol/admission.h"
#include "tests/support/session_fixture.h"

TestSuite(principal, .init = open_session, .fini = close_session);
TestSuite(admission, .init = open_session, .fini = close_session);

static struct principal *principal(void)
{
    return &session.connection.principal;
}

static const char *asked(const char *method, const char *params)
{
    session_rig_ask(&session, 7, method, params);
    return session_rig_text(&session);
}

static void must_ask(const char *method, const char *params)
{
    const char *got = asked(method, params);
    cr_assert(strstr(got, "[1, 7, nil, "), "%s %s: %s", method, params, got);
}

static void assert_principal(const char *name, uint16_t client)
{
    struct text got = principal_name(principal());
    cr_assert(text_equal(got, text_of(name)), "wanted \"%s\", got \"%.*s\"", name, (int)got.len,
              got.at);
    cr_assert_eq(principal()->client, client, "\"%s\" has the number %u", name,
                 principal()->client);
}

/* ---- who ---- */

Test(principal, nobody_is_named_before_hello)
{
    assert_principal("", 0);
    must_ask("ping", "[]");
    assert_principal("", 0);
}

Test(principal, hello_names_and_the_last_one_counts)
{
    must_ask("hello", "['web']");
    assert_principal("web", 1);
    must_ask("hello", "['point of sale']");
    assert_principal("point of sale", 2);
    must_ask("hello", "['web']");
    assert_principal("web", 1);
    must_ask("hello", "['']");
    assert_principal("", 0);
}

Test(principal, the_longest_name_is_kept_whole)
{
    char name[NAME_MAX_BYTES + 1], params[NAME_MAX_BYTES + 8];
    memset(name, 'n', NAME_MAX_BYTES);
    name[NAME_MAX_BYTES] = '\0';
    snprintf(params, sizeof params, "['%s']", name);
    must_ask("hello", params);
    assert_principal(name, 1);
}

Test(principal, a_refused_hello_changes_nothing)
{
    must_ask("hello", "['web']");
    const char *got = asked("hello", "['thief', {'token': 'secret'}]");
    cr_assert(strstr(got, "unauthorized"), "%s", got);
    got = asked("hello", "[5]");
    cr_assert(strstr(got, "client_name"), "%s", got);
    assert_principal("web", 1);
}

/* The journal cannot number a name any more, but who asks is known all the same. */
Test(principal, has_a_name_without_a_number_once_the_journal_has_failed)
{
    must_ask("hello", "['web']");
    atomic_store(&session.service.log->failed, true);
    must_ask("hello", "['late']");
    assert_principal("late", 0);
}

/* ---- in whose name ---- */

/* Of the last record of a change of stock. */
static uint16_t client_of_last(void)
{
    _Alignas(8) unsigned char record[RECORD_MAX];
    const struct record_head *head = (const struct record_head *)(const void *)record;
    unsigned client = UINT16_MAX + 1;
    ledger_rig_drain(&session.rig);
    for (size_t at = 0; at < session.rig.length;) {
        at += ledger_rig_record(&session.rig, at, record);
        if (head->type == RECORD_MOVEMENT)
            client = head->client;
    }
    cr_assert_leq(client, UINT16_MAX, "no change of stock was journalled");
    return (uint16_t)client;
}

Test(principal, each_change_is_journalled_in_its_name)
{
    must_ask("receive", "['r1', 'S', 'main', 1]");
    cr_assert_eq(client_of_last(), 0);
    must_ask("hello", "['web']");
    must_ask("receive", "['r2', 'S', 'main', 1]");
    cr_assert_eq(client_of_last(), 1);
    must_ask("hello", "['']");
    must_ask("receive", "['r3', 'S', 'main', 1]");
    cr_assert_eq(client_of_last(), 0);
}

/* One worker runs the requests of many: each one's changes are its own. */
Test(principal, connections_of_one_worker_do_not_mix)
{
    struct principal web, till = { 0 };
    must_ask("hello", "['web']");
    web = *principal();
    *principal() = till; /* as on another connection */
    must_ask("receive", "['r1', 'S', 'main', 1]");
    cr_assert_eq(client_of_last(), 0);
    must_ask("hello", "['till']");
    till = *principal();
    *principal() = web;
    must_ask("receive", "['r2', 'S', 'main', 1]");
    cr_assert_eq(client_of_last(), 1);
    *principal() = till;
    must_ask("receive", "['r3', 'S', 'main', 1]");
    cr_assert_eq(client_of_last(), 2);
}

/* ---- whether it may ---- */

/* Written out once more, by hand: every method, and whether it changes something. */
static const struct expected {
    const char *name;
    bool changes;
} expected[] = {
    { "reserve", true },      { "availability", false }, { "confirm", true },
    { "fulfil", true },       { "cancel", true },        { "extend", true },
    { "shift", true },        { "sold", true },          { "ready", true },
    { "restock", true },      { "amend", true },         { "move", true },
    { "reject", true },       { "orders", false },       { "events", false },
    { "reservation", false }, { "receive", true },       { "adjust", true },
    { "count", true },        { "return", true },        { "allot", true },
    { "stock", false },       { "history", false },      { "items", false },
    { "item", false },        { "location_set", true },  { "channel_set", true },
    { "item_set", true },     { "locations", false },    { "channels", false },
    { "changes", false },     { "subscribe", false },    { "ping", false },
    { "hello", false },       { "info", false },         { "mirror_take", false },
    { "check", false },       { "lookup", false },       { "calendar_set", true },
    { "stocking_set", true }, { "calendars", false },    { "stockings", false },
    { "promise", false },     { "locate", false },       { "expect", true },
    { "transfer", true },     { "ship", true },          { "arrive", true },
    { "reschedule", true },   { "withdraw", true },      { "supply", false },
    { "supplies", false },    { "report", false },
};

enum { METHODS = sizeof expected / sizeof *expected };

static struct call call_of(struct principal *by)
{
    return (struct call){ .service = &session.service,
                          .ctx = session.executor.ctx,
                          .principal = by,
                          .refusal = { .code = CODE_OK } };
}

/* Asks for each method, by each kind of principal. */
static void assert_admits(enum code of_changes)
{
    struct principal by[3] = { 0 };
    principal_identify(&by[1], text_of("numbered"), 7);
    principal_identify(&by[2], text_of("unnumbered"), 0);
    for (unsigned i = 0; i < 3 * METHODS; i++) {
        const struct expected *e = &expected[i / 3];
        struct call call = call_of(&by[i % 3]);
        enum code want = e->changes ? of_changes : CODE_OK;
        enum code refused = want == CODE_READ_ONLY ? want : CODE_OK;
        const struct method *method = method_named(text_of(e->name));
        cr_assert_not_null(method, "there is no %s", e->name);
        cr_assert_eq(admit(&call, method), want, "%s by \"%.*s\"", e->name,
                     (int)call.principal->name_length, call.principal->name);
        cr_assert_eq(call.refusal.code, refused, "%s", e->name);
    }
}

Test(admission, knows_every_method)
{
    unsigned count;
    methods_all(&count);
    cr_assert_eq(count, METHODS, "a method is missing in this test's table");
}

Test(admission, admits_everyone_to_every_method)
{
    assert_admits(CODE_OK);
}

Test(admission, refuses_changes_once_the_journal_has_failed)
{
    atomic_store(&session.service.log->failed, true);
    assert_admits(CODE_READ_ONLY);
}

static void fill_log(void)
{
    char params[64];
    for (unsigned i = 0; ledger_has_room(session.executor.ctx); i++) {
        snprintf(params, sizeof params, "['f%u', 'S', 'main', 1]", i);
        must_ask("receive", params);
    }
}

Test(admission, defers_changes_while_the_log_is_full)
{
    fill_log();
    assert_admits(CODE_DEFERRED);
    atomic_store(&session.service.log->failed, true);
    assert_admits(CODE_READ_ONLY);
}

/* No method takes six texts: so each is refused for its parameters, and not before. */
Test(admission, does_not_ask_where_a_caller_is)
{
    static const struct listener from[] = { { .unix_socket = true },
                                            { .fd = -1 },
                                            { .reach = REACH_ALL } };
    for (unsigned i = 0; i < METHODS; i++)
        for (unsigned k = 0; k < sizeof from / sizeof *from; k++) {
            session.connection.link.listener = &from[k];
            const char *got = asked(expected[i].name, "['?', '?', '?', '?', '?', '?']");
            cr_assert(strstr(got, "bad_request"), "%s, listener %u: %s", expected[i].name, k, got);
        }
}
