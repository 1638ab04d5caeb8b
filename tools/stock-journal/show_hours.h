/* SPDX-License-Identifier: Apache-2.0 */
/* Opening hours and dispatch times in records, as people write them. */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_SHOW_HOURS_H
#define STOCKD_TOOLS_STOCK_JOURNAL_SHOW_HOURS_H

#include <stdint.h>

#include "engine/log/record_layout.h"
#include "tools/stock-journal/sink.h"

/* Shows a list of SHOWN_MINUTES, SHOWN_WEEK, SHOWN_DATES or SHOWN_EXTRA; nothing if it is empty. */
void show_hours(struct sink *sink, const char *key, enum record_shown shown, const void *array,
                uint32_t count);

#endif
