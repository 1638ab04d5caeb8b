/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a server without the server: bytes in, replies out, on a ledger whose log is
 * drained by hand. No sockets, no threads, no clock but the one given.
 */
#ifndef STOCKD_TESTS_SUPPORT_SESSION_RIG_H
#define STOCKD_TESTS_SUPPORT_SESSION_RIG_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/session.h"
#include "tests/support/ledger_rig.h"

enum { SESSION_RIG_NOW_MS = 1000000 };

struct session_rig {
    struct ledger_rig rig;
    struct storage_port storage;     /* never has a request */
    struct history_port history;     /* answers any query with one event and one pool, and: */
    struct return_evidence evidence; /* of every reservation */
    enum history_outcome outcome;    /* that it reports */
    uint64_t behind;                 /* bytes of the log that it does not cover */
    unsigned queries;                /* for evidence, so far */
    struct checks checks;
    struct service service;
    struct scratch *scratch;
    struct worker_metrics *metrics;
    struct chunk_pool chunks;
    struct executor executor;
    struct connection connection;
    bool in_iteration;
    char *reply; /* into which the last reply's texts point */
    char text[8192];
};

/* limits, config: NULL for a server's defaults (but a small ledger). */
void session_rig_open(struct session_rig *session, const struct service_limits *limits,
                      const struct ledger_config *config);
void session_rig_close(struct session_rig *session);

/* Ends the iteration and begins the next. */
void session_rig_iteration(struct session_rig *session);

/* Feeds bytes from the peer, and runs what can be run. */
void session_rig_feed(struct session_rig *session, const void *bytes, size_t length);

/* Tries again what stalled. */
void session_rig_retry(struct session_rig *session);

/* Feeds [0, msgid, method, params]; params are written like JSON, with 'texts': "['r1', {'a': 5}]".
 */
void session_rig_ask(struct session_rig *session, uint32_t msgid, const char *method,
                     const char *params);

/* Takes the next reply, reply barriers or not; false if there is none. To be destroyed by the
 * caller; its texts live until the next. */
bool session_rig_reply(struct session_rig *session, msgpack_unpacked *reply);

/* The next reply as text, until the next: [1, 7, nil, {"lsn"=>8}]; "(none)" if there is none. */
const char *session_rig_text(struct session_rig *session);

#endif
