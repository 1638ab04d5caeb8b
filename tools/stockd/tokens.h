/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens file of a running engine: read at the start, and again when it changes. */
#ifndef STOCKD_TOOLS_STOCKD_TOKENS_H
#define STOCKD_TOOLS_STOCKD_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/server.h"
#include "tools/stockd/options.h"

struct tokens;

/* Reads the file that the options name; *tokens is NULL if they name none. False, and one line in
 * why (size bytes): it cannot be read, or a line of it is wrong. */
bool tokens_open(struct tokens **tokens, const struct options *options, char *why, size_t size);
/* Whether tokens_open can read it. */
bool tokens_check(const struct options *options, char *why, size_t size);
/* Once the server has gone. NULL is allowed. */
void tokens_close(struct tokens *tokens);

/* NULL without tokens. */
struct access *tokens_access(const struct tokens *tokens);

/* Which workers to wake. Call it before tokens_look. */
void tokens_serve(struct tokens *tokens, struct server *server);

/* Reads the file again if it has changed, or if somebody asked for it. A file that cannot be read,
 * or has a bad line, is logged once, and changes nothing. The `look` of a watch task, whose context
 * is the tokens. */
void tokens_look(void *context, bool asked);

/* Without tokens other machines must not reach the engine, unless the options say so in so many
 * words. False, and one line in why: one can. */
bool exposure_good(const struct server *server, const struct options *options, char *why,
                   size_t size);
/* The same of the addresses that the options have, before they are bound; also that they can be. */
bool exposure_check(const struct options *options, char *why, size_t size);
/* Logs what an operator should know of addresses that other machines can reach. */
void exposure_warn(const struct server *server, const struct options *options);

#endif
