/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of etcd (its v3 API) for what replication uses, and nothing else: linearizable reads,
 * transactions, compaction, and a member's status. No leases, watches, locks or defragmentation:
 * those of etcd 3.4.23 have faults.
 *
 * The client has no thread and never blocks. Its owner, one thread, submits calls, waits for what
 * etcd_waits_for says, calls etcd_run, and takes replies in the order in which they come. Up to
 * ETCD_CALLS_MAX calls are under way at once, over one connection: HTTP/2 to one of the endpoints.
 * If that fails, the client connects to the next one.
 *
 *   E1  A reply says what is known, and no more. ETCD_ANSWERED: etcd has done it, or, of a
 *       transaction, has compared. ETCD_REFUSED: nothing has changed, and nothing will.
 *       ETCD_UNKNOWN: it may have been done, and it may yet be done, even after a read that did not
 *       see it. So only what excludes it settles it: the same transaction again, if its comparisons
 *       let it happen once, or one that makes its comparisons fail.
 *   E2  The client has nothing done twice: it sends a call again only if no member can have begun
 *       it.
 *   E3  Every call ends, at its deadline at the latest.
 *   E4  All endpoints belong to one cluster: that of the first one that answered. The client asks a
 *       member for its status before it sends it calls, and leaves one that is of another cluster,
 *       knows no leader, or only learns.
 *   E5  Memory is bounded: each call has room for its request and for its reply.
 *   E6  What a server sends is judged before anybody sees it; a malformed reply ends the
 *       connection.
 *
 * "No space" is unknown (E1): etcd also says so of the transactions that it did while the alarm was
 * being raised.
 */
#ifndef STOCKD_CLUSTER_ETCD_H
#define STOCKD_CLUSTER_ETCD_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/etcd_codec.h"

struct etcd;

enum {
    ETCD_CALLS_MAX = 8,
    ETCD_WHY_MAX = 512,
    ETCD_CONNECT_MS = 1000, /* unless the configuration says otherwise */
};

struct etcd_config {
    /* "etcd://HOST:PORT,HOST:PORT...", or etcds:// for TLS. An IPv6 address is in brackets. Copied,
     * as are the next three. */
    const char *endpoints;
    /* PEM files, read at creation. Only for etcds. */
    const char *ca;          /* NULL: the system's authorities */
    const char *certificate; /* the client's; NULL: none */
    const char *key;         /* NULL: it is in the file of the certificate */
    uint32_t connect_ms;     /* for each step: the name, and then connection, TLS and status */
    uint32_t request_max;    /* bytes of one encoded request; 0: 256 KiB */
    uint32_t reply_max;      /* bytes of one encoded reply; 0: 1 MiB */
    void *context;
    void (*say)(void *context, const char *line); /* for the log; NULL: silent */
};

/* NULL on failure, with one line in why (size bytes). Connects to nothing yet. */
struct etcd *etcd_create(const struct etcd_config *config, char *why, size_t size);
/* Forgets all calls. Waits for a name that is being resolved. NULL is ignored. */
void etcd_destroy(struct etcd *etcd);

/*
 * Submit a call; what it points to may go afterwards. deadline_ms is of the clock that etcd_run is
 * given; tag comes back in the reply. What a member hands to a leader that has just died is lost,
 * and only its deadline ends that call: a little more than etcd's election time-out is right.
 *
 * Calls may overtake each other: etcd serves those of one connection side by side.
 *
 * 0; -EAGAIN: ETCD_CALLS_MAX are not taken yet; -EMSGSIZE: the request is larger than request_max;
 * -EINVAL: too many comparisons or operations.
 */
int etcd_range(struct etcd *etcd, const struct etcd_range *range, uint64_t tag,
               uint64_t deadline_ms);
int etcd_txn(struct etcd *etcd, const struct etcd_txn *txn, uint64_t tag, uint64_t deadline_ms);
/* Forgets versions of keys that were replaced before this revision. Done later, in the
 * background. */
int etcd_compact(struct etcd *etcd, int64_t revision, uint64_t tag, uint64_t deadline_ms);
/* The status of the member that the client is connected to; not linearizable. */
int etcd_status(struct etcd *etcd, uint64_t tag, uint64_t deadline_ms);

/* What to wait for: these events of this descriptor (-1: none), and at most until that time
 * (UINT64_MAX: no time). It may be another descriptor after each etcd_run. */
void etcd_waits_for(const struct etcd *etcd, struct pollfd *poll, uint64_t *until_ms);

/* Does what can be done without waiting. now_ms: a monotonic clock. Call it after submitting, when
 * the events come, and at the time. */
void etcd_run(struct etcd *etcd, uint64_t now_ms);

enum etcd_outcome { ETCD_ANSWERED, ETCD_REFUSED, ETCD_UNKNOWN }; /* E1 */

enum etcd_error {
    ETCD_NO_ERROR,
    ETCD_NOT_CONNECTED, /* no endpoint took it before its deadline */
    ETCD_CONNECTION_LOST,
    ETCD_TIMED_OUT,   /* sent, and no answer before its deadline */
    ETCD_UNAVAILABLE, /* the member answered that it cannot: no leader, no quorum, it stops */
    ETCD_NO_SPACE,    /* the quota is used up; until the alarm is disarmed, only deletes pass */
    ETCD_CORRUPT,     /* etcd's own alarm */
    ETCD_DENIED,      /* it knows the client, and does not let it */
    ETCD_COMPACTED,   /* this revision has been compacted already, or is in the future */
    ETCD_TOO_LARGE,   /* the request for etcd, or the reply for reply_max */
    ETCD_BAD_REQUEST,
    ETCD_MALFORMED, /* the reply is not one */
    ETCD_OTHER,
};

struct etcd_reply {
    uint64_t tag;
    enum etcd_method method;
    enum etcd_outcome outcome;
    enum etcd_error error;     /* ETCD_NO_ERROR if it is answered */
    const char *why;           /* one line; "" if it is answered */
    struct etcd_answer answer; /* if it is answered */
};

/* The next reply, or NULL. It, and what it points to, lives until the next call of this function:
 * only then has its call room for another. */
const struct etcd_reply *etcd_take(struct etcd *etcd);

/* The endpoint that is connected, "HOST:PORT", or NULL. */
const char *etcd_connected(const struct etcd *etcd);
/* Why it is not connected; "" if there has been no failure since it last was. */
const char *etcd_problem(const struct etcd *etcd);

/* "no space" and the like; a static string. */
const char *etcd_error_name(enum etcd_error error);

#endif
