/* SPDX-License-Identifier: Apache-2.0 */
/* What a till sold: for the operation, and for its replay. */
#ifndef STOCKD_ENGINE_OPS_SOLD_H
#define STOCKD_ENGINE_OPS_SOLD_H

#include "engine/ledger/ctx.h"

/* Fills a fresh entry with the sale of that record, and puts it. False: there are too few slots for
 * what it answered (only in replay: a live sale has set them aside). */
bool remember_sold(struct ctx *ctx, struct id_entry *entry, const struct sold_fields *f,
                   uint64_t lsn);

/* Notes for the figures what the record says was sold, when it was. The caller has
 * figures_have_room. */
void sold_note(struct ctx *ctx, const struct sold_record *record,
               const struct sold_line_record *lines);

#endif
