/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue: locations, channels and calendars, and the order in which each channel sells from
 * which locations.
 *
 * A catalogue is immutable once published: a change copies it, and one pointer swaps the copy in
 * (rule O). Readers hold it for an iteration (ledger_begin to ledger_end). One thread at a time
 * builds; any may read.
 */
#ifndef STOCKD_ENGINE_STORE_CATALOGUE_H
#define STOCKD_ENGINE_STORE_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "engine/base/text.h"
#include "engine/store/calendar.h"
#include "engine/store/code_text.h"
#include "engine/store/sphere.h"

enum sourcing { SOURCE_PRIORITY, SOURCE_FEWEST, SOURCE_NEAREST, SOURCE_BALANCE, SOURCING_COUNT };

/* Name on the wire; a static string. */
const char *sourcing_name(enum sourcing sourcing);
/* False if no rule has that name. */
bool sourcing_named(struct text name, enum sourcing *sourcing);

struct location {
    struct code_text code;
    struct code_text kind;
    struct name_text name;
    int32_t priority; /* lower is asked first */
    uint32_t lead_time_s;
    uint32_t safety; /* units of each item that stay there unsold, unless set for the item */
    double lat, lon; /* NaN when not set */
    bool ships, pickup, active;
    uint8_t group_count, dispatch_count;
    uint16_t calendar; /* index + 1 of the calendar that says when it is open; 0: always open */
    uint16_t dispatch[DISPATCH_MAX]; /* minutes of the local week at which parcels leave, sorted */
    struct code_text groups[GROUPS_MAX];
    uint64_t lsn; /* of its last change */
};

enum { RANK_NEVER = UINT16_MAX };

struct channel {
    struct code_text code;
    struct code_text kind;
    struct name_text name;
    uint32_t buffer;      /* units of each item that it neither shows nor takes */
    uint32_t hold_ttl_ms; /* 0: DEFAULT_HOLD_MS */
    enum sourcing sourcing;
    bool ignore_safety;   /* sells the safety stock too */
    bool incoming;        /* promises supply that is on its way, too */
    int64_t horizon_s;    /* such supply only if its ETA is within this time from now; -1: any */
    uint16_t place_count; /* 0: sells from every active location */
    struct code_text
        *places;    /* `locations` on the wire: codes of locations, or names of groups; owned */
    uint16_t *rank; /* per location: its place in the order, or RANK_NEVER; owned */
    uint64_t lsn;
};

struct catalogue {
    uint64_t version; /* greater than that of the catalogue it was copied from */
    uint16_t location_count, channel_count, calendar_count;
    struct location *locations; /* an index never changes */
    struct channel *channels;   /* likewise */
    struct calendar *calendars; /* likewise */
    bool *ships;  /* per location: orders may ship from it; owned. An array, because this and the
                    rank are all that sourcing asks of a location */
    bool *pickup; /* per location, likewise: orders may be collected */
    uint32_t *lead_times;        /* per location, likewise, in seconds */
    struct unit_vector *vectors; /* per location, likewise: where it is */
    uint16_t *schedules; /* per location, likewise: the same number for the same opening hours and
                            dispatch times, 0 for none; NULL: none has any */
    uint32_t *safety;    /* per location, likewise; NULL: none has any */
    uint16_t *location_slots, *channel_slots; /* open-addressing tables of index + 1 */
    uint32_t location_mask, channel_mask;
};

/* A new catalogue has the location "main" and the channel "default". NULL: no memory. */
struct catalogue *catalogue_create(void);
void catalogue_destroy(struct catalogue *catalogue);

/* NULL if none has that code. */
const struct location *catalogue_location(const struct catalogue *catalogue, struct text code);
const struct channel *catalogue_channel(const struct catalogue *catalogue, struct text code);

/* Whether a location is in that group. */
bool catalogue_has_group(const struct catalogue *catalogue, struct text group);

static inline uint16_t location_index(const struct catalogue *c, const struct location *location)
{
    return (uint16_t)(location - c->locations);
}

/* The code of the location with that index; absent: there is none, see NO_LOCATION. */
static inline struct text location_code(const struct catalogue *c, uint16_t location)
{
    return location < c->location_count ? code_text(&c->locations[location].code)
                                        : (struct text){ NULL, 0 };
}

static inline uint16_t channel_index(const struct catalogue *c, const struct channel *channel)
{
    return (uint16_t)(channel - c->channels);
}

/* What location_set sets; what is not given keeps its value (or gets the default). */
struct location_setting {
    struct text code;
    bool has_kind, has_name, has_priority, has_lead_time, has_ships, has_pickup, has_active;
    bool has_lat, has_lon, has_groups, has_safety, has_calendar, has_dispatch;
    struct text kind, name;
    struct text calendar;     /* its code; empty: none */
    const uint16_t *dispatch; /* minutes of the week, in any order */
    uint32_t dispatch_count;
    int64_t priority, lead_time_s, safety;
    bool ships, pickup, active;
    double lat, lon;
    const struct text *groups;
    uint32_t group_count;
};

struct channel_setting {
    struct text code;
    bool has_kind, has_name, has_places, has_buffer, has_hold_ttl, has_sourcing;
    bool has_ignore_safety, has_incoming, has_horizon;
    bool ignore_safety, incoming;
    struct text kind, name;
    const struct text *places; /* locations or groups of them; none: every active location */
    uint32_t place_count;
    int64_t buffer, hold_ttl_ms, horizon_s;
    struct text sourcing;
    bool recorded; /* from the journal: its groups may no longer exist */
};

/*
 * A copy with the setting applied; or NULL with CODE_OK and *index if it would be equal, and NULL
 * with another *code and a message if the setting is refused.
 */
struct catalogue *catalogue_with_location(const struct catalogue *from,
                                          const struct location_setting *s, uint16_t *index,
                                          enum code *code, char *message, size_t size);
struct catalogue *catalogue_with_channel(const struct catalogue *from,
                                         const struct channel_setting *s, uint16_t *index,
                                         enum code *code, char *message, size_t size);
/* The same; it lays the calendar out for the days around wall_ms, unless zones is NULL. */
struct catalogue *catalogue_with_calendar(const struct catalogue *from,
                                          const struct calendar_setting *s,
                                          const struct zone_source *zones, uint64_t wall_ms,
                                          uint16_t *index, enum code *code, char *message,
                                          size_t size);
/* Why calendars are not laid out for today. */
struct lay_out_failure {
    int error; /* 0: all are. -ENOMEM; -EBUSY: the catalogue is being changed; else what the zone
                  source says of `tz` */
    uint16_t calendars;        /* whose zones cannot be read */
    struct code_text calendar; /* the first of them */
    struct zone_text tz;
};

/*
 * A copy in which the calendars are laid out for the days around wall_ms that were not laid out for
 * that day; NULL if there is nothing to change, or no memory. One whose zone cannot be read keeps
 * its timetable; if it has none, it is never open. Asks once for each zone.
 */
struct catalogue *catalogue_laid_out(const struct catalogue *from, const struct zone_source *zones,
                                     uint64_t wall_ms, struct lay_out_failure *failure);

/* NULL if none has that code. */
const struct calendar *catalogue_calendar(const struct catalogue *catalogue, struct text code);

/* The opening hours of a location; NULL: always open. */
static inline const struct timetable *location_timetable(const struct catalogue *c,
                                                         const struct location *location)
{
    return location->calendar ? c->calendars[location->calendar - 1].timetable : NULL;
}

#endif
