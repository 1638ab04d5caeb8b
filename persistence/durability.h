/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reply waits for: its name for operators, and the policy over watermarks.
 *
 *                        replies may go               lost by kill -9   lost by a power cut
 *   DURABILITY_ALWAYS    once the batch is on disk    nothing           nothing
 *   DURABILITY_EVERYSEC  once the kernel has it       nothing           about a second, at the end
 *   DURABILITY_NONE      at once                      what was not      what the kernel had not
 *                                                     written yet       written back, at the end
 */
#ifndef STOCKD_PERSISTENCE_DURABILITY_H
#define STOCKD_PERSISTENCE_DURABILITY_H

#include <stdbool.h>

enum durability { DURABILITY_ALWAYS, DURABILITY_EVERYSEC, DURABILITY_NONE };

/* "always", "everysec", "none"; static. */
const char *durability_name(enum durability durability);
bool durability_parse(const char *name, enum durability *durability);

/* The watermarks that must pass a record before its reply may leave: bits 1 << enum watermark. */
unsigned durability_requires(enum durability durability);

#endif
