/* SPDX-License-Identifier: Apache-2.0 */
/* top_terminal.c - a screen of its own on a terminal, by the escape sequences that all know. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* ppoll */
#endif
#include "tools/stockctl/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* The other screen, without a cursor and without wrapping; and back. */
#define ENTER "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
#define LEAVE "\x1b[?7h\x1b[?25h\x1b[?1049l"

static const int watched[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH };
enum { WATCHED = sizeof watched / sizeof watched[0] };

static bool on_screen;        /* LEAVE must be written */
static bool has_keys;         /* standard input is a terminal, in `before` until we came */
static struct termios before; /* of standard input */
static bool handlers_set;

/* Written by the handler. The signals are blocked except while terminal_wait waits. */
static volatile sig_atomic_t quit, suspend, resized;

static void on_signal(int signal)
{
    if (signal == SIGWINCH)
        resized = 1;
    else if (signal == SIGTSTP)
        suspend = 1;
    else
        quit = 1;
}

static void write_all(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(STDOUT_FILENO, text, len);
        if (wrote < 0 && errno != EINTR)
            return;
        text += wrote > 0 ? wrote : 0;
        len -= wrote > 0 ? (size_t)wrote : 0;
    }
}

static void watch_signals(void)
{
    const struct sigaction action = { .sa_handler = on_signal };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < WATCHED; i++) {
        if (watched[i] == SIGTSTP && !on_screen)
            continue; /* without a screen to restore it may stop as usual */
        sigaddset(&set, watched[i]);
        sigaction(watched[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    handlers_set = true;
}

static void take_keys(void)
{
    struct termios raw;

    has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (!has_keys)
        return;
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

bool terminal_enter(void)
{
    static bool registered;

    if (!isatty(STDOUT_FILENO))
        return false;
    if (!registered)
        registered = atexit(terminal_leave) == 0;
    on_screen = true;
    watch_signals();
    take_keys();
    write_all(ENTER, sizeof ENTER - 1);
    return true;
}

void terminal_leave(void)
{
    if (!on_screen)
        return;
    on_screen = false;
    write_all(LEAVE, sizeof LEAVE - 1);
    if (has_keys)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

/* Ctrl-Z: the shell finds its screen as it was; and we find ours when we come back. */
static void stop_until_continued(void)
{
    suspend = 0;
    terminal_leave();
    raise(SIGSTOP);
    terminal_enter();
}

static enum terminal_event take_key(void)
{
    char key = '\0';
    ssize_t got = read(STDIN_FILENO, &key, 1);

    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
        has_keys = false; /* the terminal is gone */
        return TERMINAL_QUIT;
    }
    return key == 'q' || key == 'Q' ? TERMINAL_QUIT : TERMINAL_REFRESH;
}

enum terminal_event terminal_wait(int64_t ms)
{
    struct pollfd keys = { .fd = on_screen && has_keys ? STDIN_FILENO : -1, .events = POLLIN };
    const struct timespec limit = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    sigset_t none;

    if (!handlers_set)
        watch_signals();
    sigemptyset(&none);
    int ready = ppoll(&keys, 1, &limit, &none);
    if (quit)
        return TERMINAL_QUIT;
    if (suspend)
        stop_until_continued();
    else if (ready > 0)
        return take_key();
    else if (ready == 0)
        return TERMINAL_TIME;
    resized = 0;
    return TERMINAL_RESIZED;
}

void terminal_draw(const char *text)
{
    struct winsize size = { .ws_row = 24, .ws_col = 80 };
    struct winsize said;
    char *screen;
    size_t len;
    FILE *out = open_memstream(&screen, &len);

    if (out == NULL)
        return;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &said) == 0 && said.ws_row > 0 && said.ws_col > 0)
        size = said;
    fputs("\x1b[H", out);
    for (unsigned row = 0; row < size.ws_row && *text != '\0'; row++) {
        size_t length = strcspn(text, "\n");
        char *line = text_format("%.*s", (int)length, text);
        char *cut = text_cut(line, size.ws_col);
        fprintf(out, "%s%s\x1b[K", row > 0 ? "\n" : "", cut);
        free(cut);
        free(line);
        text += length + (text[length] == '\n');
    }
    fputs("\x1b[J", out);
    fclose(out);
    write_all(screen, len);
    free(screen);
}
