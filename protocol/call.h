/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on its way through a method: what it may use, what it was given, what it answers.
 *
 * A method takes its parameters, does its work, and packs its reply only when nothing can go wrong
 * any more; so what stands in the out stream is always whole replies.
 */
#ifndef STOCKD_PROTOCOL_CALL_H
#define STOCKD_PROTOCOL_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/ledger/ledger.h"
#include "protocol/checking.h"
#include "protocol/feed.h"
#include "protocol/history_port.h"
#include "protocol/metrics.h"
#include "protocol/mirror_port.h"
#include "protocol/out.h"
#include "protocol/params.h"
#include "protocol/principal.h"
#include "protocol/slicing.h"
#include "protocol/storage_port.h"

enum { PROTOCOL_VERSION = 1 };

enum { CHANGES_MAX = 10000 }; /* greatest limit of changes */

struct service_limits {
    struct wire_limits message;
    uint32_t lines; /* of an order, at most LINES_MAX */
    uint32_t skus;  /* of a query */
    uint32_t connections;
    uint64_t input_bytes;   /* of messages that are not whole yet, all connections together */
    uint32_t message_ms;    /* for one to become whole */
    uint32_t subscriber_ms; /* a subscriber that takes nothing for so long is cut off */
};

/* What all workers share; const after start, as far as it is not atomic inside. */
struct service {
    struct ledger *ledger;
    struct log *log;
    const struct storage_port *storage;
    const struct history_port *history;
    const struct mirror_port *mirror; /* NULL: there is none */
    struct service_limits limits;
    const char *version;
    uint64_t started_ms;            /* wall clock */
    struct worker_metrics *metrics; /* one per worker */
    unsigned workers;
    struct checks *checks;
};

/* A location's stock of one item, over its pools that can be sold. */
struct place_sum {
    struct text location; /* absent: none of the item's pools was met there */
    int64_t on_hand, reserved;
};

/* Room for what a request names, one per worker. */
struct scratch {
    struct order_line lines[LINES_MAX];
    struct text codes[LOCATIONS_MAX];
    struct place_sum sums[LOCATIONS_MAX]; /* by the location's index */
    uint16_t places[LOCATIONS_MAX];       /* which of them are in use */
    struct text *skus;                    /* limits.skus of them */
    int64_t *available;                   /* likewise */
    uint64_t versions[CHANGES_MAX];
};

/* A question to the history that the request at the head of a connection waits for. */
struct awaited {
    struct history_query *query; /* NULL: none. Until it is answered it is the reader's */
    bool answered;
};

/* Frees the answer, or gives up the question that is under way: its answer comes to nobody. */
void awaited_drop(struct awaited *awaited);

struct call {
    const struct service *service;
    struct awaited *awaited; /* a method that finds it set was called before, and asked */
    struct answer_box *box;  /* where questions come back to */
    struct scratch *scratch;
    struct ctx *ctx;
    struct worker_metrics *metrics;
    struct out *out;
    struct principal *principal; /* the connection's; hello identifies it */
    struct checking **checking;  /* the connection's */
    struct slicing **slicing;    /* likewise; set: the method was called before, and goes on */
    uint64_t work_end;           /* of the quantum, see call_goes_on */
    struct feed *feed;           /* likewise */
    uint64_t engine_ms;
    uint32_t msgid;
    struct params params;
    struct refusal refusal;
    struct text id, sku, location, channel; /* what the request is about, for error details */
    uint64_t lsn;                           /* of the change that the reply waits for; 0: none */
    uint64_t shown_lsn;                     /* of the reply itself; 0: it has none */
};

/* False: the method has used up its quantum, and is to go on in a later iteration, see slicing.h.
 */
bool call_goes_on(const struct call *call);

/* Changes are not taken while the journal cannot be written. */
void refuse_read_only(struct refusal *refusal, const char *reason);

/* Packs a reply's beginning; `pairs` of the result map come next, the first of them is lsn. */
void reply_map(struct call *call, uint32_t pairs, uint64_t lsn);

/* Packs a reply whose result is one text. */
void reply_text(struct call *call, const char *text);

/* Packs the refusal of a request, by the call's own refusal if it has one, else by the context's
 * failure. */
void reply_error(struct call *call, enum code code);

/* Packs an error for a message that never became a call. */
void reply_bad_message(struct out *out, uint32_t msgid, const struct refusal *refusal);

#endif
