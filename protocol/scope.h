/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which channels and locations a client may name and see, if not all: the patterns of its grant,
 * and the same as bits for the catalogue's indexes, so that a reply can leave out what is not the
 * client's without comparing texts.
 *
 * What is refused is refused in the same words whether or not it exists. A scope belongs to its
 * connection's worker.
 */
#ifndef STOCKD_PROTOCOL_SCOPE_H
#define STOCKD_PROTOCOL_SCOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "access/grant.h"
#include "engine/base/limits.h"
#include "engine/base/text.h"
#include "engine/store/catalogue.h"

struct refusal;

struct scope {
    const struct grant *grant;         /* as long as the worker keeps to its set of tokens */
    const struct catalogue *catalogue; /* of this iteration; scope_look sets it */
    uint64_t version;                  /* of the catalogue that the bits are for; 0: of none */
    uint64_t channels[CHANNELS_MAX / 64];
    uint64_t places[LOCATIONS_MAX / 64];
};

/* Whether a grant leaves anything out. */
static inline bool scope_is_needed(const struct grant *grant)
{
    return !grant->channels.all || !grant->locations.all;
}

/* NULL: no memory. */
struct scope *scope_create(const struct grant *grant);
/* NULL is fine. */
void scope_destroy(struct scope *scope);

/* Gives it another grant. */
void scope_set(struct scope *scope, const struct grant *grant);

/* Call in each iteration before the rest is used. */
void scope_look(struct scope *scope, const struct catalogue *catalogue);

bool scope_has_channel(const struct scope *scope, struct text code);
bool scope_has_place(const struct scope *scope, struct text code);
/* Whether it has all that a channel sells from if that code is in its list: a location, or a group
 * that the grant names. */
bool scope_has_source(const struct scope *scope, struct text code);

/* The same by index. Without a scope (NULL) everything is seen. */
static inline bool scope_sees_channel(const struct scope *scope, uint16_t channel)
{
    return !scope || (scope->channels[channel / 64] >> channel % 64 & 1) != 0;
}

static inline bool scope_sees_place(const struct scope *scope, uint16_t place)
{
    return !scope || (scope->places[place / 64] >> place % 64 & 1) != 0;
}

/* Whether it sees them all. */
static inline bool scope_sees_channels(const struct scope *scope)
{
    return !scope || scope->grant->channels.all;
}

static inline bool scope_sees_places(const struct scope *scope)
{
    return !scope || scope->grant->locations.all;
}

/* Refuses what is not the client's, by the words that the request has for it. */
void refuse_channel(struct refusal *refusal, const struct scope *scope, const char *param,
                    struct text code);
void refuse_place(struct refusal *refusal, const struct scope *scope, const char *param,
                  struct text code);
/* Refuses a question about all of them. */
void refuse_all_channels(struct refusal *refusal, const struct scope *scope);
void refuse_all_places(struct refusal *refusal, const struct scope *scope, const char *param);

#endif
