/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/id_gauge.h"

#include "engine/ledger/ctx.h"

enum { SAMPLE_MS = 1000, OLD_SHARE = 3, SHARES = 4 }; /* a new sample counts for a quarter */

void ledger_sample_ids(struct ledger *ledger, uint64_t engine_ms)
{
    struct id_gauge *gauge = &ledger->id_gauge;
    uint64_t added = id_table_added(&ledger->ids);
    uint64_t passed = engine_ms - gauge->at_ms;
    if (gauge->at_ms != 0 && passed < SAMPLE_MS)
        return;
    if (gauge->at_ms != 0) {
        uint64_t before = atomic_load_explicit(&gauge->per_1000_s, memory_order_relaxed);
        uint64_t now = (added - gauge->added) * 1000000 / passed;
        uint64_t mean = before ? (OLD_SHARE * before + now) / SHARES : now;
        atomic_store_explicit(&gauge->per_1000_s, mean, memory_order_relaxed);
    }
    gauge->at_ms = engine_ms;
    gauge->added = added;
}

/* The time in which that many ids arrive. */
static uint64_t time_for(uint64_t count, uint64_t per_1000_s)
{
    if (per_1000_s == 0)
        return UINT64_MAX;
    double ms = (double)count * 1e6 / (double)per_1000_s;
    return ms < 1e15 ? (uint64_t)ms : UINT64_MAX;
}

struct id_outlook ledger_id_outlook(const struct ledger *ledger, uint64_t engine_ms)
{
    const struct id_table *ids = &ledger->ids;
    uint64_t rate = atomic_load_explicit(&ledger->id_gauge.per_1000_s, memory_order_relaxed);
    uint64_t taken = id_table_taken(ids), ripe = id_table_ripe_ms(ids);
    uint64_t live = id_table_live(ids), count = live + id_table_remembered(ids);
    /* An order over several pools takes several slots. */
    double slots = count > 0 && taken > count ? (double)taken / (double)count : 1;
    double room = (double)ids->max / slots - (double)live;
    double wanted = (double)live + (double)rate * (double)ids->remember_ms / 1e6;
    struct id_outlook outlook = {
        .per_s = rate / 1000,
        .last_ms = time_for(room > 0 ? (uint64_t)room : 0, rate),
        .full_ms = time_for((uint64_t)((double)(ids->max - taken) / slots), rate),
        .needed = (uint64_t)(wanted * slots),
    };
    if (ripe != UINT64_MAX && engine_ms + ids->remember_ms > ripe)
        outlook.oldest_ms = engine_ms + ids->remember_ms - ripe;
    return outlook;
}
