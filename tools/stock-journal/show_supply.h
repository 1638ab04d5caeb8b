/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of supplies in records, as people read them. */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_SHOW_SUPPLY_H
#define STOCKD_TOOLS_STOCK_JOURNAL_SHOW_SUPPLY_H

#include <stdint.h>

#include "engine/log/record.h"
#include "tools/stock-journal/show.h"

void show_sold(struct shower *shower, const struct sold_line_record *lines, uint32_t count);
void show_supply_lines(struct shower *shower, const struct supply_line_record *lines,
                       uint32_t count);
void show_refused_lines(struct shower *shower, const struct refused_line *lines, uint32_t count);
void show_supply_moves(struct sink *sink, const struct move_record *moves, uint32_t count);

#endif
