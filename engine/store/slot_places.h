/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A word for each slot of the id table: which places the reservation in it draws from, or where the
 * transfer in it is held, so that a list of one place's orders need not look at those of all
 * others. The words of a chunk of slots have cache lines of their own: the context that takes a
 * slot mostly has taken its chunk.
 *
 * It may name too many places, never too few: a slot that stands for something else by now keeps
 * its word. The owner of the entry (E1) writes it, before the order claims its LSN; relaxed, as a
 * reader that has acquired the log's head sees the word of every order up to there.
 */
#ifndef STOCKD_ENGINE_STORE_SLOT_PLACES_H
#define STOCKD_ENGINE_STORE_SLOT_PLACES_H

#include "engine/store/id_table.h"
#include "engine/store/pool.h"

/* of further places 6 | second place + 1 13 | first place + 1 13; 0: it was neither */
enum { PLACE_BITS = 13, PLACE_MASK = (1 << PLACE_BITS) - 1, FURTHER_PLACES = 32 - 2 * PLACE_BITS };

_Static_assert((int)LOCATIONS_MAX < (int)PLACE_MASK, "a place fits its bits, and so does none");

static inline uint32_t places_further(uint16_t location)
{
    return UINT32_C(1) << (2 * PLACE_BITS + location % FURTHER_PLACES);
}

/* The word with one more place. */
static inline uint32_t places_with(uint32_t places, uint16_t location)
{
    if (location == NO_LOCATION)
        location = PLACE_MASK - 1; /* nobody asks for that; but the word must not be 0 */
    uint32_t place = location + UINT32_C(1);
    uint32_t first = places & PLACE_MASK, second = places >> PLACE_BITS & PLACE_MASK;
    if (first == 0)
        return places | place;
    if (first == place || second == place)
        return places;
    return places | (second == 0 ? place << PLACE_BITS : places_further(location));
}

static inline bool places_may_have(uint32_t places, uint16_t location)
{
    uint32_t place = location + UINT32_C(1);
    return (places & PLACE_MASK) == place || (places >> PLACE_BITS & PLACE_MASK) == place ||
           (places & places_further(location)) != 0;
}

static inline void slot_places_set(struct id_table *ids, const struct id_entry *entry,
                                   uint32_t places)
{
    atomic_store_explicit(&ids->places[entry_number(ids, entry)], places, memory_order_relaxed);
}

static inline uint32_t slot_places(const struct id_table *ids, const struct id_entry *entry)
{
    return atomic_load_explicit(&ids->places[entry_number(ids, entry)], memory_order_relaxed);
}

/* A transfer may be held where it comes from. */
static inline void slot_places_set_source(struct id_table *ids, const struct id_entry *supply)
{
    uint32_t places = supply->from ? places_with(0, (uint16_t)(supply->from - 1)) : 0;
    slot_places_set(ids, supply, places);
}

/* The slots of the chunk, as bits, that may hold a reservation that draws from the location;
 * location ANY_PLACE: that may hold a reservation. */
enum { ANY_PLACE = UINT16_MAX };

static inline uint64_t chunk_candidates(const struct id_table *ids, uint32_t chunk,
                                        uint16_t location)
{
    uint64_t found = 0;
    for (uint32_t i = 0; i < CHUNK_SLOTS; i++) {
        uint32_t places =
            atomic_load_explicit(&ids->places[chunk * CHUNK_SLOTS + i], memory_order_relaxed);
        bool may = location == ANY_PLACE ? places != 0 : places_may_have(places, location);
        found |= (uint64_t)may << i;
    }
    return found;
}

#endif
