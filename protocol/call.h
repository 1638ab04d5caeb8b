/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on its way through a method: what it may use, its parameters, and its answer.
 *
 * A method takes its parameters, does its work, and packs its reply only once nothing can fail any
 * more, so the out stream always holds whole replies.
 */
#ifndef STOCKD_PROTOCOL_CALL_H
#define STOCKD_PROTOCOL_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/ledger/ledger.h"
#include "engine/ledger/steps.h"
#include "engine/ledger/supply.h"
#include "protocol/access.h"
#include "protocol/checking.h"
#include "protocol/feed.h"
#include "protocol/history_port.h"
#include "protocol/metrics.h"
#include "protocol/mirror_port.h"
#include "protocol/out.h"
#include "protocol/params.h"
#include "protocol/principal.h"
#include "protocol/role.h"
#include "protocol/slicing.h"
#include "protocol/storage_port.h"

enum { PROTOCOL_VERSION = 1 };

enum { CHANGES_MAX = 10000 }; /* maximum limit of changes, and of events */

struct service_limits {
    struct wire_limits message;
    struct wire_limits hello; /* of a stranger's messages */
    uint32_t lines;           /* of an order, at most LINES_MAX */
    uint32_t skus;            /* of a query */
    uint32_t connections;
    uint64_t input_bytes;   /* of incomplete messages, over all connections */
    uint64_t client_bytes;  /* held for all clients: input not done, output not sent; 0: no limit */
    uint32_t message_ms;    /* for a message to become complete */
    uint32_t handshake_ms;  /* for a TLS handshake, from the accept to its end */
    uint32_t reader_ms;     /* any peer that takes nothing of what is sent to it for this long is */
    uint32_t subscriber_ms; /* a subscriber that reads nothing for this long is cut off */
};

/* What all workers share; const after start, except for what is atomic inside. */
struct service {
    struct ledger *ledger;
    struct log *log;
    const struct storage_port *storage;
    const struct history_port *history;
    const struct mirror_port *mirror; /* NULL: no mirror */
    struct service_limits limits;
    const char *version;
    uint64_t started_ms;            /* wall clock */
    struct worker_metrics *metrics; /* one per worker */
    unsigned workers;
    struct checks *checks;
    struct access *access; /* NULL: there are no tokens, and everybody may do everything */
    struct role *role;     /* NULL: it is the primary, always */
};

/* A location's stock of one item, over its sellable pools. */
struct place_sum {
    struct text location; /* absent: no pool of the item was met there */
    int64_t on_hand, reserved;
};

/* Scratch memory for what a request names; one per worker. */
struct scratch {
    struct order_line lines[LINES_MAX];
    struct supply_line supply_lines[LINES_MAX];
    struct move_line moves[LINES_MAX];
    struct text codes[LOCATIONS_MAX];
    struct place_sum sums[LOCATIONS_MAX]; /* by the location's index */
    uint16_t places[LOCATIONS_MAX];       /* which of them are in use */
    struct text *skus;                    /* limits.skus of them */
    int64_t *available;                   /* likewise */
    uint64_t versions[CHANGES_MAX];
};

/* The history query that the request at the head of a connection waits for. */
struct awaited {
    struct history_query *query; /* NULL: none. The reader owns it until it is answered */
    bool answered;
};

/* Frees the answer, or abandons the query under way: its answer is discarded. */
void awaited_drop(struct awaited *awaited);

struct call {
    const struct service *service;
    struct awaited *awaited; /* set: the method was called before and has sent its query */
    struct answer_box *box;  /* where answered queries come back */
    struct scratch *scratch;
    struct ctx *ctx;
    struct worker_metrics *metrics;
    struct out *out;
    struct principal *principal; /* the connection's; hello identifies it */
    struct checking **checking;  /* the connection's */
    struct slicing **slicing;    /* likewise; set: the method was called before and continues */
    uint64_t work_end;           /* end of the quantum, see call_goes_on */
    struct feed *feed;           /* the connection's */
    bool refuses_changes;        /* another node is the primary */
    uint64_t engine_ms;
    uint32_t msgid;
    struct params params;
    struct refusal refusal;
    struct text id, sku, location, channel; /* what the request is about, for error details */
    uint64_t lsn;       /* of the change that this reply reports: it waits for that; 0: none */
    uint64_t shown_lsn; /* the `lsn` in the reply; 0: none */
};

/* Whether the client may see what has that index; see scope.h. */
static inline bool call_sees_channel(const struct call *call, uint16_t channel)
{
    return scope_sees_channel(call->params.scope, channel);
}

static inline bool call_sees_place(const struct call *call, uint16_t place)
{
    return scope_sees_place(call->params.scope, place);
}

/* The same by code, for what has no index at hand; absent: nothing that could be hidden. */
bool call_sees_channel_named(const struct call *call, struct text code);
bool call_sees_place_named(const struct call *call, struct text code);

/* False: the method has used up its quantum and must continue in a later iteration (slicing.h). */
bool call_goes_on(const struct call *call);

/* The role of this server; a primary's, unless another one was set. */
static inline enum server_role service_role(const struct service *service)
{
    return service->role ? role_now(service->role) : ROLE_PRIMARY;
}

/* Refuses a change because the journal cannot be written. */
void refuse_read_only(struct refusal *refusal, const char *reason);

/* Packs the head of a reply whose result is a map of `pairs` pairs, and the first of them, lsn. */
void reply_map(struct call *call, uint32_t pairs, uint64_t lsn);

/* Packs a reply whose result is one string. */
void reply_text(struct call *call, const char *text);

/* Packs a request's error: the call's own refusal if it has one, else the context's failure. */
void reply_error(struct call *call, enum code code);

/* Packs an error for a message that never became a call. */
void reply_bad_message(struct out *out, uint32_t msgid, const struct refusal *refusal);

#endif
