/* SPDX-License-Identifier: Apache-2.0 */
/* The sizes of the ledger and the limits of the server, of the options and of what the system
 * allows. */
#ifndef STOCKD_TOOLS_STOCKD_LIMITS_H
#define STOCKD_TOOLS_STOCKD_LIMITS_H

#include "engine/ledger/ledger.h"
#include "protocol/call.h"
#include "tools/stockd/options.h"

/* But for its hash seed. The log and the zones outlive the ledger. */
struct ledger_config ledger_of_options(const struct options *options, struct log *log,
                                       const struct zone_source *zones);

/* Raises the descriptor limit as far as allowed, and logs it if that is too little. */
struct service_limits limits_of_options(const struct options *options);

#endif
