/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates of the tls:// addresses, from the options to the server and the log. */
#ifndef STOCKD_TOOLS_STOCKD_ENCRYPTION_H
#define STOCKD_TOOLS_STOCKD_ENCRYPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/tls.h"
#include "tools/stockd/options.h"

/* Reads the files; *tls is NULL if no address is tls://. The options outlive it. False, and one
 * line in why (size bytes). */
bool encryption_start(struct tls **tls, const struct options *options, char *why, size_t size);

/* Whether encryption_start can read them. */
bool encryption_check(const struct options *options, char *why, size_t size);

/* Reads the files again, and logs the outcome. Any thread. */
void encryption_reload(struct tls *tls);

/* The same, if SIGHUP asks for it: a task of the watch. */
void encryption_look(void *tls, bool asked);

#endif
