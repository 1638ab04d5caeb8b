/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about the past as a connection sees them: asked, waited for, answered or refused. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/session_rig.h"

static struct session_rig session;

static void open_rig(void)
{
    session_rig_open(&session, NULL, NULL);
    session_rig_ask(&session, 1, "receive", "['r', 'S', 'main', 5]");
    msgpack_unpacked reply;
    cr_assert(session_rig_reply(&session, &reply));
    msgpack_unpacked_destroy(&reply);
}

static void close_rig(void)
{
    session_rig_close(&session);
}

TestSuite(session_history, .init = open_rig, .fini = close_rig);

static const char *reply(void)
{
    return session_rig_text(&session);
}

static void assert_says(const char *words)
{
    const char *got = reply();
    cr_assert(strstr(got, words), "wanted %s, got %s", words, got);
}

/* The rig answers as limit says: 6 is an answer. */
Test(session_history, a_request_waits_for_its_answer_and_others_behind_it)
{
    session_rig_ask(&session, 2, "history", "['S', {'limit': 6, 'since_lsn': 40}]");
    session_rig_ask(&session, 3, "ping", "[]");
    assert_says("(none)");
    cr_assert(session.connection.stall != STALL_NONE);
    session_rig_retry(&session);
    assert_says("\"lsn\"=>48");
    assert_says("pong");
    cr_assert_null(session.connection.awaited.query);
}

Test(session_history, stock_as_it_was_is_asked_for)
{
    session_rig_ask(&session, 2, "stock", "['S', {'at_lsn': 0}]");
    session_rig_retry(&session);
    assert_says("\"time_ms\"=>0");
    session_rig_ask(&session, 2, "stock", "['S', {}]");
    assert_says("\"on_hand\"=>5");
}

Test(session_history, each_outcome_has_its_error)
{
    static const struct {
        const char *limit, *words;
    } cases[] = {
        { "['S', {'limit': 7}]", "the journal ends at lsn" },
        { "['S', {'limit': 8}]", "the history kept begins at" },
        { "['S', {'limit': 9}]", "unknown_sku" },
        { "['S', {'limit': 10}]", "unreadable" },
        { "['S', {'limit': 11}]", "overloaded" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        session_rig_ask(&session, 2, "history", cases[i].limit);
        session_rig_retry(&session);
        assert_says(cases[i].words);
    }
}

static bool always_full(void *self, struct history_query *query, struct answer_box *box)
{
    (void)self;
    (void)query;
    (void)box;
    return false;
}

Test(session_history, too_many_questions_are_refused)
{
    session.history.ask = always_full;
    session_rig_ask(&session, 2, "history", "['S']");
    assert_says("overloaded");
    cr_assert_null(session.connection.awaited.query);
    cr_assert_eq(session.connection.stall, STALL_NONE);
}

static struct history_query *kept;

static bool keep(void *self, struct history_query *query, struct answer_box *box)
{
    (void)self;
    (void)box;
    kept = query;
    return true;
}

/* The answer must find nobody: the connection's memory is another's by then. */
Test(session_history, who_hangs_up_is_forgotten_by_the_question)
{
    session.history.ask = keep;
    session_rig_ask(&session, 2, "history", "['S']");
    cr_assert_eq(session.connection.stall, STALL_ANSWER);
    cr_assert_eq(kept->asker, &session.connection.awaited);
    awaited_drop(&session.connection.awaited);
    cr_assert_null(kept->asker);
    cr_assert(atomic_load(&kept->abandoned), "it is read on for nobody");
    history_query_free(kept);
}

/* ---- returns ---- */

static void ask_return(const char *params)
{
    session_rig_ask(&session, 2, "return", params);
}

Test(session_history, a_return_waits_for_evidence)
{
    session.evidence =
        (struct return_evidence){ .known = true, .state = "fulfilled", .fulfilled = 3 };
    ask_return("['b', 'S', 'main', 2, {'reservation': 'o'}]");
    session_rig_ask(&session, 3, "ping", "[]");
    assert_says("(none)");
    session_rig_retry(&session);
    assert_says("\"on_hand\"=>7");
    assert_says("pong");
    cr_assert_eq(session.queries, 1);
    cr_assert_null(session.connection.awaited.query);
    ask_return("['b', 'S', 'main', 2, {'reservation': 'o'}]"); /* known: at once */
    assert_says("\"on_hand\"=>7");
    ask_return("['c', 'S', 'main', 4, {'reservation': 'o'}]");
    session_rig_retry(&session);
    assert_says("\"state\"=>\"fulfilled\", \"sku\"=>\"S\", \"wanted\"=>4, \"left\"=>3");
    cr_assert_eq(session.queries, 2);
}

Test(session_history, a_return_that_names_no_reservation_asks_nothing)
{
    ask_return("['b', 'S', 'main', 2]");
    assert_says("\"on_hand\"=>7");
    ask_return("['c', 'S', 'main', 2, {'condition': 'damaged'}]");
    assert_says("\"on_hand\"=>7");
    ask_return("['d', 'none', 'main', 2, {'reservation': 'o'}]");
    assert_says("unknown_sku");
    cr_assert_eq(session.queries, 0);
}

Test(session_history, a_return_to_what_is_unknown)
{
    ask_return("['b', 'S', 'main', 2, {'reservation': 'ghost'}]");
    session_rig_retry(&session);
    assert_says("{\"id\"=>\"ghost\"}");
    cr_assert_null(session.connection.awaited.query);
}

Test(session_history, a_return_whose_evidence_comes_to_nothing)
{
    static const struct {
        enum history_outcome outcome;
        uint64_t behind;
        const char *words;
    } cases[] = {
        { HISTORY_FAILED, 0, "unreadable" },
        { HISTORY_STOPPED, 0, "overloaded" },
        { HISTORY_ANSWERED, 8, "overloaded" },
    };
    session.evidence = (struct return_evidence){ .known = true, .fulfilled = 3 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        session.outcome = cases[i].outcome;
        session.behind = cases[i].behind;
        ask_return("['b', 'S', 'main', 2, {'reservation': 'o'}]");
        session_rig_retry(&session);
        assert_says(cases[i].words);
        cr_assert_null(session.connection.awaited.query);
    }
    session.outcome = HISTORY_ANSWERED;
    session.behind = 0;
    ask_return("['b', 'S', 'main', 2, {'reservation': 'o'}]");
    session_rig_retry(&session);
    assert_says("\"on_hand\"=>7");
}

/* The journal fails while the answer is under way: the next request must not take it for its own.
 */
Test(session_history, an_answer_that_nobody_wants_any_more)
{
    session.evidence = (struct return_evidence){ .known = true, .fulfilled = 3 };
    ask_return("['b', 'S', 'main', 2, {'reservation': 'o'}]");
    atomic_store(&session.service.log->failed, true);
    session_rig_retry(&session);
    assert_says("read_only");
    cr_assert_null(session.connection.awaited.query);
    session_rig_ask(&session, 3, "history", "['S', {'limit': 6}]");
    session_rig_retry(&session);
    assert_says("\"events\"");
}
