/* SPDX-License-Identifier: Apache-2.0 */
/* New versions of the catalogue: a setting is checked, and applied to a copy. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/catalogue_inside.h"

static void set_name(struct name_text *to, struct text from)
{
    assert(from.len <= NAME_MAX_BYTES);
    to->len = (uint8_t)from.len;
    memset(to->at, 0, sizeof to->at);
    if (from.len > 0)
        memcpy(to->at, from.at, from.len);
}

/* The first complaint about a setting. */
struct complaint {
    enum code code;
    char *message;
    size_t size;
};

static bool complain(struct complaint *c, enum code code, const char *what, const char *must)
{
    c->code = code;
    snprintf(c->message, c->size, "%s %s", what, must);
    return false;
}

static bool number_fits(struct complaint *c, bool given, const char *what, int64_t n, int64_t min,
                        int64_t max)
{
    if (!given || (n >= min && n <= max))
        return true;
    char must[96];
    snprintf(must, sizeof must, "must be a whole number from %lld to %lld, not %lld",
             (long long)min, (long long)max, (long long)n);
    return complain(c, CODE_BAD_REQUEST, what, must);
}

static bool text_fits(struct complaint *c, bool given, const char *what, struct text t,
                      uint32_t max)
{
    if (!given || (t.len <= max && text_is_utf8(t)))
        return true;
    char must[64];
    snprintf(must, sizeof must, "must be at most %u bytes of UTF-8", max);
    return complain(c, CODE_BAD_REQUEST, what, must);
}

static bool code_fits(struct complaint *c, const char *what, struct text t)
{
    return text_is_code(t) ||
           complain(c, CODE_BAD_REQUEST, what, "must be 1 to 32 bytes of A-Za-z0-9._-");
}

static bool degrees_fit(struct complaint *c, bool given, const char *what, double d, double max)
{
    return !given || (d >= -max && d <= max) ||
           complain(c, CODE_BAD_REQUEST, what,
                    max > 90 ? "must be from -180 to 180" : "must be from -90 to 90");
}

static bool calendar_exists(const struct catalogue *from, const struct location_setting *s,
                            struct complaint *c)
{
    if (!s->has_calendar || s->calendar.len == 0 || catalogue_calendar(from, s->calendar))
        return true;
    if (!code_fits(c, "calendar", s->calendar))
        return false;
    snprintf(c->message, c->size, "calendar: there is no calendar \"%.*s\"", (int)s->calendar.len,
             s->calendar.at);
    c->code = CODE_BAD_REQUEST;
    return false;
}

static bool location_fits(const struct catalogue *from, const struct location_setting *s,
                          struct complaint *c)
{
    bool good = code_fits(c, "code", s->code) &&
                text_fits(c, s->has_kind, "kind", s->kind, CODE_MAX) &&
                text_fits(c, s->has_name, "name", s->name, NAME_MAX_BYTES) &&
                number_fits(c, s->has_priority, "priority", s->priority, INT32_MIN, INT32_MAX) &&
                number_fits(c, s->has_lead_time, "lead_time_s", s->lead_time_s, 0, INT32_MAX) &&
                number_fits(c, s->has_safety, "safety", s->safety, 0, QUANTITY_MAX) &&
                degrees_fit(c, s->has_lat, "lat", s->lat, 90) &&
                degrees_fit(c, s->has_lon, "lon", s->lon, 180);
    if (!good)
        return false;
    if (s->has_groups && s->group_count > GROUPS_MAX)
        return complain(c, CODE_TOO_LARGE, "groups", "may name at most 16 groups");
    for (uint32_t i = 0; s->has_groups && i < s->group_count; i++)
        if (!code_fits(c, "groups: each", s->groups[i]))
            return false;
    if (s->has_dispatch && s->dispatch_count > DISPATCH_MAX)
        return complain(c, CODE_TOO_LARGE, "dispatch", "may name at most 64 times of the week");
    for (uint32_t i = 0; s->has_dispatch && i < s->dispatch_count; i++)
        if (s->dispatch[i] >= WEEK_MINUTES)
            return complain(c, CODE_BAD_REQUEST, "dispatch", "must name minutes of the week");
    return calendar_exists(from, s, c);
}

static int compare_minutes(const void *a, const void *b)
{
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

/* Sorted, each once, the rest zero: so equal times are equal bytes. */
static void set_dispatch(struct location *l, const struct location_setting *s)
{
    uint16_t sorted[DISPATCH_MAX];
    assert(s->dispatch_count <= DISPATCH_MAX); /* location_fits */
    memset(l->dispatch, 0, sizeof l->dispatch);
    l->dispatch_count = 0;
    if (s->dispatch_count == 0)
        return;
    memcpy(sorted, s->dispatch, s->dispatch_count * sizeof *sorted);
    qsort(sorted, s->dispatch_count, sizeof *sorted, compare_minutes);
    for (uint32_t i = 0; i < s->dispatch_count; i++)
        if (i == 0 || sorted[i] != sorted[i - 1])
            l->dispatch[l->dispatch_count++] = sorted[i];
}

static void change_location(const struct catalogue *from, struct location *l,
                            const struct location_setting *s)
{
    if (s->has_calendar) {
        const struct calendar *calendar = catalogue_calendar(from, s->calendar);
        l->calendar = calendar ? (uint16_t)(calendar - from->calendars + 1) : 0;
    }
    if (s->has_dispatch)
        set_dispatch(l, s);
    if (s->has_kind)
        code_text_set(&l->kind, s->kind);
    if (s->has_name)
        set_name(&l->name, s->name);
    if (s->has_priority)
        l->priority = (int32_t)s->priority;
    if (s->has_lead_time)
        l->lead_time_s = (uint32_t)s->lead_time_s;
    if (s->has_safety)
        l->safety = (uint32_t)s->safety;
    if (s->has_ships)
        l->ships = s->ships;
    if (s->has_pickup)
        l->pickup = s->pickup;
    if (s->has_active)
        l->active = s->active;
    if (s->has_lat)
        l->lat = s->lat;
    if (s->has_lon)
        l->lon = s->lon;
    if (s->has_groups) {
        assert(s->group_count <= GROUPS_MAX); /* location_fits */
        memset(l->groups, 0, sizeof l->groups);
        l->group_count = (uint8_t)s->group_count;
        for (uint32_t i = 0; i < s->group_count; i++)
            code_text_set(&l->groups[i], s->groups[i]);
    }
}

/* Returns the derived copy; NULL if it is equal or memory runs out. */
static struct catalogue *finish(struct catalogue *copy, bool equal, struct complaint *c)
{
    c->code = CODE_OK;
    if (equal || !catalogue_derive(copy)) {
        if (!equal)
            complain(c, CODE_LIMIT, "the catalogue", "has no memory to grow");
        catalogue_destroy(copy);
        return NULL;
    }
    return copy;
}

static bool degrees_equal(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool locations_equal(const struct location *a, const struct location *b)
{
    return text_equal(code_text(&a->kind), code_text(&b->kind)) &&
           text_equal(name_text(&a->name), name_text(&b->name)) && a->priority == b->priority &&
           a->lead_time_s == b->lead_time_s && a->safety == b->safety &&
           degrees_equal(a->lat, b->lat) && degrees_equal(a->lon, b->lon) && a->ships == b->ships &&
           a->pickup == b->pickup && a->active == b->active && a->calendar == b->calendar &&
           memcmp(a->dispatch, b->dispatch, sizeof a->dispatch) == 0 &&
           a->dispatch_count == b->dispatch_count && a->group_count == b->group_count &&
           memcmp(a->groups, b->groups, a->group_count * sizeof *a->groups) == 0;
}

/* Does the location keep its place with all channels that sell from it? */
static bool asked_alike(const struct location *old, const struct location *now)
{
    return old && old->priority == now->priority && old->active == now->active &&
           old->group_count == now->group_count &&
           memcmp(old->groups, now->groups, now->group_count * sizeof *now->groups) == 0;
}

/* Copies the ranks that a location's change (old: before it, or NULL) leaves valid: a channel that
 * sells from it neither before nor after keeps the order of all others. */
static bool keep_ranks(struct catalogue *copy, const struct catalogue *from,
                       const struct location *old, const struct location *now)
{
    assert(copy->location_count == from->location_count + (old ? 0 : 1));
    assert(copy->channel_count == from->channel_count);
    bool alike = asked_alike(old, now);
    for (uint16_t i = 0; i < from->channel_count; i++) {
        const struct channel *channel = &from->channels[i];
        bool apart =
            channel_place_of(channel, now) < 0 && (!old || channel_place_of(channel, old) < 0);
        if (!alike && !apart)
            continue;
        uint16_t *rank = malloc(copy->location_count * sizeof *rank);
        if (!rank)
            return false;
        memcpy(rank, channel->rank, from->location_count * sizeof *rank);
        if (!old)
            rank[from->location_count] = RANK_NEVER;
        copy->channels[i].rank = rank;
    }
    return true;
}

struct catalogue *catalogue_with_location(const struct catalogue *from,
                                          const struct location_setting *s, uint16_t *index,
                                          enum code *code, char *message, size_t size)
{
    struct complaint c = { CODE_OK, message, size };
    struct catalogue *copy = NULL;
    const struct location *old = NULL;
    if (location_fits(from, s, &c)) {
        old = catalogue_location(from, s->code);
        if (!old && from->location_count >= LOCATIONS_MAX)
            complain(&c, CODE_LIMIT, "locations:", "the table is full (4096)");
        else if (!(copy = catalogue_copy(from)))
            complain(&c, CODE_LIMIT, "the catalogue", "has no memory to grow");
    }
    if (copy) {
        *index = old ? location_index(from, old) : copy->location_count++;
        struct location *l = &copy->locations[*index];
        if (!old)
            *l = location_new(s->code);
        change_location(from, l, s);
        if (keep_ranks(copy, from, old, l)) {
            copy = finish(copy, old && locations_equal(old, l), &c);
        } else {
            complain(&c, CODE_LIMIT, "the catalogue", "has no memory to grow");
            catalogue_destroy(copy);
            copy = NULL;
        }
    }
    *code = c.code;
    return copy;
}

/* The mirror keeps an item's channels beside fields of its own. Codes that an older engine allowed,
 * and its journal holds, stay valid. */
static bool channel_code_is_free(const struct channel_setting *s, struct complaint *c)
{
    bool taken = text_equal(s->code, text_of("sku")) || text_equal(s->code, text_of("_lsn"));
    return !taken || s->recorded ||
           complain(c, CODE_BAD_REQUEST, "code",
                    "must not be \"sku\" or \"_lsn\": the Redis mirror uses these names");
}

static bool channel_fits(const struct catalogue *from, const struct channel_setting *s,
                         struct complaint *c)
{
    enum sourcing sourcing;
    bool good = code_fits(c, "code", s->code) && channel_code_is_free(s, c) &&
                text_fits(c, s->has_kind, "kind", s->kind, CODE_MAX) &&
                text_fits(c, s->has_name, "name", s->name, NAME_MAX_BYTES) &&
                number_fits(c, s->has_buffer, "buffer", s->buffer, 0, QUANTITY_MAX) &&
                number_fits(c, s->has_hold_ttl, "hold_ttl_ms", s->hold_ttl_ms, 1, TTL_MAX_MS) &&
                number_fits(c, s->has_horizon, "horizon_s", s->horizon_s, 0, HORIZON_MAX_S);
    if (!good)
        return false;
    if (s->has_sourcing && !sourcing_named(s->sourcing, &sourcing))
        return complain(c, CODE_BAD_REQUEST, "sourcing",
                        "must be priority, fewest, nearest or balance");
    if (s->has_places && s->place_count > CHANNEL_LOCATIONS_MAX)
        return complain(c, CODE_TOO_LARGE, "locations",
                        "may name at most 480; name groups of locations instead");
    for (uint32_t i = 0; s->has_places && i < s->place_count; i++) {
        if (!code_fits(c, "locations: each", s->places[i]))
            return false;
        if (!s->recorded && !catalogue_has_group(from, s->places[i]) &&
            !catalogue_location(from, s->places[i])) {
            snprintf(c->message, c->size, "no location or group \"%.*s\"", (int)s->places[i].len,
                     s->places[i].at);
            c->code = CODE_UNKNOWN_LOCATION;
            return false;
        }
    }
    return true;
}

static bool change_channel(struct channel *to, const struct channel_setting *s)
{
    if (s->has_kind)
        code_text_set(&to->kind, s->kind);
    if (s->has_name)
        set_name(&to->name, s->name);
    if (s->has_buffer)
        to->buffer = (uint32_t)s->buffer;
    if (s->has_hold_ttl)
        to->hold_ttl_ms = (uint32_t)s->hold_ttl_ms;
    if (s->has_sourcing)
        sourcing_named(s->sourcing, &to->sourcing);
    if (s->has_ignore_safety)
        to->ignore_safety = s->ignore_safety;
    if (s->has_incoming)
        to->incoming = s->incoming;
    if (s->has_horizon)
        to->horizon_s = s->horizon_s;
    if (!s->has_places)
        return true;
    assert(s->place_count <= CHANNEL_LOCATIONS_MAX); /* channel_fits */
    free(to->places);
    to->places = calloc(s->place_count + 1u, sizeof *to->places);
    to->place_count = to->places ? (uint16_t)s->place_count : 0;
    for (uint32_t i = 0; i < to->place_count; i++)
        code_text_set(&to->places[i], s->places[i]);
    return to->places != NULL;
}

static bool channels_equal(const struct channel *a, const struct channel *b)
{
    return text_equal(code_text(&a->kind), code_text(&b->kind)) &&
           text_equal(name_text(&a->name), name_text(&b->name)) && a->buffer == b->buffer &&
           a->hold_ttl_ms == b->hold_ttl_ms && a->sourcing == b->sourcing &&
           a->ignore_safety == b->ignore_safety && a->incoming == b->incoming &&
           a->horizon_s == b->horizon_s && a->place_count == b->place_count &&
           (a->place_count == 0 ||
            memcmp(a->places, b->places, a->place_count * sizeof *a->places) == 0);
}

struct catalogue *catalogue_with_channel(const struct catalogue *from,
                                         const struct channel_setting *s, uint16_t *index,
                                         enum code *code, char *message, size_t size)
{
    struct complaint c = { CODE_OK, message, size };
    struct catalogue *copy = NULL;
    const struct channel *old = NULL;
    if (channel_fits(from, s, &c)) {
        old = catalogue_channel(from, s->code);
        if (!old && from->channel_count >= CHANNELS_MAX)
            complain(&c, CODE_LIMIT, "channels:", "the table is full (1024)");
        else if (!(copy = catalogue_copy(from)))
            complain(&c, CODE_LIMIT, "the catalogue", "has no memory to grow");
    }
    if (copy) {
        *index = old ? channel_index(from, old) : copy->channel_count++;
        struct channel *channel = &copy->channels[*index];
        if (!old)
            *channel = channel_new(s->code);
        /* The other channels keep their ranks. */
        bool kept = true;
        for (uint16_t i = 0; kept && i < from->channel_count; i++)
            if (i != *index)
                kept =
                    channel_copy_rank(&copy->channels[i], &from->channels[i], from->location_count);
        if (kept && change_channel(channel, s)) {
            copy = finish(copy, old && channels_equal(old, channel), &c);
        } else {
            complain(&c, CODE_LIMIT, "the catalogue", "has no memory to grow");
            catalogue_destroy(copy);
            copy = NULL;
        }
    }
    *code = c.code;
    return copy;
}
