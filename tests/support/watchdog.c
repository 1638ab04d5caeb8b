/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/watchdog.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct {
    void (*tell)(void *context);
    void *context;
    unsigned seconds;
    _Atomic(const char *) waits_for; /* relaxed: it points to a constant */
} watchdog = { .waits_for = "its work to be done" };

static unsigned number_of(const char *variable, unsigned otherwise)
{
    const char *text = getenv(variable);
    unsigned long number = text ? strtoul(text, NULL, 10) : 0;
    return number > 0 && number < 1000000 ? (unsigned)number : otherwise;
}

static void *watch(void *argument)
{
    struct timespec left = { .tv_sec = watchdog.seconds };
    (void)argument;
    while (nanosleep(&left, &left) != 0) {
    }
    printf("HUNG: after %u s it still waits for %s\n", watchdog.seconds,
           atomic_load_explicit(&watchdog.waits_for, memory_order_relaxed));
    if (watchdog.tell)
        watchdog.tell(watchdog.context);
    fflush(stdout);
    _exit(1);
}

void watchdog_start(void (*tell)(void *context), void *context)
{
    pthread_t thread;
    unsigned limit = number_of("STOCKD_TEST_LIMIT", 0);
    if (limit == 0 || watchdog.seconds > 0)
        return;
    watchdog.tell = tell;
    watchdog.context = context;
    watchdog.seconds = limit - limit / 20 - 1;
    if (pthread_create(&thread, NULL, watch, NULL) == 0)
        pthread_detach(thread);
}

void watchdog_waits_for(const char *what)
{
    atomic_store_explicit(&watchdog.waits_for, what, memory_order_relaxed);
}

uint64_t patient_ms(uint64_t ms)
{
    return ms * number_of("STOCKD_TEST_PATIENCE", 1);
}
