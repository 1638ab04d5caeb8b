/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread that serves clients finds done by other threads.
 *
 * What may wait (to connect, to ask the ops port) is done by a thread of its own. Who wants it done
 * gives that thread an errand, and gets it back in the inbox. From then until `done` is called, the
 * errand may be read and written by that thread alone.
 */
#ifndef GATEWAY_INBOX_H
#define GATEWAY_INBOX_H

#include <pthread.h>
#include <stdbool.h>

struct inbox;

/* The first member of what is to be done: `done` gets a pointer to both. */
struct errand {
    struct errand *next;
    struct inbox *inbox;
    void (*done)(struct errand *errand); /* called by inbox_serve */
};

/* A queue of errands; empty: { NULL, NULL }. */
struct errands {
    struct errand *first, *last;
};

void errands_add(struct errands *errands, struct errand *errand);
struct errand *errands_take(struct errands *errands); /* NULL: there is none */

/* Where a thread finds what is done. */
struct inbox {
    pthread_mutex_t mutex;
    struct errands returned; /* under the mutex */
    int event_fd;            /* readable when there is something, or the thread was woken */
};

bool inbox_open(struct inbox *inbox);
void inbox_close(struct inbox *inbox);
void inbox_wake(struct inbox *inbox); /* from any thread, or a signal handler */
/* Gives an errand back to who asked for it; from any thread. */
void errand_return(struct errand *errand);
/* Calls `done` of every errand that has come back. */
void inbox_serve(struct inbox *inbox);

#endif
