/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_log.c - which orders of a file are finished, and how they ended.
 *
 * Operation ids make a repeated order harmless if it was done. They cannot do that for a refused
 * one: the engine keeps no trace of it and might accept it the next time, after later orders
 * returned goods. With the log an interrupted replay continues exactly where it was.
 *
 * CSV, appended to: line,order_id,outcome,code. A last record without its end was cut by a crash;
 * it is dropped, and that order is sent again.
 */
#include "tools/stockctl/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER "line,order_id,outcome,code\n"

enum { COLUMN_LINE, COLUMN_ORDER, COLUMN_OUTCOME, COLUMN_CODE };

struct id_entry {
    enum outcome outcome;
    char code[CODE_SIZE];
};

struct replay_log {
    FILE *file;
    const char *path;
    struct lookup *known; /* "line order_id" -> index in entry */
    struct id_entry *entry;
    size_t bad;
};

static char *key_of(const char *line, const char *id)
{
    return text_format("%s %s", line, id);
}

static void read_entry(void *context, size_t line, const struct csv_field *fields)
{
    struct replay_log *log = context;
    size_t place = lookup_count(log->known);
    size_t outcome = 1;

    (void)line;
    while (outcome < OUTCOME_COUNT &&
           strcmp(fields[COLUMN_OUTCOME].text, outcome_names[outcome]) != 0)
        outcome++;
    if (outcome == OUTCOME_COUNT) {
        log->bad++;
        return;
    }
    char *key = key_of(fields[COLUMN_LINE].text, fields[COLUMN_ORDER].text);
    if (lookup_add(log->known, key, strlen(key), place) == place) {
        if ((place & (place - 1)) == 0) /* full at 0 and at each power of two */
            log->entry = must_grow(log->entry, place * 2 + 1, sizeof(*log->entry));
        log->entry[place].outcome = (enum outcome)outcome;
        snprintf(log->entry[place].code, CODE_SIZE, "%s", fields[COLUMN_CODE].text);
    }
    free(key);
}

static void read_bad(void *context, size_t line, const char *column, const char *problem)
{
    struct replay_log *log = context;
    (void)line;
    (void)column;
    (void)problem;
    log->bad++;
}

/* Where the last whole record ends. A newline inside quotes is part of an order's id. */
static off_t whole_records(const char *bytes, size_t len)
{
    bool quoted = false;
    size_t end = 0;

    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '"')
            quoted = !quoted;
        else if (bytes[i] == '\n' && !quoted)
            end = i + 1;
    }
    return (off_t)end;
}

static char *read_all(int fd, size_t *len)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return NULL;
    char *bytes = must_alloc((size_t)status.st_size, 1);
    *len = 0;
    while (*len < (size_t)status.st_size) {
        ssize_t got = pread(fd, bytes + *len, (size_t)status.st_size - *len, (off_t)*len);
        if (got <= 0) {
            free(bytes);
            return NULL;
        }
        *len += (size_t)got;
    }
    return bytes;
}

/*
 * Cuts off a last record that has no end. Returns the remaining size, or -1 with errno set. A file
 * that does not begin as a log is left alone: EINVAL.
 */
static off_t cut_torn_record(int fd)
{
    size_t len;
    char *bytes = read_all(fd, &len);

    if (bytes == NULL)
        return -1;
    size_t begun = len < sizeof(HEADER) - 1 ? len : sizeof(HEADER) - 1;
    off_t size = memcmp(bytes, HEADER, begun) == 0 ? whole_records(bytes, len) : -1;
    free(bytes);
    if (size < 0)
        errno = EINVAL;
    else if (size != (off_t)len && ftruncate(fd, size) != 0)
        return -1;
    return size;
}

static int read_log(struct replay *replay, off_t size)
{
    static const char *const columns[] = { "line", "order_id", "outcome", "code", NULL };
    struct replay_log *log = replay->log;
    struct csv_reader reader = {
        .columns = columns,
        .required = 4,
        .row = read_entry,
        .bad = read_bad,
        .context = log,
    };

    if (size == 0) {
        fputs(HEADER, log->file);
        return CTL_DONE;
    }
    int failed = csv_read(replay->ctl, log->path, &reader);
    if (failed == CTL_DONE && log->bad > 0)
        return ctl_error(replay->ctl, CTL_USAGE, "bad_file", "%s is not a log written by replay",
                         log->path);
    return failed;
}

int replay_log_open(struct replay *replay, const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    off_t size = fd >= 0 ? cut_torn_record(fd) : -1;
    FILE *file = size >= 0 ? fdopen(fd, "a") : NULL;

    if (file == NULL) {
        int failed = ctl_error(replay->ctl, CTL_USAGE, "bad_file", "%s: %s", path,
                               errno == EINVAL ? "not a log written by replay" : strerror(errno));
        if (fd >= 0)
            close(fd);
        return failed;
    }
    replay->log = must_alloc(1, sizeof(*replay->log));
    *replay->log = (struct replay_log){ .file = file, .path = path, .known = lookup_new() };
    return read_log(replay, size);
}

int replay_log_add(struct replay *replay, size_t number, enum outcome outcome, const char *code)
{
    const struct replay_order *order = &replay->order[number];
    FILE *file = replay->log->file;

    fprintf(file, "%zu,", order->file_line);
    csv_put(file, order->id, strlen(order->id));
    fprintf(file, ",%s,%s\n", outcome_names[outcome], code);
    if (fflush(file) == 0)
        return CTL_DONE;
    return ctl_error(replay->ctl, CTL_USAGE, "bad_file", "%s: %s", replay->log->path,
                     strerror(errno));
}

bool replay_log_has(const struct replay *replay, size_t number, enum outcome *outcome,
                    const char **code)
{
    const struct replay_order *order = &replay->order[number];
    char line[24];
    size_t place;

    snprintf(line, sizeof(line), "%zu", order->file_line);
    char *key = key_of(line, order->id);
    bool known = lookup_find(replay->log->known, key, strlen(key), &place);
    free(key);
    if (!known)
        return false;
    *outcome = replay->log->entry[place].outcome;
    *code = replay->log->entry[place].code;
    return true;
}

void replay_log_close(struct replay *replay)
{
    if (replay->log == NULL)
        return;
    fclose(replay->log->file);
    lookup_free(replay->log->known);
    free(replay->log->entry);
    free(replay->log);
    replay->log = NULL;
}
