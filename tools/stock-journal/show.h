/* SPDX-License-Identifier: Apache-2.0 */
/* Records for people and programs to read. */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_SHOW_H
#define STOCKD_TOOLS_STOCK_JOURNAL_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/log/log.h"
#include "tools/stock-journal/names.h"
#include "tools/stock-journal/sink.h"

struct shower {
    struct sink sink;
    struct name_table items, locations, channels, calendars, clients;
};

/* "movement", "reserve" and so on; NULL for a type that this program does not know. */
const char *record_type_name(unsigned type);

/* False: out of memory. */
bool shower_init(struct shower *shower, bool json);
void shower_free(struct shower *shower);

/* Whether later records mean something by an index that this type of record gives a name. */
bool teaches_names(unsigned type);

/* Writes one record, and learns names from it. False if its contents do not fit its type. */
bool show_record(struct shower *shower, const struct record_head *record, uint64_t lsn,
                 uint64_t time_ms);

#endif
