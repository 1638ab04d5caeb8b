/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's state, shared by worker.c and the worker_*.c files. Each of the latter has a header
 * for its part; worker.c runs them all. Only the worker's thread uses it. */
#ifndef STOCKD_PROTOCOL_WORKER_STATE_H
#define STOCKD_PROTOCOL_WORKER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/clock.h"
#include "protocol/connection.h"
#include "protocol/session.h"
#include "protocol/shared.h"
#include "protocol/uring.h"

/* The state of worker_feed.c. */
struct worker_feed {
    struct feed_slice slice;   /* within a pass */
    struct connection *resume; /* where the next pass begins; NULL: at the list's head */
    uint64_t next_ms;          /* steady time before which there is no pass */
    uint64_t head;             /* of the log, as the last pass saw it */
    uint64_t shown;            /* log_final, likewise */
    bool has_events;           /* somebody subscribes to events */
    bool unfinished;           /* it left something to tell */
    bool postponed;            /* because a change was under way in the middle of it */
    bool blocked;              /* a subscriber has no room at the moment */
};

/* The watchdog's state; worker_watch.c. */
struct worker_watch {
    uint64_t next_ms;    /* steady time before which it does not look */
    uint64_t tell_ms;    /* before which it reports no further wait */
    uint64_t longest_ms; /* longest wait since one became slow */
    bool slow;           /* at the last look something had waited too long */
    bool told;           /* and that was reported; its end was not */
};

struct worker {
    _Alignas(64) unsigned index; /* no cache line is shared by two workers */
    struct shared *shared;
    struct inbox *inbox; /* its own of shared->inboxes */
    struct uring *ring;
    struct executor executor;
    struct moment now;
    bool failed;           /* the log, as worker_flush last saw it */
    uint64_t acknowledged; /* likewise; LIST_WAITING was checked for it */
    uint64_t flush_ns;     /* steady time of the flush under way; 0: not asked for yet */

    struct chunk_pool chunks;
    struct connection_lists lists;
    struct worker_feed feed;
    struct worker_watch watch;

    struct storage_request storage[STORAGE_SLOTS]; /* under way on this ring */
    bool storage_used[STORAGE_SLOTS];
    uint64_t storage_began_ns[STORAGE_SLOTS]; /* steady time */

    bool takes_up;          /* was promoted, and has not taken up its share yet: ledger_take_up */
    bool stopping;          /* reads no more input, finishes what is there */
    uint64_t stop_until_ms; /* steady time after which it no longer waits for peers */
    bool accepting[LISTENERS_MAX];
    uint64_t accept_again_ms; /* steady time; 0: nothing is wrong with accepting */
    uint64_t later_ms;        /* steady time at which LIST_LATER was last tried */
    uint64_t half_bytes;      /* held by the connections in LIST_HALF */
    uint64_t stalled_bytes;   /* held by others, behind a request that waits */
    bool on_heavy;            /* within worker_run_heavy */
    bool great_done;          /* this iteration ran a request of several quanta in one piece */
    uint64_t crowded_at;  /* executor_work at which this iteration has done enough great requests */
    unsigned next_worker; /* the one that gets the next connection */
    uint64_t access_epoch;     /* in which it last looked at all rights */
    uint64_t tell_refused_ms;  /* steady time before which it tells of no refusals */
    uint64_t greeting_say_ms;  /* steady time before which no failed handshake is logged */
    uint64_t greetings_unsaid; /* that failed since one was */
};

static inline bool worker_lsn_has_come(const struct worker *worker,
                                       const struct connection *connection)
{
    return log_head(worker->shared->service.log) >= connection->awaited_lsn;
}

/* Has the end of this iteration look at the connection. */
static inline void worker_look_at(struct worker *worker, struct connection *connection)
{
    list_add(&worker->lists, LIST_FRESH, connection);
}

static inline struct log *worker_log(const struct worker *worker)
{
    return worker->shared->service.log;
}

#endif
