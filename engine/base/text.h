/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed run of bytes, such as a name in a request. It is valid as long as its buffer. */
#ifndef STOCKD_ENGINE_BASE_TEXT_H
#define STOCKD_ENGINE_BASE_TEXT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct text {
    const char *at; /* borrowed; not terminated; NULL when absent */
    uint32_t len;
};

static inline struct text text_of(const char *string)
{
    return (struct text){ string, string ? (uint32_t)strlen(string) : 0 };
}

static inline bool text_given(struct text t)
{
    return t.at != NULL;
}

static inline bool text_equal(struct text a, struct text b)
{
    if (a.len != b.len || a.len == 0)
        return a.len == b.len;
    assert(a.at);
    assert(b.at);
    return memcmp(a.at, b.at, a.len) == 0;
}

/* 1 to 64 bytes of well-formed UTF-8. */
bool text_is_sku(struct text t);

/* 1 to 32 bytes of A-Za-z0-9._- */
bool text_is_code(struct text t);

/* Well-formed UTF-8 (RFC 3629: no overlong forms, surrogates or values over U+10FFFF). */
bool text_is_utf8(struct text t);

#endif
