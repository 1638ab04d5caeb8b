/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name in which a connection's requests run. A connection owns one principal for its whole
 * life, and only its own worker touches it. hello sets it; before that, it has no name. A
 * connection moves from the accepting worker to its own before it has read anything, so a principal
 * never has to move with it.
 */
#ifndef STOCKD_PROTOCOL_PRINCIPAL_H
#define STOCKD_PROTOCOL_PRINCIPAL_H

#include <stdint.h>

#include "engine/base/limits.h"
#include "engine/base/text.h"

struct principal {
    uint16_t client;     /* the name's number in the journal; 0: none */
    uint8_t name_length; /* 0: no name given */
    char name[NAME_MAX_BYTES];
};

/* Sets the name from the next request on. client is 0 for a name that the journal could not take:
 * it has failed, or has no numbers left. */
void principal_identify(struct principal *principal, struct text name, uint16_t client);

/* Valid until the principal is identified again or ends. */
struct text principal_name(const struct principal *principal);

#endif
