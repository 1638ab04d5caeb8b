/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void fence_format(const struct fence *fence, char text[FENCE_MAX])
{
    snprintf(text, FENCE_MAX, "%" PRIu64 " %016" PRIx64 " %" PRIu64 " %" PRIu64, fence->start_ms,
             fence->run, fence->connection, fence->batch);
}

bool fence_parse(struct fence *fence, const char *text, size_t length)
{
    char copy[FENCE_MAX];
    char again[FENCE_MAX];
    if (length >= sizeof copy || memchr(text, '\0', length))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (sscanf(copy, "%" SCNu64 " %" SCNx64 " %" SCNu64 " %" SCNu64, &fence->start_ms, &fence->run,
               &fence->connection, &fence->batch) != 4)
        return false;
    fence_format(fence, again); /* only what fence_format writes is a fence */
    return strcmp(copy, again) == 0;
}

enum fence_verdict fence_judge(const struct fence *found, const struct fence *ours, uint64_t sent)
{
    if (!found)
        return FENCE_DOUBTFUL;
    if (found->run != ours->run || found->start_ms != ours->start_ms) {
        bool later = found->start_ms > ours->start_ms ||
                     (found->start_ms == ours->start_ms && found->run > ours->run);
        return later ? FENCE_NEWER : FENCE_DOUBTFUL;
    }
    bool last = found->batch == ours->batch || found->batch == sent;
    return last ? FENCE_OURS : FENCE_DOUBTFUL;
}
