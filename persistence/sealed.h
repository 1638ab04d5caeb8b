/* SPDX-License-Identifier: Apache-2.0 */
/* Which segments are sealed (S7 in persistence/snapshot.h). */
#ifndef STOCKD_PERSISTENCE_SEALED_H
#define STOCKD_PERSISTENCE_SEALED_H

#include "persistence/segment.h"

struct sealed {
    uint64_t sequence; /* of the last sealed segment; 0: none */
    uint64_t number;   /* of the last batch in it */
};

/* Looks at the first batches of the newest segments, beside a running engine or without one. A
 * segment removed meanwhile does not count. 0, or -errno. */
int sealed_find(struct sealed *sealed, const struct file_ops *files, const char *directory,
                struct error *why);

#endif
