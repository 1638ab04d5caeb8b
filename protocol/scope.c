/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/scope.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/params.h"

struct scope *scope_create(const struct grant *grant)
{
    struct scope *scope = calloc(1, sizeof *scope);
    if (scope)
        scope->grant = grant;
    return scope;
}

void scope_destroy(struct scope *scope)
{
    free(scope);
}

void scope_set(struct scope *scope, const struct grant *grant)
{
    scope->grant = grant;
    scope->version = 0;
}

/* ---- bits ---- */

static bool place_granted(const struct patterns *patterns, const struct location *location)
{
    struct text code = code_text(&location->code);
    if (patterns_match(patterns, code.at, code.len))
        return true;
    for (unsigned i = 0; i < location->group_count; i++) {
        struct text group = code_text(&location->groups[i]);
        if (patterns_match_group(patterns, group.at, group.len))
            return true;
    }
    return false;
}

void scope_look(struct scope *scope, const struct catalogue *catalogue)
{
    const struct grant *grant = scope->grant;
    assert(catalogue->version > 0);
    scope->catalogue = catalogue;
    if (scope->version == catalogue->version)
        return;
    memset(scope->channels, 0, sizeof scope->channels);
    memset(scope->places, 0, sizeof scope->places);
    for (unsigned i = 0; i < catalogue->channel_count; i++) {
        struct text code = code_text(&catalogue->channels[i].code);
        if (patterns_match(&grant->channels, code.at, code.len))
            scope->channels[i / 64] |= UINT64_C(1) << i % 64;
    }
    for (unsigned i = 0; i < catalogue->location_count; i++)
        if (place_granted(&grant->locations, &catalogue->locations[i]))
            scope->places[i / 64] |= UINT64_C(1) << i % 64;
    scope->version = catalogue->version;
}

/* ---- texts ---- */

bool scope_has_channel(const struct scope *scope, struct text code)
{
    return patterns_match(&scope->grant->channels, code.at, code.len);
}

/* A location that does not exist is in no group. */
bool scope_has_place(const struct scope *scope, struct text code)
{
    if (patterns_match(&scope->grant->locations, code.at, code.len))
        return true;
    const struct location *location = catalogue_location(scope->catalogue, code);
    return location && scope_sees_place(scope, location_index(scope->catalogue, location));
}

/* A code may be of both. Patterns of locations say nothing of a group that happens to match: its
 * members are others. */
bool scope_has_source(const struct scope *scope, struct text code)
{
    const struct patterns *patterns = &scope->grant->locations;
    bool own_group = patterns_match_group(patterns, code.at, code.len);
    bool group = catalogue_has_group(scope->catalogue, code);
    if (catalogue_location(scope->catalogue, code))
        return scope_has_place(scope, code) && (own_group || !group);
    return own_group || (!group && patterns_match(patterns, code.at, code.len));
}

/* ---- refusals ---- */

static void refuse_code(struct refusal *refusal, const struct scope *scope, const char *param,
                        const char *what, const char *right, struct text code)
{
    refuse(refusal, CODE_FORBIDDEN, param, "the token \"%s\" has no right to the %s \"%.*s\"",
           scope->grant->name, what, code.len > CODE_MAX ? CODE_MAX : (int)code.len, code.at);
    refusal->right = right;
}

void refuse_channel(struct refusal *refusal, const struct scope *scope, const char *param,
                    struct text code)
{
    refuse_code(refusal, scope, param, "channel", "channels", code);
}

void refuse_place(struct refusal *refusal, const struct scope *scope, const char *param,
                  struct text code)
{
    refuse_code(refusal, scope, param, "location", "locations", code);
}

void refuse_all_channels(struct refusal *refusal, const struct scope *scope)
{
    refuse(refusal, CODE_FORBIDDEN, "channel",
           "the token \"%s\" has no right to all channels: name one of its own",
           scope->grant->name);
    refusal->right = "channels";
}

void refuse_all_places(struct refusal *refusal, const struct scope *scope, const char *param)
{
    refuse(refusal, CODE_FORBIDDEN, param,
           "the token \"%s\" has no right to all locations: name one of its own",
           scope->grant->name);
    refusal->right = "locations";
}
