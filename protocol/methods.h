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
    NEED_ALL = NEED_LOG,
};

struct method {
    const char *name;
    uint32_t length; /* of the name, at least 1 */
    /* CODE_OK: a reply was packed. CODE_DEFERRED: nothing was done; call it again later. Otherwise
     * nothing was packed, and reply_error can say why. */
    enum code (*run)(struct call *call);
    unsigned needs; /* enum need */
    bool cancels;   /* several in a row share a claim, see ledger_expect_cancels */
    enum hint hint;
};

/* Every method: X(name, READS or CHANGES or CANCELS, its hint). Its function is method_NAME. */
#define METHODS(X)                                                                                 \
    X(reserve, CHANGES, ORDER)                                                                     \
    X(availability, READS, SKUS)                                                                   \
    X(promise, READS, LINES)                                                                       \
    X(locate, READS, LINES)                                                                        \
    X(confirm, CHANGES, ID)                                                                        \
    X(fulfil, CHANGES, ID)                                                                         \
    X(cancel, CANCELS, ID)                                                                         \
    X(amend, CHANGES, ID)                                                                          \
    X(move, CHANGES, ID)                                                                           \
    X(reject, CHANGES, ID)                                                                         \
    X(ready, CHANGES, ID)                                                                          \
    X(restock, CHANGES, ID)                                                                        \
    X(extend, CHANGES, ID)                                                                         \
    X(reservation, READS, ID)                                                                      \
    X(orders, READS, NONE)                                                                         \
    X(receive, CHANGES, ID_SKU)                                                                    \
    X(adjust, CHANGES, ID_SKU)                                                                     \
    X(count, CHANGES, ID_SKU)                                                                      \
    X(return, CHANGES, ID_SKU)                                                                     \
    X(allot, CHANGES, ID_SKU)                                                                      \
    X(sold, CHANGES, SALE)                                                                         \
    X(shift, CHANGES, ID_SKU)                                                                      \
    X(expect, CHANGES, ORDER)                                                                      \
    X(transfer, CHANGES, ID)                                                                       \
    X(ship, CHANGES, ID)                                                                           \
    X(arrive, CHANGES, ID)                                                                         \
    X(reschedule, CHANGES, ID)                                                                     \
    X(withdraw, CHANGES, ID)                                                                       \
    X(supply, READS, ID)                                                                           \
    X(supplies, READS, NONE)                                                                       \
    X(stock, READS, NONE)                                                                          \
    X(history, READS, NONE)                                                                        \
    X(report, READS, NONE)                                                                         \
    X(items, READS, NONE)                                                                          \
    X(item, READS, NONE)                                                                           \
    X(lookup, READS, NONE)                                                                         \
    X(location_set, CHANGES, NONE)                                                                 \
    X(channel_set, CHANGES, NONE)                                                                  \
    X(item_set, CHANGES, NONE)                                                                     \
    X(calendar_set, CHANGES, NONE)                                                                 \
    X(stocking_set, CHANGES, NONE)                                                                 \
    X(locations, READS, NONE)                                                                      \
    X(channels, READS, NONE)                                                                       \
    X(calendars, READS, NONE)                                                                      \
    X(stockings, READS, NONE)                                                                      \
    X(changes, READS, NONE)                                                                        \
    X(events, READS, NONE)                                                                         \
    X(subscribe, READS, NONE)                                                                      \
    X(ping, READS, NONE)                                                                           \
    X(hello, READS, NONE)                                                                          \
    X(info, READS, NONE)                                                                           \
    X(mirror_take, READS, NONE)                                                                    \
    X(check, READS, NONE)

#define X(name, kind, hinted) enum code method_##name(struct call *call);
METHODS(X)
#undef X

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

/* The section `mirror` of info. */
void pack_mirror(struct call *call);

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
