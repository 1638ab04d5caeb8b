/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workers of a server share: the service, the listeners, and an inbox for each worker. It
 * lies below the workers and the server that starts them, and knows neither.
 *
 * Workers send each other messages through their rings (uring_tell): a message is a completion on
 * the other ring. Threads without a ring ring the bell of an inbox's answers.
 */
#ifndef STOCKD_PROTOCOL_SHARED_H
#define STOCKD_PROTOCOL_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#include "protocol/address.h"
#include "protocol/answers.h"
#include "protocol/call.h"
#include "protocol/checking.h"
#include "protocol/clock.h"
#include "protocol/storage_port.h"
#include "protocol/uring.h"

enum { LISTENERS_MAX = 16 };

/* What a completion belongs to: the tag's upper byte. The rest is an index or a pointer. */
enum tag {
    TAG_ACCEPT = 1, /* listener's index */
    TAG_RECEIVE,    /* connection */
    TAG_SEND,       /* connection */
    TAG_STORAGE,    /* slot in storage */
    TAG_SIGNAL,
    TAG_ADOPT, /* listener's index; result: a new connection's descriptor */
    TAG_WAKE,  /* check for work */
    TAG_STOP,
    TAG_TELL_FAILED,  /* ignored: nothing can be done about it */
    TAG_ADOPT_FAILED, /* descriptor */
    TAG_ANSWER,       /* the bell of the worker's answers was rung */
};

static inline uint64_t tag_of(enum tag tag, uint64_t rest)
{
    return (uint64_t)tag << 56 | rest;
}

static inline enum tag tag_kind(uint64_t tag)
{
    return (enum tag)(tag >> 56);
}

static inline uint64_t tag_rest(uint64_t tag)
{
    return tag & ((UINT64_C(1) << 56) - 1);
}

/* A worker as other threads see it. */
struct inbox {
    int ring;                  /* descriptor of the worker's ring; const once workers run */
    struct answer_box answers; /* answered history queries */
    /* For each storage slot of the worker: 0, or the kind of the request under way and since when.
     * The worker writes, any worker's watchdog reads; relaxed: no other data depends on it. */
    _Atomic uint64_t storage_state[STORAGE_SLOTS];

    /*
     * True while the worker may sleep although it waits for the journal: the worker that advances
     * the journal then wakes it. The sleeper sets it and then rereads log->acknowledged; the other
     * worker advances acknowledged and then clears it. Both are acquire-release read-modify-writes
     * of one word, so the later of the two sees what the earlier one did before it: either the
     * sleeper is woken, or it sees that acknowledged has advanced.
     */
    _Alignas(64) _Atomic bool waiting;
};

struct shared {
    struct service service;
    struct checks checks;
    const struct engine_clock *clock;
    struct role role;     /* what service.role points to, if it may change */
    unsigned standby_ctx; /* of worker 0, as long as the ledger follows */
    struct listener listeners[LISTENERS_MAX];
    unsigned listener_count;
    struct inbox *inboxes; /* service.workers of them */
    int signal_fd;
    struct signalfd_siginfo signal; /* worker 0 reads into it */
    void (*stopping)(void *context, int signal, pid_t from);
    void (*say)(void *context, int level, const char *line);
    void *context; /* of both */

    /* Connections of all workers. The accepting worker adds, the owner subtracts; relaxed: it is
     * only compared with a limit. */
    _Atomic uint32_t connections;
    /* The first error that ended a worker; 0: none. Any worker writes it; relaxed: it is read after
     * the joins, or by the worker whose bell rang. */
    _Atomic int broken;
};

/* Makes the inboxes and the service's metrics. 0 or -ENOMEM; call shared_destroy in either case. */
int shared_init(struct shared *shared);
void shared_destroy(struct shared *shared);

/* Wakes worker `index` by a message from this ring. */
void shared_wake(const struct shared *shared, struct uring *from, unsigned index);

/* Wakes all workers that wait for the journal, except `self`, whose ring this is. */
void shared_wake_waiting(const struct shared *shared, struct uring *from, unsigned self);

/* Tells worker `index` to stop. */
void shared_stop(const struct shared *shared, struct uring *from, unsigned index);

/* Worker 0: a stop signal was read. */
void shared_note_signal(const struct shared *shared);

/* A worker has ended, with this error if it is not 0: the others must stop, too. Any thread. */
void shared_break(struct shared *shared, int error);

/* ---- inbox.storage_state ---- */

/* A request of that kind is under way since then (steady time). */
static inline uint64_t storage_state_of(enum storage_kind kind, uint64_t since_ms)
{
    return ((uint64_t)kind + 1) << 56 | since_ms;
}

static inline enum storage_kind storage_state_kind(uint64_t state)
{
    return (enum storage_kind)((state >> 56) - 1);
}

static inline uint64_t storage_state_since(uint64_t state)
{
    return state & ((UINT64_C(1) << 56) - 1);
}

#endif
