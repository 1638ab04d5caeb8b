/* SPDX-License-Identifier: Apache-2.0 */
/* The look for promises that have become short (engine/ops/shortages.h): part of the interface that
 * ledger.h begins. */
#ifndef STOCKD_ENGINE_LEDGER_SHORTAGES_H
#define STOCKD_ENGINE_LEDGER_SHORTAGES_H

#include "engine/ledger/ledger.h"

/* Looks whether pools have too little on hand for all that was promised of them, and records whose
 * promises are short: a bounded part of that, if any is due and no other context is at it. In an
 * iteration; any worker's context. */
void ledger_tell_shortages(struct ctx *ctx);
/* Engine time at which to call that again; UINT64_MAX: not before the log grows. */
uint64_t ledger_shortages_due(const struct ctx *ctx);
/* Of all changes up to there, what became short has been recorded. Any thread. */
uint64_t ledger_shortages_lsn(const struct ledger *ledger);

#endif
