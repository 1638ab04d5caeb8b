/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/schedule.h"

#include <assert.h>

uint64_t schedule_time(const struct schedule *schedule, uint64_t index)
{
    assert(schedule->rate > 0);
    return schedule->start + (uint64_t)((double)index * (1e9 / schedule->rate));
}

uint64_t schedule_due(const struct schedule *schedule, uint64_t now)
{
    if (now < schedule->start)
        return 0;
    uint64_t due = (uint64_t)((double)(now - schedule->start) * (schedule->rate / 1e9)) + 1;

    /* The division above and the multiplication there may round differently. */
    while (due > 0 && schedule_time(schedule, due - 1) > now)
        due--;
    while (schedule_time(schedule, due) <= now)
        due++;
    return due;
}
