/* SPDX-License-Identifier: Apache-2.0 */
/* A growing run of bytes. The first failure to get memory is latched: append much, check once. */
#ifndef GATEWAY_BYTES_H
#define GATEWAY_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    char *at; /* NULL while there is no memory; not NUL-terminated */
    size_t len, capacity;
    bool failed; /* something is missing: out of memory */
};

void bytes_free(struct bytes *bytes); /* it may be used again */
bool bytes_reserve(struct bytes *bytes, size_t more);
void bytes_add(struct bytes *bytes, const void *data, size_t len);
void bytes_add_string(struct bytes *bytes, const char *string);
void bytes_add_char(struct bytes *bytes, char c);
void bytes_add_unsigned(struct bytes *bytes, uint64_t number); /* in decimal */
void bytes_add_signed(struct bytes *bytes, int64_t number);

#endif
