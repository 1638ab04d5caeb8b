/* SPDX-License-Identifier: Apache-2.0 */
/* history_file.c - the lines that were typed, in a file for the next time. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_CLOEXEC and the like */
#endif
#include "tools/stockctl/shell/history_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/secret.h"
#include "tools/stockctl/ctl.h"

#define FILE_MAX (4L << 20)

char *history_path(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (state != NULL && state[0] == '/')
        return text_format("%s/stockd/history", state);
    if (home != NULL && home[0] == '/')
        return text_format("%s/.local/state/stockd/history", home);
    return NULL;
}

static bool is_of_token(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool history_may_keep(const char *line)
{
    size_t run = 0;

    if (line[0] == '\0' || line[0] == ' ' || line[0] == '\t')
        return false;
    for (const char *at = line; *at != '\0'; at++) {
        run = is_of_token(*at) ? run + 1 : 0;
        if (run >= SECRET_LENGTH || (unsigned char)*at < ' ')
            return false;
    }
    return bytes_are_utf8(line, strlen(line));
}

/* A regular file that is ours, and that nobody else may read; else -1. */
static int open_own(const char *path, int flags)
{
    struct stat status;
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
        ((status.st_mode & 077) == 0 || fchmod(fd, 0600) == 0))
        return fd;
    close(fd);
    return -1;
}

/* All folders of the path; those that exist stay as they are. */
static void make_folders(const char *path)
{
    char *folder = text_format("%s", path);

    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(folder, 0700);
        *slash = '/';
    }
    free(folder);
}

/* The whole file, ended by a NUL; NULL: there is none. */
static char *read_all(const char *path)
{
    struct stat status;
    int fd = open_own(path, O_RDONLY);

    if (fd < 0)
        return NULL;
    off_t size = fstat(fd, &status) == 0 ? status.st_size : 0;
    off_t from = size > FILE_MAX ? size - FILE_MAX : 0;
    char *text = must_alloc((size_t)(size - from) + 1, 1);
    ssize_t len = pread(fd, text, (size_t)(size - from), from);
    text[len > 0 ? len : 0] = '\0';
    close(fd);
    return text;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

/* Another shell may append meanwhile: its line may be lost, but no line is broken. */
static void replace(const char *path, const char *text)
{
    char *fresh = text_format("%s.%ld", path, (long)getpid());
    int fd = open_own(fresh, O_WRONLY | O_CREAT | O_EXCL);
    size_t len = strlen(text);

    if (fd >= 0) {
        bool whole = write(fd, text, len) == (ssize_t)len;
        if (close(fd) != 0 || !whole || rename(fresh, path) != 0)
            unlink(fresh);
    }
    free(fresh);
}

void history_read_lines(const char *path, history_line_fn *each, void *context)
{
    char *text = read_all(path);
    char *at = text;

    if (text == NULL)
        return;
    size_t count = count_lines(text);
    for (size_t skip = count > HISTORY_LINES ? count - HISTORY_LINES : 0; skip > 0; skip--)
        at = strchr(at, '\n') + 1;
    if (count >= (size_t)2 * HISTORY_LINES)
        replace(path, at);
    for (char *end = strchr(at, '\n'); end != NULL; at = end + 1, end = strchr(at, '\n')) {
        *end = '\0';
        if (history_may_keep(at)) /* somebody may have edited the file */
            each(context, at);
    }
    free(text);
}

void history_add_line(const char *path, const char *line)
{
    int fd = open_own(path, O_WRONLY | O_APPEND | O_CREAT);

    if (fd < 0 && errno == ENOENT) {
        make_folders(path);
        fd = open_own(path, O_WRONLY | O_APPEND | O_CREAT);
    }
    if (fd < 0)
        return;
    char *whole = text_format("%s\n", line);
    (void)!write(fd, whole, strlen(whole)); /* one write, so that lines of two shells do not mix */
    free(whole);
    close(fd);
}
