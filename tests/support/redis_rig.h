/* SPDX-License-Identifier: Apache-2.0 */
/* A redis-server of its own for a race test. Any failure ends the program. */
#ifndef STOCKD_TESTS_SUPPORT_REDIS_RIG_H
#define STOCKD_TESTS_SUPPORT_REDIS_RIG_H

#include <hiredis/hiredis.h>

#include "engine/base/text.h"
#include "mirror/mirror.h"
#include "tests/support/race_rig.h"

/* Starts it on a Unix socket in a directory of its own; it ends with the program. Without a
 * redis-server the program ends as skipped. */
void redis_start(void);

/* One command; %b in the format is the text. The caller frees the reply. */
redisReply *redis_ask(const char *format, struct text text);

/* A running mirror of the race's ledger into that Redis, with the reader's context given. */
struct mirror *redis_mirror(struct race *race, unsigned ctx);

#endif
