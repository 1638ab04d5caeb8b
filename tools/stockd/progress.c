/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "protocol/clock.h"
#include "tools/service/manager.h"
#include "tools/service/notice.h"

void show_progress(void *context, uint64_t done, uint64_t total)
{
    static uint64_t due_ms;
    uint64_t now = clock_ms(CLOCK_MONOTONIC);
    (void)context;
    if (due_ms == 0)
        due_ms = now + 5000;
    if (now < due_ms || total == 0)
        return;
    due_ms = now + 1000;
    char text[64];
    const struct notice_field fields[] = {
        { .name = "done_bytes", .number = done },
        { .name = "total_bytes", .number = total },
        { .name = NULL },
    };
    snprintf(text, sizeof text, "recovering: %" PRIu64 " %% of %" PRIu64 " MiB", done * 100 / total,
             total >> 20);
    notice_with(LOG_INFO, "journal", fields, "%s", text);
    manager_status(text);
}
