/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-postgres: loads a PostgreSQL whose tables are those of schema.sql.
 *
 *   bench-postgres --server CONNINFO ...        (see peer.c)
 *
 * As fast as a client can be: one prepared statement does all of a reserve in one round trip and
 * one commit; libpq's pipeline mode, each statement in its own transaction; one thread with epoll
 * over all connections.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bench/peers/peer.h"

enum { MAX_EVENTS = 64 };

/* The UPDATE decides under the row's lock; nothing is inserted if it finds too little. A repeated
 * id fails on the primary key, and its units stay where they were. */
static const char reserve[] =
    "WITH taken AS (UPDATE items SET available = available - $3::int"
    " WHERE sku = $2 AND available >= $3::int RETURNING sku)"
    " INSERT INTO reservations SELECT $1, sku, $3::int, 'held', now() + interval '15 minutes'"
    " FROM taken";

static const char cancel[] = "WITH gone AS (UPDATE reservations SET state = 'cancelled'"
                             " WHERE id = $1 AND state = 'held' RETURNING sku, quantity)"
                             " UPDATE items SET available = available + gone.quantity FROM gone"
                             " WHERE items.sku = gone.sku";

struct connection {
    PGconn *postgres;
    struct peer_script script;
    unsigned in_flight;
    unsigned first; /* of times */
    uint64_t *times;
    bool writing; /* epoll watches for room to write */
};

static struct peer_options options;
static struct peer_result result;
static struct connection connections[PEER_MAX_CONNECTIONS];
static bool measuring;
static int epoll_fd;

static void prepare(PGconn *postgres, const char *name, const char *text)
{
    PGresult *done = PQprepare(postgres, name, text, 0, NULL);

    if (PQresultStatus(done) != PGRES_COMMAND_OK)
        peer_die(name, PQerrorMessage(postgres));
    PQclear(done);
}

static void watch(struct connection *connection, int operation, bool writing)
{
    struct epoll_event event = { .events = EPOLLIN | (writing ? EPOLLOUT : 0),
                                 .data.ptr = connection };

    connection->writing = writing;
    if (epoll_ctl(epoll_fd, operation, PQsocket(connection->postgres), &event) < 0)
        peer_die("epoll_ctl", strerror(errno));
}

static void open_connection(struct connection *connection, unsigned number)
{
    PGconn *postgres = PQconnectdb(options.address);

    if (PQstatus(postgres) != CONNECTION_OK)
        peer_die("postgres", PQerrorMessage(postgres));
    prepare(postgres, "reserve", reserve);
    prepare(postgres, "cancel", cancel);
    if (!PQenterPipelineMode(postgres) || PQsetnonblocking(postgres, 1) != 0)
        peer_die("pipeline mode", PQerrorMessage(postgres));
    connection->postgres = postgres;
    connection->times = calloc(options.window, sizeof *connection->times);
    if (!connection->times)
        peer_die("memory", "none left");
    peer_script_start(&connection->script, &options, number);
    watch(connection, EPOLL_CTL_ADD, false);
}

static void send_next(struct connection *connection)
{
    struct peer_script *script = &connection->script;
    bool is_reserve = peer_script_next(script, &options);
    const char *const values[] = { script->id, script->sku, "1" };

    if (!PQsendQueryPrepared(connection->postgres, is_reserve ? "reserve" : "cancel",
                             is_reserve ? 3 : 1, values, NULL, NULL, 0) ||
        !PQpipelineSync(connection->postgres))
        peer_die("send", PQerrorMessage(connection->postgres));
}

static void flush(struct connection *connection)
{
    int rc = PQflush(connection->postgres);

    if (rc < 0)
        peer_die("write", PQerrorMessage(connection->postgres));
    if (connection->writing != (rc == 1))
        watch(connection, EPOLL_CTL_MOD, rc == 1);
}

static void refill(struct connection *connection, uint64_t now)
{
    while (connection->in_flight < options.window) {
        send_next(connection);
        connection->times[(connection->first + connection->in_flight++) % options.window] = now;
    }
    flush(connection);
}

static void note_result(const struct connection *connection, PGresult *done)
{
    bool good = PQresultStatus(done) == PGRES_COMMAND_OK && strcmp(PQcmdTuples(done), "1") == 0;

    if (!good && result.errors++ == 0)
        fprintf(stderr, "bench-postgres: %s rows, %s\n", PQcmdTuples(done),
                PQerrorMessage(connection->postgres));
}

static void note_end(struct connection *connection, uint64_t now)
{
    if (measuring) {
        result.messages++;
        histogram_add(&result.latency, now - connection->times[connection->first], 1);
    }
    connection->first = (connection->first + 1) % options.window;
    connection->in_flight--;
}

static void receive(struct connection *connection)
{
    if (!PQconsumeInput(connection->postgres))
        peer_die("read", PQerrorMessage(connection->postgres));
    uint64_t now = peer_now();
    while (connection->in_flight > 0 && !PQisBusy(connection->postgres)) {
        PGresult *done = PQgetResult(connection->postgres);

        if (!done)
            continue; /* between a statement's results and its sync */
        if (PQresultStatus(done) == PGRES_PIPELINE_SYNC)
            note_end(connection, now);
        else
            note_result(connection, done);
        PQclear(done);
    }
    refill(connection, now);
}

static void run_for(double seconds)
{
    uint64_t end = peer_now() + (uint64_t)(seconds * 1e9);
    struct epoll_event events[MAX_EVENTS];

    while (peer_now() < end) {
        int n = epoll_wait(epoll_fd, events, MAX_EVENTS, 10);

        for (int i = 0; i < n; i++) {
            if (events[i].events & EPOLLOUT)
                flush(events[i].data.ptr);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                receive(events[i].data.ptr);
        }
    }
}

int main(int argc, char **argv)
{
    peer_parse(&options, "postgres", argc, argv);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < options.connections; i++)
        open_connection(&connections[i], i);
    for (unsigned i = 0; i < options.connections; i++)
        refill(&connections[i], peer_now());
    run_for(options.warmup);
    double cpu = peer_cpu();
    uint64_t begin = peer_now();
    measuring = true;
    run_for(options.seconds);
    result.seconds = (double)(peer_now() - begin) / 1e9;
    result.cpu_seconds = peer_cpu() - cpu;
    peer_report(&options, &result);
    for (unsigned i = 0; i < options.connections; i++) {
        PQfinish(connections[i].postgres);
        free(connections[i].times);
    }
    return result.errors > 0;
}
