/* SPDX-License-Identifier: Apache-2.0 */
/* A connection by itself: which bytes may leave at which LSN, and the room that a message took. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/session_fixture.h"

static struct connection *const connection = &session.connection;

TestSuite(connection, .init = open_session, .fini = close_session);

/* Ten bytes of a reply that waits for the LSN. */
static uint64_t reply_behind(uint64_t lsn, uint64_t iteration)
{
    uint64_t from = out_end(&connection->out);
    out_append(&connection->out, "0123456789", 10);
    connection_barrier(connection, from, lsn, iteration, 0);
    return from;
}

static void assert_may_leave(uint64_t acknowledged, uint64_t until)
{
    uint64_t got = connection_open_barriers(connection, acknowledged);
    cr_assert_eq(got, until, "at LSN %llu bytes up to %llu may leave, not %llu",
                 (unsigned long long)acknowledged, (unsigned long long)until,
                 (unsigned long long)got);
}

Test(connection, each_iterations_replies_wait_for_their_own_lsn)
{
    uint64_t first = reply_behind(100, 1), second = reply_behind(200, 2);
    assert_may_leave(99, first);
    assert_may_leave(199, second);
    assert_may_leave(200, out_end(&connection->out));
}

Test(connection, replies_of_one_iteration_wait_for_the_last_of_them)
{
    uint64_t first = reply_behind(100, 1);
    reply_behind(200, 1);
    assert_may_leave(100, first);
    assert_may_leave(199, first);
    assert_may_leave(200, out_end(&connection->out));
}

Test(connection, an_older_lsn_waits_behind_a_younger_one)
{
    uint64_t first = reply_behind(200, 1);
    reply_behind(100, 2);
    assert_may_leave(199, first);
    assert_may_leave(200, out_end(&connection->out));
}

Test(connection, more_iterations_than_barriers_wait_longer_and_never_shorter)
{
    uint64_t from[2 * BARRIERS_MAX];
    for (unsigned i = 0; i < 2 * BARRIERS_MAX; i++)
        from[i] = reply_behind(100 * (i + 1), i + 1);
    for (unsigned i = 0; i < 2 * BARRIERS_MAX; i++) {
        uint64_t until = connection_open_barriers(connection, 100 * (i + 1) - 1);
        cr_assert_leq(until, from[i], "reply %u leaves before its change is durable", i);
    }
    assert_may_leave(100 * 2 * BARRIERS_MAX, out_end(&connection->out));
}

/* A ping with too many parameters. In two pieces it is kept until its end has come. */
static void feed_large(size_t length)
{
    unsigned char *bytes = calloc(1, length + 16);
    cr_assert_not_null(bytes);
    static const unsigned char head[] = { 0x94, 0, 7, 0xa4, 'p', 'i', 'n', 'g', 0x91, 0xc6 };
    memcpy(bytes, head, sizeof head);
    for (unsigned i = 0; i < 4; i++)
        bytes[sizeof head + i] = (unsigned char)(length >> (24 - 8 * i));
    size_t all = sizeof head + 4 + length;
    size_t first = all - 1;
    session_rig_feed(&session, bytes, first);
    cr_assert_geq(connection->input.capacity, first);
    session_rig_feed(&session, bytes + first, all - first);
    cr_assert_eq(input_length(&connection->input), 0);
    free(bytes);
}

Test(connection, the_room_of_a_large_message_is_given_back)
{
    feed_large(200 << 10);
    cr_assert_eq(connection->input.capacity, 0, "%u bytes are kept for nothing",
                 connection->input.capacity);
    feed_large(2 << 10);
    cr_assert_gt(connection->input.capacity, 0, "a small message's room is used again");
}

/* ---- its life ---- */

enum { STATES = CONNECTION_STATES };

/* Written out once more, by hand: from the row's state to the column's. */
static const bool allowed[STATES][STATES] = {
    /* to:  OPEN HALF_CLOSED CLOSING DRAINING LINGERING BROKEN */
    [CONNECTION_OPEN] = { false, true, true, false, false, true },
    [CONNECTION_HALF_CLOSED] = { false, false, false, true, false, true },
    [CONNECTION_CLOSING] = { false, false, false, true, true, true },
    [CONNECTION_DRAINING] = { false, false, false, false, false, true },
    [CONNECTION_LINGERING] = { false, false, false, true, false, true },
    [CONNECTION_BROKEN] = { false, false, false, false, false, false },
};

Test(connection, has_the_states_and_no_steps_but_those_of_the_table)
{
    for (unsigned from = 0; from < STATES; from++)
        for (unsigned to = 0; to < STATES; to++) {
            cr_assert_eq(connection_may_become(from, to), allowed[from][to], "from %u to %u", from,
                         to);
            connection->state = from;
            if (allowed[from][to]) {
                connection_become(connection, to);
                cr_assert_eq(connection->state, to);
            }
        }
}

/* The process ends for a step that is not in the table, whichever it is. */
Test(connection, stops_at_a_step_that_is_not_allowed)
{
    for (unsigned from = 0; from < STATES; from++)
        for (unsigned to = 0; to < STATES; to++) {
            int status;
            if (allowed[from][to])
                continue;
            pid_t child = fork();
            cr_assert_geq(child, 0);
            if (child == 0) {
                close(STDERR_FILENO); /* the assertion says what the test expects */
                signal(SIGABRT, SIG_DFL);
                connection->state = from;
                connection_become(connection, to);
                _exit(0);
            }
            cr_assert_eq(waitpid(child, &status, 0), child);
            cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "from %u to %u", from,
                      to);
        }
}

Test(connection, knows_in_each_state_what_the_end_of_input_and_of_requests_mean)
{
    static const enum connection_state after_input[STATES] = {
        [CONNECTION_OPEN] = CONNECTION_HALF_CLOSED,
        [CONNECTION_HALF_CLOSED] = CONNECTION_HALF_CLOSED, /* told twice: it is known */
        [CONNECTION_CLOSING] = CONNECTION_DRAINING,
        [CONNECTION_DRAINING] = CONNECTION_DRAINING,
        [CONNECTION_LINGERING] = CONNECTION_DRAINING,
        [CONNECTION_BROKEN] = CONNECTION_BROKEN,
    };
    for (unsigned from = 0; from < STATES; from++) {
        connection->state = from;
        connection_end_input(connection);
        cr_assert_eq(connection->state, after_input[from], "from %u", from);
    }
    connection->state = CONNECTION_OPEN;
    connection_end_requests(connection);
    cr_assert_eq(connection->state, CONNECTION_CLOSING);
    connection->state = CONNECTION_HALF_CLOSED;
    connection_end_requests(connection);
    cr_assert_eq(connection->state, CONNECTION_DRAINING);
}

Test(connection, does_requests_while_it_is_open_or_half_closed)
{
    for (unsigned state = 0; state < STATES; state++) {
        connection->state = state;
        cr_assert_eq(connection_takes_requests(connection),
                     state == CONNECTION_OPEN || state == CONNECTION_HALF_CLOSED);
        cr_assert_eq(connection_input_ended(connection),
                     state == CONNECTION_HALF_CLOSED || state == CONNECTION_DRAINING);
        cr_assert_eq(connection_is_broken(connection), state == CONNECTION_BROKEN);
    }
}
