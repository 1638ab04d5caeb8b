/* SPDX-License-Identifier: Apache-2.0 */
/* One session rig for each test of a program: .init = open_session, .fini = close_session. */
#ifndef STOCKD_TESTS_SUPPORT_SESSION_FIXTURE_H
#define STOCKD_TESTS_SUPPORT_SESSION_FIXTURE_H

#include "tests/support/session_rig.h"

static struct session_rig session;

static void open_session(void)
{
    session_rig_open(&session, NULL, NULL);
}

static void close_session(void)
{
    session_rig_close(&session);
}

#endif
