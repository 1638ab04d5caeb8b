/* SPDX-License-Identifier: Apache-2.0 */
/* Rules C2 and C3 of sourcing/short_places.h: whoever takes free units leaves those that are to
 * stand in for what is short, and nobody makes anything short while some are free. */
#ifndef STOCKD_ENGINE_OPS_STAND_INS_H
#define STOCKD_ENGINE_OPS_STAND_INS_H

#include "engine/base/error.h"

struct ctx;

/* Once everything is taken: CODE_OK, or CODE_DEFERRED to undo it; then the pool is noted to be
 * swept. The takes must be tentative if items that may be short are among them. */
enum code stand_ins_check(struct ctx *ctx);

/* Once everything is taken, of a transaction that may leave pools of expected units short: CODE_OK,
 * or CODE_DEFERRED to undo it, because something is free now that is to stand in. Likewise
 * tentative. */
enum code stand_ins_none_left(struct ctx *ctx);

#endif
