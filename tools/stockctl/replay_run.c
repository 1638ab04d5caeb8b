/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_run.c - sends the orders of a replay over one or more connections.
 *
 * An order is a reserve and, once that was accepted, confirm and fulfil together; or a return for
 * each line, all together. Sending confirm before the reserve's reply would be quicker, but if the
 * id belonged to another client's reservation, that one would be shipped. Each connection holds up
 * to `pipeline` orders; with one connection and one order the replay is strictly sequential.
 *
 * A lost connection puts its orders back, to be sent again from their first request: every request
 * has its own id, or changes nothing when repeated.
 */
#include "tools/stockctl/replay.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SILENCE_MS 30000 /* with orders in flight and no reply for so long, the engine is gone */

enum { STEP_RESERVE, STEP_CONFIRM, STEP_FULFIL };

struct flight {
    size_t order;
    size_t unanswered; /* requests; 0: the slot is free */
    bool overloaded;
    char code[CODE_SIZE]; /* the refusal that decides; "" while there is none */
};

/* A request without a reply yet. Replies come in the order of the requests. */
struct request {
    size_t place; /* index of its order in flight */
    size_t step;
};

struct connection {
    stockd_client *client;
    bool borrowed;           /* it belongs to ctl */
    struct flight *flight;   /* `pipeline` slots */
    size_t flights;          /* of them, in use */
    struct request *request; /* a ring */
    size_t capacity;
    size_t first;
    size_t count;
};

struct runner {
    struct replay *replay;
    struct connection *connection;
    struct pollfd *poll;
    size_t *again; /* a stack of orders to send again */
    size_t again_count;
    size_t next;
    size_t flying;
    size_t finished;
    uint64_t heard_ms; /* when the last reply came */
    stockd_pack pack;
    struct progress progress;
};

/* ---- Requests ------------------------------------------------------------------------------ */

static void pack_reserve(const struct runner *run, const struct replay_order *order,
                         stockd_pack *pack)
{
    stockd_pack_array(pack, 3);
    stockd_pack_str(pack, order->id);
    stockd_pack_str(pack, order->channel);
    stockd_pack_array(pack, order->lines);
    for (size_t i = 0; i < order->lines; i++) {
        const struct replay_line *line = &run->replay->line[order->first + i];
        stockd_pack_array(pack, line->location != NULL ? 3 : 2);
        stockd_pack_str(pack, line->sku);
        stockd_pack_i64(pack, line->qty);
        if (line->location != NULL)
            stockd_pack_str(pack, line->location);
    }
}

static void pack_return(const struct runner *run, const struct replay_order *order, size_t step,
                        stockd_pack *pack)
{
    const struct replay_line *line = &run->replay->line[order->first + step];
    char id[STOCKD_ID_MAX + 1];

    snprintf(id, sizeof(id), "%s#%zu", order->id, step + 1);
    stockd_pack_array(pack, 4);
    stockd_pack_str(pack, id);
    stockd_pack_str(pack, line->sku);
    stockd_pack_str(pack, line->location);
    stockd_pack_i64(pack, line->qty);
}

static const char *pack_step(struct runner *run, const struct replay_order *order, size_t step)
{
    stockd_pack_reset(&run->pack);
    if (order->is_return) {
        pack_return(run, order, step, &run->pack);
        return "return";
    }
    if (step == STEP_RESERVE) {
        pack_reserve(run, order, &run->pack);
        return "reserve";
    }
    stockd_pack_array(&run->pack, 1);
    stockd_pack_str(&run->pack, order->id);
    return step == STEP_CONFIRM ? "confirm" : "fulfil";
}

/* ---- Which order is next -------------------------------------------------------------------- */

static bool next_order(struct runner *run, size_t *number)
{
    struct replay *replay = run->replay;
    enum outcome outcome;
    const char *code;

    if (run->again_count > 0) {
        *number = run->again[--run->again_count];
        return true;
    }
    while (run->next < replay->orders) {
        *number = run->next++;
        if (replay->log == NULL || !replay_log_has(replay, *number, &outcome, &code))
            return true;
        replay->tally.resumed++;
        run->finished++;
        replay_count(replay, *number, outcome, code);
    }
    return false;
}

static void put_back(struct runner *run, size_t number)
{
    assert(run->again_count < run->replay->connections * run->replay->pipeline);
    run->again[run->again_count++] = number;
}

/* ---- One connection ------------------------------------------------------------------------- */

/* After a loss, or a refusal by a node that is not the primary: orders under way begin again, and
 * the ids of their steps keep anything from being done twice. */
static int recover(struct runner *run, struct connection *connection, int status)
{
    struct ctl *ctl = run->replay->ctl;
    bool moved = status == STOCKD_REFUSED;
    bool lost = status == STOCKD_E_CLOSED || status == STOCKD_E_TIMEOUT || moved;

    progress_clear(&run->progress);
    if (lost && !moved)
        fprintf(stderr, "stockctl: %s: connection lost; reconnecting\n", ctl->server);
    if (!lost || pipeline_reconnect(connection->client, run->replay->patience_ms) != CTL_DONE)
        return ctl_lost(ctl, connection->client, status);
    for (size_t i = 0; i < run->replay->pipeline; i++) {
        if (connection->flight[i].unanswered == 0)
            continue;
        put_back(run, connection->flight[i].order);
        connection->flight[i].unanswered = 0;
    }
    run->flying -= connection->flights;
    connection->flights = 0;
    connection->count = 0;
    if (!moved) /* or it would wait forever for a primary */
        run->heard_ms = clock_ms();
    return CTL_DONE;
}

static void grow_ring(struct connection *connection)
{
    size_t capacity = connection->capacity > 0 ? connection->capacity * 2 : 16;
    struct request *ring = must_alloc(capacity, sizeof(*ring));

    for (size_t i = 0; i < connection->count; i++)
        ring[i] = connection->request[(connection->first + i) % connection->capacity];
    free(connection->request);
    connection->request = ring;
    connection->capacity = capacity;
    connection->first = 0;
}

/* A status of the client library; the request counts as sent in any case. */
static int send_step(struct runner *run, struct connection *connection, size_t place, size_t step)
{
    struct flight *flight = &connection->flight[place];
    const char *method = pack_step(run, &run->replay->order[flight->order], step);

    if (connection->count == connection->capacity)
        grow_ring(connection);
    connection->request[(connection->first + connection->count++) % connection->capacity] =
        (struct request){ .place = place, .step = step };
    flight->unanswered++;
    return stockd_send(connection->client, method, run->pack.data, run->pack.len, NULL);
}

static int start_order(struct runner *run, struct connection *connection, size_t number)
{
    const struct replay_order *order = &run->replay->order[number];
    size_t requests = order->is_return ? order->lines : 1;
    size_t place = 0;
    int status = STOCKD_OK;

    while (connection->flight[place].unanswered > 0)
        place++;
    connection->flight[place] = (struct flight){ .order = number };
    connection->flights++;
    run->flying++;
    for (size_t step = 0; step < requests && status == STOCKD_OK; step++)
        status = send_step(run, connection, place, step);
    return status == STOCKD_OK ? CTL_DONE : recover(run, connection, status);
}

static int fill(struct runner *run, struct connection *connection)
{
    size_t number;

    while (connection->flights < run->replay->pipeline && next_order(run, &number)) {
        int failed = start_order(run, connection, number);
        if (failed != CTL_DONE)
            return failed;
    }
    return CTL_DONE;
}

/* ---- Answers --------------------------------------------------------------------------------- */

/*
 * The first refusal decides, and later ones follow from it, with one exception: confirming again
 * what an earlier run fulfilled is wrong_state, which means nothing.
 */
static void note_refusal(struct flight *flight, bool is_return, size_t step, const char *code)
{
    if (strcmp(code, "overloaded") == 0)
        flight->overloaded = true;
    else if (flight->code[0] == '\0' && (is_return || step != STEP_CONFIRM))
        snprintf(flight->code, sizeof(flight->code), "%s", code);
}

static int finish_order(struct runner *run, struct connection *connection,
                        const struct flight *flight)
{
    const struct replay_order *order = &run->replay->order[flight->order];

    connection->flights--;
    run->flying--;
    if (flight->overloaded) {
        put_back(run, flight->order);
        poll(NULL, 0, 5); /* the engine asked for a pause */
        return CTL_DONE;
    }
    enum outcome outcome = order->is_return ? OUTCOME_RETURNED : OUTCOME_FULFILLED;
    if (flight->code[0] != '\0')
        outcome = OUTCOME_REFUSED;
    run->finished++;
    progress_show(&run->progress, run->finished);
    return replay_finish(run->replay, flight->order, outcome, flight->code);
}

static int stop_at(struct runner *run, const struct replay_order *order, const stockd_reply *reply)
{
    progress_clear(&run->progress);
    fprintf(stderr, "stockctl: %s: line %zu: stopped at order '%s'\n", run->replay->path,
            order->file_line, order->id);
    return ctl_refused(run->replay->ctl, reply);
}

static int take_answer(struct runner *run, struct connection *connection, const stockd_reply *reply)
{
    assert(connection->count > 0);
    struct request request = connection->request[connection->first];
    struct flight *flight = &connection->flight[request.place];
    const struct replay_order *order = &run->replay->order[flight->order];
    int status = STOCKD_OK;

    connection->first = (connection->first + 1) % connection->capacity;
    connection->count--;
    if (reply->code != NULL && stockd_follow(connection->client, reply))
        return recover(run, connection, STOCKD_REFUSED);
    run->heard_ms = clock_ms();
    if (reply->code != NULL && ctl_is_fatal(reply->code))
        return stop_at(run, order, reply);
    if (reply->code != NULL) {
        note_refusal(flight, order->is_return, request.step, reply->code);
    } else if (!order->is_return && request.step == STEP_RESERVE) {
        status = send_step(run, connection, request.place, STEP_CONFIRM);
        if (status == STOCKD_OK)
            status = send_step(run, connection, request.place, STEP_FULFIL);
    }
    if (status != STOCKD_OK)
        return recover(run, connection, status);
    assert(flight->unanswered > 0);
    flight->unanswered--;
    return flight->unanswered == 0 ? finish_order(run, connection, flight) : CTL_DONE;
}

static int drain(struct runner *run, struct connection *connection)
{
    stockd_reply reply;

    for (;;) {
        int status = stockd_try_receive(connection->client, &reply);
        if (status == STOCKD_E_AGAIN)
            return CTL_DONE;
        if (status < 0)
            return recover(run, connection, status);
        int failed = take_answer(run, connection, &reply);
        if (failed != CTL_DONE || connection->flights == 0)
            return failed;
    }
}

/* ---- All of them ------------------------------------------------------------------------------
 */

/* Sends what there is room for, on every connection. */
static int send_orders(struct runner *run)
{
    for (size_t i = 0; i < run->replay->connections; i++) {
        struct connection *connection = &run->connection[i];
        int failed = fill(run, connection);
        if (failed != CTL_DONE)
            return failed;
        int status = connection->flights > 0 ? stockd_try_flush(connection->client) : STOCKD_OK;
        if (status != STOCKD_OK && status != STOCKD_E_AGAIN)
            failed = recover(run, connection, status);
        if (failed != CTL_DONE)
            return failed;
    }
    return CTL_DONE;
}

static int wait_for_answers(struct runner *run)
{
    size_t connections = run->replay->connections;

    for (size_t i = 0; i < connections; i++) {
        stockd_client *client = run->connection[i].client;
        short events = stockd_wants_write(client) ? POLLIN | POLLOUT : POLLIN;
        bool idle = run->connection[i].flights == 0; /* poll ignores a negative descriptor */
        run->poll[i] = (struct pollfd){ .fd = idle ? -1 : stockd_fd(client), .events = events };
    }
    if (poll(run->poll, connections, 1000) < 0 && errno != EINTR)
        return ctl_error(run->replay->ctl, CTL_UNREACHABLE, "unreachable", "poll: %s",
                         strerror(errno));
    if (clock_ms() - run->heard_ms > SILENCE_MS)
        return ctl_error(run->replay->ctl, CTL_UNREACHABLE, "unreachable",
                         "%s: no reply for %d seconds", run->replay->ctl->server,
                         SILENCE_MS / 1000);
    return CTL_DONE;
}

static int receive_answers(struct runner *run)
{
    for (size_t i = 0; i < run->replay->connections; i++) {
        struct connection *connection = &run->connection[i];
        if (connection->flights == 0 || run->poll[i].revents == 0)
            continue;
        int failed = drain(run, connection);
        if (failed != CTL_DONE)
            return failed;
    }
    return CTL_DONE;
}

static int run_all(struct runner *run)
{
    run->heard_ms = clock_ms();
    for (;;) {
        int failed = send_orders(run);
        if (failed == CTL_DONE && run->flying == 0 && run->again_count == 0)
            return CTL_DONE;
        if (failed == CTL_DONE)
            failed = wait_for_answers(run);
        if (failed == CTL_DONE)
            failed = receive_answers(run);
        if (failed != CTL_DONE)
            return failed;
    }
}

static int open_connections(struct runner *run)
{
    struct ctl *ctl = run->replay->ctl;
    size_t pipeline = run->replay->pipeline;
    const stockd_options options = ctl_options(ctl);

    for (size_t i = 0; i < run->replay->connections; i++) {
        struct connection *connection = &run->connection[i];
        connection->flight = must_alloc(pipeline, sizeof(*connection->flight));
        connection->borrowed = i == 0;
        if (connection->borrowed) {
            connection->client = ctl->client;
            continue;
        }
        int status = stockd_connect(&connection->client, ctl->server, &options);
        if (status != STOCKD_OK)
            return ctl_lost(ctl, connection->client, status);
    }
    return CTL_DONE;
}

int replay_run(struct replay *replay)
{
    struct runner run = { .replay = replay };

    run.connection = must_alloc(replay->connections, sizeof(*run.connection));
    run.poll = must_alloc(replay->connections, sizeof(*run.poll));
    run.again = must_alloc(replay->connections * replay->pipeline, sizeof(*run.again));
    stockd_pack_init(&run.pack, NULL, 0);
    progress_start(&run.progress, "replay", replay->orders);
    int failed = open_connections(&run);
    if (failed == CTL_DONE)
        failed = run_all(&run);
    progress_clear(&run.progress);
    stockd_pack_free(&run.pack);
    for (size_t i = 0; i < replay->connections; i++) {
        if (!run.connection[i].borrowed)
            stockd_close(run.connection[i].client);
        free(run.connection[i].flight);
        free(run.connection[i].request);
    }
    free(run.connection);
    free(run.poll);
    free(run.again);
    return failed;
}
