/* SPDX-License-Identifier: Apache-2.0 */
/* New versions of the catalogue: a calendar is set, or all are laid out again. */
#include <assert.h>
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

struct catalogue *catalogue_laid_out(const struct catalogue *from, const struct zone_source *zones,
                                     uint64_t wall_ms)
{
    struct catalogue *copy = copy_with_ranks(from);
    for (uint16_t i = 0; copy && i < copy->calendar_count; i++) {
        if (calendar_lay_out(&copy->calendars[i], zones, wall_ms))
            continue;
        catalogue_destroy(copy);
        copy = NULL;
    }
    return copy;
}
