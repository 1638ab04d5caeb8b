/* SPDX-License-Identifier: Apache-2.0 */
/* Once the journal has failed nothing is claimed any more, and every question is answered. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/support/session_fixture.h"

TestSuite(read_only, .init = open_session, .fini = close_session);

static void assert_says(const char *words)
{
    const char *got = session_rig_text(&session);
    cr_assert(strstr(got, words), "wanted %s, got %s", words, got);
}

Test(read_only, a_hold_that_is_due_stays_one)
{
    struct log *log = session.rig.config.log;
    struct ctx *ctx = session.executor.ctx;
    session_rig_ask(&session, 1, "receive", "['r', 'S', 'main', 5]");
    session_rig_ask(&session, 2, "reserve", "['o', 'default', [['S', 1]], {'ttl_ms': 10}]");
    assert_says("on_hand");
    assert_says("held");
    atomic_store(&log->failed, true);
    uint64_t claimed = atomic_load(&log->tail);
    session.executor.engine_ms += 1000;
    session_rig_iteration(&session);
    cr_assert_eq(ledger_expire(ctx, 16), 0);
    cr_assert_eq(ledger_next_deadline(ctx), UINT64_MAX, "the worker would wake for nothing");
    session_rig_ask(&session, 3, "reservation", "['o']");
    cr_assert_eq(session.connection.stall, STALL_NONE);
    assert_says("held");
    session_rig_ask(&session, 4, "confirm", "['o']");
    assert_says("read_only");
    cr_assert_eq(atomic_load(&log->tail), claimed);
}
