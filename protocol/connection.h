/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: input not processed yet, output not sent yet, and what it waits for. One worker
 * owns it. It makes no system calls.
 *
 * Its states, and the functions that change them:
 *
 *      OPEN ------- connection_end_input ------> HALF_CLOSED
 *        |                                            |
 *        | connection_end_requests                    | connection_end_requests
 *        v                                            v
 *     CLOSING ----- connection_end_input -------> DRAINING
 *        |                                            ^
 *        | worker_begin_linger                        |
 *        v                                            |
 *    LINGERING ---- connection_end_input -------------+
 *
 *    any of these - worker_cut -> BROKEN - release (worker_io.c), once no I/O is in flight
 *
 * A HALF_CLOSED or DRAINING connection is cut once everything is sent, a LINGERING one when its
 * time is up, and any connection when a receive or a send fails or the worker stops.
 *
 * C1: input begins at the first byte of a message (or, while discarding, inside a message that is
 *     not kept); walk says how far that message was walked.
 * C2: reply barriers are ordered by offset and by lsn. Bytes before the first one may be sent.
 */
#ifndef STOCKD_PROTOCOL_CONNECTION_H
#define STOCKD_PROTOCOL_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/call.h"
#include "protocol/feed.h"
#include "protocol/held.h"
#include "protocol/out.h"
#include "protocol/principal.h"
#include "protocol/transport.h"
#include "protocol/wire.h"

/* Replies from an offset in the stream on wait for an LSN. */
struct reply_barrier {
    uint64_t from;
    uint64_t lsn;
    uint64_t since_ms; /* steady time at which it was made */
    /* Replies behind it, and the steady time at which the first of their requests was read. */
    uint32_t replies[REQUEST_KINDS];
    uint64_t asked_ns;
};

enum { BARRIERS_MAX = 8 };

/* Bytes received that could not be processed at once. */
struct input {
    unsigned char *bytes;
    uint32_t start, end, capacity;
};

/* Which of its worker's lists a connection is in. */
enum connection_list {
    LIST_ALL,
    LIST_FRESH,   /* has new output, or needs a look, at the end of the iteration */
    LIST_WAITING, /* has output behind a reply barrier */
    LIST_RETRY,   /* has a deferred request at its head */
    LIST_LATER,   /* its deferred request waits for other workers, or for its pause to end */
    LIST_LSN,     /* has a question that waits for an LSN */
    LIST_HEAVY,   /* has more to do than its quantum; see worker_run_heavy */
    LIST_ASKED,   /* has one that waits for a history query's answer */
    LIST_HALF,    /* has an incomplete message; oldest first */
    LIST_LINGER,  /* has sent everything, waits for the peer to close */
    LIST_SUBSCRIBED,
    LIST_STRANGER,    /* has not said who it is; oldest first */
    LIST_SENDING,     /* a send is under way; the longest first */
    LIST_GREETING,    /* its link's greeting is not done; oldest first */
    LIST_GREET_READY, /* and its next step can be taken */
    LIST_GREET_HALF,  /* or it waits for the peer, in the middle */
    LISTS
};

struct connection_link {
    struct connection *next, *previous;
};

enum stall {
    STALL_NONE,
    STALL_DEFERRED,
    STALL_LATER,   /* likewise, but other workers must make progress first */
    STALL_NO_ROOM, /* the log has no room */
    STALL_QUANTUM, /* it has had its quantum of work in this iteration */
    STALL_OUTPUT,  /* more than OUTPUT_HIGH bytes are unsent */
    STALL_ANSWER,  /* a history query is under way; its answer wakes the worker */
    STALL_LSN,     /* the log must come to an LSN first */
};

enum connection_state {
    CONNECTION_OPEN,        /* requests are read and answered */
    CONNECTION_HALF_CLOSED, /* the peer sends no more; what it has sent is still processed */
    CONNECTION_CLOSING,     /* the last reply is packed; no further request runs */
    CONNECTION_DRAINING,    /* likewise, and the peer sends no more */
    CONNECTION_LINGERING,   /* everything is sent and our side is shut; input is discarded */
    CONNECTION_BROKEN,      /* nothing is read or sent */
    CONNECTION_STATES
};

struct connection {
    struct link link;            /* its worker sets fd and listener */
    enum connection_state state; /* only connection_become changes it */
    bool discarding;   /* the message at the head was answered and is only walked to its end */
    bool heavy;        /* its requests used up much of a quantum when it last ran */
    enum stall stall;  /* why the head of input is not done */
    uint32_t pause_ms; /* of a heavy request that was deferred; 0: none */
    uint64_t paused_until_ms; /* steady time */
    uint64_t stalled_ms;      /* steady time at which that request first stalled */
    uint64_t awaited_lsn;     /* while it waits for an LSN; else 0 */
    uint64_t lsn_until_ms;    /* likewise: steady time after which it does so no longer */
    struct principal principal;
    struct awaited awaited;
    struct feed feed;

    struct out out;
    struct reply_barrier barriers[BARRIERS_MAX];
    unsigned barrier_count;
    uint64_t barrier_iteration; /* in which the last reply barrier was made */
    struct held_list held;      /* messages behind them; empty without reply barriers */

    struct checking *checking; /* of the request at the head of input, or NULL; owned */
    struct slicing *slicing;   /* likewise */

    struct input input;
    struct wire_walk walk;
    /* The capacity of input, as its worker counts it: in one of the two, or in neither. */
    uint32_t half_counted, stalled_counted;
    uint64_t half_since_ms;     /* steady time; while in LIST_HALF */
    uint64_t sending_since_ms;  /* steady time; while in LIST_SENDING: since its peer took any */
    int queued;                 /* likewise: link_queued as it was last looked at */
    uint64_t stranger_since_ms; /* steady time; while in LIST_STRANGER */
    uint64_t stranger_address;  /* likewise: where it comes from; see worker_access.c */
    uint64_t thrown_away;       /* bytes discarded while lingering */
    uint64_t linger_until_ms;
    uint64_t greeting_since_ms; /* steady time; while in LIST_GREETING */

    bool listed[LISTS];
    struct connection_link links[LISTS];
};

static inline struct connection *connection_of(struct awaited *awaited)
{
    char *at = (char *)awaited;
    return (struct connection *)(void *)(at - offsetof(struct connection, awaited));
}

void connection_init(struct connection *connection, struct chunk_pool *pool);
void connection_destroy(struct connection *connection);

/* ---- states ---- */

/* Whether `to` is among the next states of `from`. */
bool connection_may_become(enum connection_state from, enum connection_state to);

/* Asserts that connection_may_become allows it. */
void connection_become(struct connection *connection, enum connection_state state);

/* The peer has shut its side and sends no more. No effect if that is known already. */
void connection_end_input(struct connection *connection);

/* The reply just packed is the last one: the stream cannot be read any further. */
void connection_end_requests(struct connection *connection);

/* Requests are run; otherwise all input, past and future, is ignored. */
static inline bool connection_takes_requests(const struct connection *connection)
{
    return connection->state <= CONNECTION_HALF_CLOSED;
}

static inline bool connection_is_broken(const struct connection *connection)
{
    return connection->state == CONNECTION_BROKEN;
}

/* The peer has shut its side. */
static inline bool connection_input_ended(const struct connection *connection)
{
    return connection->state == CONNECTION_HALF_CLOSED || connection->state == CONNECTION_DRAINING;
}

/* ---- input ---- */

static inline uint32_t input_length(const struct input *input)
{
    return input->end - input->start;
}

/* What its capacity will be with so many bytes more. */
uint64_t input_capacity_with(const struct input *input, size_t length);
/* False: no memory. */
bool input_append(struct input *input, const unsigned char *bytes, size_t length);
void input_consume(struct input *input, size_t length);
/* Discards the input and frees its memory. */
void input_drop(struct input *input);

/* ---- reply barriers ---- */

/* Bytes from the offset `from` on wait, since now_ms, until the log is acknowledged up to lsn. */
void connection_barrier(struct connection *connection, uint64_t from, uint64_t lsn,
                        uint64_t iteration, uint64_t now_ms);

/* Counts a reply behind the last reply barrier; its request was read at that steady time. */
static inline void connection_count_held(struct connection *connection, enum request_kind kind,
                                         uint64_t asked_ns)
{
    struct reply_barrier *last = &connection->barriers[connection->barrier_count - 1];
    if (last->replies[REQUEST_READ] + last->replies[REQUEST_CHANGE] == 0)
        last->asked_ns = asked_ns;
    last->replies[kind]++;
}

/* Opens the reply barriers that acknowledged has reached. Returns the offset up to which bytes may
 * be sent. */
uint64_t connection_open_barriers(struct connection *connection, uint64_t acknowledged);

/* Notes the message just appended, if it is behind a reply barrier; see held.h. Without memory the
 * stream fails. */
void connection_hold(struct connection *connection, const struct held_message *message);

/* The journal has failed: rewrites what is behind reply barriers as held_rewrite says, and removes
 * the barriers. False: no memory. */
bool connection_refuse_held(struct connection *connection, uint64_t acknowledged,
                            const char *reason);

/* ---- lists ---- */

struct connection_lists {
    struct connection *head[LISTS], *tail[LISTS];
    unsigned count[LISTS];
};

/* Appends it unless it is in the list, so in each list the longest waiting comes first. */
void list_add(struct connection_lists *lists, enum connection_list list,
              struct connection *connection);
void list_remove(struct connection_lists *lists, enum connection_list list,
                 struct connection *connection);

#endif
