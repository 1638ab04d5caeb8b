/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/stream_id.h"

#include "mirror/commands.h"

unsigned stream_id_format(struct stream_id id, char text[STREAM_ID_MAX])
{
    unsigned length = decimal(text, id.lsn);
    text[length++] = '-';
    return length + decimal(text + length, id.n);
}

static bool parse_number(uint64_t *number, const char **at, const char *end)
{
    const char *start = *at;
    *number = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(**at - '0'), number))
            return false;
    return *at > start;
}

bool stream_id_parse(struct stream_id *id, const char *text, size_t length)
{
    const char *at = text;
    const char *end = text + length;
    if (!parse_number(&id->lsn, &at, end) || at == end || *at++ != '-')
        return false;
    return parse_number(&id->n, &at, end) && at == end;
}
