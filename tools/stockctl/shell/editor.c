/* SPDX-License-Identifier: Apache-2.0 */
/* editor.c - a line from the terminal, edited. */
#include "tools/stockctl/shell/editor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <histedit.h>

#include "tools/stockctl/ctl.h"
#include "tools/stockctl/shell/history_file.h"
#include "tools/stockctl/shell/words.h"

#define SHOWN_MAX 200 /* candidates in a list */
#define GAP 2

struct editor {
    EditLine *line;
    History *history;
    const char *prompt;
    editor_complete_fn *complete;
    void *context;
};

/* libedit knows EditLine alone, and its functions get nothing else. */
static struct editor *editor_of(EditLine *line)
{
    struct editor *editor = NULL;

    el_get(line, EL_CLIENTDATA, &editor);
    return editor;
}

static char *prompt_of(EditLine *line)
{
    return (char *)editor_of(line)->prompt;
}

/* ---- Tab ------------------------------------------------------------------------------------- */

static size_t terminal_columns(void)
{
    struct winsize size = { 0 };

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* In columns, read downwards, under the line. */
static void show_candidates(const struct candidates *candidates)
{
    size_t shown = candidates->count < SHOWN_MAX ? candidates->count : SHOWN_MAX;
    size_t width = 0;

    for (size_t i = 0; i < shown; i++) {
        size_t own = text_width(candidates->text[i]);
        width = own > width ? own : width;
    }
    size_t columns = terminal_columns() / (width + GAP);
    columns = columns > 0 ? columns : 1;
    size_t rows = (shown + columns - 1) / columns;
    putchar('\n');
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = row; i < shown; i += rows)
            text_pad(stdout, candidates->text[i], i + rows < shown ? width + GAP : 0);
        putchar('\n');
    }
    if (shown < candidates->count)
        printf("and %zu more\n", candidates->count - shown);
    fflush(stdout);
}

/* Types what all candidates have in common; with a single one also the end of the word. */
static bool type_common(EditLine *line, const struct candidates *candidates, char quote)
{
    size_t typed = strlen(candidates->typed);
    size_t common = candidates_common(candidates);
    bool done = candidates->count == 1 && !candidates->open;
    char *more = text_format("%.*s", (int)(common - typed), candidates->text[0] + typed);
    char *quoted = words_quoted(more, quote);
    char end[2] = { quote, '\0' };
    char *text = text_format("%s%s%s", quoted, done ? end : "", done ? " " : "");
    bool some = text[0] != '\0';

    if (some)
        el_insertstr(line, text);
    free(text);
    free(quoted);
    free(more);
    return some;
}

static unsigned char on_tab(EditLine *line, int key)
{
    struct editor *editor = editor_of(line);
    const LineInfo *info = el_line(line);
    struct candidates candidates = { 0 };
    unsigned char result = CC_ERROR; /* a bell */
    char quote = 0;

    (void)key;
    char *owned = editor->complete(editor->context, info->buffer,
                                   (size_t)(info->cursor - info->buffer), &candidates, &quote);
    candidates_sort(&candidates);
    if (candidates.count > 0 && type_common(line, &candidates, quote)) {
        result = CC_REFRESH;
    } else if (candidates.count > 1) {
        show_candidates(&candidates);
        result = CC_REDISPLAY;
    }
    candidates_free(&candidates);
    free(owned);
    return result;
}

/* A Ctrl-D that is typed while a command runs comes as a NUL: the terminal is in line mode then. */
static unsigned char on_nul(EditLine *line, int key)
{
    const LineInfo *info = el_line(line);

    (void)key;
    return info->lastchar == info->buffer ? CC_EOF : CC_NORM;
}

static volatile sig_atomic_t interrupted;

/* While a line is edited Ctrl-C and Ctrl-Z are keys like others: a signal that came just before
 * libedit waits for the next key would be seen only after that. */
static unsigned char on_ctrl_c(EditLine *line, int key)
{
    (void)line, (void)key;
    interrupted = 1;
    return CC_EOF;
}

static unsigned char on_ctrl_z(EditLine *line, int key)
{
    (void)key;
    el_set(line, EL_PREP_TERM, 0);
    raise(SIGTSTP);
    el_set(line, EL_PREP_TERM, 1);
    return CC_REDISPLAY;
}

/* ---- the life of an editor ------------------------------------------------------------------- */

/* libedit never frees the names of functions that were added: they stay reachable here. */
static struct editor only;

struct editor *editor_open(const char *prompt, editor_complete_fn *complete, void *context)
{
    struct editor *editor = &only;
    HistEvent event;

    *editor = (struct editor){ .prompt = prompt, .complete = complete, .context = context };
    editor->line = el_init("stockctl", stdin, stdout, stderr);
    editor->history = history_init();
    if (editor->line == NULL || editor->history == NULL)
        return NULL;
    history(editor->history, &event, H_SETSIZE, HISTORY_LINES);
    history(editor->history, &event, H_SETUNIQUE, 1);
    el_set(editor->line, EL_CLIENTDATA, editor);
    el_set(editor->line, EL_PROMPT, prompt_of);
    el_set(editor->line, EL_EDITOR, "emacs");
    el_set(editor->line, EL_SIGNAL, 1); /* or a signal would leave the terminal in raw mode */
    el_set(editor->line, EL_HIST, history, editor->history);
    el_set(editor->line, EL_ADDFN, "stockctl-complete", "Complete the word", on_tab);
    el_set(editor->line, EL_BIND, "^I", "stockctl-complete", NULL);
    el_set(editor->line, EL_ADDFN, "stockctl-end", "Leave, if the line is empty", on_nul);
    el_set(editor->line, EL_BIND, "^@", "stockctl-end", NULL);
    el_set(editor->line, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_set(editor->line, EL_SETTY, "-d", "-isig", NULL);
    el_set(editor->line, EL_ADDFN, "stockctl-abandon", "Abandon the line", on_ctrl_c);
    el_set(editor->line, EL_BIND, "^C", "stockctl-abandon", NULL);
    el_set(editor->line, EL_ADDFN, "stockctl-suspend", "Suspend the shell", on_ctrl_z);
    el_set(editor->line, EL_BIND, "^Z", "stockctl-suspend", NULL);
    el_source(editor->line, NULL); /* ~/.editrc: what the user likes better */
    return editor;
}

void editor_close(struct editor *editor)
{
    if (editor != NULL)
        el_set(editor->line, EL_PREP_TERM, 0); /* as the terminal was */
}

void editor_remember(struct editor *editor, const char *line)
{
    HistEvent event;

    history(editor->history, &event, H_ENTER, line);
}

/* ---- a line ---------------------------------------------------------------------------------- */

/* Of a Ctrl-C before the terminal is the editor's, or of a signal that somebody sends. */
static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

enum editor_result editor_read(struct editor *editor, char **line)
{
    const struct sigaction action = { .sa_handler = on_interrupt }; /* it ends the read */
    struct sigaction before;
    int count = 0;

    *line = NULL;
    interrupted = 0;
    sigaction(SIGINT, &action, &before);
    el_set(editor->line, EL_PREP_TERM, 1); /* before the prompt, or it would miss a quick Ctrl-D */
    const char *text = interrupted ? NULL : el_gets(editor->line, &count);
    sigaction(SIGINT, &before, NULL);
    if (interrupted) {
        el_reset(editor->line);
        putchar('\n');
        return EDITOR_ABANDONED;
    }
    if (text == NULL || count <= 0) {
        putchar('\n');
        return EDITOR_END;
    }
    *line = text_format("%.*s", (int)strcspn(text, "\r\n"), text);
    return EDITOR_LINE;
}
