/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shell.h - commands one after the other, over one connection.
 *
 * On a terminal a person types them; else they come from standard input, one a line. Either way
 * they are the commands of the command line, in the same words. An error ends neither; but what is
 * read from standard input ends when the engine cannot be reached: a later line must not be done
 * when an earlier one was not even tried.
 */
#ifndef STOCKCTL_SHELL_SHELL_H
#define STOCKCTL_SHELL_SHELL_H

#include "tools/stockctl/ctl.h"

/* Until Ctrl-D or `exit`. Returns CTL_DONE. */
int shell_interactive(struct ctl *ctl);

/* Until standard input ends. Returns the exit code of the first line that failed. */
int shell_batch(struct ctl *ctl);

#endif
