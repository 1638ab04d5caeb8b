/* SPDX-License-Identifier: Apache-2.0 */
/* The outcomes of a movement of several lines, in blocks of the id table behind its entry, so that
 * a repeat gets the first result. */
#ifndef STOCKD_ENGINE_STORE_OUTCOMES_H
#define STOCKD_ENGINE_STORE_OUTCOMES_H

#include "engine/store/slots.h"

/* Fills those of an owned entry. False: there are too few slots; nothing is stored. */
bool outcomes_store(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                    const struct movement_outcome *outcomes, uint32_t count);
/* Those of an owned entry; there is room for as many as it has. Returns how many. */
uint32_t outcomes_read(const struct id_table *ids, const struct id_entry *entry,
                       struct movement_outcome *outcomes);

#endif
