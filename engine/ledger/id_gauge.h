/* SPDX-License-Identifier: Apache-2.0 */
/* How long the id table lasts at the rate at which ids arrive: for info, and for a timely
 * warning. */
#ifndef STOCKD_ENGINE_LEDGER_ID_GAUGE_H
#define STOCKD_ENGINE_LEDGER_ID_GAUGE_H

#include <stdatomic.h>
#include <stdint.h>

struct ledger;

struct id_gauge {
    uint64_t at_ms, added;       /* time and value of the last sample; one thread */
    _Atomic uint64_t per_1000_s; /* recent rate: ids in 1,000 s; that thread writes, any reads:
                                    relaxed, a metric */
};

struct id_outlook {
    uint64_t per_s;
    uint64_t last_ms;   /* how long the table can remember ids at that rate; UINT64_MAX: for ever */
    uint64_t full_ms;   /* time until no slot is free; UINT64_MAX: never */
    uint64_t oldest_ms; /* how long the oldest id has been remembered, less the time that the engine
                           was down */
    uint64_t needed;    /* slots that would suffice for remember_ms at that rate */
};

/* Samples at most once a second; one thread, beside the contexts' threads. */
void ledger_sample_ids(struct ledger *ledger, uint64_t engine_ms);
/* Any thread. */
struct id_outlook ledger_id_outlook(const struct ledger *ledger, uint64_t engine_ms);

#endif
