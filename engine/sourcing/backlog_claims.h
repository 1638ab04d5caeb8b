/* SPDX-License-Identifier: Apache-2.0 */
/* What an item's backlog has a claim to before anyone else: rules B2 and B3 of store/backlog.h. */
#ifndef STOCKD_ENGINE_SOURCING_BACKLOG_CLAIMS_H
#define STOCKD_ENGINE_SOURCING_BACKLOG_CLAIMS_H

#include "engine/ledger/ctx.h"
#include "engine/store/backlog.h"

/* What `served` of a backlog says if it is served as of a number of gives, now. */
uint64_t backlog_served_word(const struct ctx *ctx, const struct backlog *backlog, uint32_t gives);

/* B2: is none of what is free now of any use to the item's backlog? own: gives that the caller has
 * begun itself and that free nothing, `under_way` of which have not ended. */
bool backlog_waits_in_vain(const struct ctx *ctx, uint32_t item, const struct backlog *backlog,
                           uint32_t own, uint32_t under_way);

/* How many of the units that are free now may be the backlog's. */
int64_t backlog_claims(const struct ctx *ctx, uint32_t item);

#endif
