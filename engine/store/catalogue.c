/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/catalogue.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const char *const sourcing_names[SOURCING_COUNT] = { "priority", "fewest", "nearest",
                                                            "balance" };

const char *sourcing_name(enum sourcing sourcing)
{
    assert((unsigned)sourcing < SOURCING_COUNT);
    return sourcing_names[sourcing];
}

bool sourcing_named(struct text name, enum sourcing *sourcing)
{
    for (unsigned i = 0; i < SOURCING_COUNT; i++) {
        if (text_equal(name, text_of(sourcing_names[i]))) {
            *sourcing = (enum sourcing)i;
            return true;
        }
    }
    return false;
}

static void set_code(struct code_text *to, struct text from)
{
    assert(from.len <= CODE_MAX);
    to->len = (uint8_t)from.len;
    memset(to->at, 0, sizeof to->at);
    if (from.len > 0)
        memcpy(to->at, from.at, from.len);
}

static void set_name(struct name_text *to, struct text from)
{
    assert(from.len <= NAME_MAX_BYTES);
    to->len = (uint8_t)from.len;
    memset(to->at, 0, sizeof to->at);
    if (from.len > 0)
        memcpy(to->at, from.at, from.len);
}

/* ---- look-up by code ---- */

static uint32_t code_hash(struct text code)
{
    return (uint32_t)XXH3_64bits(code.at, code.len);
}

static uint32_t mask_for(uint32_t count)
{
    uint32_t size = 8;
    while (size < count * 4)
        size *= 2;
    return size - 1;
}

static void enter_slot(uint16_t *slots, uint32_t mask, struct text code, uint16_t index)
{
    uint32_t i = code_hash(code) & mask;
    while (slots[i] != 0)
        i = (i + 1) & mask;
    slots[i] = (uint16_t)(index + 1);
}

const struct location *catalogue_location(const struct catalogue *catalogue, struct text code)
{
    for (uint32_t i = code_hash(code);; i++) {
        uint16_t slot = catalogue->location_slots[i & catalogue->location_mask];
        if (slot == 0)
            return NULL;
        const struct location *location = &catalogue->locations[slot - 1];
        if (text_equal(code_text(&location->code), code))
            return location;
    }
}

const struct channel *catalogue_channel(const struct catalogue *catalogue, struct text code)
{
    for (uint32_t i = code_hash(code);; i++) {
        uint16_t slot = catalogue->channel_slots[i & catalogue->channel_mask];
        if (slot == 0)
            return NULL;
        const struct channel *channel = &catalogue->channels[slot - 1];
        if (text_equal(code_text(&channel->code), code))
            return channel;
    }
}

/* ---- which locations each channel sells from, and in which order ---- */

static bool in_group(const struct location *location, struct text group)
{
    for (unsigned i = 0; i < location->group_count; i++)
        if (text_equal(code_text(&location->groups[i]), group))
            return true;
    return false;
}

/* The location's place in the channel's list; -1: the channel does not sell from it. */
static int place_of(const struct channel *channel, const struct location *location)
{
    if (channel->place_count == 0)
        return 0;
    for (int i = 0; i < channel->place_count; i++) {
        struct text place = code_text(&channel->places[i]);
        if (text_equal(place, code_text(&location->code)) || in_group(location, place))
            return i;
    }
    return -1;
}

struct candidate {
    int32_t priority;
    int place;
    uint16_t location;
};

/* By priority, then by place in the channel's list, then by age. */
static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    return a->location < b->location ? -1 : 1;
}

static bool rank_locations(const struct catalogue *catalogue, struct channel *channel)
{
    uint16_t count = catalogue->location_count, asked = 0;
    struct candidate *candidates = calloc(count, sizeof *candidates);
    channel->rank = malloc(count * sizeof *channel->rank);
    if (!candidates || !channel->rank) {
        free(candidates);
        return false;
    }
    for (uint16_t i = 0; i < count; i++) {
        const struct location *location = &catalogue->locations[i];
        int place = place_of(channel, location);
        channel->rank[i] = RANK_NEVER;
        if (location->active && place >= 0)
            candidates[asked++] = (struct candidate){ location->priority, place, i };
    }
    qsort(candidates, asked, sizeof *candidates, compare_candidates);
    for (uint16_t i = 0; i < asked; i++)
        channel->rank[candidates[i].location] = i;
    free(candidates);
    return true;
}

static bool copy_rank(struct channel *to, const struct channel *from, uint16_t count)
{
    to->rank = malloc(count * sizeof *to->rank);
    if (to->rank)
        memcpy(to->rank, from->rank, count * sizeof *to->rank);
    return to->rank != NULL;
}

/* Ranks the locations of each channel that has no ranking yet. Channels that sell from everywhere
 * share one ranking. */
static bool rank_channels(struct catalogue *c)
{
    const struct channel *everywhere = NULL;
    for (uint16_t i = 0; i < c->channel_count; i++) {
        struct channel *channel = &c->channels[i];
        if (channel->rank)
            continue;
        bool shares = channel->place_count == 0 && everywhere;
        if (!(shares ? copy_rank(channel, everywhere, c->location_count)
                     : rank_locations(c, channel)))
            return false;
        if (channel->place_count == 0)
            everywhere = channel;
    }
    return true;
}

/* ---- copies ---- */

void catalogue_destroy(struct catalogue *catalogue)
{
    if (!catalogue)
        return;
    for (uint16_t i = 0; catalogue->channels && i < catalogue->channel_count; i++) {
        free(catalogue->channels[i].places);
        free(catalogue->channels[i].rank);
    }
    free(catalogue->locations);
    free(catalogue->ships);
    free(catalogue->channels);
    free(catalogue->location_slots);
    free(catalogue->channel_slots);
    free(catalogue);
}

/* Derives the indexes, the ranks and `ships` from the locations and channels. */
static bool derive(struct catalogue *c)
{
    c->location_mask = mask_for(c->location_count);
    c->channel_mask = mask_for(c->channel_count);
    c->location_slots = calloc(c->location_mask + 1, sizeof *c->location_slots);
    c->channel_slots = calloc(c->channel_mask + 1, sizeof *c->channel_slots);
    c->ships = calloc(c->location_count, sizeof *c->ships);
    if (!c->location_slots || !c->channel_slots || !c->ships)
        return false;
    for (uint16_t i = 0; i < c->location_count; i++)
        c->ships[i] = c->locations[i].ships;
    for (uint16_t i = 0; i < c->location_count; i++)
        enter_slot(c->location_slots, c->location_mask, code_text(&c->locations[i].code), i);
    for (uint16_t i = 0; i < c->channel_count; i++)
        enter_slot(c->channel_slots, c->channel_mask, code_text(&c->channels[i].code), i);
    return rank_channels(c);
}

static bool copy_channel(struct channel *to, const struct channel *from)
{
    *to = *from;
    to->rank = NULL;
    to->places = NULL;
    if (from->place_count == 0)
        return true;
    to->places = calloc(from->place_count, sizeof *to->places);
    if (!to->places)
        return false;
    memcpy(to->places, from->places, from->place_count * sizeof *to->places);
    return true;
}

/* A copy with room for one more of each, not yet derived. */
static struct catalogue *copy_of(const struct catalogue *from)
{
    struct catalogue *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->locations = calloc(from->location_count + 1u, sizeof *c->locations);
    c->channels = calloc(from->channel_count + 1u, sizeof *c->channels);
    bool good = c->locations && c->channels;
    if (good) {
        c->location_count = from->location_count;
        c->channel_count = from->channel_count;
        if (from->location_count > 0)
            memcpy(c->locations, from->locations, from->location_count * sizeof *c->locations);
        for (uint16_t i = 0; good && i < from->channel_count; i++)
            good = copy_channel(&c->channels[i], &from->channels[i]);
    }
    if (!good) {
        catalogue_destroy(c);
        return NULL;
    }
    return c;
}

static struct location new_location(struct text code)
{
    struct location l = { .priority = 100, .lat = NAN, .lon = NAN };
    l.ships = l.pickup = l.active = true;
    set_code(&l.code, code);
    set_code(&l.kind, text_of("store"));
    return l;
}

static struct channel new_channel(struct text code)
{
    struct channel c = { .sourcing = SOURCE_PRIORITY };
    set_code(&c.code, code);
    set_code(&c.kind, text_of("web"));
    return c;
}

struct catalogue *catalogue_create(void)
{
    static const struct catalogue nothing;
    struct catalogue *c = copy_of(&nothing);
    if (!c)
        return NULL;
    c->locations[0] = new_location(text_of("main"));
    c->channels[0] = new_channel(text_of("default"));
    c->location_count = c->channel_count = 1;
    if (!derive(c)) {
        catalogue_destroy(c);
        return NULL;
    }
    return c;
}

/* ---- settings ---- */

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

static bool location_fits(const struct location_setting *s, struct complaint *c)
{
    bool good = code_fits(c, "code", s->code) &&
                text_fits(c, s->has_kind, "kind", s->kind, CODE_MAX) &&
                text_fits(c, s->has_name, "name", s->name, NAME_MAX_BYTES) &&
                number_fits(c, s->has_priority, "priority", s->priority, INT32_MIN, INT32_MAX) &&
                number_fits(c, s->has_lead_time, "lead_time_s", s->lead_time_s, 0, INT32_MAX) &&
                degrees_fit(c, s->has_lat, "lat", s->lat, 90) &&
                degrees_fit(c, s->has_lon, "lon", s->lon, 180);
    if (!good)
        return false;
    if (s->has_groups && s->group_count > GROUPS_MAX)
        return complain(c, CODE_TOO_LARGE, "groups", "may name at most 16 groups");
    for (uint32_t i = 0; s->has_groups && i < s->group_count; i++)
        if (!code_fits(c, "groups: each", s->groups[i]))
            return false;
    return true;
}

static void apply_location(struct location *l, const struct location_setting *s)
{
    if (s->has_kind)
        set_code(&l->kind, s->kind);
    if (s->has_name)
        set_name(&l->name, s->name);
    if (s->has_priority)
        l->priority = (int32_t)s->priority;
    if (s->has_lead_time)
        l->lead_time_s = (uint32_t)s->lead_time_s;
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
        memset(l->groups, 0, sizeof l->groups);
        l->group_count = (uint8_t)s->group_count;
        for (uint32_t i = 0; i < s->group_count; i++)
            set_code(&l->groups[i], s->groups[i]);
    }
}

/* Returns the derived copy; NULL if it is equal or memory runs out. */
static struct catalogue *finish(struct catalogue *copy, bool equal, struct complaint *c)
{
    c->code = CODE_OK;
    if (equal || !derive(copy)) {
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
           a->lead_time_s == b->lead_time_s && degrees_equal(a->lat, b->lat) &&
           degrees_equal(a->lon, b->lon) && a->ships == b->ships && a->pickup == b->pickup &&
           a->active == b->active && a->group_count == b->group_count &&
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
    bool alike = asked_alike(old, now);
    for (uint16_t i = 0; i < from->channel_count; i++) {
        const struct channel *channel = &from->channels[i];
        bool apart = place_of(channel, now) < 0 && (!old || place_of(channel, old) < 0);
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
    if (location_fits(s, &c)) {
        old = catalogue_location(from, s->code);
        if (!old && from->location_count >= LOCATIONS_MAX)
            complain(&c, CODE_LIMIT, "locations:", "the table is full (4096)");
        else if (!(copy = copy_of(from)))
            complain(&c, CODE_LIMIT, "the catalogue", "has no memory to grow");
    }
    if (copy) {
        *index = old ? location_index(from, old) : copy->location_count++;
        struct location *l = &copy->locations[*index];
        if (!old)
            *l = new_location(s->code);
        apply_location(l, s);
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

static bool place_exists(const struct catalogue *catalogue, struct text place)
{
    for (uint16_t i = 0; i < catalogue->location_count; i++)
        if (in_group(&catalogue->locations[i], place))
            return true;
    return catalogue_location(catalogue, place) != NULL;
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
                number_fits(c, s->has_hold_ttl, "hold_ttl_ms", s->hold_ttl_ms, 1, TTL_MAX_MS);
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
        if (!s->recorded && !place_exists(from, s->places[i])) {
            snprintf(c->message, c->size, "no location or group \"%.*s\"", (int)s->places[i].len,
                     s->places[i].at);
            c->code = CODE_UNKNOWN_LOCATION;
            return false;
        }
    }
    return true;
}

static bool apply_channel(struct channel *to, const struct channel_setting *s)
{
    if (s->has_kind)
        set_code(&to->kind, s->kind);
    if (s->has_name)
        set_name(&to->name, s->name);
    if (s->has_buffer)
        to->buffer = (uint32_t)s->buffer;
    if (s->has_hold_ttl)
        to->hold_ttl_ms = (uint32_t)s->hold_ttl_ms;
    if (s->has_sourcing)
        sourcing_named(s->sourcing, &to->sourcing);
    if (!s->has_places)
        return true;
    free(to->places);
    to->places = calloc(s->place_count + 1u, sizeof *to->places);
    to->place_count = to->places ? (uint16_t)s->place_count : 0;
    for (uint32_t i = 0; i < to->place_count; i++)
        set_code(&to->places[i], s->places[i]);
    return to->places != NULL;
}

static bool channels_equal(const struct channel *a, const struct channel *b)
{
    return text_equal(code_text(&a->kind), code_text(&b->kind)) &&
           text_equal(name_text(&a->name), name_text(&b->name)) && a->buffer == b->buffer &&
           a->hold_ttl_ms == b->hold_ttl_ms && a->sourcing == b->sourcing &&
           a->place_count == b->place_count &&
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
        else if (!(copy = copy_of(from)))
            complain(&c, CODE_LIMIT, "the catalogue", "has no memory to grow");
    }
    if (copy) {
        *index = old ? channel_index(from, old) : copy->channel_count++;
        struct channel *channel = &copy->channels[*index];
        if (!old)
            *channel = new_channel(s->code);
        /* The other channels keep their ranks. */
        bool kept = true;
        for (uint16_t i = 0; kept && i < from->channel_count; i++)
            if (i != *index)
                kept = copy_rank(&copy->channels[i], &from->channels[i], from->location_count);
        if (kept && apply_channel(channel, s)) {
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
