/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/caretaker.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/ledger/id_gauge.h"

/* Between two checks: short while the table grows, longer and longer while it does not. */
enum { LOOK_MS = 5, SELDOM_MS = 200 };

/* Between two warnings, while nothing improves. */
enum { WARN_AGAIN_MS = 60000 };

struct caretaker {
    struct ledger *ledger;
    const struct engine_clock *clock;
    pthread_t thread;
    int stop_fd; /* readable: stop */
    uint64_t warned_ms;
    uint64_t behind_ms; /* since when, or when last told; 0: calendars are laid out for today */
};

static bool stops_within(const struct caretaker *c, int ms)
{
    struct pollfd stop = { .fd = c->stop_fd, .events = POLLIN };
    return poll(&stop, 1, ms) == 1;
}

/* Warns in time: once the current rate would fill the table before its ids may be forgotten, and
 * half of it is in use. */
static void watch_ids(struct caretaker *c)
{
    struct ledger_metrics metrics;
    uint64_t now_ms = clock_engine_ms(c->clock, clock_ms(CLOCK_MONOTONIC));
    ledger_sample_ids(c->ledger, now_ms);
    struct id_outlook outlook = ledger_id_outlook(c->ledger, now_ms);
    ledger_metrics(c->ledger, &metrics);
    if (outlook.last_ms >= metrics.remember_ms || 2 * metrics.ids_taken < metrics.reservations_max)
        return;
    if (c->warned_ms != 0 && now_ms - c->warned_ms < WARN_AGAIN_MS)
        return;
    c->warned_ms = now_ms;
    fprintf(stderr,
            "stockd: at %" PRIu64 " new ids a second, the id table (%" PRIu64 ") lasts %" PRIu64
            " s, but each id must be remembered for %" PRIu64 " s: in %" PRIu64
            " s changes are refused as overloaded; --reservations %" PRIu64
            " is enough, or use a shorter --remember-s\n",
            outlook.per_s, metrics.reservations_max, outlook.last_ms / 1000,
            metrics.remember_ms / 1000, outlook.full_ms / 1000, outlook.needed);
}

/* Opening hours are laid out once a day. If that fails the days laid out before are still there:
 * it is tried again, and told now and then. */
static void lay_out(struct caretaker *c)
{
    uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);
    if (ledger_lay_out(c->ledger, clock_ms(CLOCK_REALTIME))) {
        c->behind_ms = 0;
        return;
    }
    if (c->behind_ms == 0)
        c->behind_ms = now_ms;
    if (now_ms - c->behind_ms < WARN_AGAIN_MS)
        return;
    c->behind_ms = now_ms;
    fprintf(stderr, "stockd: the opening hours of today are not laid out: no memory, or a "
                    "calendar's time zone is missing; install tzdata\n");
}

static void *thread_main(void *argument)
{
    struct caretaker *c = argument;
    int wait_ms = SELDOM_MS;
    do {
        enum populated populated = ledger_populate(c->ledger);
        watch_ids(c);
        lay_out(c);
        if (populated == POPULATED_SOME)
            wait_ms = 0;
        else if (wait_ms == 0)
            wait_ms = LOOK_MS;
        else if (wait_ms < SELDOM_MS)
            wait_ms *= 2;
    } while (!stops_within(c, wait_ms));
    return NULL;
}

int caretaker_start(struct caretaker **caretaker, struct ledger *ledger,
                    const struct engine_clock *clock)
{
    struct caretaker *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->ledger = ledger;
    c->clock = clock;
    c->stop_fd = eventfd(0, EFD_CLOEXEC);
    int error = c->stop_fd < 0 ? errno : pthread_create(&c->thread, NULL, thread_main, c);
    if (error) {
        if (c->stop_fd >= 0)
            close(c->stop_fd);
        free(c);
        return -error;
    }
    pthread_setname_np(c->thread, "caretaker");
    *caretaker = c;
    return 0;
}

void caretaker_stop(struct caretaker *c)
{
    uint64_t one = 1;
    if (!c)
        return;
    if (write(c->stop_fd, &one, sizeof one) == sizeof one)
        pthread_join(c->thread, NULL);
    close(c->stop_fd);
    free(c);
}
