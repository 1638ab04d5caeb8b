/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name in which a connection's requests run, and its rights. A connection owns one principal
 * for its whole life, and only its own worker touches it. A connection moves from the accepting
 * worker to its own before it has read anything, so a principal never has to move with it.
 *
 * Without tokens nobody lacks a right, and hello only names the client. With tokens a peer begins
 * as a stranger, who lacks them all, until it says hello with a token, or is known as the user of a
 * Unix socket or by a certificate.
 */
#ifndef STOCKD_PROTOCOL_PRINCIPAL_H
#define STOCKD_PROTOCOL_PRINCIPAL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/limits.h"
#include "engine/base/text.h"
#include "protocol/access.h"
#include "protocol/scope.h"

/* What a method needs of who calls it. Each method's row in the method table has one. */
enum right {
    RIGHT_NONE = 0, /* even a stranger may */
    RIGHT_READ = VERB_READ,
    RIGHT_ORDER = VERB_ORDER,
    RIGHT_STOCK = VERB_STOCK,
    RIGHT_CATALOGUE = VERB_CATALOGUE,
    RIGHT_SUPPLY = VERB_SUPPLY,
    RIGHT_ADMIN = VERB_ADMIN,
    RIGHT_KNOWN = VERBS_ALL + 1, /* everybody but strangers */
    RIGHTS_ALL = RIGHT_KNOWN | VERBS_ALL,
};

struct principal {
    uint16_t client;     /* the name's number in the journal; 0: none */
    uint8_t name_length; /* 0: no name given */
    uint8_t lacks;       /* enum right */
    bool bound;          /* it has a scope or a rate, or is nameless: admit looks closer */
    bool paid;           /* the request at the head of its input was counted against the rate */
    bool subscribed;     /* it is counted in use->subscriptions */
    bool nameless;       /* the journal does not know its name yet: its first change tells it. If it
                            is known without hello, its name is its token's */
    uint16_t strikes;    /* requests refused before hello */
    const struct grant *grant; /* NULL: none; see scope.h */
    struct token_use *use;     /* NULL likewise */
    struct scope *scope;       /* owned; NULL: it sees everything */
    char name[NAME_MAX_BYTES];
};

/* Sets the name from the next request on. client is 0 for a name that the journal could not take:
 * it has failed, or has no numbers left. */
void principal_identify(struct principal *principal, struct text name, uint16_t client);

/* The same where the journal takes nothing now: its first change will tell it the name. */
void principal_identify_later(struct principal *principal, struct text name);

/* Valid until the principal is identified again or ends. */
struct text principal_name(const struct principal *principal);

/* ---- with tokens ---- */

/* A peer of which nothing is known yet. */
void principal_make_stranger(struct principal *principal);

static inline bool principal_is_stranger(const struct principal *principal)
{
    return (principal->lacks & RIGHT_KNOWN) != 0;
}

enum granted { GRANTED, GRANT_NO_MEMORY, GRANT_CROWDED };

/* Gives it the rights of that token in the place of those that it has; CROWDED: the token has as
 * many connections as it may. Nothing changes unless it is GRANTED. */
enum granted principal_grant(struct principal *principal, const struct access *access,
                             struct known known);

/* The same token's grant has been read anew. False: no memory. */
bool principal_regrant(struct principal *principal, const struct access *access,
                       const struct grant *grant);

/* Gives back what it has of its token; it keeps no rights. */
void principal_end(struct principal *principal);

#endif
