/* SPDX-License-Identifier: Apache-2.0 */
/* The methods: what a request's name leads to. */
#ifndef STOCKD_PROTOCOL_METHODS_H
#define STOCKD_PROTOCOL_METHODS_H

#include "protocol/call.h"

/* What of its parameters is worth fetching ahead, and where it stands. */
enum hint {
    HINT_NONE,
    HINT_ID,     /* [id, ...] */
    HINT_ID_SKU, /* [id, sku, ...] */
    HINT_ORDER,  /* [id, channel, [[sku, ...], ...], ...] */
    HINT_SKUS,   /* [channel, [sku, ...]] */
};

/* What there must be before a method's handler is run; admit asks for it. */
enum need {
    NEED_NONE = 0,
    NEED_LOG = 1 << 0, /* the method changes something: it needs a log that takes records */
    NEED_ALL = NEED_LOG,
};

struct method {
    const char *name;
    uint32_t length; /* of the name, at least 1 */
    /* CODE_OK: a reply was packed. CODE_DEFERRED: nothing was done, call it again later. Else
     * nothing was packed, and reply_error has something to say. */
    enum code (*run)(struct call *call);
    unsigned needs; /* enum need */
    bool cancels;   /* several in a row claim together, see ledger_expect_cancels */
    enum hint hint;
};

/* Once, before method_named is used. */
void methods_prepare(void);

/* The whole table. */
const struct method *methods_all(unsigned *count);

/* NULL if there is none of that name. */
const struct method *method_named(struct text name);

/* Finds what the hint points at, as far as it is there; params as in params_begin. */
void method_hints(const struct method *method, struct wire params, struct text *id,
                  struct text *sku);

enum code method_ping(struct call *call);
enum code method_hello(struct call *call);
enum code method_info(struct call *call);
enum code method_check(struct call *call);

/* A section of info. */
void pack_mirror(struct call *call);
enum code method_mirror_take(struct call *call);

enum code method_location_set(struct call *call);
enum code method_channel_set(struct call *call);
enum code method_item_set(struct call *call);
enum code method_locations(struct call *call);
enum code method_channels(struct call *call);

enum code method_receive(struct call *call);
enum code method_adjust(struct call *call);
enum code method_count(struct call *call);
enum code method_return(struct call *call);
enum code method_allot(struct call *call);

enum code method_reserve(struct call *call);
enum code method_extend(struct call *call);
enum code method_confirm(struct call *call);
enum code method_fulfil(struct call *call);
enum code method_cancel(struct call *call);
enum code method_reservation(struct call *call);

enum code method_changes(struct call *call);
enum code method_subscribe(struct call *call);

enum code method_availability(struct call *call);
enum code method_stock(struct call *call);
enum code method_items(struct call *call);
enum code method_item(struct call *call);
/* The part of `items` that is about details; the parameters were taken. */
enum code method_items_details(struct call *call, uint32_t cursor, int64_t limit);

enum code method_history(struct call *call);
/* Asks the journal what was fulfilled and returned of a reservation, for one item. CODE_DEFERRED:
 * it is under way. */
enum code call_ask_returned(struct call *call, struct text reservation, struct text sku);
/* *evidence: the answer, borrowed from call->pending; NULL: nothing was asked. CODE_OK;
 * CODE_DEFERRED: it has not come yet; else it came to nothing, and the refusal says why. */
enum code call_take_evidence(struct call *call, const struct return_evidence **evidence);
/* The part of `stock` that is about the past; the sku was taken. */
enum code method_stock_then(struct call *call, bool by_time, uint64_t at);

#endif
