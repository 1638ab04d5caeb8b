/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_top.c - `top`: a live screen of an engine; plain lines where there is no terminal. */
#include "tools/stockctl/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DELAY_LEAST_MS = 100, DELAY_MOST_MS = 3600000, DELAY_MS = 2000 };

struct top {
    struct ctl *ctl;
    int64_t delay_ms;
    int64_t count; /* of samples; 0: until it is ended */
    bool screen;
    bool lost;               /* the engine is away, which was told */
    struct sample sample[2]; /* the last two, in turns */
    size_t shown;
};

static int take_options(struct top *top, const struct args *args)
{
    const char *delay = args_option(args, "delay");
    const char *count = args_option(args, "count");
    double seconds;

    top->delay_ms = DELAY_MS;
    if (delay != NULL && parse_real(delay, &seconds))
        top->delay_ms = seconds < 1e6 ? (int64_t)(seconds * 1000) : DELAY_MOST_MS + 1;
    else if (delay != NULL && !parse_duration(delay, &top->delay_ms))
        top->delay_ms = 0;
    if (top->delay_ms < DELAY_LEAST_MS || top->delay_ms > DELAY_MOST_MS)
        return usage_error(args, "--delay must be 0.1 to 3600 seconds, not '%s'", delay);
    return count != NULL ? args_int(args, "--count", count, 1, INT64_MAX, &top->count) : CTL_DONE;
}

/* ---- showing -------------------------------------------------------------------------------- */

static void draw(struct top *top, const struct sample *before, const struct sample *now)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (out == NULL)
        return;
    show_screen(out, top->ctl, before, now);
    fclose(out);
    terminal_draw(text);
    free(text);
}

static void show(struct top *top, const struct sample *before, const struct sample *now)
{
    if (top->screen)
        draw(top, before, now);
    else if (top->ctl->json)
        show_line_json(stdout, before, now);
    else
        show_line(stdout, before, now, top->shown);
}

/* The screen says it in its place; without one, once for each loss. */
static void show_lost(struct top *top)
{
    const char *why = stockd_error_message(top->ctl->client);

    if (top->screen) {
        char *text = text_format("%s\ntrying again; q quits\n", why);
        terminal_draw(text);
        free(text);
    } else if (!top->lost) {
        fprintf(stderr, "stockctl: %s: trying again\n", why);
    }
    top->lost = true;
}

/* ---- a sample ------------------------------------------------------------------------------- */

/* The first sample, and one of an engine that was started since, is compared with its start. */
static int take_sample(struct top *top)
{
    struct ctl *ctl = top->ctl;
    struct sample *now = &top->sample[top->shown % 2], *before = &top->sample[(top->shown + 1) % 2];
    stockd_reply reply;
    int status = top->lost ? stockd_reconnect(ctl->client) : STOCKD_OK;

    if (status == STOCKD_OK)
        status = stockd_call(ctl->client, "info", NULL, 0, STOCKD_RETRY_SAFE, &reply);
    if (status == STOCKD_REFUSED && strcmp(stockd_last_reply(ctl->client)->code, "overloaded") != 0)
        return ctl_refused(ctl, stockd_last_reply(ctl->client));
    if (status != STOCKD_OK) {
        show_lost(top);
        return CTL_DONE;
    }
    top->lost = false;
    sample_read(now, reply.result);
    if (top->shown == 0 || before->started_ms != now->started_ms)
        sample_at_start(before, now);
    show(top, before, now);
    top->shown++;
    return CTL_DONE;
}

static void redraw(struct top *top)
{
    if (top->screen && top->shown > 0 && !top->lost)
        draw(top, &top->sample[top->shown % 2], &top->sample[(top->shown + 1) % 2]);
}

/* Samples come at even distances, whatever keys are pressed between. */
static int go_on(struct top *top)
{
    uint64_t due_ms = clock_ms();
    int code = CTL_DONE;

    while (code == CTL_DONE) {
        uint64_t now_ms = clock_ms();
        if (now_ms >= due_ms) {
            code = take_sample(top);
            due_ms = now_ms + (uint64_t)top->delay_ms;
            if (top->count > 0 && top->shown >= (size_t)top->count)
                break;
            if (fflush(stdout) != 0)
                return ctl_error(top->ctl, CTL_USAGE, "output", "cannot write: %s",
                                 strerror(errno));
            continue;
        }
        switch (terminal_wait((int64_t)(due_ms - now_ms))) {
        case TERMINAL_TIME:
            break;
        case TERMINAL_REFRESH:
            due_ms = clock_ms();
            break;
        case TERMINAL_RESIZED:
            redraw(top);
            break;
        case TERMINAL_QUIT:
            return CTL_DONE;
        }
    }
    return code;
}

/* ---- the command ---------------------------------------------------------------------------- */

int run_top(struct ctl *ctl, const struct args *args)
{
    static struct top top; /* not on the stack: its samples are large */

    top = (struct top){ .ctl = ctl };
    int code = take_options(&top, args);
    if (code == CTL_DONE)
        code = ctl_connect(ctl);
    if (code != CTL_DONE)
        return code;
    top.screen = !ctl->json && terminal_enter();
    code = go_on(&top);
    terminal_leave();
    return code;
}

const struct option top_options[] = {
    { .name = "delay", .value = "SECONDS", .help = "between two looks (2)", .type = OPTION_TEXT },
    { .name = "count", .value = "N", .help = "ends after so many looks", .type = OPTION_TEXT },
    { .name = NULL },
};
