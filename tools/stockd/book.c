/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread reads for all workers, one question after the other, at a lower priority than theirs:
 * a walk through gigabytes must cost them as little as it can.
 *
 * B1  `asked` is pushed with release by the workers and taken by exchange with acquire by the
 *     thread: it sees the whole question. `waiting` bounds how many there are; relaxed, for it
 *     carries nothing. The semaphore is posted after the push, so each post finds its question,
 *     unless an earlier one took it along.
 */
#include "tools/stockd/book.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "persistence/book_reader.h"

enum {
    WAITING_MAX = 256, /* questions */
    NICENESS = 10,     /* of the thread, above the workers' */
    DURABLE_MS = 5000, /* that a question waits for what was done before it */
};

/* A question in the queue. */
struct ticket {
    struct ticket *next;
    struct book_question *question;
    struct answer_box *box;
};

struct book_thread {
    const struct journal *journal;
    struct book_reader reader;
    pthread_t thread;
    sem_t posted;
    _Atomic(struct ticket *) asked; /* B1 */
    _Atomic unsigned waiting;       /* B1 */
    _Atomic bool stopping;          /* book_stop; relaxed: the post carries it */
};

/* ---- workers ---- */

static bool ask(void *self, struct book_question *question, struct answer_box *box)
{
    struct book_thread *book = self;
    if (atomic_fetch_add_explicit(&book->waiting, 1, memory_order_relaxed) >= WAITING_MAX) {
        atomic_fetch_sub_explicit(&book->waiting, 1, memory_order_relaxed);
        return false;
    }
    struct ticket *ticket = malloc(sizeof *ticket);
    if (!ticket) {
        atomic_fetch_sub_explicit(&book->waiting, 1, memory_order_relaxed);
        return false;
    }
    *ticket = (struct ticket){ .question = question, .box = box };
    ticket->next = atomic_load_explicit(&book->asked, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&book->asked, &ticket->next, ticket,
                                                  memory_order_release, memory_order_relaxed)) {
        /* another worker's question came in between */
    }
    sem_post(&book->posted);
    return true;
}

struct book_port book_port_of(struct book_thread *book)
{
    return (struct book_port){ .self = book, .ask = ask };
}

/* ---- the thread ---- */

static bool is_stopping(struct book_thread *book)
{
    return atomic_load_explicit(&book->stopping, memory_order_relaxed);
}

/* Waits until what the asker had done, or seen, is on disk: or as far as it ever gets. */
static void await_durable(struct book_thread *book, struct book_question *question)
{
    struct journal_figures figures;
    journal_figures(book->journal, &figures);
    for (int ms = 0; figures.written_lsn < question->upto && ms < DURABLE_MS; ms++) {
        if (is_stopping(book) || *journal_failure(book->journal))
            break;
        poll(NULL, 0, 1);
        journal_figures(book->journal, &figures);
    }
    if (figures.written_lsn < question->upto)
        question->upto = figures.written_lsn;
}

static void answer(struct book_thread *book, const struct ticket *ticket)
{
    struct book_question *question = ticket->question;
    question->outcome = BOOK_STOPPED;
    if (!is_stopping(book) && !atomic_load_explicit(&question->abandoned, memory_order_relaxed)) {
        await_durable(book, question);
        book_reader_answer(&book->reader, question);
    }
    answer_box_put(ticket->box, question);
}

/* The newest is first in what was pushed; answered is in the order in which it was asked. */
static struct ticket *take_asked(struct book_thread *book)
{
    struct ticket *from = atomic_exchange_explicit(&book->asked, NULL, memory_order_acquire);
    struct ticket *in_order = NULL;
    while (from) {
        struct ticket *next = from->next;
        from->next = in_order;
        in_order = from;
        from = next;
    }
    return in_order;
}

static void answer_all(struct book_thread *book)
{
    struct ticket *next;
    for (struct ticket *ticket = take_asked(book); ticket; ticket = next) {
        next = ticket->next;
        answer(book, ticket);
        free(ticket);
        atomic_fetch_sub_explicit(&book->waiting, 1, memory_order_relaxed);
    }
}

static void *thread_main(void *argument)
{
    struct book_thread *book = argument;
    /* On Linux a thread has a priority of its own. If it may not be lowered, so be it. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + NICENESS);
    while (!is_stopping(book)) {
        while (sem_wait(&book->posted) < 0 && errno == EINTR) {
            /* again */
        }
        answer_all(book);
    }
    answer_all(book);
    return NULL;
}

int book_start(struct book_thread **book, const char *directory, const struct journal *journal)
{
    struct book_thread *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->journal = journal;
    int error = book_reader_open(&made->reader, &file_system, directory);
    if (!error)
        error = -sem_init(&made->posted, 0, 0);
    if (!error)
        error = -pthread_create(&made->thread, NULL, thread_main, made);
    if (!error)
        pthread_setname_np(made->thread, "book");
    if (error) {
        book_reader_close(&made->reader);
        free(made);
        return error;
    }
    *book = made;
    return 0;
}

void book_stop(struct book_thread *book)
{
    if (!book)
        return;
    atomic_store_explicit(&book->stopping, true, memory_order_relaxed);
    sem_post(&book->posted);
    pthread_join(book->thread, NULL);
    sem_destroy(&book->posted);
    book_reader_close(&book->reader);
    free(book);
}
