/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the headers of a request can be read in one way only.
 *
 * libmicrohttpd is lenient. A proxy before the gateway may read the same bytes as another request,
 * or take what it thinks is a body for somebody else's request (RFC 9112, 11.2): so what others
 * may read differently is refused.
 */
#ifndef GATEWAY_HEADERS_H
#define GATEWAY_HEADERS_H

#include <stdbool.h>

#include <microhttpd.h>

#include "tools/gateway/arguments.h"

/* False: *why says what is wrong. verb and version: as libmicrohttpd has them. */
bool headers_clear(struct MHD_Connection *connection, const char *verb, const char *version,
                   struct complaint *why);

/* Whether libmicrohttpd would read a body for as long as the connection lasts. */
bool headers_endless(struct MHD_Connection *connection);

#endif
