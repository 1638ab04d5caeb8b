/* SPDX-License-Identifier: Apache-2.0 */
/* shell.c - commands one after the other: from a terminal, or from standard input. */
#include "tools/stockctl/shell/shell.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/stockctl/shell/complete.h"
#include "tools/stockctl/shell/editor.h"
#include "tools/stockctl/shell/history_file.h"
#include "tools/stockctl/shell/names.h"
#include "tools/stockctl/shell/run.h"

/* ---- a person ------------------------------------------------------------------------------- */

static const char waiting[] =
    "\nstockctl waits for the engine; Ctrl-C once more leaves the shell.\n";

static void on_impatience(int signal)
{
    (void)signal;
    (void)!write(STDERR_FILENO, waiting, sizeof(waiting) - 1);
}

/* While a command runs: a first Ctrl-C says what it waits for, a second one ends the shell. */
static int run_patiently(struct ctl *ctl, const char *line, bool *leave)
{
    const struct sigaction action = { .sa_handler = on_impatience,
                                      .sa_flags = SA_RESETHAND | SA_RESTART };
    struct sigaction before;

    sigaction(SIGINT, &action, &before);
    int code = run_line(ctl, line, leave);
    sigaction(SIGINT, &before, NULL);
    return code;
}

static void remember(void *context, const char *line)
{
    editor_remember(context, line);
}

static void greet(struct ctl *ctl)
{
    puts("stockctl " STOCKD_CLIENT_VERSION
         ": `help` lists the commands, Tab completes, Ctrl-D leaves.");
    fflush(stdout);
    if (ctl_connect(ctl) != CTL_DONE) { /* it has said why */
        stockd_close(ctl->client);
        ctl->client = NULL;
        fputs("Each command tries again to reach it.\n", stderr);
    }
}

static void converse(struct ctl *ctl, struct editor *editor, const char *file)
{
    bool leave = false;
    char *line;

    while (!leave) {
        enum editor_result result = editor_read(editor, &line);
        if (result == EDITOR_END)
            return;
        if (result == EDITOR_ABANDONED)
            continue;
        if (history_may_keep(line)) {
            editor_remember(editor, line);
            if (file != NULL)
                history_add_line(file, line);
        }
        run_patiently(ctl, line, &leave);
        free(line);
    }
}

int shell_interactive(struct ctl *ctl)
{
    struct names *names = names_new(ctl);
    char *clean = text_clean(ctl->server, strlen(ctl->server));
    char *prompt = text_format("%s> ", clean);
    char *file = history_path();
    struct editor *editor = editor_open(prompt, complete_line, names);
    int code = CTL_DONE;

    signal(SIGPIPE, SIG_IGN);
    if (editor != NULL) {
        if (file != NULL)
            history_read_lines(file, remember, editor);
        greet(ctl);
        converse(ctl, editor, file);
    } else {
        code = ctl_error(ctl, CTL_USAGE, "terminal", "cannot use this terminal");
    }
    editor_close(editor);
    free(file);
    free(prompt);
    free(clean);
    names_free(names);
    return code;
}

/* ---- standard input ------------------------------------------------------------------------- */

static int run_numbered(struct ctl *ctl, const char *line, size_t len, size_t number, bool *leave)
{
    int code = CTL_USAGE;

    if (strlen(line) != len)
        fputs("stockctl: a line with a NUL\n", stderr);
    else
        code = run_line(ctl, line, leave);
    if (code != CTL_DONE)
        fprintf(stderr, "stockctl: line %zu failed: exit status %d%s\n", number, code,
                code == CTL_UNREACHABLE ? "; what follows it is not done" : "");
    return code;
}

int shell_batch(struct ctl *ctl)
{
    char *line = NULL;
    size_t size = 0;
    size_t number = 0;
    int first = CTL_DONE;
    bool leave = false;
    ssize_t len;

    ctl->commands_on_stdin = true;
    while (!leave && (len = getline(&line, &size, stdin)) >= 0) {
        int code = run_numbered(ctl, line, (size_t)len, ++number, &leave);
        if (first == CTL_DONE)
            first = code;
        if (code == CTL_UNREACHABLE)
            break;
    }
    free(line);
    return first;
}
