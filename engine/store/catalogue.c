/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/catalogue_inside.h"

#include <assert.h>
#include <math.h>
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

void code_text_set(struct code_text *to, struct text from)
{
    assert(from.len <= CODE_MAX);
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
    assert(index <= mask / 2); /* at most half full: the search ends */
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

bool location_in_group(const struct location *location, struct text group)
{
    for (unsigned i = 0; i < location->group_count; i++)
        if (text_equal(code_text(&location->groups[i]), group))
            return true;
    return false;
}

bool catalogue_has_group(const struct catalogue *catalogue, struct text group)
{
    for (uint16_t i = 0; i < catalogue->location_count; i++)
        if (location_in_group(&catalogue->locations[i], group))
            return true;
    return false;
}

/* The location's place in the channel's list; -1: the channel does not sell from it. */
int channel_place_of(const struct channel *channel, const struct location *location)
{
    if (channel->place_count == 0)
        return 0;
    for (int i = 0; i < channel->place_count; i++) {
        struct text place = code_text(&channel->places[i]);
        if (text_equal(place, code_text(&location->code)) || location_in_group(location, place))
            return i;
    }
    return -1;
}

struct ranked_location {
    int32_t priority;
    int place;
    uint16_t location;
};

/* By priority, then by place in the channel's list, then by age. */
static int compare_ranked(const void *left, const void *right)
{
    const struct ranked_location *a = left, *b = right;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    return a->location < b->location ? -1 : 1;
}

static bool rank_locations(const struct catalogue *catalogue, struct channel *channel)
{
    uint16_t count = catalogue->location_count, asked = 0;
    assert(count > 0); /* "main" is always there */
    struct ranked_location *ranked = calloc(count, sizeof *ranked);
    channel->rank = malloc(count * sizeof *channel->rank);
    if (!ranked || !channel->rank) {
        free(ranked);
        return false;
    }
    for (uint16_t i = 0; i < count; i++) {
        const struct location *location = &catalogue->locations[i];
        int place = channel_place_of(channel, location);
        channel->rank[i] = RANK_NEVER;
        if (location->active && place >= 0)
            ranked[asked++] = (struct ranked_location){ location->priority, place, i };
    }
    assert(asked <= count);
    qsort(ranked, asked, sizeof *ranked, compare_ranked);
    for (uint16_t i = 0; i < asked; i++)
        channel->rank[ranked[i].location] = i;
    free(ranked);
    return true;
}

bool channel_copy_rank(struct channel *to, const struct channel *from, uint16_t count)
{
    assert(!to->rank);
    assert(from->rank);
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
        if (!(shares ? channel_copy_rank(channel, everywhere, c->location_count)
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
    for (uint16_t i = 0; catalogue->calendars && i < catalogue->calendar_count; i++)
        calendar_release(&catalogue->calendars[i]);
    free(catalogue->locations);
    free(catalogue->calendars);
    free(catalogue->ships);
    free(catalogue->pickup);
    free(catalogue->lead_times);
    free(catalogue->vectors);
    free(catalogue->safety);
    free(catalogue->schedules);
    free(catalogue->channels);
    free(catalogue->location_slots);
    free(catalogue->channel_slots);
    free(catalogue);
}

static bool derive_safety(struct catalogue *c)
{
    uint16_t first = 0;
    while (first < c->location_count && c->locations[first].safety == 0)
        first++;
    if (first == c->location_count)
        return true;
    c->safety = calloc(c->location_count, sizeof *c->safety);
    for (uint16_t i = first; c->safety && i < c->location_count; i++)
        c->safety[i] = c->locations[i].safety;
    return c->safety != NULL;
}

static bool has_schedule(const struct location *location)
{
    return location->calendar > 0 || location->dispatch_count > 0;
}

static bool same_schedule(const struct location *a, const struct location *b)
{
    return a->calendar == b->calendar && a->dispatch_count == b->dispatch_count &&
           memcmp(a->dispatch, b->dispatch, a->dispatch_count * sizeof a->dispatch[0]) == 0;
}

/* The number of the location's schedule: index + 1 of the first location that has the same. */
static uint16_t schedule_of(const struct catalogue *c, uint16_t *slots, uint16_t index)
{
    const struct location *location = &c->locations[index];
    size_t bytes = location->dispatch_count * sizeof location->dispatch[0];
    uint32_t i = (uint32_t)XXH3_64bits_withSeed(location->dispatch, bytes, location->calendar);
    i &= c->location_mask;
    while (slots[i] != 0 && !same_schedule(location, &c->locations[slots[i] - 1]))
        i = (i + 1) & c->location_mask;
    if (slots[i] == 0)
        slots[i] = (uint16_t)(index + 1);
    return slots[i];
}

static bool derive_schedules(struct catalogue *c)
{
    uint16_t first = 0;
    while (first < c->location_count && !has_schedule(&c->locations[first]))
        first++;
    if (first == c->location_count)
        return true;
    uint16_t *slots = calloc(c->location_mask + 1, sizeof *slots); /* at most half full */
    c->schedules = calloc(c->location_count, sizeof *c->schedules);
    for (uint16_t i = first; slots && c->schedules && i < c->location_count; i++)
        if (has_schedule(&c->locations[i]))
            c->schedules[i] = schedule_of(c, slots, i);
    bool good = slots && c->schedules;
    free(slots);
    return good;
}

/* The arrays of what sourcing asks of each location. */
static bool derive_places(struct catalogue *c)
{
    c->ships = calloc(c->location_count, sizeof *c->ships);
    c->pickup = calloc(c->location_count, sizeof *c->pickup);
    c->lead_times = calloc(c->location_count, sizeof *c->lead_times);
    c->vectors = calloc(c->location_count, sizeof *c->vectors);
    if (!c->ships || !c->pickup || !c->lead_times || !c->vectors)
        return false;
    for (uint16_t i = 0; i < c->location_count; i++) {
        const struct location *location = &c->locations[i];
        c->ships[i] = location->ships;
        c->pickup[i] = location->pickup;
        c->lead_times[i] = location->lead_time_s;
        c->vectors[i] = unit_vector_of(location->lat, location->lon);
    }
    return derive_safety(c) && derive_schedules(c);
}

/* Derives the indexes, the ranks and the arrays from the locations and channels. */
bool catalogue_derive(struct catalogue *c)
{
    assert(c->location_count >= 1);
    assert(c->location_count <= LOCATIONS_MAX);
    assert(c->channel_count >= 1);
    assert(c->channel_count <= CHANNELS_MAX);
    c->location_mask = mask_for(c->location_count);
    c->channel_mask = mask_for(c->channel_count);
    c->location_slots = calloc(c->location_mask + 1, sizeof *c->location_slots);
    c->channel_slots = calloc(c->channel_mask + 1, sizeof *c->channel_slots);
    if (!c->location_slots || !c->channel_slots || !derive_places(c))
        return false;
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
struct catalogue *catalogue_copy(const struct catalogue *from)
{
    struct catalogue *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->locations = calloc(from->location_count + 1u, sizeof *c->locations);
    c->channels = calloc(from->channel_count + 1u, sizeof *c->channels);
    c->calendars = calloc(from->calendar_count + 1u, sizeof *c->calendars);
    bool good = c->locations && c->channels && c->calendars;
    if (good) {
        c->version = from->version + 1;
        c->location_count = from->location_count;
        c->channel_count = from->channel_count;
        if (from->location_count > 0)
            memcpy(c->locations, from->locations, from->location_count * sizeof *c->locations);
        for (uint16_t i = 0; good && i < from->channel_count; i++)
            good = copy_channel(&c->channels[i], &from->channels[i]);
        for (uint16_t i = 0; i < from->calendar_count; i++)
            c->calendars[i] = calendar_copy(&from->calendars[i]);
        c->calendar_count = from->calendar_count;
    }
    if (!good) {
        catalogue_destroy(c);
        return NULL;
    }
    return c;
}

struct location location_new(struct text code)
{
    struct location l = { .priority = 100, .lat = NAN, .lon = NAN };
    l.ships = l.pickup = l.active = true;
    code_text_set(&l.code, code);
    code_text_set(&l.kind, text_of("store"));
    return l;
}

struct channel channel_new(struct text code)
{
    struct channel c = { .sourcing = SOURCE_PRIORITY, .horizon_s = -1 };
    code_text_set(&c.code, code);
    code_text_set(&c.kind, text_of("web"));
    return c;
}

struct catalogue *catalogue_create(void)
{
    static const struct catalogue nothing;
    struct catalogue *c = catalogue_copy(&nothing);
    if (!c)
        return NULL;
    c->locations[0] = location_new(text_of("main"));
    c->channels[0] = channel_new(text_of("default"));
    c->location_count = c->channel_count = 1;
    if (!catalogue_derive(c)) {
        catalogue_destroy(c);
        return NULL;
    }
    return c;
}
