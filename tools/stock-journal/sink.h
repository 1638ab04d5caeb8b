/* SPDX-License-Identifier: Apache-2.0 */
/* Where a record's fields go: a line of JSON for programs, or key=value for people. */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_SINK_H
#define STOCKD_TOOLS_STOCK_JOURNAL_SINK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/text.h"

struct sink {
    FILE *file;
    bool json;
    bool in_list;
    bool first; /* of the record, or of the list */
};

void sink_begin(struct sink *sink, uint64_t lsn, uint64_t time_ms, const char *type);
void sink_end(struct sink *sink);

void sink_text(struct sink *sink, const char *key, struct text value);
void sink_optional(struct sink *sink, const char *key, struct text value); /* not if empty */
void sink_number(struct sink *sink, const char *key, int64_t value);
/* Its key ends in _ms: milliseconds for programs, a date and a time for people. */
void sink_time(struct sink *sink, const char *key, uint64_t ms);
void sink_flag(struct sink *sink, const char *key, bool value);
void sink_degrees(struct sink *sink, const char *key, double value); /* not if NaN */

/* A list of texts, or of a quantity and the pool that it is of; location, channel: NULL if it has
 * none. */
void sink_list(struct sink *sink, const char *key);
void sink_list_text(struct sink *sink, struct text value);
void sink_list_draw(struct sink *sink, const char *sku, const char *location, const char *kind,
                    const char *channel, int64_t qty);
void sink_list_step(struct sink *sink, int64_t draw, int64_t qty);
struct rejected_record;
void sink_list_reject(struct sink *sink, const struct rejected_record *reject);
void sink_list_supply(struct sink *sink, const char *sku, int64_t qty);
struct move_record;
void sink_list_level(struct sink *sink, const char *sku, const char *channel, const char *before,
                     const char *now);
struct refused_line;
void sink_list_refused(struct sink *sink, const char *channel, const char *sku,
                       const struct refused_line *line);
void sink_list_move(struct sink *sink, const struct move_record *move);
void sink_list_end(struct sink *sink);

#endif
