/* SPDX-License-Identifier: Apache-2.0 */
/* New versions of the catalogue: a calendar is set, or all are laid out again. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "engine/store/catalogue_inside.h"

const struct calendar *catalogue_calendar(const struct catalogue *catalogue, struct text code)
{
    for (uint16_t i = 0; i < catalogue->calendar_count; i++)
        if (text_equal(code_text(&catalogue->calendars[i].code), code))
            return &catalogue->calendars[i];
    return NULL;
}

/* No calendar changes which locations a channel sells from. */
static bool keep_all_ranks(struct catalogue *copy, const struct catalogue *from)
{
    for (uint16_t i = 0; i < from->channel_count; i++)
        if (!channel_copy_rank(&copy->channels[i], &from->channels[i], from->location_count))
            return false;
    return true;
}

static struct catalogue *copy_with_ranks(const struct catalogue *from)
{
    struct catalogue *copy = catalogue_copy(from);
    if (copy && keep_all_ranks(copy, from) && catalogue_derive(copy))
        return copy;
    catalogue_destroy(copy);
    return NULL;
}

static enum code no_memory(char *message, size_t size)
{
    snprintf(message, size, "the catalogue has no memory to grow");
    return CODE_LIMIT;
}

/* Sets it in the copy. CODE_OK, or CODE_LIMIT and the message. */
static enum code set_in_copy(struct catalogue *copy, const struct calendar_setting *s,
                             uint16_t index, const struct zone_source *zones, uint64_t wall_ms,
                             char *message, size_t size)
{
    struct calendar *calendar = &copy->calendars[index];
    if (index == copy->calendar_count) {
        *calendar = calendar_new(s->code);
        copy->calendar_count++;
    }
    if (!calendar_change(calendar, s))
        return no_memory(message, size);
    if (!zones || calendar_lay_out(calendar, zones, wall_ms))
        return CODE_OK;
    snprintf(message, size,
             "the opening hours of \"%.*s\" cannot be laid out: no memory, or its "
             "time zone cannot be read",
             (int)s->code.len, s->code.at);
    return CODE_LIMIT;
}

struct catalogue *catalogue_with_calendar(const struct catalogue *from,
                                          const struct calendar_setting *s,
                                          const struct zone_source *zones, uint64_t wall_ms,
                                          uint16_t *index, enum code *code, char *message,
                                          size_t size)
{
    *code = calendar_check(s, zones, message, size);
    if (*code)
        return NULL;
    const struct calendar *old = catalogue_calendar(from, s->code);
    if (!old && from->calendar_count >= CALENDARS_MAX) {
        snprintf(message, size, "calendars: the table is full (%d)", CALENDARS_MAX);
        *code = CODE_LIMIT;
        return NULL;
    }
    struct catalogue *copy = copy_with_ranks(from);
    *index = old ? (uint16_t)(old - from->calendars) : from->calendar_count;
    *code = copy ? set_in_copy(copy, s, *index, zones, wall_ms, message, size)
                 : no_memory(message, size);
    bool same = old && *code == CODE_OK && calendars_equal(old, &copy->calendars[*index]);
    if (*code == CODE_OK && !same)
        return copy;
    catalogue_destroy(copy);
    return NULL;
}

/* ---- all are laid out ---- */

struct laying_out {
    struct catalogue *copy;
    const struct zone_source *zones;
    uint64_t wall_ms;
    struct lay_out_failure *failure;
    bool changed;                /* some timetable */
    bool visited[CALENDARS_MAX]; /* by index */
};

/* Lays out a calendar by what its zone's source said. False: no memory. */
static bool lay_out_one(struct laying_out *l, struct calendar *c, const struct zone_change *changes,
                        int count)
{
    if (count > 0) {
        l->changed = true;
        return calendar_lay_out_by(c, changes, (unsigned)count, l->wall_ms);
    }
    if (l->failure->calendars++ == 0) {
        l->failure->error = count < 0 ? count : -EIO;
        l->failure->calendar = c->code;
        l->failure->tz = c->tz;
    }
    if (c->timetable)
        return true;
    l->changed = true;
    return calendar_shut(c, l->wall_ms);
}

/* Lays out that calendar, and those behind it that share its zone. False: no memory. */
static bool lay_out_zone(struct laying_out *l, uint16_t first)
{
    struct zone_change changes[ZONE_CHANGES_MAX];
    struct text tz = zone_text(&l->copy->calendars[first].tz);
    int count = calendar_ask_zone(&l->copy->calendars[first], l->zones, l->wall_ms, changes);
    for (uint16_t i = first; i < l->copy->calendar_count; i++) {
        struct calendar *c = &l->copy->calendars[i];
        if (l->visited[i] || !text_equal(zone_text(&c->tz), tz))
            continue;
        l->visited[i] = true;
        if (!lay_out_one(l, c, changes, count))
            return false;
    }
    return true;
}

static bool lay_out_zones(struct laying_out *l)
{
    for (uint16_t i = 0; i < l->copy->calendar_count; i++)
        if (!l->visited[i] && !lay_out_zone(l, i))
            return false;
    return true;
}

struct catalogue *catalogue_laid_out(const struct catalogue *from, const struct zone_source *zones,
                                     uint64_t wall_ms, struct lay_out_failure *failure)
{
    struct laying_out l = { .zones = zones, .wall_ms = wall_ms, .failure = failure };
    uint16_t left = 0;
    *failure = (struct lay_out_failure){ .error = 0 };
    for (uint16_t i = 0; i < from->calendar_count; i++) {
        l.visited[i] = from->calendars[i].laid_out == laid_out_for(wall_ms);
        left += !l.visited[i];
    }
    if (left == 0)
        return NULL;
    l.copy = copy_with_ranks(from);
    bool good = l.copy && lay_out_zones(&l);
    if (!good)
        *failure = (struct lay_out_failure){ .error = -ENOMEM };
    if (good && l.changed)
        return l.copy;
    catalogue_destroy(l.copy);
    return NULL;
}
