/* SPDX-License-Identifier: Apache-2.0 */
/* Internal to replay: what comes up by itself is taken up, at a start, or when a ledger that has
 * followed another one goes on in its place. */
#ifndef STOCKD_ENGINE_REPLAY_TAKE_UP_H
#define STOCKD_ENGINE_REPLAY_TAKE_UP_H

#include "engine/ledger/ctx.h"

/* Before other threads: gives the contexts their time, and lists who was promised what. */
void take_up_begin(struct ledger *ledger, uint64_t engine_ms);
/* The workers' contexts take up their shares, see ledger_take_up. */
void take_up_later(struct ledger *ledger);

#endif
