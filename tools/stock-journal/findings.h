/* SPDX-License-Identifier: Apache-2.0 */
/* What a survey found, for people and programs to read. */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_FINDINGS_H
#define STOCKD_TOOLS_STOCK_JOURNAL_FINDINGS_H

#include <stdio.h>

#include "persistence/survey.h"

/* One line each. */
void findings_print(FILE *file, const struct survey *survey);

/* A JSON array. */
void findings_print_json(FILE *file, const struct survey *survey);

#endif
