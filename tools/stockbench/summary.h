/* SPDX-License-Identifier: Apache-2.0 */
/* The summary of several runs. */
#ifndef TOOLS_STOCKBENCH_SUMMARY_H
#define TOOLS_STOCKBENCH_SUMMARY_H

#include <stddef.h>

enum { RUNS_MAX = 100 };

struct spread {
    double median; /* of an even number: the mean of the middle two */
    double min;
    double max;
};

/* Of count values, 1 to RUNS_MAX. */
struct spread spread_of(const double *values, size_t count);

#endif
