/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread reads for all workers, one query after the other, at a lower priority than theirs: a
 * walk through gigabytes must cost them as little as possible. It makes the reports, too.
 *
 * B1  `asked` is pushed with release by the workers and taken by exchange with acquire by the
 *     thread: it sees the whole query. `waiting` bounds how many there are; relaxed, because it
 *     carries nothing. The semaphore is posted after the push, so each post finds its query, unless
 *     an earlier one took it along.
 */
#include "tools/stockd/history.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "persistence/history_reader.h"

enum {
    WAITING_MAX = 256, /* queries */
    NICENESS = 10,     /* of the thread, above the workers' */
    DURABLE_MS = 5000, /* that a query waits for earlier changes to become durable */
};

/* A query in the queue. */
struct ticket {
    struct ticket *next;
    struct history_query *query;
    struct answer_box *box;
};

struct history_thread {
    const struct journal *journal;
    struct ctx *ctx; /* for reports; the thread's own */
    const struct engine_clock *clock;
    struct history_reader reader;
    pthread_t thread;
    sem_t posted;
    _Atomic(struct ticket *) asked; /* B1 */
    _Atomic unsigned waiting;       /* B1 */
    _Atomic bool stopping;          /* history_stop; relaxed: the post carries it */
};

/* ---- workers ---- */

static bool ask(void *self, struct history_query *query, struct answer_box *box)
{
    struct history_thread *history = self;
    if (atomic_fetch_add_explicit(&history->waiting, 1, memory_order_relaxed) >= WAITING_MAX) {
        atomic_fetch_sub_explicit(&history->waiting, 1, memory_order_relaxed);
        return false;
    }
    struct ticket *ticket = malloc(sizeof *ticket);
    if (!ticket) {
        atomic_fetch_sub_explicit(&history->waiting, 1, memory_order_relaxed);
        return false;
    }
    *ticket = (struct ticket){ .query = query, .box = box };
    ticket->next = atomic_load_explicit(&history->asked, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&history->asked, &ticket->next, ticket,
                                                  memory_order_release, memory_order_relaxed)) {
        /* another worker's query came in between */
    }
    sem_post(&history->posted);
    return true;
}

struct history_port history_port_of(struct history_thread *history)
{
    return (struct history_port){ .self = history, .ask = ask };
}

/* ---- the thread ---- */

static bool is_stopping(struct history_thread *history)
{
    return atomic_load_explicit(&history->stopping, memory_order_relaxed);
}

/* Waits until what the client had done or seen is on disk, or never will be. */
static void await_durable(struct history_thread *history, struct history_query *query)
{
    struct journal_metrics metrics;
    journal_metrics(history->journal, &metrics);
    for (int ms = 0; metrics.written_lsn < query->upto && ms < DURABLE_MS; ms++) {
        if (is_stopping(history) || *journal_failure(history->journal))
            break;
        poll(NULL, 0, 1);
        journal_metrics(history->journal, &metrics);
    }
    if (metrics.written_lsn < query->upto)
        query->upto = metrics.written_lsn;
}

/* What is durable is in it; and what was not known to be, perhaps, too. */
static void make_report(struct history_thread *history, struct history_query *query)
{
    uint64_t steady_ms = clock_ms(CLOCK_MONOTONIC);
    report_run(query->report, history->ctx, &query->abandoned,
               clock_engine_ms(history->clock, steady_ms), clock_ms(CLOCK_REALTIME));
    query->outcome = HISTORY_ANSWERED;
}

static void answer(struct history_thread *history, const struct ticket *ticket)
{
    struct history_query *query = ticket->query;
    query->outcome = HISTORY_STOPPED;
    if (!is_stopping(history) && !atomic_load_explicit(&query->abandoned, memory_order_relaxed)) {
        await_durable(history, query);
        if (query->kind == HISTORY_REPORT)
            make_report(history, query);
        else
            history_reader_answer(&history->reader, query);
    }
    answer_box_put(ticket->box, query);
}

/* The pushed list has the newest query first; they are answered in order of arrival. */
static struct ticket *take_asked(struct history_thread *history)
{
    struct ticket *from = atomic_exchange_explicit(&history->asked, NULL, memory_order_acquire);
    struct ticket *in_order = NULL;
    while (from) {
        struct ticket *next = from->next;
        from->next = in_order;
        in_order = from;
        from = next;
    }
    return in_order;
}

static void answer_all(struct history_thread *history)
{
    struct ticket *next;
    for (struct ticket *ticket = take_asked(history); ticket; ticket = next) {
        next = ticket->next;
        answer(history, ticket);
        free(ticket);
        atomic_fetch_sub_explicit(&history->waiting, 1, memory_order_relaxed);
    }
}

static void *thread_main(void *argument)
{
    struct history_thread *history = argument;
    /* On Linux each thread has its own priority. A failure does not matter. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + NICENESS);
    while (!is_stopping(history)) {
        while (sem_wait(&history->posted) < 0 && errno == EINTR) {
            /* again */
        }
        answer_all(history);
    }
    answer_all(history);
    return NULL;
}

int history_start(struct history_thread **history, const struct history_parts *parts)
{
    struct history_thread *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->journal = parts->journal;
    made->ctx = parts->ctx;
    made->clock = parts->clock;
    int error = history_reader_open(&made->reader, &file_system, parts->directory);
    if (!error)
        error = -sem_init(&made->posted, 0, 0);
    if (!error)
        error = -pthread_create(&made->thread, NULL, thread_main, made);
    if (!error)
        pthread_setname_np(made->thread, "history");
    if (error) {
        history_reader_close(&made->reader);
        free(made);
        return error;
    }
    *history = made;
    return 0;
}

void history_stop(struct history_thread *history)
{
    if (!history)
        return;
    atomic_store_explicit(&history->stopping, true, memory_order_relaxed);
    sem_post(&history->posted);
    pthread_join(history->thread, NULL);
    sem_destroy(&history->posted);
    history_reader_close(&history->reader);
    free(history);
}
