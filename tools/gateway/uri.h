/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets: percent encoding and queries, decoded strictly. */
#ifndef GATEWAY_URI_H
#define GATEWAY_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/gateway/bytes.h"

struct span {
    const char *at;
    size_t len;
};

bool span_is(struct span span, const char *string);

/* Appends the decoded text; in a form '+' is a space. False: a bad escape, or not UTF-8. */
bool uri_decode(struct bytes *out, struct span text, bool form);

/* The target up to '?', and what follows it (empty if nothing does). */
struct span uri_path(const char *target);
struct span uri_query(const char *target);

/* Takes the next `name=value` of a query, still encoded; false at the end. */
bool query_next(struct span *query, struct span *name, struct span *value);

#endif
