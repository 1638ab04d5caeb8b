/* SPDX-License-Identifier: Apache-2.0 */
/* The method table: the handler of each method name. */
#ifndef STOCKD_PROTOCOL_METHODS_H
#define STOCKD_PROTOCOL_METHODS_H

#include "protocol/call.h"

/* The prefetch hint: which parameters are worth prefetching, and where they are. */
enum hint {
    HINT_NONE,
    HINT_ID,     /* [id, ...] */
    HINT_ID_SKU, /* [id, sku, ...] */
    HINT_ORDER,  /* [id, channel, [[sku, ...], ...], ...] */
    HINT_SALE,   /* [id, channel, location, [[sku, ...], ...], ...] */
    HINT_SKUS,   /* [channel, [sku, ...]] */
    HINT_LINES,  /* [channel, [[sku, ...], ...], ...] */
};

/* What a method's handler requires before it runs; admit checks it. */
enum need {
    NEED_NONE = 0,
    NEED_LOG = 1 << 0, /* the method changes something: it needs a log that accepts records */
    NEED_LSN = 1 << 1, /* it is a question: the log must have come to the option min_lsn */
    NEED_ALL = NEED_LOG | NEED_LSN,
};

/* What the first parameter names: a client that may not see all of that kind is refused one that it
 * may not see, in the same words as one that there is not. admit checks it. */
enum subject {
    SUBJECT_NOTHING,     /* nothing that exists */
    SUBJECT_RESERVATION, /* of one of its channels */
    SUBJECT_ORIGIN,      /* a supply from one of its locations, or from outside to one */
    SUBJECT_DESTINATION, /* a supply to one of its locations */
    SUBJECT_EITHER_END,  /* a supply from or to one of them */
};

struct method {
    const char *name;
    uint16_t number; /* in the table */
    uint16_t length; /* of the name, at least 1 */
    /* CODE_OK: a reply was packed. CODE_DEFERRED: nothing was done; call it again later. Otherwise
     * nothing was packed, and reply_error can say why. */
    enum code (*run)(struct call *call);
    unsigned needs; /* enum need */
    bool cancels;   /* several in a row share a claim, see ledger_expect_cancels */
    enum hint hint;
    enum right right;
    enum subject subject;
};

/* Every method: X(name, READS, ASKS, CHANGES or CANCELS, its hint, the right that it needs, what
 * its id names). Its function is method_NAME. docs/SECURITY.md has the same table for people. */
#define METHODS(X)                                                                                 \
    X(reserve, CHANGES, ORDER, ORDER, NOTHING)                                                     \
    X(availability, ASKS, SKUS, READ, NOTHING)                                                     \
    X(promise, ASKS, LINES, READ, NOTHING)                                                         \
    X(locate, ASKS, LINES, READ, NOTHING)                                                          \
    X(confirm, CHANGES, ID, ORDER, RESERVATION)                                                    \
    X(fulfil, CHANGES, ID, ORDER, RESERVATION)                                                     \
    X(cancel, CANCELS, ID, ORDER, RESERVATION)                                                     \
    X(amend, CHANGES, ID, ORDER, RESERVATION)                                                      \
    X(move, CHANGES, ID, ORDER, RESERVATION)                                                       \
    X(reject, CHANGES, ID, ORDER, RESERVATION)                                                     \
    X(ready, CHANGES, ID, ORDER, RESERVATION)                                                      \
    X(restock, CHANGES, ID, ORDER, RESERVATION)                                                    \
    X(extend, CHANGES, ID, ORDER, RESERVATION)                                                     \
    X(reservation, ASKS, ID, READ, RESERVATION)                                                    \
    X(orders, ASKS, NONE, READ, NOTHING)                                                           \
    X(receive, CHANGES, ID_SKU, STOCK, NOTHING)                                                    \
    X(adjust, CHANGES, ID_SKU, STOCK, NOTHING)                                                     \
    X(count, CHANGES, ID_SKU, STOCK, NOTHING)                                                      \
    X(return, CHANGES, ID_SKU, STOCK, NOTHING)                                                     \
    X(allot, CHANGES, ID_SKU, STOCK, NOTHING)                                                      \
    X(sold, CHANGES, SALE, ORDER, NOTHING)                                                         \
    X(shift, CHANGES, ID_SKU, STOCK, NOTHING)                                                      \
    X(expect, CHANGES, ORDER, SUPPLY, NOTHING)                                                     \
    X(transfer, CHANGES, ID, SUPPLY, NOTHING)                                                      \
    X(ship, CHANGES, ID, SUPPLY, ORIGIN)                                                           \
    X(arrive, CHANGES, ID, SUPPLY, DESTINATION)                                                    \
    X(reschedule, CHANGES, ID, SUPPLY, EITHER_END)                                                 \
    X(withdraw, CHANGES, ID, SUPPLY, ORIGIN)                                                       \
    X(supply, ASKS, ID, READ, EITHER_END)                                                          \
    X(supplies, ASKS, NONE, READ, NOTHING)                                                         \
    X(stock, ASKS, NONE, READ, NOTHING)                                                            \
    X(history, ASKS, NONE, READ, NOTHING)                                                          \
    X(report, ASKS, NONE, READ, NOTHING)                                                           \
    X(items, ASKS, NONE, READ, NOTHING)                                                            \
    X(item, ASKS, NONE, READ, NOTHING)                                                             \
    X(lookup, ASKS, NONE, READ, NOTHING)                                                           \
    X(location_set, CHANGES, NONE, CATALOGUE, NOTHING)                                             \
    X(channel_set, CHANGES, NONE, CATALOGUE, NOTHING)                                              \
    X(item_set, CHANGES, NONE, CATALOGUE, NOTHING)                                                 \
    X(calendar_set, CHANGES, NONE, CATALOGUE, NOTHING)                                             \
    X(stocking_set, CHANGES, NONE, CATALOGUE, NOTHING)                                             \
    X(locations, ASKS, NONE, READ, NOTHING)                                                        \
    X(channels, ASKS, NONE, READ, NOTHING)                                                         \
    X(calendars, ASKS, NONE, READ, NOTHING)                                                        \
    X(stockings, ASKS, NONE, READ, NOTHING)                                                        \
    X(changes, ASKS, NONE, READ, NOTHING)                                                          \
    X(events, ASKS, NONE, READ, NOTHING)                                                           \
    X(subscribe, READS, NONE, READ, NOTHING)                                                       \
    X(ping, READS, NONE, KNOWN, NOTHING)                                                           \
    X(hello, READS, NONE, NONE, NOTHING)                                                           \
    X(info, READS, NONE, ADMIN, NOTHING)                                                           \
    X(mirror_take, READS, NONE, ADMIN, NOTHING)                                                    \
    X(check, READS, NONE, ADMIN, NOTHING)

#define X(name, ...) enum code method_##name(struct call *call);
METHODS(X)
#undef X

enum method_number {
#define X(name, ...) METHOD_NUMBER_##name,
    METHODS(X)
#undef X
        METHOD_COUNT,
};

_Static_assert((unsigned)METHOD_COUNT <= (unsigned)METRIC_METHODS, "each method has its metrics");

/* Call once, before method_named. */
void methods_prepare(void);

/* The whole table. */
const struct method *methods_all(unsigned *count);

/* NULL: no method of that name. */
const struct method *method_named(struct text name);

/* Finds what the hint points at, as far as present; params as in params_begin. */
void method_hints(const struct method *method, struct wire params, struct text *id,
                  struct text *sku);

/* The reply to a change of the catalogue, which is its lsn alone; or the code of its refusal. */
enum code reply_set(struct call *call, enum code code, const uint64_t *lsn);

/* Finds the channel named; all channels (FEED_ALL_CHANNELS) if none is named. */
enum code call_find_channel(struct call *call, struct text code, uint16_t *index);

/* Fills in the types and the location of an event filter; option: what names the types. */
enum code call_event_filter(struct call *call, const char *option, const struct option_types *types,
                            struct text location, struct event_filter *filter);

/* Sections of info: each packs a map. */
void pack_mirror(struct call *call);
void pack_methods(struct call *call);
void pack_latency(struct call *call);

/* A query in parts: as the last part left it, or a new one. NULL: refused for lack of memory. */
struct slicing *resume_or_begin(struct call *call, uint64_t lsn);
/* Its reply was packed, or it was refused. Returns the code. */
enum code end_slicing(struct call *call, enum code code);
/* Replies with a page of rows under that key, and the id to go on from; absent: it is the last. */
void reply_page(struct call *call, const char *key, const struct slicing *s, uint64_t changed_lsn,
                struct text next);

/* `items` with details; the parameters were taken. */
enum code method_items_details(struct call *call, uint32_t cursor, int64_t limit);

/* ---- what the history thread answers: a method sends a query, and is called again ---- */

/* NULL: refused for lack of memory. */
struct history_query *call_new_query(struct call *call, enum history_kind kind);
/* Sends it. CODE_DEFERRED: it is under way; otherwise it was refused, and freed. */
enum code call_ask(struct call *call, struct history_query *query);
/* The answered query, which the caller frees; NULL: no answer yet. */
struct history_query *call_take_answer(struct call *call);
/* CODE_OK, or the refusal that its outcome leads to. */
enum code call_refuse_answer(struct call *call, const struct history_query *query);

/* Queries the history for what was fulfilled and returned of a reservation, for one item.
 * CODE_DEFERRED: the query is under way. */
enum code call_ask_returned(struct call *call, struct text reservation, struct text sku);
/* *evidence: the answer, borrowed from call->awaited; NULL: nothing was asked. CODE_OK;
 * CODE_DEFERRED: no answer yet; otherwise the query failed, and the refusal says why. */
enum code call_take_evidence(struct call *call, const struct return_evidence **evidence);
/* `stock` as of a time in the past; the sku was taken. */
enum code method_stock_then(struct call *call, bool by_time, uint64_t at);

#endif
