/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/base/text.h"

#include "engine/base/limits.h"

/* Length of the well-formed UTF-8 character at p; 0: none. */
static uint32_t character_length(const unsigned char *p, uint32_t left)
{
    if (p[0] < 0x80)
        return 1;
    uint32_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < length)
        return 0;
    unsigned char low = 0x80, high = 0xbf; /* the second byte's range excludes overlong forms */
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (uint32_t i = 2; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool text_is_utf8(struct text t)
{
    const unsigned char *p = (const unsigned char *)t.at;
    uint32_t i = 0;
    while (i < t.len) {
        uint32_t length = character_length(p + i, t.len - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

bool text_is_sku(struct text t)
{
    return t.len >= 1 && t.len <= SKU_MAX && text_is_utf8(t);
}

static const bool of_codes[256] = { ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
                                    ['0' ... '9'] = true, ['.'] = true,
                                    ['_'] = true,         ['-'] = true };

bool text_is_code(struct text t)
{
    if (t.len < 1 || t.len > CODE_MAX)
        return false;
    bool good = true;
    for (uint32_t i = 0; i < t.len; i++)
        good &= of_codes[(unsigned char)t.at[i]];
    return good;
}
