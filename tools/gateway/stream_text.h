/* SPDX-License-Identifier: Apache-2.0 */
/* The text of server-sent events, from pages of the engine. */
#ifndef GATEWAY_STREAM_TEXT_H
#define GATEWAY_STREAM_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include <stockd/client.h>

#include "tools/gateway/bytes.h"

/*
 * Appends a page of `changes` or `events`: one event for each row, in the order of their LSNs. Only
 * the last row of an LSN has an `id:`, so that a client that was cut off within an LSN gets it
 * again. *last: the position of the last row; unchanged if there is none. False: it is not such a
 * page, or memory is short.
 */
bool stream_text_page(struct bytes *out, stockd_value page, bool changes, uint64_t *last);

/* Moves the client's position without telling it anything. */
void stream_text_position(struct bytes *out, uint64_t lsn);

/* Something may be missing: look at the present state. */
void stream_text_resync(struct bytes *out, uint64_t lsn);

void stream_text_comment(struct bytes *out, const char *words);

#endif
