/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/moving.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    AT_ONCE = 3, /* tries without a pause: a cluster has as many nodes */
    PAUSE_MS = 50,
    PAUSE_MOST_MS = 500,
    PATIENCE_S = 20,
};

bool moving_possible(const char *addresses)
{
    return strchr(addresses, ',') != NULL;
}

void moving_lost(struct moving *moving, uint64_t now)
{
    uint64_t pause = 0;

    if (moving->tries++ == 0)
        moving->since = now;
    if (moving->tries > AT_ONCE) {
        unsigned doubled = moving->tries - AT_ONCE - 1;

        pause = doubled < 4 ? PAUSE_MS << doubled : PAUSE_MOST_MS;
    }
    moving->lost = true;
    moving->due = now + pause * 1000000;
}

enum moved moving_try(struct moving *moving, stockd_client *client, uint64_t now)
{
    assert(moving->lost);
    if (now < moving->due)
        return MOVED_NOT_YET;
    if (now - moving->since > (uint64_t)PATIENCE_S * 1000000000) {
        fprintf(stderr, "stockbench: no node has taken a request for %d s: %s\n", PATIENCE_S,
                stockd_error_message(client));
        return MOVED_NOWHERE;
    }
    if (stockd_reconnect(client) != STOCKD_OK) {
        moving_lost(moving, now);
        return MOVED_NOT_YET;
    }
    moving->lost = false;
    return MOVED;
}
