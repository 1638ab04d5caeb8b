/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue: locations and channels, and which location each channel sells from in which order.
 *
 * A catalogue is immutable once it is published: a change copies it, and the copy is swapped in by
 * one pointer (rule O). Readers hold it for an iteration (ledger_begin to ledger_end).
 * Thread-safety: building is for one thread at a time; reading is free.
 */
#ifndef STOCKD_ENGINE_STORE_CATALOGUE_H
#define STOCKD_ENGINE_STORE_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "engine/base/text.h"

enum sourcing { SOURCE_PRIORITY, SOURCE_FEWEST, SOURCE_NEAREST, SOURCE_BALANCE, SOURCING_COUNT };

/* Name on the wire; a static string. */
const char *sourcing_name(enum sourcing sourcing);
/* False if there is none of that name. */
bool sourcing_named(struct text name, enum sourcing *sourcing);

/* Inline texts, so that a copy of the struct is a copy of everything. */
struct code_text {
    uint8_t len;
    char at[CODE_MAX];
};

struct name_text {
    uint8_t len;
    char at[NAME_MAX_BYTES];
};

struct location {
    struct code_text code;
    struct code_text kind;
    struct name_text name;
    int32_t priority; /* lower is asked first */
    uint32_t lead_time_s;
    double lat, lon; /* NaN when not set */
    bool ships, pickup, active;
    uint8_t group_count;
    struct code_text groups[GROUPS_MAX];
    uint64_t lsn; /* of its last change */
};

enum { RANK_NEVER = UINT16_MAX };

struct channel {
    struct code_text code;
    struct code_text kind;
    struct name_text name;
    uint32_t buffer;      /* units of each item that it never shows nor takes */
    uint32_t hold_ttl_ms; /* 0: DEFAULT_HOLD_MS */
    enum sourcing sourcing;
    uint16_t place_count;     /* 0: sells from every active location */
    struct code_text *places; /* codes of locations, or names of groups; owned */
    uint16_t *rank;           /* per location: order of asking, RANK_NEVER; owned */
    uint64_t lsn;
};

struct catalogue {
    uint16_t location_count, channel_count;
    struct location *locations; /* index is for life */
    struct channel *channels;   /* index is for life */
    bool *ships; /* per location: orders may be sent from it; owned. Beside the ranks this
                    is all that sourcing asks of a location, so it lies together */
    uint16_t *location_slots, *channel_slots; /* open-addressing tables of index + 1 */
    uint32_t location_mask, channel_mask;
};

/* A fresh one has the location "main" and the channel "default". NULL: no memory. */
struct catalogue *catalogue_create(void);
void catalogue_destroy(struct catalogue *catalogue);

/* NULL if there is none of that code. */
const struct location *catalogue_location(const struct catalogue *catalogue, struct text code);
const struct channel *catalogue_channel(const struct catalogue *catalogue, struct text code);

static inline uint16_t location_index(const struct catalogue *c, const struct location *location)
{
    return (uint16_t)(location - c->locations);
}

static inline uint16_t channel_index(const struct catalogue *c, const struct channel *channel)
{
    return (uint16_t)(channel - c->channels);
}

/* What location_set says; what is not given stays as it is (or is the default). */
struct location_setting {
    struct text code;
    bool has_kind, has_name, has_priority, has_lead_time, has_ships, has_pickup, has_active;
    bool has_lat, has_lon, has_groups;
    struct text kind, name;
    int64_t priority, lead_time_s;
    bool ships, pickup, active;
    double lat, lon;
    const struct text *groups;
    uint32_t group_count;
};

struct channel_setting {
    struct text code;
    bool has_kind, has_name, has_places, has_buffer, has_hold_ttl, has_sourcing;
    struct text kind, name;
    const struct text *places; /* locations or groups of them; none: every active location */
    uint32_t place_count;
    int64_t buffer, hold_ttl_ms;
    struct text sourcing;
    bool recorded; /* comes from the journal: its groups may be gone by now */
};

/*
 * A copy with the setting applied; *changed is false (and NULL is returned) when it would be equal.
 * On refusal NULL, *code and message say why. Check the setting first.
 */
struct catalogue *catalogue_with_location(const struct catalogue *from,
                                          const struct location_setting *s, uint16_t *index,
                                          enum code *code, char *message, size_t size);
struct catalogue *catalogue_with_channel(const struct catalogue *from,
                                         const struct channel_setting *s, uint16_t *index,
                                         enum code *code, char *message, size_t size);

static inline struct text code_text(const struct code_text *c)
{
    return (struct text){ c->at, c->len };
}

static inline struct text name_text(const struct name_text *n)
{
    return (struct text){ n->at, n->len };
}

#endif
