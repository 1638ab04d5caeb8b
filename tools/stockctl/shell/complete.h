/* SPDX-License-Identifier: Apache-2.0 */
/*
 * complete.h - what a line of the shell may go on with.
 *
 * The tables of the commands say it: the names of commands and options, what the usage calls an
 * argument ("CHANNEL SKU...") and what an option calls its value ("ship|pickup").
 */
#ifndef STOCKCTL_SHELL_COMPLETE_H
#define STOCKCTL_SHELL_COMPLETE_H

#include "tools/stockctl/shell/candidates.h"
#include "tools/stockctl/shell/names.h"

/* An editor_complete_fn, whose context is the names. */
char *complete_line(void *context, const char *line, size_t len, struct candidates *candidates,
                    char *quote);

#endif
