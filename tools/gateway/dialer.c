/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/dialer.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct dialer {
    const struct engine *engine;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t asked;
    struct dial *first, **last; /* these and the flags: under the mutex */
    bool refusing, stopping;
};

bool inbox_open(struct inbox *inbox)
{
    *inbox = (struct inbox){ .event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
    inbox->last = &inbox->first;
    pthread_mutex_init(&inbox->mutex, NULL);
    return inbox->event_fd >= 0;
}

void inbox_close(struct inbox *inbox)
{
    assert(!inbox->first);
    pthread_mutex_destroy(&inbox->mutex);
    if (inbox->event_fd >= 0)
        close(inbox->event_fd);
}

void inbox_wake(struct inbox *inbox)
{
    /* It can fail only when the counter is full, and then the thread is awake anyway. */
    ssize_t written = write(inbox->event_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
    (void)written;
}

void inbox_serve(struct inbox *inbox)
{
    uint64_t count;
    ssize_t size = read(inbox->event_fd, &count, sizeof count);
    (void)size; /* nothing to read: woken by somebody else */
    pthread_mutex_lock(&inbox->mutex);
    struct dial *dial = inbox->first;
    inbox->first = NULL;
    inbox->last = &inbox->first;
    pthread_mutex_unlock(&inbox->mutex);
    while (dial) {
        struct dial *next = dial->next;
        dial->done(dial);
        dial = next;
    }
}

static void return_dial(struct dial *dial)
{
    struct inbox *inbox = dial->inbox;
    dial->next = NULL;
    pthread_mutex_lock(&inbox->mutex);
    *inbox->last = dial;
    inbox->last = &dial->next;
    pthread_mutex_unlock(&inbox->mutex);
    inbox_wake(inbox);
}

/* Waits for the next one; NULL: stopping. */
static struct dial *next_dial(struct dialer *dialer, bool *refused)
{
    pthread_mutex_lock(&dialer->mutex);
    while (!dialer->first && !dialer->stopping)
        pthread_cond_wait(&dialer->asked, &dialer->mutex);
    struct dial *dial = dialer->first;
    if (dial) {
        dialer->first = dial->next;
        if (!dialer->first)
            dialer->last = &dialer->first;
    }
    *refused = dialer->refusing;
    pthread_mutex_unlock(&dialer->mutex);
    return dial;
}

int engine_connect(const struct engine *engine, stockd_client **client, stockd_options options)
{
    options.ca_file = engine->ca_file;
    options.cert_file = engine->cert_file;
    options.key_file = engine->key_file;
    return stockd_connect(client, engine->address, &options);
}

static void *dialer_run(void *context)
{
    struct dialer *dialer = context;
    struct dial *dial;
    bool refused;
    while ((dial = next_dial(dialer, &refused))) {
        dial->client = NULL;
        dial->status = STOCKD_E_CLOSED;
        if (!refused)
            dial->status = engine_connect(dialer->engine, &dial->client, dial->options);
        return_dial(dial);
    }
    return NULL;
}

struct dialer *dialer_start(const struct engine *engine)
{
    struct dialer *dialer = calloc(1, sizeof *dialer);
    if (!dialer)
        return NULL;
    dialer->engine = engine;
    dialer->last = &dialer->first;
    pthread_mutex_init(&dialer->mutex, NULL);
    pthread_cond_init(&dialer->asked, NULL);
    if (pthread_create(&dialer->thread, NULL, dialer_run, dialer) == 0)
        return dialer;
    free(dialer);
    return NULL;
}

void dialer_ask(struct dialer *dialer, struct dial *dial)
{
    dial->next = NULL;
    pthread_mutex_lock(&dialer->mutex);
    *dialer->last = dial;
    dialer->last = &dial->next;
    pthread_cond_signal(&dialer->asked);
    pthread_mutex_unlock(&dialer->mutex);
}

void dialer_refuse(struct dialer *dialer)
{
    pthread_mutex_lock(&dialer->mutex);
    dialer->refusing = true;
    pthread_mutex_unlock(&dialer->mutex);
}

void dialer_stop(struct dialer *dialer)
{
    if (!dialer)
        return;
    pthread_mutex_lock(&dialer->mutex);
    dialer->stopping = true;
    pthread_cond_signal(&dialer->asked);
    pthread_mutex_unlock(&dialer->mutex);
    pthread_join(dialer->thread, NULL);
    pthread_cond_destroy(&dialer->asked);
    pthread_mutex_destroy(&dialer->mutex);
    free(dialer);
}
