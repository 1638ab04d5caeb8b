/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fence: a key in Redis that says which engine writes the mirror, and what it wrote last.
 *
 * Its value is "START RUN CONNECTION BATCH": when the engine started (ms), the random number of its
 * run (hexadecimal), how many connections it has made, and how many batches it has sent. Each batch
 * is a transaction that WATCHes the key and sets it anew. So
 *   - Redis applies a batch only if no other connection or engine has written since; it refuses
 *     commands of older ones that are still on their way;
 *   - an engine that connects sees whether Redis holds what it wrote last; if not, Redis was
 *     emptied, restarted with older data, or failed over to a replica that lacked the end;
 *   - the next batch detects that Redis was emptied, because the key is gone.
 * The engine that started last writes; an older engine that finds that fence stops writing.
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
/* False if the text is not a fence's value. */
bool fence_parse(struct fence *fence, const char *text, size_t length);

enum fence_verdict {
    FENCE_OURS,     /* Redis holds our last batch */
    FENCE_DOUBTFUL, /* ours to take, but all that Redis holds must be checked */
    FENCE_NEWER,    /* an engine that started later writes */
};

/*
 * found: NULL if there is none. ours: the last fence that is known to be applied. sent: the last
 * batch number that was sent, and that Redis may have applied although no reply said so.
 */
enum fence_verdict fence_judge(const struct fence *found, const struct fence *ours, uint64_t sent);

#endif
