/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_zones.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name;
    int64_t days; /* between two changes; 0: it has none */
    int32_t even_s, odd_s;
} all[] = { { "UTC", 0, 0, 0 },
            { "Test/Saving", 30, 3600, 7200 },
            { "Test/Half", 45, -10800, -12600 } };

enum { ZONES = sizeof all / sizeof *all };

static unsigned zone_of(const char *tz)
{
    unsigned i = 0;
    while (i < ZONES && strcmp(all[i].name, tz) != 0)
        i++;
    return i;
}

static int32_t offset_s(unsigned zone, int64_t ms)
{
    int64_t period = all[zone].days * DAY_MS;
    return period > 0 && ms / period % 2 == 1 ? all[zone].odd_s : all[zone].even_s;
}

int32_t fake_zone_offset_s(const char *tz, int64_t ms)
{
    return offset_s(zone_of(tz), ms);
}

static int changes(void *context, const char *tz, int64_t from_ms, int64_t to_ms,
                   struct zone_change *to, unsigned max)
{
    struct fake_zones *zones = context;
    unsigned zone = zone_of(tz), count = 0;
    zones->asked++;
    const char *missing = zones->missing;
    if (zone == ZONES || (missing && strcmp(missing, tz) == 0))
        return -ENOENT;
    if (zones->broken)
        return -EIO;
    int32_t shift_s = zone == 0 ? 0 : zones->shift_s;
    int64_t period = all[zone].days * DAY_MS;
    for (int64_t at = from_ms; at < to_ms; at = (at / period + 1) * period) {
        if (count == max)
            return -EIO;
        to[count++] = (struct zone_change){ at, offset_s(zone, at) + shift_s };
        if (period == 0)
            break;
    }
    return (int)count;
}

void fake_zones_open(struct fake_zones *zones)
{
    *zones = (struct fake_zones){ .source = { zones, changes } };
}
