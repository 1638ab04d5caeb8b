/* SPDX-License-Identifier: Apache-2.0 */
/* How far a recovery is, for the log. */
#ifndef STOCKD_TOOLS_STOCKD_PROGRESS_H
#define STOCKD_TOOLS_STOCKD_PROGRESS_H

#include <stdint.h>

/* A line a second, once recovery takes so long that an operator may wonder. A start that is
 * refused earlier says only why. */
void show_progress(void *context, uint64_t done, uint64_t total);

#endif
