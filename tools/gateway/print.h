/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text of MessagePack values.
 *
 * Integers keep all their digits, whatever their size. What is not UTF-8 (an id may be any bytes)
 * shows U+FFFD in place of each wrong byte, because JSON has no other way to say it.
 */
#ifndef GATEWAY_PRINT_H
#define GATEWAY_PRINT_H

#include <stdbool.h>
#include <stddef.h>

#include <stockd/client.h>

#include "tools/gateway/bytes.h"

/* The value as JSON; null if there is none. */
void print_value(struct bytes *out, stockd_value value);

/* A string with its quotes. */
void print_string(struct bytes *out, const char *at, size_t len);

/* The pairs of a map, without its braces: `"a":1,"b":2`. Leaves out the key `without`, if it is not
 * NULL. Returns whether there were any. */
bool print_pairs(struct bytes *out, stockd_value map, const char *without);

/* The length in bytes of the character of UTF-8 at `at`, 1 to 4; 0: there is none. */
size_t utf8_length(const char *at, size_t len);
bool utf8_valid(const char *at, size_t len);

#endif
