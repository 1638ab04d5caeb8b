/* SPDX-License-Identifier: Apache-2.0 */
/* The names behind the indexes in records, learned from earlier records. */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_NAMES_H
#define STOCKD_TOOLS_STOCK_JOURNAL_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/text.h"

struct name_table {
    char **names; /* owned, as is each of them; NULL: unknown */
    size_t room;
};

/* False: out of memory. */
bool name_set(struct name_table *table, uint32_t index, struct text name);
/* The name, or "#index" in the buffer if it is not known. */
const char *name_get(const struct name_table *table, uint32_t index, char unknown[16]);
void name_table_free(struct name_table *table);

#endif
