/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_STOCKBENCH_REPORT_H
#define TOOLS_STOCKBENCH_REPORT_H

#include "tools/stockbench/options.h"
#include "tools/stockbench/result.h"

/*
 * To standard output, in the format that the options say: options->runs results, and what they say
 * together. Latencies of all runs are put together; of throughput the median is told, with least
 * and greatest.
 */
void report(const struct options *options, const struct result *results);

#endif
