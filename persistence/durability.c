/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/durability.h"

#include <assert.h>
#include <string.h>

#include "persistence/watermark.h"

static const struct {
    const char *name;
    unsigned requires;
} kinds[] = {
    [DURABILITY_ALWAYS] = { "always", 1U << WATERMARK_DISK },
    [DURABILITY_EVERYSEC] = { "everysec", 1U << WATERMARK_KERNEL },
    [DURABILITY_NONE] = { "none", 0 },
};

enum { KINDS = sizeof kinds / sizeof *kinds };

const char *durability_name(enum durability durability)
{
    assert((unsigned)durability < KINDS);
    return kinds[durability].name;
}

bool durability_parse(const char *name, enum durability *durability)
{
    for (unsigned i = 0; i < KINDS; i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            *durability = (enum durability)i;
            return true;
        }
    }
    return false;
}

unsigned durability_requires(enum durability durability)
{
    assert((unsigned)durability < KINDS);
    return kinds[durability].requires;
}
