/* SPDX-License-Identifier: Apache-2.0 */
/* The status of the mirror, for people and dashboards. */
#ifndef STOCKD_MIRROR_STATUS_H
#define STOCKD_MIRROR_STATUS_H

#include <stdint.h>

enum { MIRROR_ERROR_MAX = 200 };

enum mirror_state {
    MIRROR_CONNECTING,
    MIRROR_SYNCING, /* Redis may still show outdated values */
    MIRROR_LIVE,
    MIRROR_FENCED, /* an engine that started later writes; this one does not */
};

struct mirror_status {
    enum mirror_state state;
    uint64_t run;
    uint64_t lsn;     /* Redis shows every change up to here */
    uint64_t lag_lsn; /* bytes of log that Redis does not show yet */
    uint64_t lag_ms;  /* how old the oldest of that may be */
    uint64_t dirty;   /* items to be sent; updated once a second */
    uint64_t commands, commands_per_s, batches, batch_items, round_trip_us;
    uint64_t items_sent, resyncs, repaired, strays, connections, failures;
    uint64_t events_sent, events_missed;
    uint64_t fence_connection, fence_batch; /* of the last fence written */
    uint64_t error_ms;                      /* wall clock of the last error, 0: none */
    char error[MIRROR_ERROR_MAX];
};

#endif
