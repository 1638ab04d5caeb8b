/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking call: connects if it must, and retries what is safe to repeat. */
#include <sys/random.h>
#include <time.h>

#include "client/internal.h"

enum { MAX_BACKOFF_MS = 2000 };

/*
 * Detects a connection that died while idle before it carries a request that must not be sent
 * twice.
 */
static void notice_closed(stockd_client *client)
{
    if (client->fd >= 0)
        (void)stk_next_response(client);
    if (client->fd >= 0)
        (void)stk_read(client);
}

/* Waits before try number attempt + 1: doubled each time, the later half at random. */
static bool back_off(const stockd_client *client, int attempt, stk_ms deadline)
{
    int64_t pause = client->options.backoff_ms;
    uint16_t random = 0;

    for (int i = 0; i < attempt && pause < MAX_BACKOFF_MS; i++)
        pause *= 2;
    if (pause > MAX_BACKOFF_MS)
        pause = MAX_BACKOFF_MS;
    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    pause = pause / 2 + pause * random / (2 * UINT16_MAX);
    if (deadline != STK_NEVER && stk_now() + pause >= deadline)
        return false;

    struct timespec left = { .tv_sec = pause / 1000, .tv_nsec = pause % 1000 * 1000000 };
    while (nanosleep(&left, &left) != 0)
        ;
    return true;
}

int stockd_call(stockd_client *client, const char *method, const void *params, size_t len,
                unsigned flags, stockd_reply *reply)
{
    stk_ms deadline = stk_deadline(client->options.call_timeout_ms);
    int rc = stk_check_request(client, method, &params, &len);

    if (rc != STOCKD_OK)
        return rc;
    if (client->in_flight > 0)
        return stk_fail(client, STOCKD_E_ARGUMENT, "%s: pipelined requests are in flight", method);
    if (!(flags & STOCKD_RETRY_SAFE))
        notice_closed(client);

    for (int attempt = 0;; attempt++) {
        rc = stk_open(client, deadline);
        if (rc == STOCKD_OK)
            rc = stk_round_trip(client, method, params, len, deadline);
        if (rc != STOCKD_E_CLOSED && rc != STOCKD_E_CONNECT)
            break;
        if (!(flags & STOCKD_RETRY_SAFE) || attempt >= client->options.retries)
            break;
        if (!back_off(client, attempt, deadline))
            break;
    }
    stk_copy_reply(client, rc, reply);
    return rc;
}
