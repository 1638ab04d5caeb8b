/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.c - many independent requests over one connection.
 *
 * Responses come in the order of the requests, so those in flight are a queue. A lost connection
 * and the answers `overloaded` and `not_primary` put requests back; all are safe because each
 * carries its own id.
 * Nothing else is sent until all in flight was answered or lost; then those put back come first, so
 * that rows of one item stay in the order of their file.
 */
#include "tools/stockctl/ctl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Requests that share one write to the journal: enough that its time does not count. */
#define WINDOW 4096
#define PATIENCE_MS 10000
#define PAUSE_MS 20
#define TELL_AFTER_MS 3000 /* of waiting for a busy engine */

struct run {
    struct ctl *ctl;
    const struct pipeline *plan;
    size_t window;  /* at most WINDOW */
    size_t *flight; /* a ring of request numbers */
    size_t first;
    size_t flying;
    size_t *again; /* request numbers to send again, all below `next` and in order */
    size_t again_first;
    size_t again_count;
    size_t *back; /* those put back since; each is below those that are still to be sent again */
    size_t back_count;
    size_t next;
    size_t finished;
    uint64_t busy_ms; /* since when the engine has taken nothing; 0: it takes requests */
    bool told;        /* why it takes nothing */
    bool stopped;
    bool moving;      /* once nothing is in flight: to another node */
    uint64_t away_ms; /* since when no node has taken anything; 0: one does */
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

static void put_back(struct run *run, size_t number)
{
    assert(run->back_count < WINDOW); /* each was in flight, and nothing was sent since the first */
    run->back[run->back_count++] = number;
}

/* Once nothing is in flight: those put back come before the rest of an earlier repetition. */
static void send_again(struct run *run)
{
    size_t rest = run->again_count - run->again_first;

    assert(run->flying == 0);
    assert(run->back_count + rest <= WINDOW);
    memmove(run->again + run->back_count, run->again + run->again_first,
            rest * sizeof(*run->again));
    memcpy(run->again, run->back, run->back_count * sizeof(*run->again));
    run->again_first = 0;
    run->again_count = run->back_count + rest;
    run->back_count = 0;
}

/* No request in flight will get a reply. */
static int recover(struct run *run, int status)
{
    bool lost = status == STOCKD_E_CLOSED || status == STOCKD_E_TIMEOUT;

    progress_clear(&run->progress); /* for other output, and while nothing progresses */
    if (!lost || pipeline_reconnect(run->ctl->client, PATIENCE_MS) != CTL_DONE)
        return ctl_failed(run->ctl, status);
    for (; run->flying > 0; run->flying--)
        put_back(run, run->flight[run->first++ % WINDOW]);
    send_again(run);
    run->moving = false;
    return CTL_DONE;
}

/* False: no node has taken anything for too long. */
static bool has_patience(struct run *run)
{
    if (run->away_ms == 0)
        run->away_ms = clock_ms();
    return clock_ms() - run->away_ms < PATIENCE_MS;
}

/* Nothing is in flight, and the node is not the primary. */
static int move(struct run *run)
{
    run->moving = false;
    if (!has_patience(run))
        return ctl_failed(run->ctl, STOCKD_REFUSED);
    if (pipeline_reconnect(run->ctl->client, PATIENCE_MS) != CTL_DONE)
        return ctl_failed(run->ctl, STOCKD_E_CONNECT);
    return CTL_DONE;
}

static bool more_to_send(const struct run *run)
{
    return !run->stopped && (run->back_count > 0 || run->again_first < run->again_count ||
                             run->next < run->plan->count);
}

static int fill_window(struct run *run)
{
    if (run->back_count > 0 && run->flying > 0)
        return CTL_DONE;
    if (run->back_count > 0 && !run->stopped) {
        int failed = run->moving ? move(run) : CTL_DONE;
        if (failed != CTL_DONE)
            return failed;
        if (run->away_ms == 0)
            pause_ms(PAUSE_MS);
        send_again(run);
    }
    while (run->flying < run->window && more_to_send(run)) {
        bool repeat = run->again_first < run->again_count;
        size_t number = repeat ? run->again[run->again_first++] : run->next++;
        stockd_pack_reset(&run->pack);
        const char *method = run->plan->pack(run->plan->context, number, &run->pack);
        int status = stockd_send(run->ctl->client, method, run->pack.data, run->pack.len, NULL);
        if (status == STOCKD_E_AGAIN && run->flying > 0) { /* long requests: no room for it yet */
            run->again_first -= repeat;
            run->next -= !repeat;
            return CTL_DONE;
        }
        run->flight[(run->first + run->flying++) % WINDOW] = number;
        if (status != STOCKD_OK)
            return recover(run, status);
    }
    return CTL_DONE;
}

/* A full id table may take minutes to have room again; nobody should wonder why nothing moves. */
static void note_busy(struct run *run, const stockd_reply *reply)
{
    uint64_t now = clock_ms();

    if (run->busy_ms == 0)
        run->busy_ms = now;
    if (run->told || now - run->busy_ms < TELL_AFTER_MS)
        return;
    run->told = true;
    progress_clear(&run->progress);
    char *message = text_clean(reply->message, strlen(reply->message));
    fprintf(stderr, "stockctl: waiting, because the engine is overloaded: %s\n", message);
    free(message);
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
        note_busy(run, &reply);
        put_back(run, number);
        return CTL_DONE;
    }
    if (status == STOCKD_REFUSED && !run->stopped && stockd_follow(run->ctl->client, &reply)) {
        run->moving = true;
        put_back(run, number);
        return CTL_DONE;
    }
    run->busy_ms = run->away_ms = 0;
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
    run.flight = must_alloc(WINDOW, sizeof(*run.flight));
    run.again = must_alloc(WINDOW, sizeof(*run.again));
    run.back = must_alloc(WINDOW, sizeof(*run.back));
    stockd_pack_init(&run.pack, NULL, 0);
    progress_start(&run.progress, ctl->quiet ? NULL : plan->label, plan->count);
    while (failed == CTL_DONE && (more_to_send(&run) || run.flying > 0)) {
        failed = fill_window(&run);
        if (failed == CTL_DONE && run.flying > 0)
            failed = take_response(&run);
    }
    progress_clear(&run.progress);
    stockd_pack_free(&run.pack);
    free(run.flight);
    free(run.again);
    free(run.back);
    return failed;
}
