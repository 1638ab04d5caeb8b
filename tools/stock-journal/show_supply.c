/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stock-journal/show_supply.h"

void show_supply_lines(struct shower *shower, const struct supply_line_record *lines,
                       uint32_t count)
{
    char unknown[16];
    sink_list(&shower->sink, "lines");
    for (uint32_t i = 0; i < count; i++)
        sink_list_supply(&shower->sink, name_get(&shower->items, lines[i].item, unknown),
                         lines[i].qty);
    sink_list_end(&shower->sink);
}

void show_sold(struct shower *shower, const struct sold_line_record *lines, uint32_t count)
{
    char unknown[16];
    sink_list(&shower->sink, "lines");
    for (uint32_t i = 0; i < count; i++)
        sink_list_supply(&shower->sink, name_get(&shower->items, lines[i].item, unknown),
                         lines[i].qty);
    sink_list_end(&shower->sink);
}

void show_supply_moves(struct sink *sink, const struct move_record *moves, uint32_t count)
{
    sink_list(sink, "moves");
    for (uint32_t i = 0; i < count; i++)
        sink_list_move(sink, &moves[i]);
    sink_list_end(sink);
}

void show_refused_lines(struct shower *shower, const struct refused_line *lines, uint32_t count)
{
    char channel[16], item[16];
    sink_list(&shower->sink, "lines");
    for (uint32_t i = 0; i < count; i++)
        sink_list_refused(&shower->sink, name_get(&shower->channels, lines[i].channel, channel),
                          name_get(&shower->items, lines[i].item, item), &lines[i]);
    sink_list_end(&shower->sink);
}
