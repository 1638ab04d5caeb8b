/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the console (tools/gateway/console/), which the build embeds into the program:
 * cmake/EmbedFiles.cmake writes the table.
 */
#ifndef GATEWAY_ASSETS_H
#define GATEWAY_ASSETS_H

#include "tools/gateway/uri.h"

struct asset {
    const char *name; /* its path in the folder */
    const char *type;
    const char *etag; /* with its quotes: a hash of the content */
    const unsigned char *at;
    size_t len;
};

/* The table that the build writes. */
extern const struct asset embedded_assets[];
extern const unsigned embedded_asset_count;

/* The page at / */
#define ASSET_HOME "index.html"

/* What a browser may do with a page of the console: load from here alone, run no inline script or
 * style, and make no markup out of text. */
#define ASSET_POLICY                                                                               \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "                    \
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "            \
    "require-trusted-types-for 'script'; trusted-types 'none'"

/* The asset of that name; NULL: there is none. */
const struct asset *asset_of(struct span name);

/* Whether If-None-Match (NULL: not given) names that version. */
bool asset_matches(const struct asset *asset, const char *none_match);

/* Appends the asset as it is in a folder now, for those who change the console. False: errno says
 * why. */
bool asset_read(const struct asset *asset, const char *folder, struct bytes *out);

#endif
