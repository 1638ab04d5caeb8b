/* SPDX-License-Identifier: Apache-2.0 */
/* How long the table of ids lasts at the rate at which ids come: for info, and to warn in time. */
#ifndef STOCKD_ENGINE_LEDGER_ID_GAUGE_H
#define STOCKD_ENGINE_LEDGER_ID_GAUGE_H

#include <stdatomic.h>
#include <stdint.h>

struct ledger;

struct id_gauge {
    uint64_t at_ms, added;       /* when and what was sampled last; one thread */
    _Atomic uint64_t per_1000_s; /* ids that come in 1,000 s, of late; that thread writes, any
                                    reads: relaxed, a figure */
};

struct id_outlook {
    uint64_t per_s;
    uint64_t last_ms;   /* for so long the table can remember ids at that rate; UINT64_MAX: ever */
    uint64_t full_ms;   /* from now until no slot is free; UINT64_MAX: never */
    uint64_t oldest_ms; /* for so long the oldest has been remembered, less the time that the engine
                           was down */
    uint64_t needed;    /* slots that would do for remember_ms at that rate */
};

/* Samples at most once a second; one thread, beside the contexts. */
void ledger_sample_ids(struct ledger *ledger, uint64_t engine_ms);
/* Any thread. */
struct id_outlook ledger_id_outlook(const struct ledger *ledger, uint64_t engine_ms);

#endif
