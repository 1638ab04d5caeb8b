/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what a scrub found, for people and for programs. */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_FINDINGS_H
#define STOCKD_TOOLS_STOCK_JOURNAL_FINDINGS_H

#include <stdio.h>

#include "persistence/scrub.h"

/* One line each. */
void findings_print(FILE *file, const struct scrub *scrub);

/* A JSON array. */
void findings_print_json(FILE *file, const struct scrub *scrub);

#endif
