/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - one line of the shell. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* F_DUPFD_CLOEXEC */
#endif
#include "tools/stockctl/shell/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/stockctl/commands.h"
#include "tools/stockctl/shell/words.h"

/* ---- the connection -------------------------------------------------------------------------- */

/* The line's connection is ours, or one of its own. */
static void give_back(struct ctl *ctl, struct ctl *line)
{
    if (line->client != ctl->client)
        stockd_close(line->client);
    if (ctl->client == NULL || stockd_in_flight(ctl->client) == 0)
        return;
    stockd_close(ctl->client); /* or the next line would get an answer to this one */
    ctl->client = NULL;
}

/* ---- a command apart ------------------------------------------------------------------------- */

static int flush_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "stockctl: cannot write the output: %s\n", strerror(errno));
    clearerr(stdout);
    return CTL_USAGE;
}

static int exit_code_of(pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return CTL_USAGE;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    if (WTERMSIG(status) != SIGINT)
        fprintf(stderr, "stockctl: the command ended by signal %d\n", WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

static volatile sig_atomic_t interrupted; /* written by the handler */

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* The child: nothing of the shell's, and Ctrl-C as any program has it; but a script's background
 * has it ignored. */
static void run_as_child(struct ctl *ctl, const struct args *args, const struct sigaction *before,
                         const sigset_t *mask)
{
    if (before->sa_handler == SIG_IGN)
        sigaction(SIGINT, before, NULL);
    else
        signal(SIGINT, SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    ctl->client = NULL; /* the connection is the shell's */
    ctl->kept = NULL;
    _exit(flush_output(args->command->run(ctl, args)));
}

/* In a process of its own: Ctrl-C ends it and not the shell, whatever it is doing. */
static int run_apart(struct ctl *ctl, const struct args *args)
{
    const struct sigaction action = { .sa_handler = on_interrupt };
    struct sigaction before;
    sigset_t interrupt;
    sigset_t mask;
    int code = CTL_USAGE;

    fflush(stdout);
    interrupted = 0;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &mask); /* so that the child misses none */
    sigaction(SIGINT, &action, &before);
    pid_t child = fork();
    if (child == 0)
        run_as_child(ctl, args, &before, &mask);
    int problem = errno;
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (child > 0)
        code = exit_code_of(child);
    else
        ctl_error(ctl, code, "failed", "cannot start a process: %s", strerror(problem));
    sigaction(SIGINT, &before, NULL);
    if (interrupted && isatty(STDOUT_FILENO) == 1)
        putchar('\n'); /* behind the ^C */
    return code;
}

/* ---- where the output goes ------------------------------------------------------------------- */

/* Standard output goes to the file until output_back. Returns what it was, or -1. */
static int output_to(const struct words *words)
{
    int fd = open(words->into,
                  O_WRONLY | O_CREAT | O_CLOEXEC | (words->append ? O_APPEND : O_TRUNC), 0666);
    int terminal = fd >= 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : -1;

    if (terminal >= 0 && fflush(stdout) == 0 && dup2(fd, STDOUT_FILENO) >= 0) {
        close(fd);
        return terminal;
    }
    char *clean = text_clean(words->into, strlen(words->into));
    fprintf(stderr, "stockctl: %s: %s\n", clean, strerror(errno));
    free(clean);
    if (fd >= 0)
        close(fd);
    if (terminal >= 0)
        close(terminal);
    return -1;
}

static void output_back(int terminal)
{
    dup2(terminal, STDOUT_FILENO);
    close(terminal);
}

/* ---- a line ---------------------------------------------------------------------------------- */

static int run_words(struct ctl *ctl, size_t count, char **word)
{
    struct ctl line = *ctl;
    size_t used;
    int code;

    line.client = NULL;
    line.kept = ctl;
    line.name = text_format("%s", ctl->name);
    line.run_apart = run_apart;
    if (command_options(&line, count, word, &used, &code) && used < count)
        code = command_run(&line, count - used, word + used);
    give_back(ctl, &line);
    free(line.name);
    return flush_output(code);
}

static int run_split(struct ctl *ctl, struct words *words)
{
    /* Examples in the help begin so. */
    const size_t first = words->count > 1 && strcmp(words->word[0], "stockctl") == 0;
    int terminal = -1;

    if (words->count == 0)
        return CTL_DONE;
    if (words->into != NULL && (terminal = output_to(words)) < 0)
        return CTL_USAGE;
    int code = run_words(ctl, words->count - first, words->word + first);
    if (terminal >= 0)
        output_back(terminal);
    return code;
}

static bool is_leave(const struct words *words)
{
    return words->count == 1 &&
           (strcmp(words->word[0], "exit") == 0 || strcmp(words->word[0], "quit") == 0);
}

int run_line(struct ctl *ctl, const char *line, bool *leave)
{
    struct words words;
    const char *wrong = words_split(line, &words);
    int code = CTL_USAGE;

    *leave = false;
    if (wrong != NULL)
        fprintf(stderr, "stockctl: %s\n", wrong);
    else if (is_leave(&words))
        *leave = true;
    else
        code = run_split(ctl, &words);
    words_free(&words);
    return *leave ? CTL_DONE : code;
}
