/* SPDX-License-Identifier: Apache-2.0 */
/* Reports which replies are missing when a load does not end: on which connections, for how long,
 * and where the bytes are, as far as the kernel knows. */
#ifndef TOOLS_STOCKBENCH_MISSING_H
#define TOOLS_STOCKBENCH_MISSING_H

#include "tools/stockbench/stream.h"

/* On standard error: one line for all, and one for each of the first connections. `after`: the
 * seconds waited. Returns false. */
bool replies_missing(const struct load *load, unsigned after);

#endif
