/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of a life, as the protocol has them. */
#ifndef STOCKD_TESTS_CRASH_ASK_H
#define STOCKD_TESTS_CRASH_ASK_H

#include <stockd/client.h>

#include "tests/crash/life.h"

/* Sends it; a status of the client. */
int ask(stockd_client *client, const struct life *life, const struct op *op);

/* Has it an id of its own, so that it is answered as before if it is sent again? */
bool ask_repeats(const struct op *op);

#endif
