/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of held messages when the journal fails, and how long their list gets. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/session_fixture.h"

static struct connection *const connection = &session.connection;

TestSuite(held, .init = open_session, .fini = close_session);

/* A reply to msgid that tells of a change up to the LSN; one that waits makes a reply barrier. */
static void reply(uint32_t msgid, uint64_t lsn)
{
    uint64_t from = out_end(&connection->out);
    unsigned char bytes[] = { 0x94, 0x01, (unsigned char)msgid, 0xc0,
                              0xc3 }; /* [1, id, nil, true] */
    out_append(&connection->out, bytes, sizeof bytes);
    if (lsn > 0)
        connection_barrier(connection, from, lsn, msgid, 0);
    connection_hold(connection,
                    &(struct held_message){ .offset = from, .lsn = lsn, .msgid = msgid });
}

static void notify(void)
{
    static const unsigned char bytes[] = { 0x93, 0x02, 0xa1, 'n', 0x90 };
    uint64_t from = out_end(&connection->out);
    out_append(&connection->out, bytes, sizeof bytes);
    connection_hold(connection, &(struct held_message){ .offset = from, .notification = true });
}

static void assert_next(const char *words)
{
    const char *got = session_rig_text(&session);
    cr_assert(strstr(got, words), "wanted %s, got %s", words, got);
}

static void assert_no_more(void)
{
    cr_assert_eq(out_unsent(&connection->out), 0);
}

Test(held, each_message_gets_what_its_lsn_deserves)
{
    reply(1, 100);
    reply(2, 0);
    notify();
    reply(3, 200);
    notify();
    notify();
    reply(4, 0);
    reply(5, 0);
    cr_assert(connection_refuse_held(connection, 100, "no disk"));
    cr_assert_eq(connection->barrier_count, 0);
    assert_next("[1, 1, nil, true]");
    assert_next("[1, 2, nil, true]");
    assert_next("[2, \"n\""); /* only the first reply barrier was before it */
    assert_next("[1, 3, [\"read_only\"");
    assert_next("[1, 4, nil, true]");
    assert_next("[1, 5, nil, true]");
    assert_no_more();
}

/* A reply barrier that opens may stand in the middle of messages that are listed as one. */
Test(held, what_a_barrier_let_through_is_not_touched)
{
    reply(1, 100);
    notify();
    uint64_t from = out_end(&connection->out);
    notify();
    connection_barrier(connection, from, 200, 9, 0);
    reply(2, 0);
    cr_assert_eq(connection_open_barriers(connection, 100), from);
    cr_assert(connection_refuse_held(connection, 150, "no disk"));
    assert_next("[1, 1, nil, true]");
    assert_next("[2, \"n\"");
    assert_next("[1, 2, nil, true]");
    assert_no_more();
}

Test(held, small_replies_behind_a_barrier_make_no_long_list)
{
    reply(1, 100);
    for (uint32_t i = 0; i < 10000; i++)
        reply(2, 0);
    for (uint32_t i = 0; i < 10000; i++)
        notify();
    cr_assert_eq(connection->held.count, 3);
}

Test(held, the_list_gives_back_what_was_let_through)
{
    enum { STEPS = 100000, WINDOW = 50 };
    for (uint64_t lsn = 1; lsn <= STEPS; lsn++) {
        reply((uint32_t)(lsn % 100), lsn);
        if (lsn % WINDOW != 0)
            continue;
        uint64_t to = connection_open_barriers(connection, lsn - WINDOW / 2);
        out_consume(&connection->out, (size_t)(to - connection->out.sent));
    }
    cr_assert_leq(connection->held.capacity, 256);
    connection_open_barriers(connection, STEPS);
    cr_assert_eq(connection->held.count, 0);
}

Test(held, nothing_is_listed_where_nothing_waits)
{
    reply(1, 0);
    notify();
    cr_assert_eq(connection->held.count, 0);
    cr_assert(connection_refuse_held(connection, 0, "no disk"));
    assert_next("[1, 1, nil, true]");
    assert_next("[2, \"n\"");
    assert_no_more();
}
