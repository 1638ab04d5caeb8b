/* SPDX-License-Identifier: Apache-2.0 */
/* The server's limits, of the options and of what the system allows. */
#ifndef STOCKD_TOOLS_STOCKD_LIMITS_H
#define STOCKD_TOOLS_STOCKD_LIMITS_H

#include "protocol/call.h"
#include "tools/stockd/options.h"

/* Raises the descriptor limit as far as allowed, and logs it if that is too little. */
struct service_limits limits_of_options(const struct options *options);

#endif
