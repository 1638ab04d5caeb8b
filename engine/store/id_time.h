/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids that carry the time of their creation.
 *
 *   UUIDv7  xxxxxxxx-xxxx-7xxx-[89ab]xxx-xxxxxxxxxxxx, hexadecimal (RFC 9562, section 5.7)
 *   ULID    26 digits of Crockford's base 32, all in one case (github.com/ulid/spec)
 *
 * Both begin with 48 bits of milliseconds since the Unix epoch.
 */
#ifndef STOCKD_ENGINE_STORE_ID_TIME_H
#define STOCKD_ENGINE_STORE_ID_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/text.h"

/* False: the id carries no time. A text of 26 digits that would be a ULID from before 2016, when
 * ULIDs were invented, is not one. */
bool id_time_ms(struct text id, uint64_t *ms);

#endif
