/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/principal.h"

#include <assert.h>
#include <string.h>

_Static_assert(NAME_MAX_BYTES <= UINT8_MAX, "a name's length fits");

void principal_identify(struct principal *principal, struct text name, uint16_t client)
{
    assert(name.len <= NAME_MAX_BYTES);
    assert(name.len > 0 || client == 0); /* only names have numbers in the journal */
    principal->client = client;
    principal->name_length = (uint8_t)name.len;
    if (name.len > 0)
        memcpy(principal->name, name.at, name.len);
}

struct text principal_name(const struct principal *principal)
{
    return (struct text){ principal->name, principal->name_length };
}
