/* SPDX-License-Identifier: Apache-2.0 */
/* Acquiring the fence on a new connection: becoming the one who writes (mirror/fence.h). Owned by
 * the mirror's thread. */
#ifndef STOCKD_MIRROR_ACQUIRE_H
#define STOCKD_MIRROR_ACQUIRE_H

#include "mirror/exchange.h"
#include "mirror/publish.h"
#include "mirror/report.h"

struct acquirer {
    struct exchange *exchange;
    struct publisher *publisher; /* goes on after the stream's last entry */
    struct report *report;
    bool forced; /* by mirror_take: acquire the fence even from a newer engine, once */
};

enum acquired { ACQUIRED, ACQUIRE_FAILED, ACQUIRE_FENCED };

/* On a connection just opened: judges the fence, and sets it to our own. FAILED and FENCED close
 * the connection. If Redis may hold anything, the pass begins anew. */
enum acquired acquire_fence(struct acquirer *a);

#endif
