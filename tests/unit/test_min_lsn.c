/* SPDX-License-Identifier: Apache-2.0 */
/* The option min_lsn: a question waits until the log has come to that LSN. And the role: a node
 * that is no primary refuses changes, and says who takes them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "protocol/methods.h"
#include "tests/support/session_fixture.h"

TestSuite(min_lsn, .init = open_session, .fini = close_session);
TestSuite(role, .init = open_session, .fini = close_session);

static void ask(const char *method, const char *params)
{
    session_rig_ask(&session, 7, method, params);
}

static void assert_says(const char *words)
{
    const char *got = session_rig_text(&session);
    cr_assert(strstr(got, words), "wanted %s, got %s", words, got);
}

static void assert_waits(void)
{
    const char *got = session_rig_text(&session);
    cr_assert_str_eq(got, "(none)", "got %s", got);
    cr_assert_eq(session.connection.stall, STALL_LSN);
}

static uint64_t head(void)
{
    return log_head(session.service.log);
}

static void receive(const char *id)
{
    char params[64];
    snprintf(params, sizeof params, "['%s', 'S', 'main', 10]", id);
    ask("receive", params);
    assert_says("\"on_hand\"=>");
    ledger_rig_drain(&session.rig);
}

static void pass_ms(uint64_t ms)
{
    session.executor.steady_ms += ms;
    session.executor.steady_ns += ms * 1000000;
    session_rig_retry(&session);
}

Test(min_lsn, is_an_option_of_each_question)
{
    static const struct {
        const char *method, *before;
    } cases[] = {
        { "availability", "'default', ['S'], " },
        { "promise", "'default', [['S', 1]], " },
        { "locate", "'default', [['S', 1]], " },
        { "reservation", "'o', " },
        { "orders", "" },
        { "supply", "'o', " },
        { "supplies", "" },
        { "stock", "'S', " },
        { "items", "0, " },
        { "item", "'S', " },
        { "lookup", "'S', " },
        { "locations", "" },
        { "channels", "" },
        { "calendars", "" },
        { "stockings", "" },
        { "changes", "0, " },
        { "events", "0, " },
    };
    receive("r");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char params[96];
        snprintf(params, sizeof params, "[%s{'min_lsn': %llu}]", cases[i].before,
                 (unsigned long long)head());
        ask(cases[i].method, params);
        const char *got = session_rig_text(&session);
        cr_assert(!strstr(got, "bad_request") && !strstr(got, "(none)"), "%s: %s", cases[i].method,
                  got);
        snprintf(params, sizeof params, "[%s{'min_lsn': %llu}]", cases[i].before,
                 (unsigned long long)head() + 8);
        ask(cases[i].method, params);
        assert_waits();
        pass_ms(2000);
        assert_says("[\"overloaded\", ");
    }
}

Test(min_lsn, waits_for_the_log)
{
    char params[96];
    receive("r");
    snprintf(params, sizeof params, "['default', ['S'], {'min_lsn': %llu}]",
             (unsigned long long)head() + 8);
    ask("availability", params);
    assert_waits();
    pass_ms(1999);
    assert_waits();
    struct movement_result result;
    struct movement m = {
        .id = text_of("other"), .sku = text_of("S"), .location = text_of("main"), .qty = 5
    };
    cr_assert_eq(ledger_receive(session.executor.ctx, &m, &result), CODE_OK);
    ledger_rig_drain(&session.rig);
    pass_ms(0);
    assert_says("\"stock\"=>[15]");
    cr_assert_eq(session.connection.stall, STALL_NONE);
}

Test(min_lsn, is_refused_where_it_is_no_option)
{
    ask("ping", "[{'min_lsn': 1}]");
    assert_says("bad_request");
    ask("receive", "['r', 'S', 'main', 1, {'min_lsn': 1}]");
    assert_says("bad_request");
    ask("availability", "['default', ['S'], {'min_lsn': -1}]");
    assert_says("bad_request");
    ask("availability", "['default', ['S'], {'least_lsn': 1}]");
    assert_says("unknown option");
    ask("availability", "['default', ['S'], {'min_lsn': nil}]");
    assert_says("\"stock\"=>");
}

static struct role role;

static void be_standby(const char *address, uint64_t term)
{
    struct primary primary = { .term = term };
    snprintf(primary.address, sizeof primary.address, "%s", address);
    role_init(&role, ROLE_STANDBY);
    role_set(&role, ROLE_STANDBY, &primary);
    session.service.role = &role;
    session.executor.refuses_changes = true;
}

Test(role, refuses_each_change_and_no_question)
{
    unsigned count;
    const struct method *methods = methods_all(&count);
    be_standby("one.example:7400", 3);
    for (unsigned i = 0; i < count; i++) {
        ask(methods[i].name, "[]");
        const char *got = session_rig_text(&session);
        bool refused = strstr(got, "[\"not_primary\", ") != NULL;
        cr_assert_eq(refused, (methods[i].needs & NEED_LOG) != 0, "%s: %s", methods[i].name, got);
        if (refused)
            cr_assert(strstr(got, "{\"address\"=>\"one.example:7400\", \"term\"=>3}"), "%s", got);
    }
}

Test(role, knows_of_no_primary)
{
    be_standby("", 0);
    ask("reserve", "['o', 'default', [['S', 1]]]");
    assert_says("{\"address\"=>nil, \"term\"=>0}");
    ask("info", "[]");
    assert_says("\"role\"=>\"standby\"");
}

Test(role, writes_a_name_down_with_the_first_change)
{
    uint64_t before = head();
    be_standby("", 0);
    ask("hello", "['till 4']");
    assert_says("\"server\"=>");
    ledger_rig_drain(&session.rig);
    cr_assert_eq(head(), before, "a standby writes nothing");
    role_set(&role, ROLE_PRIMARY, &(struct primary){ .term = 4 });
    session.executor.refuses_changes = false;
    receive("r");
    cr_assert_eq(session.connection.principal.client, 1);
    struct text name = ledger_client_name(session.executor.ctx, 1);
    cr_assert(text_equal(name, text_of("till 4")));
    ask("info", "[]");
    assert_says("\"role\"=>\"primary\"");
}
