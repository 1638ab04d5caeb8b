/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/caretaker.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/ledger/id_gauge.h"
#include "tools/service/notice.h"

/* Between two checks: short while the table grows, longer and longer while it does not. */
enum { LOOK_MS = 5, SELDOM_MS = 200 };

/* Between two warnings, while nothing improves. */
enum { WARN_AGAIN_MS = 60000 };

/* After opening hours could not be laid out: it takes the catalogue, and reads files. */
enum { LAY_OUT_AGAIN_MS = 60000 };

struct caretaker {
    struct ledger *ledger;
    const struct engine_clock *clock;
    pthread_t thread;
    int stop_fd; /* readable: stop */
    uint64_t warned_ms;
    uint64_t lay_out_ms; /* not before then */
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
    notice(LOG_WARNING, "ids",
           "at %" PRIu64 " new ids a second, the id table (%" PRIu64 ") lasts %" PRIu64
           " s, but each id must be remembered for %" PRIu64 " s: in %" PRIu64
           " s changes are refused as overloaded; --reservations %" PRIu64
           " is enough, or use a shorter --remember-s",
           outlook.per_s, metrics.reservations_max, outlook.last_ms / 1000,
           metrics.remember_ms / 1000, outlook.full_ms / 1000, outlook.needed);
}

void caretaker_warn_hours(const struct lay_out_failure *f)
{
    if (f->calendars == 0) {
        notice(LOG_WARNING, "calendars", "the opening hours of today are not laid out: %s",
               strerror(-f->error));
        return;
    }
    char others[40] = "";
    if (f->calendars > 1)
        snprintf(others, sizeof others, " (and those of %d other calendars)", f->calendars - 1);
    notice(LOG_WARNING, "calendars",
           "the opening hours of calendar \"%.*s\" cannot be laid out%s: time zone "
           "\"%.*s\": %s; it goes on with those laid out before, or, without any, is never "
           "open; install tzdata or set another tz; tried again each minute",
           f->calendar.len, f->calendar.at, others, f->tz.len, f->tz.at,
           f->error == -ENOENT ? "the system has no such zone" : strerror(-f->error));
}

/* Opening hours are laid out once a day, and what failed is tried again each minute. */
static void lay_out(struct caretaker *c)
{
    struct lay_out_failure failure;
    uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);
    if (now_ms < c->lay_out_ms || ledger_lay_out(c->ledger, clock_ms(CLOCK_REALTIME), &failure) ||
        failure.error == -EBUSY)
        return;
    c->lay_out_ms = now_ms + LAY_OUT_AGAIN_MS;
    caretaker_warn_hours(&failure);
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
    c->lay_out_ms = clock_ms(CLOCK_MONOTONIC) + LAY_OUT_AGAIN_MS;
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
