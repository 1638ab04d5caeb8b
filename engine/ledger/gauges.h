/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to watch of each channel, and of the events: for who watches the engine. */
#ifndef STOCKD_ENGINE_LEDGER_GAUGES_H
#define STOCKD_ENGINE_LEDGER_GAUGES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/text.h"
#include "engine/events/events.h"
#include "engine/figures/figures.h"

struct ctx;
struct ledger;

/* How many channels there are: indexes are below that. In an iteration of the context. */
uint16_t ledger_channel_count(const struct ctx *ctx);
/* The code of that channel; lives as long as the iteration. */
struct text ledger_channel_code(const struct ctx *ctx, uint16_t channel);

/* Units noted since the ledger was made, replay included, of what a context noted itself; channel
 * FACT_NO_CODE: of none. 0 if no figures are kept. Any thread. */
uint64_t ledger_units(const struct ledger *ledger, enum measure measure, uint16_t channel);

/* Events taken since the ledger was made, replay included. Any thread. */
uint64_t ledger_events_taken(const struct ledger *ledger, enum event_type type);

/* How many items the channel is out of, or low on, as was last recorded. False: a worker is
 * recording just now; ask again. Keeps workers from recording for some microseconds. Any thread
 * that serves no orders. */
struct level_counts {
    uint64_t out, low;
};

bool ledger_count_levels(struct ledger *ledger, uint16_t channel, struct level_counts *counts);

#endif
