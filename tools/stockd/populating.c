/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/populating.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Between two looks: short while the table grows, longer and longer while it does not. */
enum { LOOK_MS = 5, SELDOM_MS = 200 };

struct populating {
    struct ledger *ledger;
    pthread_t thread;
    int stop_fd; /* readable: stop */
};

static bool stops_within(const struct populating *p, int ms)
{
    struct pollfd stop = { .fd = p->stop_fd, .events = POLLIN };
    return poll(&stop, 1, ms) == 1;
}

static void *thread_main(void *argument)
{
    struct populating *p = argument;
    int wait_ms = SELDOM_MS;
    enum populated populated;
    while ((populated = ledger_populate(p->ledger)) != POPULATED_ALL) {
        bool grows = populated == POPULATED_SOME;
        if (grows)
            wait_ms = LOOK_MS;
        if (stops_within(p, grows ? 0 : wait_ms))
            break;
        if (!grows && wait_ms < SELDOM_MS)
            wait_ms *= 2;
    }
    return NULL;
}

int populating_start(struct populating **populating, struct ledger *ledger)
{
    struct populating *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->ledger = ledger;
    p->stop_fd = eventfd(0, EFD_CLOEXEC);
    int error = p->stop_fd < 0 ? errno : pthread_create(&p->thread, NULL, thread_main, p);
    if (error) {
        if (p->stop_fd >= 0)
            close(p->stop_fd);
        free(p);
        return -error;
    }
    pthread_setname_np(p->thread, "populating");
    *populating = p;
    return 0;
}

void populating_stop(struct populating *p)
{
    uint64_t one = 1;
    if (!p)
        return;
    if (write(p->stop_fd, &one, sizeof one) == sizeof one)
        pthread_join(p->thread, NULL);
    close(p->stop_fd);
    free(p);
}
