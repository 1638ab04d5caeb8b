/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/print.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
size_t utf8_length(const char *at, size_t len)
{
    const unsigned char *c = (const unsigned char *)at;
    if (len == 0)
        return 0;
    if (c[0] < 0x80)
        return 1;
    size_t size = c[0] >= 0xc2 && c[0] <= 0xdf   ? 2
                  : c[0] >= 0xe0 && c[0] <= 0xef ? 3
                  : c[0] >= 0xf0 && c[0] <= 0xf4 ? 4
                                                 : 0;
    if (size == 0 || len < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    bool wrong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
                 (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f);
    return wrong ? 0 : size;
}

bool utf8_valid(const char *at, size_t len)
{
    for (size_t i = 0, size; i < len; i += size)
        if ((size = utf8_length(at + i, len - i)) == 0)
            return false;
    return true;
}

static void add_escape(struct bytes *out, unsigned char c)
{
    char text[8];
    const char *brief = c == '"'    ? "\\\""
                        : c == '\\' ? "\\\\"
                        : c == '\n' ? "\\n"
                        : c == '\r' ? "\\r"
                        : c == '\t' ? "\\t"
                                    : NULL;
    if (!brief) {
        snprintf(text, sizeof text, "\\u%04x", c);
        brief = text;
    }
    bytes_add_string(out, brief);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void print_string(struct bytes *out, const char *at, size_t len)
{
    bytes_add_char(out, '"');
    for (size_t i = 0; i < len;) {
        size_t plain = i;
        while (plain < len && is_plain((unsigned char)at[plain]))
            plain++;
        bytes_add(out, at + i, plain - i);
        i = plain;
        if (i == len)
            break;
        size_t size = utf8_length(at + i, len - i);
        if (size > 1)
            bytes_add(out, at + i, size);
        else if (size == 1)
            add_escape(out, (unsigned char)at[i]);
        else
            bytes_add_string(out, "\xef\xbf\xbd");
        i += size > 0 ? size : 1;
    }
    bytes_add_char(out, '"');
}

/* The shortest digits that read back as the same number. */
static void add_real(struct bytes *out, double number)
{
    char text[40];
    if (!isfinite(number)) {
        bytes_add_string(out, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    bytes_add_string(out, text);
}

static void add_number(struct bytes *out, stockd_value value, stockd_kind kind)
{
    uint64_t positive;
    int64_t negative;
    double real;
    if (kind == STOCKD_KIND_UINT && stockd_value_u64(value, &positive))
        bytes_add_unsigned(out, positive);
    else if (kind == STOCKD_KIND_INT && stockd_value_i64(value, &negative))
        bytes_add_signed(out, negative);
    else if (stockd_value_double(value, &real))
        add_real(out, real);
    else
        bytes_add_string(out, "null");
}

static void add_list(struct bytes *out, stockd_value list)
{
    stockd_iter it = stockd_iterate(list);
    stockd_value element;
    bool first = true;
    bytes_add_char(out, '[');
    while (stockd_next(&it, NULL, &element)) {
        if (!first)
            bytes_add_char(out, ',');
        first = false;
        print_value(out, element);
    }
    bytes_add_char(out, ']');
}

/* A key is a string in JSON; another key is shown as the string of its JSON. */
static void add_key(struct bytes *out, stockd_value key)
{
    const char *at;
    size_t len;
    if (stockd_value_str(key, &at, &len)) {
        print_string(out, at, len);
        return;
    }
    struct bytes text = { 0 };
    print_value(&text, key);
    print_string(out, text.at, text.len);
    out->failed |= text.failed;
    bytes_free(&text);
}

static bool is_key(stockd_value key, const char *name)
{
    const char *at;
    size_t len;
    return name && stockd_value_str(key, &at, &len) && len == strlen(name) &&
           memcmp(at, name, len) == 0;
}

bool print_pairs(struct bytes *out, stockd_value map, const char *without)
{
    stockd_iter it = stockd_iterate(map);
    stockd_value key, element;
    bool any = false;
    if (stockd_value_kind(map) != STOCKD_KIND_MAP)
        return false;
    while (stockd_next(&it, &key, &element)) {
        if (is_key(key, without))
            continue;
        if (any)
            bytes_add_char(out, ',');
        any = true;
        add_key(out, key);
        bytes_add_char(out, ':');
        print_value(out, element);
    }
    return any;
}

/* NOLINTNEXTLINE(misc-no-recursion): values in replies are at most STOCKD_DEPTH_MAX deep */
void print_value(struct bytes *out, stockd_value value)
{
    stockd_kind kind = stockd_value_kind(value);
    const char *at;
    size_t len;
    bool flag;
    switch (kind) {
    case STOCKD_KIND_BOOL:
        bytes_add_string(out, stockd_value_bool(value, &flag) && flag ? "true" : "false");
        break;
    case STOCKD_KIND_UINT:
    case STOCKD_KIND_INT:
    case STOCKD_KIND_FLOAT:
        add_number(out, value, kind);
        break;
    case STOCKD_KIND_STR:
        if (stockd_value_str(value, &at, &len))
            print_string(out, at, len);
        break;
    case STOCKD_KIND_ARRAY:
        add_list(out, value);
        break;
    case STOCKD_KIND_MAP:
        bytes_add_char(out, '{');
        (void)print_pairs(out, value, NULL);
        bytes_add_char(out, '}');
        break;
    case STOCKD_KIND_NONE:
    case STOCKD_KIND_NIL:
    case STOCKD_KIND_EXT:
        bytes_add_string(out, "null");
        break;
    }
}
