/* SPDX-License-Identifier: Apache-2.0 */
/* The monotonic clock, and deadlines on it. */
#include <time.h>

#include "client/internal.h"

stk_ms stk_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (stk_ms)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

stk_ms stk_deadline(int timeout_ms)
{
    return timeout_ms < 0 ? STK_NEVER : stk_now() + timeout_ms;
}

int stk_poll_timeout(stk_ms deadline)
{
    if (deadline == STK_NEVER)
        return -1;
    stk_ms left = deadline - stk_now();

    if (left <= 0)
        return 0;
    return left < INT_MAX ? (int)left : INT_MAX;
}
