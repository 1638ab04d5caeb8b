/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/service/notice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_MAX = 4096, LINE_MAX_BYTES = 8192, END_ROOM = 8, FIELDS_ROOM = 2048 };

/* Set before there are threads. */
static const char *program = "stockd";
static bool as_json;
static bool with_priority; /* the journal takes the lines */
static int least = LOG_INFO;

/* ---- set-up ---- */

/* sd-daemon(3): JOURNAL_STREAM is the device and inode of the stream that the journal reads. */
static bool journal_reads(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat status;
    return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == (dev_t)device &&
           status.st_ino == (ino_t)inode;
}

void notice_begin(const char *name)
{
    program = name;
    with_priority = journal_reads();
}

bool notice_set_format(const char *word)
{
    bool json = strcmp(word, "json") == 0;
    if (!json && strcmp(word, "text") != 0)
        return false;
    as_json = json;
    return true;
}

static const struct {
    int level;
    const char *name;
} levels[] = { { LOG_ERR, "error" }, { LOG_WARNING, "warning" }, { LOG_INFO, "info" } };

enum { LEVELS = sizeof levels / sizeof *levels };

bool notice_set_level(const char *word)
{
    for (unsigned i = 0; i < LEVELS; i++)
        if (strcmp(levels[i].name, word) == 0) {
            least = levels[i].level;
            return true;
        }
    return false;
}

static const char *level_name(int level)
{
    for (unsigned i = 0; i < LEVELS; i++)
        if (levels[i].level >= level)
            return levels[i].name;
    return levels[LEVELS - 1].name;
}

/* ---- a line in the making ---- */

/* Nothing here allocates, locks or formats with stdio: it may run in a signal's handler. */
struct line {
    char at[LINE_MAX_BYTES];
    size_t length;
    size_t room; /* up to where texts may go: the line's end must fit, too */
};

static void put(struct line *line, const char *bytes, size_t length)
{
    if (length > line->room - line->length)
        return;
    memcpy(line->at + line->length, bytes, length);
    line->length += length;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static void put_number(struct line *line, uint64_t number, unsigned width)
{
    char digits[24];
    size_t first = sizeof digits;
    for (; number > 0 || first == sizeof digits || sizeof digits - first < width; number /= 10)
        digits[--first] = (char)('0' + number % 10);
    put(line, digits + first, sizeof digits - first);
}

/* Bytes of the character that begins there; 0: none does. At least one byte is there, and a NUL
 * after the last. */
static unsigned character_length(const unsigned char *at)
{
    unsigned length = *at < 0x80                   ? 1
                      : *at >= 0xc2 && *at < 0xe0  ? 2
                      : (*at & 0xf0) == 0xe0       ? 3
                      : *at >= 0xf0 && *at <= 0xf4 ? 4
                                                   : 0;
    for (unsigned i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool too_long = (*at == 0xe0 && at[1] < 0xa0) || (*at == 0xf0 && at[1] < 0x90);
    bool surrogate = *at == 0xed && at[1] >= 0xa0;
    bool too_high = *at == 0xf4 && at[1] >= 0x90;
    return length > 1 && (too_long || surrogate || too_high) ? 0 : length;
}

static void put_byte(struct line *line, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    const char escaped[] = { '\\', '\\', 'x', hex[byte >> 4], hex[byte & 0xf] };
    put(line, as_json ? escaped : escaped + 1, as_json ? 5 : 4);
}

/* Until its end, or until the line is full; then an ellipsis tells. */
static void put_escaped(struct line *line, const char *text)
{
    static const char ellipsis[] = "…";
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        unsigned length = character_length(at);
        if (line->room - line->length < 8) {
            line->room += sizeof ellipsis;
            put_text(line, ellipsis);
            line->room -= sizeof ellipsis;
            return;
        }
        if (length == 0 || *at < 0x20 || *at == 0x7f) {
            put_byte(line, *at++);
            continue;
        }
        if (as_json && (*at == '"' || *at == '\\'))
            put_text(line, "\\");
        put(line, (const char *)at, length);
        at += length;
    }
}

/* ---- its parts ---- */

/* RFC 3339, in UTC. gmtime_r may not be called in a signal's handler: days are counted from 1 March
 * of year 0, so that the leap day is a year's last. */
static void put_time(struct line *line)
{
    enum { DAYS_400_YEARS = 146097, DAYS_TO_1970 = 719468 };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seconds = (uint64_t)now.tv_sec, of_day = seconds % 86400;
    uint64_t days = seconds / 86400 + DAYS_TO_1970;
    uint64_t era = days / DAYS_400_YEARS, of_era = days % DAYS_400_YEARS;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t shifted = (5 * of_year + 2) / 153; /* 0: March */
    uint64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
    put_number(line, year + era * 400 + (month <= 2), 4);
    put_text(line, "-");
    put_number(line, month, 2);
    put_text(line, "-");
    put_number(line, of_year - (153 * shifted + 2) / 5 + 1, 2);
    put_text(line, "T");
    put_number(line, of_day / 3600, 2);
    put_text(line, ":");
    put_number(line, of_day / 60 % 60, 2);
    put_text(line, ":");
    put_number(line, of_day % 60, 2);
    put_text(line, ".");
    put_number(line, (uint64_t)now.tv_nsec / 1000000, 3);
    put_text(line, "Z");
}

static void put_pair(struct line *line, const char *name, const char *text)
{
    put_text(line, ",\"");
    put_text(line, name);
    put_text(line, "\":\"");
    put_escaped(line, text);
    put_text(line, "\"");
}

/* One that may not fit is left out. */
static void put_field(struct line *line, const struct notice_field *field)
{
    enum { AROUND = 40 };
    size_t needed = strlen(field->name) + AROUND + (field->text ? 5 * strlen(field->text) : 0);
    if (needed > line->room - line->length)
        return;
    if (field->text) {
        put_pair(line, field->name, field->text);
        return;
    }
    put_text(line, ",\"");
    put_text(line, field->name);
    put_text(line, "\":");
    put_number(line, field->number, 1);
}

static const char *without_area(const char *message, const char *area)
{
    size_t length = strlen(area);
    bool begins = strncmp(message, area, length) == 0 && strncmp(message + length, ": ", 2) == 0;
    return begins ? message + length + 2 : message;
}

static void put_json(struct line *line, int level, const char *area,
                     const struct notice_field *fields, const char *const *pieces)
{
    line->room = sizeof line->at - END_ROOM - FIELDS_ROOM;
    put_text(line, "{\"time\":\"");
    put_time(line);
    put_text(line, "\"");
    put_pair(line, "level", level_name(level));
    put_pair(line, "program", program);
    put_pair(line, "area", area);
    put_text(line, ",\"message\":\"");
    if (*pieces)
        put_escaped(line, without_area(*pieces, area));
    while (*pieces && *++pieces)
        put_escaped(line, *pieces);
    line->room = sizeof line->at - END_ROOM;
    put_text(line, "\"");
    for (; fields && fields->name; fields++)
        put_field(line, fields);
    line->room = sizeof line->at;
    put_text(line, "}\n");
}

static void put_plain(struct line *line, int level, const char *const *pieces)
{
    line->room = sizeof line->at - END_ROOM;
    put_text(line, program);
    put_text(line, level == LOG_WARNING ? ": warning: " : ": ");
    for (; *pieces; pieces++)
        put_escaped(line, *pieces);
    line->room = sizeof line->at;
    put_text(line, "\n");
}

void notice_in_signal(int level, const char *area, const struct notice_field *fields,
                      const char *const *pieces)
{
    struct line line;
    line.length = 0;
    line.room = sizeof line.at;
    if (level > least)
        return;
    if (with_priority) {
        put_text(&line, "<");
        put_number(&line, (uint64_t)level, 1);
        put_text(&line, ">");
    }
    if (as_json)
        put_json(&line, level, area, fields, pieces);
    else
        put_plain(&line, level, pieces);
    ssize_t wrote;
    for (size_t at = 0; at<line.length; at += wrote> 0 ? (size_t)wrote : 0) {
        wrote = write(STDERR_FILENO, line.at + at, line.length - at);
        if (wrote < 0 && errno != EINTR)
            return; /* there is nobody to tell */
    }
}

__attribute__((format(printf, 4, 0))) static void notice_list(int level, const char *area,
                                                              const struct notice_field *fields,
                                                              const char *format, va_list values)
{
    char message[MESSAGE_MAX];
    const char *const pieces[] = { message, NULL };
    if (level > least)
        return;
    vsnprintf(message, sizeof message, format, values);
    notice_in_signal(level, area, fields, pieces);
}

void notice(int level, const char *area, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    notice_list(level, area, NULL, format, values);
    va_end(values);
}

void notice_with(int level, const char *area, const struct notice_field *fields, const char *format,
                 ...)
{
    va_list values;
    va_start(values, format);
    notice_list(level, area, fields, format, values);
    va_end(values);
}
