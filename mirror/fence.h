/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fence: one key of Redis that says who writes the mirror, and what was written last.
 *
 * Its value is "START RUN CONNECTION BATCH": when the engine started (ms), its run's random number
 * (hexadecimal), how many connections it has made, how many batches it has sent. Each batch is
 * WATCHed on the key and sets it anew, in one transaction. So
 *   - a batch is applied only if nobody else has written since: an older connection's commands,
 *     or an older engine's, that are still on their way are refused by Redis itself;
 *   - who connects sees whether Redis holds what it wrote last: else it was emptied, restarted with
 *     older data, or failed over to a replica that lacked the end;
 *   - an emptied Redis is noticed with the next batch, for the key is gone.
 * The engine that started last writes; an older one that finds it stops.
 */
#ifndef STOCKD_MIRROR_FENCE_H
#define STOCKD_MIRROR_FENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fence {
    uint64_t start_ms;
    uint64_t run;
    uint64_t connection;
    uint64_t batch;
};

enum { FENCE_MAX = 80 };

/* With its terminating zero. */
void fence_format(const struct fence *fence, char text[FENCE_MAX]);
/* False if it is no fence's value. */
bool fence_parse(struct fence *fence, const char *text, size_t length);

enum fence_verdict {
    FENCE_OURS,     /* Redis holds what we wrote last */
    FENCE_DOUBTFUL, /* ours to take, but what Redis holds must be looked at */
    FENCE_NEWER,    /* an engine that started later writes */
};

/*
 * found: NULL if there is none. ours: the last that is known to be applied; sent: the batch number
 * that may have been applied without our knowing, ours->batch if there is none.
 */
enum fence_verdict fence_judge(const struct fence *found, const struct fence *ours, uint64_t sent);

#endif
