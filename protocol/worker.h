/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one thread, one ring, one seat at the ledger, and the connections that it was given.
 *
 * It works in turns: takes what the kernel completed, runs the requests that came, tries deferred
 * ones again, expires holds, moves the journal on, sends the replies that may go, and sleeps in
 * the kernel until there is more. Workers share the ledger, the log and the journal, and tell each
 * other things through their rings only.
 *
 * A turn is short, whatever is asked: a connection does at most a quantum of work at once, and what
 * it has beyond that waits in LIST_HEAVY, which gets its share at the end of each turn.
 */
#ifndef STOCKD_PROTOCOL_WORKER_H
#define STOCKD_PROTOCOL_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/address.h"
#include "protocol/call.h"
#include "protocol/clock.h"
#include "protocol/connection.h"
#include "protocol/session.h"
#include "protocol/uring.h"

enum { LISTENERS_MAX = 16 };

struct server;

/* What a worker tells its subscribers; worker_feed.c. */
struct worker_feed {
    struct feed_slice slice;   /* within a pass */
    struct connection *resume; /* where the next pass begins; NULL: at the list's head */
    uint64_t next_ms;          /* steady time before which there is no pass */
    uint64_t head;             /* of the log, as the last pass saw it */
    bool pending;              /* it left something to be told */
    bool postponed;            /* because a change was under way in the middle of it */
    bool blocked;              /* somebody takes nothing at the moment */
};

/* What the watchdog knows; worker_watch.c. */
struct worker_watch {
    uint64_t next_ms;    /* steady time before which it does not look */
    uint64_t tell_ms;    /* before which it tells of no further wait */
    uint64_t longest_ms; /* of the waits since one became slow */
    bool slow;           /* at the last look something had waited for too long */
    bool told;           /* and that was told; its end was not */
};

struct worker {
    unsigned index;
    struct server *server;
    struct uring *ring;
    struct executor executor;
    struct moment now;
    bool failed;           /* the log, as it was just before: */
    uint64_t acknowledged; /* as it was when the waiting were last looked at */

    struct chunk_pool chunks;
    struct answer_box answers;
    struct connection_lists lists;
    struct worker_feed feed;
    struct worker_watch watch;

    struct storage_request storage[STORAGE_STREAMS]; /* under way on this ring */
    bool storage_used[STORAGE_STREAMS];
    /* Of each: 0, or what it is and since when. This worker writes, any worker's watchdog reads;
     * relaxed: nothing else is told by it. */
    _Atomic uint64_t storage_state[STORAGE_STREAMS];

    bool stopping;          /* reads nothing more, finishes what is there */
    uint64_t stop_until_ms; /* steady time after which it no longer waits for peers */
    bool accepting[LISTENERS_MAX];
    uint64_t accept_again_ms; /* steady time; 0: nothing is wrong with accepting */
    uint64_t later_ms;        /* steady time at which those in LIST_LATER were last tried */
    uint64_t half_bytes;      /* that the connections in LIST_HALF hold */
    uint64_t stalled_bytes;   /* that others hold behind a request that is not done */
    bool on_heavy;            /* within worker_run_heavy */
    bool great_done;          /* in this turn: a request that took several quanta in one piece */
    uint64_t crowded_at;      /* executor_work at which this turn has done enough great requests */
    unsigned next_worker;     /* the one that gets the next connection */

    /*
     * True while this worker may sleep although something of it waits for the journal: whoever
     * moves the journal on then tells it through its ring. This worker sets it and then looks at
     * log->acknowledged once more; the other one moves acknowledged and then takes it down. Both
     * are read-modify-writes of one word, acquire and release, so the later of the two sees what
     * the earlier one did before: either it is told, or it sees that acknowledged has moved.
     */
    _Alignas(64) _Atomic bool waiting;
};

/* 0 or -ENOMEM. The ring, seat, service and figures are the server's to set first. */
int worker_init(struct worker *worker);
void worker_destroy(struct worker *worker);

/* Serves until it is told to stop, on the thread that enabled the ring. 0, or -errno if the ring
 * broke. */
int worker_run(struct worker *worker);

/* ---- inside a worker: worker.c, worker_io.c ---- */

/* What a completion is of: the tag's upper byte; the rest of it is an index or a pointer. */
enum tag {
    TAG_ACCEPT = 1, /* listener's index */
    TAG_RECEIVE,    /* connection */
    TAG_SEND,       /* connection */
    TAG_STORAGE,    /* slot in storage */
    TAG_SIGNAL,
    TAG_ADOPT, /* result: a new connection's descriptor */
    TAG_WAKE,  /* look around */
    TAG_STOP,
    TAG_TELL_FAILED,  /* nothing can be done about it */
    TAG_ADOPT_FAILED, /* descriptor */
    TAG_ANSWER,       /* the bell of the worker's answers was rung */
};

static inline uint64_t tag_of(enum tag tag, uint64_t rest)
{
    return (uint64_t)tag << 56 | rest;
}

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

void worker_begin_accepting(struct worker *worker);
void worker_on_accept(struct worker *worker, unsigned listener, const struct completion *c);
void worker_adopt(struct worker *worker, int fd);
void worker_on_receive(struct worker *worker, struct connection *connection,
                       const struct completion *c);
void worker_on_send(struct worker *worker, struct connection *connection, int result);

/* Goes on with the requests whose questions to the book were answered. */
void worker_on_answers(struct worker *worker);

/* Tries deferred requests again. True if some are still only deferred: try again at once. */
bool worker_retry(struct worker *worker);

/* Goes on with those that have more to do than a quantum, round robin, for a limited time. True:
 * some are left. */
bool worker_run_heavy(struct worker *worker);

/* After its input has changed: counts it, and whether it is half a message. worker_half.c */
void worker_note_input(struct worker *worker, struct connection *connection);
/* Likewise, and a message was done: what is left is another one's. */
void worker_note_message(struct worker *worker, struct connection *connection);
/* Input behind requests that are not done has reached its bound: no more of it is to be read. */
bool worker_stalled_is_full(const struct worker *worker);
/* Closes those that hold too much, or for too long. */
void worker_mind_halves(struct worker *worker);
/* Milliseconds until one is held for too long; UINT64_MAX: none. */
uint64_t worker_half_sleep_ms(const struct worker *worker);

/* Tells what this worker waits for if a reply is late. worker_watch.c */
void worker_watch(struct worker *worker);
/* Milliseconds until it is to look again; UINT64_MAX: nothing waits. */
uint64_t worker_watch_sleep_ms(const struct worker *worker);

/* Breaks the connection off. To be looked at at the end of the turn: then it is let go. */
void worker_cut(struct worker *worker, struct connection *connection);

/* Tells subscribers what has changed, if it is time. */
void worker_feed(struct worker *worker);
/* Milliseconds until it is time; UINT64_MAX: when the journal moves. */
uint64_t worker_feed_sleep_ms(const struct worker *worker);
void worker_note_subscriber(struct worker *worker, struct connection *connection);
/* Some of its output has gone: it may be told more. */
void worker_note_room(struct worker *worker, const struct connection *connection);
void worker_forget_subscriber(struct worker *worker, struct connection *connection);

/* Sends what may go, lets go of what is over. */
void worker_flush(struct worker *worker);

/* Looks at every connection at the end of this turn; cut: and breaks it off. */
void worker_look_at_all(struct worker *worker, bool cut);

#endif
