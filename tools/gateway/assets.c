/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/assets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct asset *asset_of(struct span name)
{
    for (unsigned i = 0; i < embedded_asset_count; i++)
        if (span_is(name, embedded_assets[i].name))
            return &embedded_assets[i];
    return NULL;
}

/* A list of tags; `W/` before one does not matter here, since the comparison is the weak one. */
bool asset_matches(const struct asset *asset, const char *none_match)
{
    if (!none_match)
        return false;
    return strcmp(none_match, "*") == 0 || strstr(none_match, asset->etag) != NULL;
}

bool asset_read(const struct asset *asset, const char *folder, struct bytes *out)
{
    char path[4096], block[8192];
    size_t len;
    int wanted = snprintf(path, sizeof path, "%s/%s", folder, asset->name);
    if (wanted < 0 || (size_t)wanted >= sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    while ((len = fread(block, 1, sizeof block, file)) > 0)
        bytes_add(out, block, len);
    bool failed = ferror(file);
    fclose(file);
    if (failed)
        errno = EIO;
    return !failed;
}
