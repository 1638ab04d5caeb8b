/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is known to the server: the tokens as they are now, and what each token's connections use.
 *
 * A set of tokens is immutable. One thread publishes sets (the one that watches the file); workers
 * read the newest. Each publication, and each expiry, begins an epoch. A worker that sees a new
 * epoch looks at all its connections before it does anything else, and then says so; a set is freed
 * once every worker has seen a later epoch than its own, because by then nothing refers to it.
 *
 * AC1: only the publisher stores `current` and then, with release, `epoch`; a worker that loads the
 *      epoch (acquire) therefore finds that set or a newer one in `current`.
 * AC2: a worker stores seen[worker] (release) after its last use of older sets; the publisher loads
 *      it (acquire) before it frees them.
 */
#ifndef STOCKD_PROTOCOL_ACCESS_H
#define STOCKD_PROTOCOL_ACCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "access/grants.h"
#include "engine/base/limits.h"

enum {
    TOKEN_NAMES_MAX = 64, /* client names beside a token that the journal takes a number for */
};

/* What applies to tokens whose line does not say otherwise (0: no limit), and to strangers: peers
 * that have not said who they are. */
struct access_limits {
    uint32_t rate, burst;                /* requests a second of a token, and at once */
    uint32_t connections, subscriptions; /* of a token, at once */
    uint32_t stranger_ms;                /* to say hello */
    uint32_t strangers;                  /* at once */
    uint32_t strangers_each;             /* from one address */
};

/* What the connections of one token use together. Any worker; relaxed, because each field stands
 * alone. It outlives reloads and is freed with the access. */
struct token_use {
    char name[GRANT_CODE_MAX + 1];
    struct token_use *next; /* the publisher only */
    _Atomic uint32_t connections, subscriptions;
    _Atomic uint64_t due_us;                 /* engine time; see token_use_take */
    _Atomic uint64_t names[TOKEN_NAMES_MAX]; /* hashes of client names; 0: free */
};

/* A token of a set. */
struct known {
    const struct grant *grant; /* NULL: nobody is known so */
    struct token_use *use;
};

struct token_set {
    struct grants grants;
    uint64_t epoch; /* in which it was published */
    uint64_t loaded_ms;
    struct token_set *older;  /* not freed yet; the publisher only */
    struct token_use *uses[]; /* of grants.at, by index */
};

struct access {
    struct access_limits limits;
    _Atomic(struct token_set *) current; /* AC1 */
    _Atomic uint64_t epoch;              /* AC1 */
    _Atomic uint64_t reloads, failures;  /* the publisher writes; relaxed: for info alone */
    uint64_t looked_ms;                  /* the publisher: wall clock up to which expiries count */
    struct token_use *uses;              /* the publisher */
    unsigned workers;
    struct access_seen {
        _Alignas(64) _Atomic uint64_t epoch; /* AC2 */
    } seen[CONTEXTS_MAX];
};

/* NULL: no memory. Takes over the grants in either case. */
struct access *access_create(const struct access_limits *limits, unsigned workers,
                             struct grants *grants, uint64_t wall_ms);
/* Once no worker runs. NULL is fine. */
void access_destroy(struct access *access);

/* ---- the publisher ---- */

/* Takes over the grants. False: no memory, and the old set stays. */
bool access_publish(struct access *access, struct grants *grants, uint64_t wall_ms);
/* Begins an epoch if a token has expired since the last call; true: it did, and the workers must be
 * woken. Frees sets that nobody uses any longer. */
bool access_look(struct access *access, uint64_t wall_ms);

/* ---- workers ---- */

static inline uint64_t access_epoch(const struct access *access)
{
    return atomic_load_explicit(&access->epoch, memory_order_acquire); /* AC1 */
}

/* Valid until this worker says that it has seen a later epoch. */
static inline const struct token_set *access_set(const struct access *access)
{
    return atomic_load_explicit(&access->current, memory_order_acquire); /* AC1 */
}

static inline void access_note_seen(struct access *access, unsigned worker, uint64_t epoch)
{
    atomic_store_explicit(&access->seen[worker].epoch, epoch, memory_order_release); /* AC2 */
}

/* Each is not known if it has expired at that time. */
struct known access_by_token(const struct access *access, const char *token, size_t length,
                             uint64_t now_ms);
struct known access_by_uid(const struct access *access, uint32_t uid, uint64_t now_ms);
struct known access_by_certificate(const struct access *access, const char *common_name,
                                   uint64_t now_ms);
/* The same name with the same key, as it is now. */
struct known access_again(const struct access *access, const struct grant *grant, uint64_t now_ms);

/* ---- what a token's connections use ---- */

/* A limit of that grant; 0: none. */
uint32_t access_connections(const struct access *access, const struct grant *grant);
uint32_t access_subscriptions(const struct access *access, const struct grant *grant);
uint32_t access_rate(const struct access *access, const struct grant *grant);
uint32_t access_burst(const struct access *access, const struct grant *grant);

/* Adds one, unless that makes more than `most` (0: no limit). False: it would. */
bool token_use_add(_Atomic uint32_t *count, uint32_t most);
void token_use_drop(_Atomic uint32_t *count);

/* Counts a request. 0: it may run; otherwise the milliseconds after which it may. */
uint32_t token_use_take(struct token_use *use, uint32_t rate, uint32_t burst, uint64_t now_ms);

/* Whether the token may have that client name in the journal: it has few, because all clients share
 * the journal's numbers. */
bool token_use_name(struct token_use *use, const char *name, size_t length);

#endif
