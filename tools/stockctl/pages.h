/* SPDX-License-Identifier: Apache-2.0 */
/* pages.h - lists that the engine answers page by page: supplies and orders. */
#ifndef STOCKCTL_PAGES_H
#define STOCKCTL_PAGES_H

#include "tools/stockctl/ctl.h"

typedef void page_fn(void *context, stockd_value record);

/* Each record that the options of the command select; `state` (or NULL) as if it were an option.
 * The list in the result has the method's name. The record is valid during the callback. Returns an
 * exit code; *lsn is that of the first page. */
int pages_each(struct ctl *ctl, const struct args *args, const char *method, const char *state,
               uint64_t *lsn, page_fn *each, void *context);

#endif
