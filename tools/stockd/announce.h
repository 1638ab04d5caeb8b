/* SPDX-License-Identifier: Apache-2.0 */
/* What the log says once the engine serves. */
#ifndef STOCKD_TOOLS_STOCKD_ANNOUNCE_H
#define STOCKD_TOOLS_STOCKD_ANNOUNCE_H

#include "persistence/journal.h"
#include "protocol/server.h"
#include "tools/stockd/options.h"

/* http: the ops port's address; NULL: there is none. */
void say_started(const struct options *options, const struct journal_opened *opened,
                 const struct server *server, const char *http);

#endif
