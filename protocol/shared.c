/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/shared.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int shared_init(struct shared *shared)
{
    struct service *service = &shared->service;
    unsigned count = service->workers;
    shared->inboxes = aligned_alloc(64, count * sizeof *shared->inboxes);
    if (!shared->inboxes)
        return -ENOMEM;
    /* Before anything else can fail, because shared_destroy looks at all of them. */
    memset(shared->inboxes, 0, count * sizeof *shared->inboxes);
    for (unsigned i = 0; i < count; i++)
        shared->inboxes[i].ring = shared->inboxes[i].answers.bell = -1;
    service->metrics = aligned_alloc(64, count * sizeof *service->metrics);
    if (!service->metrics)
        return -ENOMEM;
    memset(service->metrics, 0, count * sizeof *service->metrics);
    for (unsigned i = 0; i < count; i++)
        if (answer_box_init(&shared->inboxes[i].answers))
            return -ENOMEM;
    return 0;
}

void shared_destroy(struct shared *shared)
{
    for (unsigned i = 0; shared->inboxes && i < shared->service.workers; i++)
        answer_box_destroy(&shared->inboxes[i].answers);
    free(shared->inboxes);
    free(shared->service.metrics);
}

static void tell(const struct shared *shared, struct uring *from, unsigned index, enum tag tag)
{
    assert(index < shared->service.workers);
    uring_tell(from, shared->inboxes[index].ring, 0, tag_of(tag, 0), tag_of(TAG_TELL_FAILED, 0));
}

void shared_wake(const struct shared *shared, struct uring *from, unsigned index)
{
    tell(shared, from, index, TAG_WAKE);
}

void shared_stop(const struct shared *shared, struct uring *from, unsigned index)
{
    tell(shared, from, index, TAG_STOP);
}

void shared_wake_waiting(const struct shared *shared, struct uring *from, unsigned self)
{
    for (unsigned i = 0; i < shared->service.workers; i++) {
        struct inbox *other = &shared->inboxes[i];
        if (i != self && atomic_exchange_explicit(&other->waiting, false, memory_order_acq_rel))
            shared_wake(shared, from, i);
    }
}

void shared_note_signal(const struct shared *shared)
{
    const struct signalfd_siginfo *signal = &shared->signal;
    if (shared->stopping && signal->ssi_signo != 0)
        shared->stopping(shared->context, (int)signal->ssi_signo, (pid_t)signal->ssi_pid);
}

/* The worker's ring cannot tell the others, so their bells do: a worker that then hears its bell
 * finds `broken` set, because the bell's read comes after its write. */
void shared_break(struct shared *shared, int error)
{
    int none = 0;
    if (!error)
        return;
    atomic_compare_exchange_strong_explicit(&shared->broken, &none, error, memory_order_relaxed,
                                            memory_order_relaxed);
    for (unsigned i = 0; i < shared->service.workers; i++)
        answer_box_ring(&shared->inboxes[i].answers);
}
