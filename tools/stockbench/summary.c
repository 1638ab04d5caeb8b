/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/summary.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

struct spread spread_of(const double *values, size_t count)
{
    double sorted[RUNS_MAX];

    assert(count >= 1);
    assert(count <= RUNS_MAX);
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_value);
    return (struct spread){
        .median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2,
        .min = sorted[0],
        .max = sorted[count - 1],
    };
}
