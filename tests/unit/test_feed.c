/* SPDX-License-Identifier: Apache-2.0 */
/* The change feed without sockets: pages of `changes`, walks of subscribers, and what they wait
 * for. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "tests/support/session_rig.h"

static struct session_rig session;
static struct feed_slice slice;
static struct subscription *told;

static void set_up(void)
{
    session_rig_open(&session, NULL, NULL);
    out_init(&slice.out, &session.chunks);
    told = &session.connection.feed.subscription;
}

static void tear_down(void)
{
    feed_drop_slice(&slice);
    session_rig_close(&session);
}

TestSuite(feed, .init = set_up, .fini = tear_down);

/* The next message as text; what is in the log is drained before. */
static const char *message(void)
{
    return session_rig_text(&session);
}

static void assert_message(const char *expected)
{
    const char *got = message();
    cr_assert_str_eq(got, expected, "got %s", got);
}

static const char *asked(const char *method, const char *params)
{
    session_rig_ask(&session, 7, method, params);
    ledger_rig_drain(&session.rig);
    return message();
}

static uint64_t head(void)
{
    return log_head(session.service.log);
}

static uint64_t receive(const char *sku, int qty)
{
    static unsigned next;
    char params[128];
    snprintf(params, sizeof params, "['m%u', '%s', 'main', %d]", ++next, sku, qty);
    const char *got = asked("receive", params);
    cr_assert(strstr(got, "on_hand"), "%s", got);
    return head();
}

/* ---- changes ---- */

static const char *changes(uint64_t since, const char *options)
{
    char params[128];
    snprintf(params, sizeof params, "[%llu, %s]", (unsigned long long)since, options);
    return asked("changes", params);
}

static void assert_changes(uint64_t since, const char *options, const char *rows, uint64_t next)
{
    char expected[4096];
    snprintf(expected, sizeof expected,
             "[1, 7, nil, {\"lsn\"=>%llu, \"changes\"=>[%s], \"next\"=>%llu, \"resync\"=>false}]",
             (unsigned long long)head(), rows, (unsigned long long)next);
    const char *got = changes(since, options);
    cr_assert_str_eq(got, expected, "got %s, not %s", got, expected);
}

Test(feed, a_page_takes_the_oldest_changes)
{
    char rows[256];
    uint64_t lsns[5];
    for (int i = 0; i < 5; i++) {
        snprintf(rows, sizeof rows, "s%d", i);
        lsns[i] = receive(rows, i + 1);
    }
    receive("s0", 1); /* the oldest is the newest now */
    snprintf(rows, sizeof rows, "[\"default\", \"s1\", 2, %llu], [\"default\", \"s2\", 3, %llu]",
             (unsigned long long)lsns[1], (unsigned long long)lsns[2]);
    assert_changes(0, "{'limit': 2}", rows, lsns[2]);
    snprintf(rows, sizeof rows, "[\"default\", \"s0\", 2, %llu]", (unsigned long long)head());
    assert_changes(lsns[4], "{'limit': 1}", rows, head());
    assert_changes(head(), "nil", "", head());
}

Test(feed, the_smallest_raises_are_found_among_many)
{
    char sku[16];
    uint64_t lsns[300];
    for (unsigned i = 0; i < 300; i++) { /* so that marks do not rise with indexes */
        snprintf(sku, sizeof sku, "s%u", i);
        receive(sku, 1);
    }
    uint64_t since = head();
    for (unsigned i = 0; i < 300; i++) {
        snprintf(sku, sizeof sku, "s%u", i * 7 % 300);
        lsns[i] = receive(sku, 1);
    }
    for (unsigned limit = 1; limit < 230; limit += 37) {
        char options[32], next[32];
        snprintf(options, sizeof options, "{'limit': %u}", limit);
        snprintf(next, sizeof next, "\"next\"=>%llu,", (unsigned long long)lsns[limit - 1]);
        cr_assert(strstr(changes(since, options), next), "limit %u", limit);
    }
}

Test(feed, a_reply_waits_for_all_that_it_shows)
{
    receive("tea", 5);
    uint64_t acknowledged = head();
    struct connection *connection = &session.connection;
    connection_open_barriers(connection, acknowledged);
    atomic_store(&session.service.log->acknowledged, acknowledged);
    asked("changes", "[0]");
    cr_assert_eq(connection->barrier_count, 0);
    session_rig_iteration(&session);
    session_rig_ask(&session, 8, "receive", "['x', 'tea', 'main', 1]"); /* not drained yet */
    message();
    connection_open_barriers(connection, UINT64_MAX);
    session_rig_iteration(&session);
    session_rig_ask(&session, 9, "changes", "[0]");
    cr_assert_eq(connection->barrier_count, 1);
    cr_assert_eq(connection->barriers[0].lsn, atomic_load(&session.service.log->tail));
    cr_assert_gt(connection->barriers[0].lsn, head());
    /* And when the journal fails, what it shows may never have been: although its lsn is good. */
    cr_assert(connection_refuse_held(connection, acknowledged, "no disk"));
    cr_assert(strstr(message(), "read_only"));
}

/* Else who goes on from there would never hear of what else is up to that lsn. */
Test(feed, a_row_says_no_more_than_its_page)
{
    char expected[160];
    unsigned long long lsn = receive("tea", 5);
    session_rig_ask(&session, 8, "receive", "['x', 'tea', 'main', 1]"); /* not drained yet */
    message();
    session_rig_ask(&session, 9, "changes", "[0]");
    snprintf(expected, sizeof expected,
             "[1, 9, nil, {\"lsn\"=>%llu, \"changes\"=>[[\"default\", \"tea\", 6, %llu]], "
             "\"next\"=>%llu, \"resync\"=>false}]",
             lsn, lsn, lsn);
    assert_message(expected);
}

Test(feed, a_take_that_has_not_claimed_yet_is_waited_for)
{
    struct ctx *ctx = session.executor.ctx;
    receive("tea", 5);
    takes_begin(ctx);
    session_rig_ask(&session, 9, "changes", "[0]");
    cr_assert_eq(session.connection.stall, STALL_DEFERRED);
    assert_message("(none)");
    takes_end(ctx);
    session_rig_retry(&session);
    cr_assert(strstr(message(), "\"tea\", 5"));
}

/* A channel is swapped in before its record is in the log: a page that ends before has none of it.
 */
Test(feed, a_channel_that_is_being_set_is_of_a_later_page)
{
    char nothing[128], params[32];
    receive("tea", 5);
    uint64_t since = head();
    snprintf(params, sizeof params, "[%llu]", (unsigned long long)since);
    snprintf(nothing, sizeof nothing,
             "[1, 9, nil, {\"lsn\"=>%llu, \"changes\"=>[], \"next\"=>%llu, \"resync\"=>false}]",
             (unsigned long long)since, (unsigned long long)since);
    session_rig_ask(&session, 8, "channel_set", "['web', {'buffer': 2}]"); /* not drained yet */
    message();
    session_rig_ask(&session, 9, "changes", params);
    assert_message(nothing);
    ledger_rig_drain(&session.rig);
    session_rig_ask(&session, 9, "changes", params);
    const char *got = message();
    cr_assert(strstr(got, "[\"web\", \"tea\", 3, "), "%s", got);
}

/* ---- subscribers ---- */

/* One part of the walk, if there is one. */
static bool tell(void)
{
    struct feed_view view = feed_look(session.rig.ledger, session.executor.ctx, told->channel);
    if (!feed_begin_walk(told, head()) || !feed_make_slice(&slice, &view, told))
        return false;
    uint64_t from = out_end(&session.connection.out);
    feed_give_slice(told, &session.connection.out, &slice);
    if (out_end(&session.connection.out) > from) {
        connection_barrier(&session.connection, from, slice.shown_until, session.executor.iteration,
                           0);
        connection_hold(&session.connection,
                        &(struct held_message){ .offset = from, .notification = true });
    }
    feed_drop_slice(&slice);
    return true;
}

Test(feed, a_walk_tells_what_has_changed_and_where_it_ended)
{
    char expected[128];
    cr_assert(strstr(asked("subscribe", "[{'progress': true}]"), "\"lsn\"=>0"));
    cr_assert_not(tell());
    uint64_t lsn = receive("tea", 5);
    cr_assert(tell());
    snprintf(expected, sizeof expected, "[2, \"changed\", [\"default\", \"tea\", 5, %llu]]",
             (unsigned long long)lsn);
    assert_message(expected);
    snprintf(expected, sizeof expected, "[2, \"current\", [%llu]]", (unsigned long long)lsn);
    assert_message(expected);
    assert_message("(none)");
    cr_assert_not(tell());
}

Test(feed, what_still_changes_is_passed_over_once_and_then_told)
{
    asked("subscribe", "[]");
    receive("cup", 1);
    receive("tea", 5);
    session_rig_ask(&session, 7, "receive", "['late', 'tea', 'main', 1]"); /* not drained */
    message();
    cr_assert(tell());
    cr_assert(strstr(message(), "\"cup\", 1"));
    assert_message("(none)");
    cr_assert(told->eager);
    ledger_rig_drain(&session.rig);
    session_rig_ask(&session, 7, "receive", "['later', 'tea', 'main', 1]"); /* again */
    message();
    cr_assert(tell());
    cr_assert(strstr(message(), "\"tea\", 7"));
    cr_assert_not(told->eager);
}

Test(feed, a_long_walk_is_told_in_parts_that_others_share)
{
    char sku[16];
    for (unsigned i = 0; i < 600; i++) {
        snprintf(sku, sizeof sku, "s%u", i);
        receive(sku, 1);
    }
    asked("subscribe", "[{'since_lsn': 0}]");
    unsigned parts = 0, rows = 0;
    while (tell()) {
        parts++;
        cr_assert(parts < 100, "the walk never ends");
        while (strstr(message(), "changed"))
            rows++;
        if (parts == 1)
            receive("s1", 1); /* it was told already: the next walk tells it again */
    }
    cr_assert_eq(parts, 4);
    cr_assert_eq(rows, 601);

    struct subscription other = *told;
    struct feed_view view = feed_look(session.rig.ledger, session.executor.ctx, told->channel);
    receive("s2", 1);
    cr_assert(feed_begin_walk(told, head()));
    cr_assert(feed_begin_walk(&other, head()));
    cr_assert(feed_make_slice(&slice, &view, told));
    slice.given = true;
    cr_assert(feed_make_slice(&slice, &view, &other));
    cr_assert(slice.given, "it is the same one");
    other.cursor++;
    cr_assert(feed_make_slice(&slice, &view, &other));
    cr_assert_not(slice.given);
}

Test(feed, a_slice_is_not_made_while_a_take_has_not_claimed)
{
    asked("subscribe", "[]");
    receive("tea", 5);
    takes_begin(session.executor.ctx);
    cr_assert_not(tell());
    takes_end(session.executor.ctx);
    cr_assert(tell());
    cr_assert_eq(slice.shown_until, atomic_load(&session.service.log->tail));
}

Test(feed, notifications_that_wait_for_a_failed_journal_are_dropped)
{
    asked("subscribe", "[]");
    receive("tea", 5);
    connection_open_barriers(&session.connection,
                             UINT64_MAX); /* what was asked so far was answered */
    cr_assert(tell());
    session_rig_ask(&session, 9, "ping", "[]");
    cr_assert(connection_refuse_held(&session.connection, 0, "no disk"));
    assert_message("[1, 9, nil, \"pong\"]");
    assert_message("(none)");
}

Test(feed, a_channel_is_told_only_what_touches_it)
{
    receive("tea", 5);
    asked("channel_set", "['web', {'buffer': 1}]");
    asked("subscribe", "[{'channel': 'web'}]");
    asked("channel_set", "['default', {'buffer': 2}]");
    cr_assert(tell());
    assert_message("(none)");
    asked("channel_set", "['web', {'buffer': 3}]");
    cr_assert(tell());
    cr_assert(strstr(message(), "[\"web\", \"tea\", 2, "));
    asked("location_set", "['new', {}]");
    cr_assert(tell());
    cr_assert(strstr(message(), "[\"web\", \"tea\", 2, "));
    assert_message("(none)");
}
