/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_WHEN_H
#define STOCKD_TOOLS_STOCK_JOURNAL_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* An LSN, or a time such as "2025-03-01", "2025-03-01T14:05" or "2025-03-01T14:05:00", local or
 * with a Z: then *by_time, and *value in ms since 1970. False, and a line on stderr that names the
 * option: it is neither. */
bool when_parse(const char *option, const char *text, bool *by_time, uint64_t *value);

#endif
