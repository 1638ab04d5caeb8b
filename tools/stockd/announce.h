/* SPDX-License-Identifier: Apache-2.0 */
/* What the log says of the engine as a whole, and of parts that do not know the log. */
#ifndef STOCKD_TOOLS_STOCKD_ANNOUNCE_H
#define STOCKD_TOOLS_STOCKD_ANNOUNCE_H

#include "persistence/journal.h"
#include "protocol/server.h"
#include "tools/stockd/options.h"

/* http: the ops port's address; NULL: there is none. */
void say_started(const struct options *options, const struct journal_opened *opened,
                 const struct server *server, const char *http);

void say_stopped(uint64_t lsn);

/* So many ids were forgotten before their time as the journal was replayed; 0: says nothing. */
void say_forgotten(const struct options *options, uint64_t count);

/* Lines of these parts; level: of syslog.h. */
void say_of_journal(void *context, int level, const char *line);
void say_of_server(void *context, int level, const char *line);
void say_of_mirror(void *context, int level, const char *line);

#endif
