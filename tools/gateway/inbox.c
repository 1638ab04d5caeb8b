/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/inbox.h"

#include <assert.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

void errands_add(struct errands *errands, struct errand *errand)
{
    errand->next = NULL;
    if (errands->first)
        errands->last->next = errand;
    else
        errands->first = errand;
    errands->last = errand;
}

struct errand *errands_take(struct errands *errands)
{
    struct errand *errand = errands->first;
    if (errand)
        errands->first = errand->next;
    return errand;
}

bool inbox_open(struct inbox *inbox)
{
    *inbox = (struct inbox){ .event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
    pthread_mutex_init(&inbox->mutex, NULL);
    return inbox->event_fd >= 0;
}

void inbox_close(struct inbox *inbox)
{
    assert(!inbox->returned.first);
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

void errand_return(struct errand *errand)
{
    struct inbox *inbox = errand->inbox;
    pthread_mutex_lock(&inbox->mutex);
    errands_add(&inbox->returned, errand);
    pthread_mutex_unlock(&inbox->mutex);
    inbox_wake(inbox);
}

void inbox_serve(struct inbox *inbox)
{
    uint64_t count;
    ssize_t size = read(inbox->event_fd, &count, sizeof count);
    (void)size; /* nothing to read: woken by somebody else */
    pthread_mutex_lock(&inbox->mutex);
    struct errands returned = inbox->returned;
    inbox->returned = (struct errands){ NULL, NULL };
    pthread_mutex_unlock(&inbox->mutex);
    struct errand *errand;
    while ((errand = errands_take(&returned)))
        errand->done(errand);
}
