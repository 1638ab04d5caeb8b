/* SPDX-License-Identifier: Apache-2.0 */
/* Every outcome of an operation: one table gives each its code and its name on the wire. */
#ifndef STOCKD_ENGINE_BASE_ERROR_H
#define STOCKD_ENGINE_BASE_ERROR_H

/*
 * DEFERRED is no error and never reaches a client: the operation met a busy object or a full
 * journal ring, changed nothing, and must be retried soon.
 */
#define CODE_TABLE(X)                                                                              \
    X(OK, "ok")                                                                                    \
    X(DEFERRED, "deferred")                                                                        \
    X(BAD_REQUEST, "bad_request")                                                                  \
    X(UNKNOWN_METHOD, "unknown_method")                                                            \
    X(UNKNOWN_SKU, "unknown_sku")                                                                  \
    X(UNKNOWN_LOCATION, "unknown_location")                                                        \
    X(UNKNOWN_CHANNEL, "unknown_channel")                                                          \
    X(UNKNOWN_RESERVATION, "unknown_reservation")                                                  \
    X(INSUFFICIENT_STOCK, "insufficient_stock")                                                    \
    X(CONFLICT, "conflict")                                                                        \
    X(WRONG_STATE, "wrong_state")                                                                  \
    X(TOO_LARGE, "too_large")                                                                      \
    X(LIMIT, "limit")                                                                              \
    X(OVERLOADED, "overloaded")                                                                    \
    X(UNAUTHORIZED, "unauthorized")                                                                \
    X(FORBIDDEN, "forbidden")                                                                      \
    X(READ_ONLY, "read_only")                                                                      \
    X(UNREADABLE, "unreadable")                                                                    \
    X(EXPIRED_ID, "expired_id")                                                                    \
    X(STALE, "stale")                                                                              \
    X(NOT_PRIMARY, "not_primary")

enum code {
#define X(name, text) CODE_##name,
    CODE_TABLE(X)
#undef X
        CODE_COUNT
};

/* The code's name on the wire; a static string. */
const char *code_name(enum code code);

#endif
