/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/uri.h"

#include <string.h>

#include "tools/gateway/print.h"

bool span_is(struct span span, const char *string)
{
    return span.len == strlen(string) && memcmp(span.at, string, span.len) == 0;
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool uri_decode(struct bytes *out, struct span text, bool form)
{
    size_t from = out->len;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '%') {
            int high = i + 1 < text.len ? digit(text.at[i + 1]) : -1;
            int low = i + 2 < text.len ? digit(text.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        bytes_add_char(out, c);
    }
    return !out->failed && utf8_valid(out->at + from, out->len - from);
}

struct span uri_path(const char *target)
{
    return (struct span){ target, strcspn(target, "?#") };
}

struct span uri_query(const char *target)
{
    const char *at = strchr(target, '?');
    return at ? (struct span){ at + 1, strcspn(at + 1, "#") } : (struct span){ "", 0 };
}

bool query_next(struct span *query, struct span *name, struct span *value)
{
    while (query->len > 0 && *query->at == '&') {
        query->at++;
        query->len--;
    }
    if (query->len == 0)
        return false;
    const char *end = memchr(query->at, '&', query->len);
    size_t len = end ? (size_t)(end - query->at) : query->len;
    const char *equals = memchr(query->at, '=', len);
    size_t name_len = equals ? (size_t)(equals - query->at) : len;
    *name = (struct span){ query->at, name_len };
    *value = equals ? (struct span){ equals + 1, len - name_len - 1 } : (struct span){ "", 0 };
    query->at += len;
    query->len -= len;
    return true;
}
