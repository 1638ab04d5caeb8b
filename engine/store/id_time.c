/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/id_time.h"

#include <string.h>

enum { UUID_LENGTH = 36, ULID_LENGTH = 26, ULID_TIME_DIGITS = 10 };

#define ULID_FIRST_MS UINT64_C(1451606400000) /* 2016-01-01 */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool uuid7_time(struct text id, uint64_t *ms)
{
    *ms = 0;
    for (uint32_t i = 0; i < UUID_LENGTH; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        int digit = hex_digit(id.at[i]);
        if (dash ? id.at[i] != '-' : digit < 0)
            return false;
        if (i < 13 && !dash)
            *ms = *ms << 4 | (unsigned)digit;
    }
    return id.at[14] == '7' && (hex_digit(id.at[19]) & 0xc) == 0x8;
}

/* Crockford's base 32 leaves out I, L, O and U. */
static int base32_digit(char c, bool lower)
{
    static const char digits[2][33] = { "0123456789ABCDEFGHJKMNPQRSTVWXYZ",
                                        "0123456789abcdefghjkmnpqrstvwxyz" };
    const char *found = c ? strchr(digits[lower], c) : NULL;
    return found ? (int)(found - digits[lower]) : -1;
}

static bool ulid_time_in(struct text id, bool lower, uint64_t *ms)
{
    *ms = 0;
    for (uint32_t i = 0; i < ULID_LENGTH; i++) {
        int digit = base32_digit(id.at[i], lower);
        if (digit < 0)
            return false;
        if (i < ULID_TIME_DIGITS)
            *ms = *ms << 5 | (unsigned)digit;
    }
    return id.at[0] <= '7' && *ms >= ULID_FIRST_MS; /* the first digit has three bits */
}

bool id_time_ms(struct text id, uint64_t *ms)
{
    if (id.len == UUID_LENGTH)
        return uuid7_time(id, ms);
    return id.len == ULID_LENGTH && (ulid_time_in(id, false, ms) || ulid_time_in(id, true, ms));
}
