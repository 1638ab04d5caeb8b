/* SPDX-License-Identifier: Apache-2.0 */
/* Acquiring the fence on a new connection, and with it the right to write (mirror/fence.h). Owned
 * by the mirror's thread. */
#ifndef STOCKD_MIRROR_ACQUIRE_H
#define STOCKD_MIRROR_ACQUIRE_H

#include "mirror/exchange.h"
#include "mirror/publish.h"
#include "mirror/report.h"
#include "mirror/tell.h"

struct acquirer {
    struct exchange *exchange;
    struct publisher *publisher; /* continues after the last entry of the stream */
    struct teller *teller;       /* likewise, of the stream of events */
    struct report *report;
    bool forced; /* by mirror_take: takes the fence even from a newer engine, once */
};

enum acquired { ACQUIRED, ACQUIRE_FAILED, ACQUIRE_FENCED };

/* On a new connection: judges the fence and sets it to our own. If Redis may hold anything, a
 * mandatory pass begins. FAILED and FENCED close the connection. */
enum acquired acquire_fence(struct acquirer *a);

#endif
