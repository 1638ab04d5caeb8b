/* SPDX-License-Identifier: Apache-2.0 */
/* The Redis mirror as a part of stockd: neither it nor the server knows the other. */
#ifndef STOCKD_TOOLS_STOCKD_MIRRORING_H
#define STOCKD_TOOLS_STOCKD_MIRRORING_H

#include <stdbool.h>
#include <stddef.h>

#include "mirror/mirror.h"
#include "protocol/mirror_port.h"
#include "tools/stockd/options.h"

struct mirroring {
    struct mirror *mirror; /* NULL: none */
    struct mirror_port port;
    const struct options *options;
};

struct mirroring_parts {
    const struct options *options; /* these three outlive it */
    struct ledger *ledger;
    struct log *log;
    unsigned ctx;       /* of a reader */
    uint64_t engine_ms; /* at the start */
    uint64_t steady_ms; /* CLOCK_MONOTONIC then */
    void (*say)(void *context, int level, const char *line);
};

/* False, and one line in why. */
bool mirroring_create(struct mirroring *mirroring, const struct mirroring_parts *parts, char *why,
                      size_t size);
/* Without a mirror these do nothing. start: 0 or -errno. stop ends it, started or not; it may be
 * called again. */
int mirroring_start(struct mirroring *mirroring);
void mirroring_stop(struct mirroring *mirroring);

#endif
