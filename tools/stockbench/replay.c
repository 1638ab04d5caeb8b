/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tools/stockbench/stream.h"

enum { MAX_EVENTS = 64, STALL_MS = 20000, LOOK_NS = 10000000, PARAMS_BYTES = 160 };

/* A connection's requests without a reply yet: replies come in this order. */
struct step {
    size_t order;
    enum ask ask;
    size_t line; /* of a return */
    uint64_t units;
    bool last; /* of its order, if it is done */
    struct step *next;
};

struct lane {
    stockd_client *client;
    struct step *first, **end;
    size_t under_way; /* orders */
    uint32_t events;  /* for which epoll watches */
    struct moving moving;
};

struct replay {
    const struct options *options;
    const struct orders *orders;
    struct result *result;
    struct progress *progress;
    struct lane *lanes;
    struct step *unused;
    uint64_t *begun; /* of each order; ns */
    size_t next;     /* order */
    size_t next_lane;
    size_t finished;     /* orders */
    size_t lost;         /* lanes without a connection */
    bool blocked;        /* all connections have a full window ... */
    uint64_t free_since; /* ... and when that last ended; ns */
    uint64_t start;
    int epoll;
};

/* The connection is lost, or its node not the primary. False: there is no other. */
static bool failed(const struct replay *replay, struct lane *lane)
{
    if (moving_possible(replay->options->address)) {
        if (lane->moving.lost)
            return true;
        moving_lost(&lane->moving, result_now());
        if (lane->events && stockd_fd(lane->client) >= 0)
            (void)epoll_ctl(replay->epoll, EPOLL_CTL_DEL, stockd_fd(lane->client), NULL);
        lane->events = 0;
        return true;
    }
    fprintf(stderr, "stockbench: %s\n", stockd_error_message(lane->client));
    return false;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static bool add_step(struct replay *replay, struct lane *lane, const struct step *what)
{
    struct step *step = replay->unused;

    if (step)
        replay->unused = step->next;
    else if (!(step = malloc(sizeof *step)))
        return broke_off("replay", "out of memory");
    *step = *what;
    step->next = NULL;
    *lane->end = step;
    lane->end = &step->next;
    return true;
}

/* The order's id in this run, followed by a line's number for a return. */
static void put_id(stockd_pack *pack, const struct order *order, size_t line)
{
    char id[STOCKD_ID_MAX + 1];

    if (order->is_return)
        snprintf(id, sizeof id, "%s-%s#%zu", traffic_run(), order->id, line % 1000);
    else
        snprintf(id, sizeof id, "%s-%s", traffic_run(), order->id);
    stockd_pack_str(pack, id);
}

static const char *pack_reserve(const struct replay *replay, const struct step *step,
                                stockd_pack *pack)
{
    const struct order *order = &replay->orders->order[step->order];
    const struct order_line *line = &replay->orders->line[order->first];

    stockd_pack_array(pack, 3);
    put_id(pack, order, 0);
    stockd_pack_str(pack, order->channel);
    stockd_pack_array(pack, order->lines);
    for (size_t i = 0; i < order->lines; i++) {
        stockd_pack_array(pack, line[i].location ? 3 : 2);
        stockd_pack_str(pack, line[i].sku);
        stockd_pack_i64(pack, line[i].qty);
        if (line[i].location)
            stockd_pack_str(pack, line[i].location);
    }
    return "reserve";
}

static const char *pack_return(const struct replay *replay, const struct step *step,
                               stockd_pack *pack)
{
    const struct order *order = &replay->orders->order[step->order];
    const struct order_line *line = &replay->orders->line[order->first + step->line];

    stockd_pack_array(pack, 4);
    put_id(pack, order, step->line);
    stockd_pack_str(pack, line->sku);
    stockd_pack_str(pack, line->location ? line->location : "main");
    stockd_pack_i64(pack, line->qty);
    return "return";
}

/* Returns the method. */
static const char *pack_request(const struct replay *replay, const struct step *step,
                                stockd_pack *pack)
{
    if (step->ask == ASK_RESERVE)
        return pack_reserve(replay, step, pack);
    if (step->ask == ASK_RETURN)
        return pack_return(replay, step, pack);
    stockd_pack_array(pack, 1);
    put_id(pack, &replay->orders->order[step->order], 0);
    return ask_name(step->ask);
}

/* The same step gives the same request each time, so it may be sent again. */
static bool send_step(struct replay *replay, struct lane *lane, const struct step *step)
{
    stockd_pack pack;

    stockd_pack_init(&pack, NULL, 0);
    const char *method = pack_request(replay, step, &pack);
    bool sent = lane->moving.lost ||
                stockd_send(lane->client, method, pack.data, pack.len, NULL) == STOCKD_OK;
    stockd_pack_free(&pack);
    return sent || failed(replay, lane);
}

static bool ask(struct replay *replay, struct lane *lane, const struct step *step)
{
    return add_step(replay, lane, step) && send_step(replay, lane, step);
}

static bool ask_reserve(struct replay *replay, struct lane *lane, size_t number)
{
    const struct order *order = &replay->orders->order[number];
    struct step step = { .order = number, .ask = ASK_RESERVE };

    for (size_t i = 0; i < order->lines; i++)
        step.units += replay->orders->line[order->first + i].qty;
    return ask(replay, lane, &step);
}

static bool ask_returns(struct replay *replay, struct lane *lane, size_t number)
{
    const struct order *order = &replay->orders->order[number];

    for (size_t i = 0; i < order->lines; i++) {
        struct step step = { .order = number,
                             .ask = ASK_RETURN,
                             .line = i,
                             .units = replay->orders->line[order->first + i].qty,
                             .last = i + 1 == order->lines };

        if (!ask(replay, lane, &step))
            return false;
    }
    return true;
}

static bool ask_step(struct replay *replay, struct lane *lane, const struct step *before,
                     enum ask what)
{
    struct step step = {
        .order = before->order, .ask = what, .units = before->units, .last = what == ASK_FULFIL
    };

    return ask(replay, lane, &step);
}

/* ---- Replies --------------------------------------------------------------------------------- */

static void finish_order(struct replay *replay, struct lane *lane, const struct step *step)
{
    histogram_add(&replay->result->latency, result_now() - replay->begun[step->order], 1);
    replay->result->messages++;
    replay->finished++;
    lane->under_way--;
    if (replay->blocked)
        replay->free_since = result_now();
    replay->blocked = false;
}

static void note_refused(struct replay *replay, const struct step *step, const stockd_reply *reply)
{
    unsigned char bytes[PARAMS_BYTES];
    stockd_pack pack;

    stockd_pack_init(&pack, bytes, sizeof bytes);
    stockd_pack_array(&pack, 2);
    stockd_pack_str(&pack, reply->code);
    stockd_pack_str_n(&pack, reply->message, strnlen(reply->message, PARAMS_BYTES / 2));
    result_note_error(replay->result, step->ask, (stockd_value){ pack.data, pack.len }, true);
}

static bool take_reply(struct replay *replay, struct lane *lane, const stockd_reply *reply)
{
    struct step *step = lane->first;
    bool more = true;

    lane->first = step->next;
    if (!lane->first)
        lane->end = &lane->first;
    if (reply->code) {
        note_refused(replay, step, reply);
        /* A refused return does not stop its other lines. */
        if (step->ask != ASK_RETURN || step->last)
            finish_order(replay, lane, step);
    } else {
        replay->result->done[step->ask]++;
        replay->result->units[step->ask] += step->units;
        if (step->ask == ASK_RESERVE)
            more = ask_step(replay, lane, step, ASK_CONFIRM);
        else if (step->ask == ASK_CONFIRM)
            more = ask_step(replay, lane, step, ASK_FULFIL);
        else if (step->last)
            finish_order(replay, lane, step);
    }
    step->next = replay->unused;
    replay->unused = step;
    return more;
}

static bool receive(struct replay *replay, struct lane *lane)
{
    stockd_reply reply;
    int rc;

    if (lane->moving.lost)
        return true;
    while ((rc = stockd_try_receive(lane->client, &reply)) == STOCKD_OK || rc == STOCKD_REFUSED) {
        if (!lane->first)
            return broke_off("a reply without a request", replay->options->address);
        if (moving_possible(replay->options->address) && stockd_follow(lane->client, &reply))
            return failed(replay, lane);
        moving_served(&lane->moving);
        if (!take_reply(replay, lane, &reply))
            return false;
    }
    return rc == STOCKD_E_AGAIN || failed(replay, lane);
}

/* ---- The loop -------------------------------------------------------------------------------- */

/* When order number next is due; 0: as soon as there is room. */
static uint64_t due(const struct replay *replay)
{
    double ms = (double)replay->orders->order[replay->next].time_ms;

    if (replay->options->speed == 0)
        return 0;
    return replay->start + (uint64_t)(ms * 1e6 / replay->options->speed);
}

/* The next connection with room for an order; NULL: none. */
static struct lane *free_lane(struct replay *replay)
{
    for (size_t i = 0; i < replay->options->connections; i++) {
        struct lane *lane = &replay->lanes[replay->next_lane];

        replay->next_lane = (replay->next_lane + 1) % replay->options->connections;
        if (!lane->moving.lost && lane->under_way < replay->options->window)
            return lane;
    }
    return NULL;
}

/* Begins what is due; *wait is then the time until the next is, at most LOOK_NS. */
static bool begin_orders(struct replay *replay, uint64_t *wait)
{
    *wait = LOOK_NS;
    while (replay->next < replay->orders->count) {
        uint64_t now = result_now();
        uint64_t at = due(replay);
        size_t number = replay->next;

        if (at > now) {
            *wait = at - now < *wait ? at - now : *wait;
            return true;
        }
        struct lane *lane = free_lane(replay);
        if (!lane) {
            replay->blocked = true;
            return true;
        }
        if (at > 0) {
            uint64_t from = at > replay->free_since ? at : replay->free_since;

            histogram_add(&replay->result->slip, now > from ? now - from : 0, 1);
        }
        replay->begun[number] = at > 0 ? at : now;
        replay->next++;
        lane->under_way++;
        if (!(replay->orders->order[number].is_return ? ask_returns(replay, lane, number)
                                                      : ask_reserve(replay, lane, number)))
            return false;
    }
    return true;
}

/* Those whose connection is lost go on at another node, with all that was not answered. */
static bool move_all(struct replay *replay)
{
    replay->lost = 0;
    for (size_t i = 0; i < replay->options->connections; i++) {
        struct lane *lane = &replay->lanes[i];
        enum moved moved = MOVED_NOT_YET;

        if (lane->moving.lost)
            moved = moving_try(&lane->moving, lane->client, result_now());
        if (moved == MOVED_NOWHERE)
            return false;
        replay->lost += lane->moving.lost;
        if (moved == MOVED_NOT_YET)
            continue;
        replay->result->moves++;
        for (const struct step *step = lane->first; step; step = step->next) {
            replay->result->resent++;
            if (!send_step(replay, lane, step))
                return false;
        }
    }
    return true;
}

/* Writes what is buffered, and watches for the events that each connection waits for. */
static bool flush_all(struct replay *replay)
{
    for (size_t i = 0; i < replay->options->connections; i++) {
        struct lane *lane = &replay->lanes[i];
        bool writes = !lane->moving.lost && stockd_wants_write(lane->client);
        int rc = writes ? stockd_try_flush(lane->client) : STOCKD_OK;
        uint32_t events = EPOLLIN | (stockd_wants_write(lane->client) ? EPOLLOUT : 0);
        struct epoll_event event = { .events = events, .data.ptr = lane };

        if (lane->moving.lost)
            continue;
        if (rc != STOCKD_OK && rc != STOCKD_E_AGAIN)
            return failed(replay, lane);
        if (events == lane->events)
            continue;
        if (epoll_ctl(replay->epoll, lane->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                      stockd_fd(lane->client), &event) < 0)
            return broke_off("epoll_ctl", strerror(errno));
        lane->events = events;
    }
    return true;
}

static bool run(struct replay *replay)
{
    struct epoll_event events[MAX_EVENTS];
    uint64_t last = result_now();
    uint64_t wait;

    replay->start = last;
    while (replay->finished < replay->orders->count) {
        if (!move_all(replay) || !begin_orders(replay, &wait) || !flush_all(replay))
            return false;
        struct timespec limit = { .tv_nsec = (long)wait };
        int n = epoll_pwait2(replay->epoll, events, MAX_EVENTS, &limit, NULL);
        uint64_t now = result_now();

        if (n < 0 && errno != EINTR)
            return broke_off("epoll_pwait2", strerror(errno));
        for (int i = 0; i < n; i++) {
            if (!receive(replay, events[i].data.ptr))
                return false;
        }
        if (n > 0 || replay->finished == replay->next || replay->lost > 0)
            last = now;
        progress_tick(replay->progress, "replaying", replay->finished, now);
        if (now - last > (uint64_t)STALL_MS * 1000000)
            return broke_off("no reply has come for 20 s", replay->options->address);
    }
    return true;
}

static void free_steps(struct step *step)
{
    while (step) {
        struct step *next = step->next;

        free(step);
        step = next;
    }
}

/* False: no memory, which it has reported. */
static bool start(struct replay *replay, stockd_client *const *clients)
{
    traffic_init();
    replay->begun = calloc(replay->orders->count, sizeof *replay->begun);
    replay->lanes = calloc(replay->options->connections, sizeof *replay->lanes);
    replay->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!replay->begun || !replay->lanes || replay->epoll < 0) {
        broke_off("replay", "out of memory or files");
        return false;
    }
    for (size_t i = 0; i < replay->options->connections; i++)
        replay->lanes[i] = (struct lane){ .client = clients[i], .end = &replay->lanes[i].first };
    return true;
}

static void stop(struct replay *replay)
{
    for (size_t i = 0; replay->lanes && i < replay->options->connections; i++)
        free_steps(replay->lanes[i].first);
    free_steps(replay->unused);
    free(replay->lanes);
    free(replay->begun);
    if (replay->epoll >= 0)
        close(replay->epoll);
}

bool replay_run(const struct options *options, const struct orders *orders,
                stockd_client *const *clients, struct progress *progress, struct result *result)
{
    struct replay replay = {
        .options = options, .orders = orders, .result = result, .progress = progress
    };
    double cpu = result_cpu();
    bool done = start(&replay, clients) && run(&replay);

    result->seconds = (double)(result_now() - replay.start) / 1e9;
    result->cpu_seconds = result_cpu() - cpu;
    stop(&replay);
    return done;
}
