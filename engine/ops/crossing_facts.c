/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/crossing_facts.h"

#include "engine/figures/figures.h"

_Static_assert((int)FIGURES_HEADROOM > (int)CHANNELS_MAX, "a look notes at most one per channel");

bool crossing_facts_have_room(const struct ledger *ledger)
{
    return figures_have_room(ledger->figures, FIGURES_CROSSINGS);
}

void crossing_facts_note(struct ledger *ledger, const struct level_record *level, uint64_t time_ms)
{
    bool before = (level->levels & 15) == LEVEL_OUT;
    bool now = level->levels >> 4 == LEVEL_OUT;
    struct fact fact = { .item = level->item,
                         .location = FACT_NO_CODE,
                         .channel = level->channel,
                         .hour = figures_hour(time_ms),
                         .measure = now ? MEASURE_SOLD_OUT : MEASURE_BACK_IN_STOCK,
                         .units = (uint32_t)(time_ms % FIGURES_HOUR_MS),
                         .count = 1 };
    if (now != before)
        figures_note(ledger->figures, FIGURES_CROSSINGS, &fact);
}
