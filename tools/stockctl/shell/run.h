/* SPDX-License-Identifier: Apache-2.0 */
/* run.h - one line of the shell. */
#ifndef STOCKCTL_SHELL_RUN_H
#define STOCKCTL_SHELL_RUN_H

#include "tools/stockctl/ctl.h"

/* ctl is what each line begins with: what a line sets is for that line. Its connection is kept, and
 * is made anew when it was lost. *leave: the line was `exit`. Returns an exit code. */
int run_line(struct ctl *ctl, const char *line, bool *leave);

#endif
