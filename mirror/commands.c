/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/commands.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"

enum { FIRST_CAPACITY = 64 << 10, HEAD_MAX = 24 };

void commands_clear(struct commands *c)
{
    c->length = 0;
    c->count = 0;
    c->incomplete = false;
}

void commands_free(struct commands *c)
{
    free(c->bytes);
    *c = (struct commands){ 0 };
}

/* Room for `length` more bytes, or NULL. */
static char *room(struct commands *c, size_t length)
{
    if (c->capacity - c->length < length) {
        size_t capacity = c->capacity ? c->capacity : FIRST_CAPACITY;
        while (capacity - c->length < length)
            capacity *= 2;
        char *bytes = realloc(c->bytes, capacity);
        if (!bytes) {
            c->incomplete = true;
            return NULL;
        }
        c->bytes = bytes;
        c->capacity = capacity;
    }
    return c->bytes + c->length;
}

unsigned decimal(char *to, uint64_t number)
{
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    for (unsigned i = 0; i < count; i++)
        to[i] = digits[count - 1 - i];
    return count;
}

static char *put_head(char *at, char kind, uint64_t number)
{
    *at++ = kind;
    at += decimal(at, number);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static char *put(char *at, const char *bytes, size_t length)
{
    if (length > 0)
        memcpy(at, bytes, length);
    return at + length;
}

static void argument_bytes(struct commands *c, const char *first, size_t first_length,
                           const char *second, size_t second_length)
{
    char *at = room(c, HEAD_MAX + first_length + second_length + 2);
    if (!at)
        return;
    at = put_head(at, '$', first_length + second_length);
    at = put(at, first, first_length);
    at = put(at, second, second_length);
    at = put(at, "\r\n", 2);
    c->length = (size_t)(at - c->bytes);
}

void command(struct commands *c, const char *name, uint32_t argc)
{
    assert(argc >= 1);
    char *at = room(c, HEAD_MAX);
    if (!at)
        return;
    c->length = (size_t)(put_head(at, '*', argc) - c->bytes);
    c->count++;
    argument_string(c, name);
}

void argument(struct commands *c, struct text text)
{
    argument_bytes(c, text.at, text.len, NULL, 0);
}

void argument_string(struct commands *c, const char *string)
{
    argument_bytes(c, string, strlen(string), NULL, 0);
}

void argument_number(struct commands *c, int64_t number)
{
    char digits[21] = { '-' };
    bool negative = number < 0;
    unsigned count = decimal(digits + 1, negative ? -(uint64_t)number : (uint64_t)number);
    argument_bytes(c, digits + !negative, count + negative, NULL, 0);
}

void argument_lsn(struct commands *c, uint64_t lsn)
{
    char digits[20];
    argument_bytes(c, digits, decimal(digits, lsn), NULL, 0);
}

void argument_joined(struct commands *c, const char *first, struct text second)
{
    argument_bytes(c, first, strlen(first), second.at, second.len);
}

void commands_append(struct commands *c, const struct commands *more)
{
    char *at = room(c, more->length);
    c->incomplete |= more->incomplete;
    if (!at)
        return;
    put(at, more->bytes, more->length);
    c->length += more->length;
    c->count += more->count;
}

/* ---- the pub/sub message ---- */

char *json_escape(char *at, struct text text)
{
    static const char hex[] = "0123456789abcdef";
    bool plain = text_is_utf8(text);
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        if (byte == '"' || byte == '\\') {
            *at++ = '\\';
            *at++ = (char)byte;
        } else if (byte < 0x20 || (byte >= 0x80 && !plain)) {
            at = put(at, "\\u00", 4);
            *at++ = hex[byte >> 4];
            *at++ = hex[byte & 15];
        } else {
            *at++ = (char)byte;
        }
    }
    return at;
}

_Static_assert(6 * SKU_MAX + 80 <= MESSAGE_MAX, "the longest message fits");

size_t change_message(char *to, struct text sku, int64_t available, uint64_t lsn)
{
    assert(sku.len <= SKU_MAX);
    assert(available >= 0);
    char *at = put(to, "{\"sku\":\"", 8);
    at = json_escape(at, sku);
    at = put(at, "\",\"available\":", 14);
    at += decimal(at, (uint64_t)available);
    at = put(at, ",\"lsn\":", 7);
    at += decimal(at, lsn);
    *at++ = '}';
    return (size_t)(at - to);
}
