/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/watch.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/service/notice.h"

enum { LOOK_MS = 500 };

/* Per cent of a table at which it logs a line. */
static const unsigned levels[] = { 80, 90, 100 };
enum { LEVELS = sizeof levels / sizeof *levels };

/* Items and pools are never removed, so each level is reached once. */
struct table {
    const char *name; /* and the option that sizes it */
    unsigned said;    /* levels that were logged */
};

struct watch {
    const struct ledger *ledger;
    pthread_t thread;
    int stop_fd;   /* readable: stop */
    int signal_fd; /* of the signals that it takes */
    struct table items, pools;
    struct watch_task tasks[WATCH_TASKS_MAX];
    unsigned task_count;
};

static void signals_taken(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR1);
    sigaddset(set, SIGUSR2);
}

void watch_block_signals(void)
{
    sigset_t taken;
    signals_taken(&taken);
    pthread_sigmask(SIG_BLOCK, &taken, NULL);
}

/* ---- tables ---- */

static void look_at(struct table *table, uint64_t used, uint64_t max)
{
    unsigned reached = table->said;
    while (reached < LEVELS && used >= (max * levels[reached] + 99) / 100)
        reached++;
    if (reached == table->said)
        return;
    table->said = reached;
    const struct notice_field fields[] = {
        { .name = "table", .text = table->name },
        { .name = "used", .number = used },
        { .name = "size", .number = max },
        { .name = NULL },
    };
    if (used >= max)
        notice_with(LOG_ERR, "tables", fields,
                    "the table of %s is full (%" PRIu64 "): new %s are refused with \"limit\" "
                    "until the engine is started with larger --%s",
                    table->name, max, table->name, table->name);
    else
        notice_with(LOG_WARNING, "tables", fields,
                    "the table of %s is %u %% full (%" PRIu64 " of %" PRIu64
                    "): start the engine with larger --%s before new ones are refused",
                    table->name, levels[reached - 1], used, max, table->name);
}

static void look_at_tables(struct watch *w)
{
    struct ledger_metrics metrics;
    ledger_metrics(w->ledger, &metrics);
    look_at(&w->items, metrics.items, metrics.items_max);
    look_at(&w->pools, metrics.pools, metrics.pools_max);
}

/* ---- signals ---- */

/* True: it asks for what is read from files to be read again. */
static bool take_signal(const struct watch *w)
{
    struct signalfd_siginfo signal;
    if (read(w->signal_fd, &signal, sizeof signal) != sizeof signal)
        return false;
    if (signal.ssi_signo == SIGHUP && w->task_count > 0)
        return true;
    if (signal.ssi_signo == SIGHUP)
        notice(LOG_INFO, "engine", "ignored SIGHUP: there is nothing to reload");
    else if (signal.ssi_signo != SIGHUP)
        notice(LOG_INFO, "engine", "ignored SIG%s: it has no meaning here",
               sigabbrev_np((int)signal.ssi_signo));
    return false;
}

static void run_tasks(const struct watch *w, bool asked)
{
    for (unsigned i = 0; i < w->task_count; i++)
        w->tasks[i].look(w->tasks[i].context, asked);
}

/* ---- the thread ---- */

static void *thread_main(void *argument)
{
    struct watch *w = argument;
    struct pollfd fds[] = {
        { .fd = w->stop_fd, .events = POLLIN },
        { .fd = w->signal_fd, .events = POLLIN },
    };
    while (!(fds[0].revents & POLLIN)) {
        bool asked = (fds[1].revents & POLLIN) && take_signal(w);
        look_at_tables(w);
        run_tasks(w, asked);
        if (poll(fds, 2, LOOK_MS) < 0)
            fds[0].revents = fds[1].revents = 0; /* interrupted */
    }
    return NULL;
}

static void release(struct watch *w)
{
    if (w->stop_fd >= 0)
        close(w->stop_fd);
    if (w->signal_fd >= 0)
        close(w->signal_fd);
    free(w);
}

int watch_start(struct watch **watch, const struct ledger *ledger, const struct watch_task *tasks,
                unsigned task_count)
{
    sigset_t taken;
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    signals_taken(&taken);
    assert(task_count <= WATCH_TASKS_MAX);
    w->ledger = ledger;
    w->task_count = task_count;
    for (unsigned i = 0; i < task_count; i++)
        w->tasks[i] = tasks[i];
    w->items.name = "items";
    w->pools.name = "pools";
    w->stop_fd = eventfd(0, EFD_CLOEXEC);
    w->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    int error = w->stop_fd < 0 || w->signal_fd < 0 ? errno : 0;
    if (!error)
        error = pthread_create(&w->thread, NULL, thread_main, w);
    if (error) {
        release(w);
        return -error;
    }
    pthread_setname_np(w->thread, "watch");
    *watch = w;
    return 0;
}

void watch_stop(struct watch *w)
{
    uint64_t one = 1;
    if (!w)
        return;
    if (write(w->stop_fd, &one, sizeof one) == sizeof one)
        pthread_join(w->thread, NULL);
    release(w);
}
