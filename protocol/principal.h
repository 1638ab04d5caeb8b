/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In whose name a connection's requests are done. A connection owns one for its whole life, and
 * touches it on its own worker only. hello sets it; before that, nobody is named. A connection
 * moves from the accepting worker to its own before it has read anything, so nothing of a
 * principal ever has to move with it.
 */
#ifndef STOCKD_PROTOCOL_PRINCIPAL_H
#define STOCKD_PROTOCOL_PRINCIPAL_H

#include <stdint.h>

#include "engine/base/limits.h"
#include "engine/base/text.h"

struct principal {
    uint16_t client;     /* the name's number in the journal; 0: the journal knows no name */
    uint8_t name_length; /* 0: it gave none */
    char name[NAME_MAX_BYTES];
};

/* It calls itself that, from the next request on. client is 0 for a name that the journal could not
 * take: it has failed, or has no numbers left. */
void principal_identify(struct principal *principal, struct text name, uint16_t client);

/* Lives as long as the principal, until it is identified again. */
struct text principal_name(const struct principal *principal);

#endif
