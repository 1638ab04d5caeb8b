/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile tokens files: what is read can be written, and is then read as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "access/grants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char line[GRANT_LINE_MAX];
    struct grants grants;
    char why[320];
    if (!grants_read(&grants, (const char *)data, size, why, sizeof why)) {
        must(memchr(why, '\0', sizeof why) && !strchr(why, '\n') && strncmp(why, "line ", 5) == 0);
        return 0;
    }
    for (uint32_t i = 0; i < grants.count; i++) {
        const struct grant *grant = &grants.at[i];
        struct grant again;
        grant_write(grant, line, sizeof line);
        must(grant_read(&again, line, strlen(line), why, sizeof why));
        must(grant_same_key(grant, &again) && grant_same_rights(grant, &again));
        must(strcmp(grant->name, again.name) == 0 && grant->expires_ms == again.expires_ms);
        must(grants_named(&grants, grant->name) == grant);
        grant_free(&again);
    }
    grants_free(&grants);
    return 0;
}
