/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 256 };

void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){ 0 };
}

bool bytes_reserve(struct bytes *bytes, size_t more)
{
    assert(bytes->len <= bytes->capacity);
    if (bytes->failed)
        return false;
    if (bytes->capacity - bytes->len >= more)
        return true;
    size_t capacity = bytes->capacity ? bytes->capacity : FIRST;
    while (capacity - bytes->len < more) {
        if (capacity > SIZE_MAX / 2)
            return bytes->failed = true, false;
        capacity *= 2;
    }
    char *at = realloc(bytes->at, capacity);
    if (!at)
        return bytes->failed = true, false;
    bytes->at = at;
    bytes->capacity = capacity;
    return true;
}

void bytes_add(struct bytes *bytes, const void *data, size_t len)
{
    if (len == 0 || !bytes_reserve(bytes, len))
        return;
    memcpy(bytes->at + bytes->len, data, len);
    bytes->len += len;
}

void bytes_add_string(struct bytes *bytes, const char *string)
{
    bytes_add(bytes, string, strlen(string));
}

void bytes_add_char(struct bytes *bytes, char c)
{
    bytes_add(bytes, &c, 1);
}

void bytes_add_unsigned(struct bytes *bytes, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    bytes_add(bytes, digits + at, sizeof digits - at);
}

void bytes_add_signed(struct bytes *bytes, int64_t number)
{
    if (number < 0)
        bytes_add_char(bytes, '-');
    bytes_add_unsigned(bytes, number < 0 ? -(uint64_t)number : (uint64_t)number);
}
