/* SPDX-License-Identifier: Apache-2.0 */
/* What operations that set something share. */
#ifndef STOCKD_ENGINE_OPS_REGISTRY_H
#define STOCKD_ENGINE_OPS_REGISTRY_H

#include "engine/ledger/ctx.h"

/* Begins to write the catalogue: CODE_OK with catalogue_busy taken, or CODE_DEFERRED. */
enum code setting_begin(struct ctx *ctx);

#endif
