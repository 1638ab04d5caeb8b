/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libinih reads into a buffer of a fixed size, and takes what does not fit for the next line: the
 * end of a long comment would become a value. So the lines are read whole here, and one that is too
 * long for it is refused. It takes an indented line for more of the value above: so it gets each
 * line without its indentation.
 */
#include "tools/config/config_file.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct reading {
    FILE *file;
    char *line; /* owned; as long as it is in the file */
    size_t capacity;
    int number; /* of that line, from 1 on */
    int error;  /* errno of what failed; 0: nothing did */
    bool wrong; /* `why` says what is wrong with that line */
    config_take *take;
    void *context;
    char why[1024];
};

/* The next line, without its end. */
static bool read_line(struct reading *reading, size_t *length)
{
    errno = 0;
    ssize_t got = getline(&reading->line, &reading->capacity, reading->file);
    if (got < 0) {
        reading->error = errno;
        return false;
    }
    reading->number++;
    *length = (size_t)got;
    while (*length > 0 &&
           (reading->line[*length - 1] == '\n' || reading->line[*length - 1] == '\r'))
        reading->line[--*length] = '\0';
    return true;
}

/* Puts the next line into the buffer of libinih, with a newline behind it. NULL: there is none, or
 * nothing more is to be read. */
static char *next_line(char *to, int size, void *stream)
{
    struct reading *reading = stream;
    size_t length, most = (size_t)size - 2;
    if (reading->wrong || !read_line(reading, &length))
        return NULL;
    reading->wrong = true;
    if (memchr(reading->line, '\0', length)) {
        snprintf(reading->why, sizeof reading->why, "a NUL byte is in it");
        return NULL;
    }
    const char *line = reading->line + strspn(reading->line, " \t\v\f");
    bool comment = *line == '#' || *line == ';';
    if (!comment && strlen(line) > most) {
        snprintf(reading->why, sizeof reading->why,
                 "it has %zu bytes, and only a comment may have more than %zu", strlen(line), most);
        return NULL;
    }
    reading->wrong = false;
    snprintf(to, (size_t)size, "%s\n", comment ? "" : line);
    return to;
}

/* The first that is wrong is the one to name: libinih goes on behind it. */
static int take_value(void *context, const char *section, const char *name, const char *value)
{
    struct reading *reading = context;
    if (!reading->wrong)
        reading->wrong = !reading->take(reading->context, section, name, value, reading->why,
                                        sizeof reading->why);
    return !reading->wrong;
}

static FILE *open_file(const char *path, char *why, size_t size)
{
    struct stat status;
    FILE *file = NULL;
    int error = stat(path, &status) < 0 ? errno : 0;
    if (!error && !S_ISREG(status.st_mode)) { /* to open a pipe could wait for ever */
        snprintf(why, size, "config %s: not a file", path);
        return NULL;
    }
    if (!error) {
        file = fopen(path, "re");
        error = errno;
    }
    if (!file)
        snprintf(why, size, "config %s: %s", path, strerror(error));
    return file;
}

bool config_file_read(const char *path, config_take *take, void *context, char *why, size_t size)
{
    struct reading reading = { .take = take, .context = context };
    reading.file = open_file(path, why, size);
    if (!reading.file)
        return false;
    int line = ini_parse_stream(next_line, &reading, take_value, &reading);
    fclose(reading.file);
    free(reading.line);
    if (line < 0)
        reading.error = ENOMEM;
    if (reading.error)
        snprintf(why, size, "config %s: %s", path, strerror(reading.error));
    else if (line > 0 && !(reading.wrong && reading.number == line))
        snprintf(why, size, "config %s, line %d: it must be name = value", path, line);
    else if (reading.wrong)
        snprintf(why, size, "config %s, line %d: %s", path, reading.number, reading.why);
    return !reading.error && line == 0 && !reading.wrong;
}
