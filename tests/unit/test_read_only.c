/* SPDX-License-Identifier: Apache-2.0 */
/* Once the journal has failed nothing is claimed any more, and every question is answered. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/support/session_rig.h"

static struct session_rig session;

static void open_rig(void)
{
    session_rig_open(&session, NULL, NULL);
}

static void close_rig(void)
{
    session_rig_close(&session);
}

TestSuite(read_only, .init = open_rig, .fini = close_rig);

static void assert_says(const char *words)
{
    static char text[4096];
    msgpack_unpacked unpacked;
    cr_assert(session_rig_reply(&session, &unpacked), "no reply that says %s", words);
    msgpack_object_print_buffer(text, sizeof text, unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    cr_assert(strstr(text, words), "wanted %s, got %s", words, text);
}

Test(read_only, a_hold_that_is_due_stays_one)
{
    struct log *log = session.rig.config.log;
    struct seat *seat = session.executor.seat;
    session_rig_ask(&session, 1, "receive", "['r', 'S', 'main', 5]");
    session_rig_ask(&session, 2, "reserve", "['o', 'default', [['S', 1]], {'ttl_ms': 10}]");
    assert_says("on_hand");
    assert_says("held");
    atomic_store(&log->failed, true);
    uint64_t claimed = atomic_load(&log->tail);
    session.executor.engine_ms += 1000;
    session_rig_turn(&session);
    cr_assert_eq(ledger_expire(seat, 16), 0);
    cr_assert_eq(ledger_next_deadline(seat), UINT64_MAX, "the worker would wake for nothing");
    session_rig_ask(&session, 3, "reservation", "['o']");
    cr_assert_eq(session.connection.stall, STALL_NONE);
    assert_says("held");
    session_rig_ask(&session, 4, "confirm", "['o']");
    assert_says("read_only");
    cr_assert_eq(atomic_load(&log->tail), claimed);
}
