/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the loading of snapshot contents: what its files share. */
#ifndef STOCKD_ENGINE_REPLAY_CONTENTS_LOADING_H
#define STOCKD_ENGINE_REPLAY_CONTENTS_LOADING_H

#include "engine/ledger/ctx.h"
#include "engine/replay/contents.h"

enum { AHEAD = 16 }; /* records that are prefetched before they are loaded; a power of two */

/* One run of records being loaded into the ledger. */
struct loading {
    struct contents_load *load;
    struct ledger *ledger;
    struct contents_complaint *complaint;
    uint64_t reserved, promised; /* weighted sums of this run */
};

/* The record of an entry. */
struct entry_parts {
    struct contents_entry saved;
    const unsigned char *draws;
    const unsigned char *behind; /* the id: ready times; or lines, and a ref */
    struct text id;
    uint64_t hash;
    uint32_t slot; /* in this table */
    bool finished, left_out;
};

/* Formats the complaint, and returns the error. */
int contents_complain(struct contents_complaint *complaint, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* -ENOSPC: the snapshot holds more than the table has room for. */
int contents_no_room(struct contents_complaint *complaint, const char *table, uint64_t there,
                     uint64_t most);

/* Writes the records of CONTENTS_SIGNALS. 0; -EIO if the sink has no room. */
int contents_write_signals(const struct ledger *ledger, const struct contents_sink *sink);
/* Likewise of CONTENTS_FIGURES. */
int contents_write_figures(const struct ledger *ledger, const struct contents_sink *sink);

/* Equal weighted sums mean equal quantities per unit, except for one chance in 2^64. */
static inline uint64_t contents_weight(uint32_t unit)
{
    uint64_t w = (unit + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
    w = (w ^ w >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return w ^ w >> 29;
}

/* Whole records of one kind. 0, or -errno and the complaint. */
int contents_load_items(struct loading *l, const unsigned char *at, size_t left);
int contents_load_signals(struct loading *l, const unsigned char *at, size_t left);
int contents_load_ids(struct loading *l, const unsigned char *at, size_t left);
int contents_load_figures(struct loading *l, const unsigned char *at, size_t left);

/* What is known before any figures of a snapshot are loaded. */
void contents_begin_figures(struct ledger *ledger, const struct contents_totals *totals);

/* The next of the slots behind an entry's own. -EINVAL: it is another's. */
int contents_keep_block(struct loading *l, const struct entry_parts *p, uint32_t number, bool last,
                        struct draws_entry **block);

/* ---- supplies, and steps of them ---- */

bool contents_supply_can_be(const struct contents_entry *saved);
/* Of the lines and the ref behind the id. */
uint64_t contents_lines_length(const struct contents_entry *saved);
int contents_load_supply(struct loading *l, const struct entry_parts *p, struct id_entry *entry);

#endif
