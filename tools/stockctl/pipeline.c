/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.c - many independent requests over one connection.
 *
 * Responses come in the order of the requests, so those in flight are a queue. A lost connection
 * and the answer `overloaded` put requests back; both are safe because each carries its own id.
 */
#include "tools/stockctl/ctl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW 256
#define PATIENCE_MS 10000
#define PAUSE_MS 20

struct run {
    struct ctl *ctl;
    const struct pipeline *plan;
    size_t window;         /* at most WINDOW */
    size_t flight[WINDOW]; /* a ring of request numbers */
    size_t first;
    size_t flying;
    size_t *again; /* a stack of request numbers to send again */
    size_t again_count;
    size_t next;
    size_t finished;
    bool stopped;
    stockd_pack pack;
    struct progress progress;
};

static void pause_ms(long ms)
{
    struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&pause, NULL);
}

int pipeline_reconnect(stockd_client *client, int64_t patience_ms)
{
    uint64_t give_up = clock_ms() + (uint64_t)patience_ms;
    long pause = PAUSE_MS;

    for (;;) {
        int status = stockd_reconnect(client);
        if (status == STOCKD_OK)
            return CTL_DONE;
        if (status == STOCKD_REFUSED || clock_ms() >= give_up)
            return CTL_UNREACHABLE;
        pause_ms(pause);
        pause = pause < 500 ? pause * 2 : 500;
    }
}

static void send_again(struct run *run, size_t number)
{
    assert(run->again_count < WINDOW); /* with those in flight never more than that */
    run->again[run->again_count++] = number;
}

/* No request in flight will get a reply. */
static int recover(struct run *run, int status)
{
    bool lost = status == STOCKD_E_CLOSED || status == STOCKD_E_TIMEOUT;

    progress_clear(&run->progress); /* for other output, and while nothing progresses */
    if (!lost || pipeline_reconnect(run->ctl->client, PATIENCE_MS) != CTL_DONE)
        return ctl_failed(run->ctl, status);
    for (; run->flying > 0; run->flying--) {
        send_again(run, run->flight[run->first % WINDOW]);
        run->first++;
    }
    return CTL_DONE;
}

static bool more_to_send(const struct run *run)
{
    return !run->stopped && (run->again_count > 0 || run->next < run->plan->count);
}

static int fill_window(struct run *run)
{
    while (run->flying < run->window && more_to_send(run)) {
        size_t number = run->again_count > 0 ? run->again[--run->again_count] : run->next++;
        stockd_pack_reset(&run->pack);
        const char *method = run->plan->pack(run->plan->context, number, &run->pack);
        int status = stockd_send(run->ctl->client, method, run->pack.data, run->pack.len, NULL);
        run->flight[(run->first + run->flying++) % WINDOW] = number;
        if (status != STOCKD_OK)
            return recover(run, status);
    }
    return CTL_DONE;
}

static int take_response(struct run *run)
{
    stockd_reply reply;
    int status = stockd_receive(run->ctl->client, &reply);

    if (status < 0)
        return recover(run, status);
    size_t number = run->flight[run->first++ % WINDOW];
    run->flying--;
    if (status == STOCKD_REFUSED && strcmp(reply.code, "overloaded") == 0 && !run->stopped) {
        send_again(run, number);
        pause_ms(PAUSE_MS);
        return CTL_DONE;
    }
    run->finished++;
    if (reply.code != NULL)
        progress_clear(&run->progress); /* done may print why */
    if (!run->plan->done(run->plan->context, number, &reply))
        run->stopped = true;
    progress_show(&run->progress, run->finished);
    return CTL_DONE;
}

int pipeline_run(struct ctl *ctl, const struct pipeline *plan)
{
    bool narrow = plan->window > 0 && plan->window < WINDOW;
    struct run run = { .ctl = ctl, .plan = plan, .window = narrow ? plan->window : WINDOW };
    int failed = ctl_connect(ctl);

    if (failed != CTL_DONE)
        return failed;
    run.again = must_alloc(WINDOW, sizeof(*run.again));
    stockd_pack_init(&run.pack, NULL, 0);
    progress_start(&run.progress, ctl->quiet ? NULL : plan->label, plan->count);
    while (failed == CTL_DONE && (more_to_send(&run) || run.flying > 0)) {
        failed = fill_window(&run);
        if (failed == CTL_DONE && run.flying > 0)
            failed = take_response(&run);
    }
    progress_clear(&run.progress);
    stockd_pack_free(&run.pack);
    free(run.again);
    return failed;
}
