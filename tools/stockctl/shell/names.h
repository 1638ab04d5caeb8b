/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.h - the names that an engine knows, for completion.
 *
 * They are asked for over a connection of their own, whose time-outs are short: whoever presses Tab
 * waits NAMES_WAIT_MS at most. What was asked is kept for some seconds, and so is that there was no
 * answer. Of a large catalogue only the items that were created first are known.
 */
#ifndef STOCKCTL_SHELL_NAMES_H
#define STOCKCTL_SHELL_NAMES_H

#include "tools/stockctl/ctl.h"

enum {
    NAMES_WAIT_MS = 1000,
    NAMES_KEPT_MS = 5000,
    NAMES_MAX = 20000, /* of each kind */
};

enum name_kind { NAMES_SKUS, NAMES_CHANNELS, NAMES_LOCATIONS, NAME_KINDS };

struct names;

/* Of the engine that ctl names when they are asked for; it outlives them. */
struct names *names_new(const struct ctl *ctl);
void names_free(struct names *names);

typedef void name_fn(void *context, const char *name, size_t len);

void names_each(struct names *names, enum name_kind kind, name_fn *each, void *context);

#endif
