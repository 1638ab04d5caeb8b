/* SPDX-License-Identifier: Apache-2.0 */
#include "zones/zones.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* RFC 8536, section 3.2: offsets are from -24:59:59 to +25:59:59. */
enum { OFFSET_MOST_S = 26 * 3600 - 1 };

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Can the IANA database have that name? Its names begin with a capital; other files beside its own
 * (posixrules, right/, tzdata.zi) do not. GLib also takes what is no name: absolute paths, "..",
 * ":x", and rules such as "+05:00" and "EST5EDT,M3.2.0,M11.1.0". */
static bool may_be_name(const char *tz)
{
    if (tz[0] < 'A' || tz[0] > 'Z')
        return false;
    for (const char *c = tz; *c; c++) {
        bool begins = c == tz || c[-1] == '/';
        if (!is_letter(*c) && (begins || !strchr("0123456789+-_/", *c)))
            return false;
    }
    return true;
}

/* Is there a zone's file? A rule such as "ABC5" looks like a name, but has none. GLib asserts that
 * the file is one, and does not look at its size. 0, -ENOENT or -EIO. */
static int check_file(const char *tz)
{
    char path[4096], head[44]; /* RFC 8536, section 3.1 */
    const char *folder = g_getenv("TZDIR");
    int length = snprintf(path, sizeof path, "%s/%s", folder ? folder : "/usr/share/zoneinfo", tz);
    if (length >= (int)sizeof path)
        return -EIO;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? -ENOENT : -EIO;
    ssize_t got = read(fd, head, sizeof head);
    bool is_folder = got < 0 && errno == EISDIR;
    close(fd);
    if (is_folder)
        return -ENOENT;
    return got == sizeof head && memcmp(head, "TZif", 4) == 0 ? 0 : -EIO;
}

/* The first second after `low` and not after `high` that is in a later interval of the zone. */
static int64_t change_after(GTimeZone *zone, int64_t low, int64_t high)
{
    int interval = g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, low);
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, middle) == interval)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static int list_changes(GTimeZone *zone, int64_t from_s, int64_t to_s, struct zone_change *to,
                        unsigned max)
{
    unsigned count = 0;
    int last = g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, to_s - 1);
    for (int64_t at = from_s;; at = change_after(zone, at, to_s - 1)) {
        int interval = g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, at);
        int32_t offset = g_time_zone_get_offset(zone, interval);
        if (offset < -OFFSET_MOST_S || offset > OFFSET_MOST_S)
            return -EIO;
        /* Some changes are only of the name or of the DST flag. */
        if (count == 0 || offset != to[count - 1].offset_s) {
            if (count == max)
                return -EIO;
            to[count++] = (struct zone_change){ at * 1000, offset };
        }
        if (interval == last)
            return (int)count;
    }
}

static int zone_changes(void *context, const char *tz, int64_t from_ms, int64_t to_ms,
                        struct zone_change *to, unsigned max)
{
    (void)context;
    assert(from_ms < to_ms);
    if (!may_be_name(tz))
        return -ENOENT;
    int failed = strcmp(tz, "UTC") == 0 ? 0 : check_file(tz);
    if (failed)
        return failed;
    GTimeZone *zone = g_time_zone_new_identifier(tz);
    if (!zone)
        return -EIO;
    int64_t from_s = from_ms / 1000 - (from_ms % 1000 < 0 ? 1 : 0);
    int count = list_changes(zone, from_s, (to_ms + 999) / 1000, to, max);
    g_time_zone_unref(zone);
    if (count > 0)
        to[0].from_ms = from_ms;
    return count;
}

struct zone_source zones_of_system(void)
{
    return (struct zone_source){ .changes = zone_changes };
}
