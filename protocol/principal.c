/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/principal.h"

#include <assert.h>
#include <string.h>

_Static_assert(NAME_MAX_BYTES <= UINT8_MAX, "a name's length fits");
_Static_assert(RIGHTS_ALL <= UINT8_MAX, "the rights fit");

void principal_identify(struct principal *principal, struct text name, uint16_t client)
{
    assert(name.len <= NAME_MAX_BYTES);
    assert(name.len > 0 || client == 0); /* only names have numbers in the journal */
    principal->nameless = false;
    principal->client = client;
    principal->name_length = (uint8_t)name.len;
    if (name.len > 0)
        memcpy(principal->name, name.at, name.len);
}

void principal_identify_later(struct principal *principal, struct text name)
{
    principal_identify(principal, name, 0);
    principal->nameless = name.len > 0;
    principal->bound = principal->bound || principal->nameless;
}

struct text principal_name(const struct principal *principal)
{
    return (struct text){ principal->name, principal->name_length };
}

void principal_make_stranger(struct principal *principal)
{
    principal->lacks = RIGHTS_ALL;
}

bool principal_regrant(struct principal *principal, const struct access *access,
                       const struct grant *grant)
{
    struct scope *scope = scope_is_needed(grant) ? scope_create(grant) : NULL;
    if (!scope && scope_is_needed(grant))
        return false;
    scope_destroy(principal->scope);
    principal->scope = scope;
    principal->grant = grant;
    principal->lacks = (uint8_t)(VERBS_ALL & ~grant->verbs);
    principal->bound = scope || access_rate(access, grant) > 0 || principal->nameless;
    return true;
}

enum granted principal_grant(struct principal *principal, const struct access *access,
                             struct known known)
{
    struct token_use *use = known.use;
    bool anew = use != principal->use;
    if (anew && !token_use_add(&use->connections, access_connections(access, known.grant)))
        return GRANT_CROWDED;
    if (!principal_regrant(principal, access, known.grant)) {
        if (anew)
            token_use_drop(&use->connections);
        return GRANT_NO_MEMORY;
    }
    if (!anew)
        return GRANTED;
    if (principal->use)
        token_use_drop(&principal->use->connections);
    if (principal->subscribed) { /* its subscriptions go on, as those of the new token */
        token_use_drop(&principal->use->subscriptions);
        token_use_add(&use->subscriptions, 0);
    }
    principal->use = use;
    return GRANTED;
}

void principal_end(struct principal *principal)
{
    if (principal->use) {
        token_use_drop(&principal->use->connections);
        if (principal->subscribed)
            token_use_drop(&principal->use->subscriptions);
    }
    scope_destroy(principal->scope);
    principal->scope = NULL;
    principal->use = NULL;
    principal->grant = NULL;
    principal->subscribed = principal->bound = false;
    principal->lacks = RIGHTS_ALL;
}
