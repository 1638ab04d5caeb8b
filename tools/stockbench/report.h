/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_STOCKBENCH_REPORT_H
#define TOOLS_STOCKBENCH_REPORT_H

#include "tools/stockbench/options.h"
#include "tools/stockbench/result.h"

/*
 * To standard output, in the format of the options: options->runs results and their summary.
 * Latencies of all runs are merged; throughput is the median, with least and greatest.
 */
void report(const struct options *options, const struct result *results);

#endif
