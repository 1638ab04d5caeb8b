/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_STOCKBENCH_REPORT_H
#define TOOLS_STOCKBENCH_REPORT_H

#include "tools/stockbench/load.h"
#include "tools/stockbench/options.h"

/* To standard output: for people, or one JSON object if the options say so. */
void report(const struct options *options, const struct load_result *result);

#endif
