/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the catalogue: copies of it, and what follows from its locations and channels. */
#ifndef STOCKD_ENGINE_STORE_CATALOGUE_INSIDE_H
#define STOCKD_ENGINE_STORE_CATALOGUE_INSIDE_H

#include "engine/store/catalogue.h"

/* As they are before anything is set. */
struct location location_new(struct text code);
struct channel channel_new(struct text code);

/* A copy with room for one more of each, not yet derived. NULL: no memory. */
struct catalogue *catalogue_copy(const struct catalogue *from);
/* Builds the look-up tables, the ranks that are not there yet, and what ships. False: no memory. */
bool catalogue_derive(struct catalogue *c);

bool location_in_group(const struct location *location, struct text group);
/* The position in the channel's list by which it sells from the location; -1: it does not. */
int channel_place_of(const struct channel *channel, const struct location *location);
bool channel_copy_rank(struct channel *to, const struct channel *from, uint16_t count);

#endif
