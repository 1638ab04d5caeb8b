/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/leaps.h"

#include <assert.h>
#include <string.h>

#include "engine/ledger/ctx.h"

void leaps_add(struct leaps *leaps, const struct leap *leap)
{
    assert(leap->from < leap->to);
    if (leaps->count == LEAPS_MAX) {
        leaps->forgotten = leaps->last[0].to;
        memmove(leaps->last, leaps->last + 1, (LEAPS_MAX - 1) * sizeof leaps->last[0]);
        leaps->count--;
    }
    assert(leaps->count == 0 || leaps->last[leaps->count - 1].to <= leap->from);
    leaps->last[leaps->count++] = *leap;
}

uint64_t leaps_took_back(const struct leaps *leaps, uint64_t lsn)
{
    uint32_t i = leaps->count;
    while (i > 0 && lsn < leaps->last[i - 1].to)
        i--;
    if (i < leaps->count && lsn > leaps->last[i].from)
        return leaps->last[i].to;
    return lsn > 0 && lsn < leaps->forgotten ? leaps->forgotten : 0;
}

void ledger_leap(struct ledger *ledger, uint64_t from, uint64_t to)
{
    leaps_add(&ledger->leaps, &(struct leap){ from, to });
}

uint64_t ledger_leapt_to(const struct ledger *ledger)
{
    const struct leaps *leaps = &ledger->leaps;
    return leaps->count > 0 ? leaps->last[leaps->count - 1].to : leaps->forgotten;
}

uint64_t ledger_took_back(const struct ledger *ledger, uint64_t lsn)
{
    return leaps_took_back(&ledger->leaps, lsn);
}
