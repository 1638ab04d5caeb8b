/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open loop's schedule: request number n is due at start + n / rate, whatever became of those
 * before it. Latencies count from there, so that a stall which holds requests back shows in all of
 * them, and not only in the one that met it.
 */
#ifndef TOOLS_STOCKBENCH_SCHEDULE_H
#define TOOLS_STOCKBENCH_SCHEDULE_H

#include <stdint.h>

struct schedule {
    uint64_t start; /* ns */
    double rate;    /* requests per second, greater than 0 */
};

/* When request number index is due, in ns. Never decreases from one index to the next. */
uint64_t schedule_time(const struct schedule *schedule, uint64_t index);

/* How many requests are due by now: those of index 0 to that number less one. */
uint64_t schedule_due(const struct schedule *schedule, uint64_t now);

#endif
