/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/worker_greet.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "protocol/worker_access.h"
#include "protocol/worker_end.h"
#include "protocol/worker_io.h"

enum {
    STEPS = 8,          /* in an iteration, at most */
    STEPS_NS = 1000000, /* after so long none is begun */
    HALVES = 1024,      /* that wait for their peers in the middle, each with some tens of KB */
    SAY_EACH_MS = 10000,
};

void worker_begin_greeting(struct worker *worker, struct connection *connection)
{
    if (connection->link.greeting == GREETING_DONE)
        return;
    connection->greeting_since_ms = worker->now.steady_ms;
    list_add(&worker->lists, LIST_GREETING, connection);
}

void worker_greeting_ready(struct worker *worker, struct connection *connection)
{
    assert(connection->link.greeting == GREETING_READY);
    list_remove(&worker->lists, LIST_GREET_HALF, connection);
    list_add(&worker->lists, LIST_GREET_READY, connection);
}

/* A line now and then: anybody can make many. */
static void note_failed(struct worker *worker, const struct connection *connection, const char *why)
{
    const struct shared *shared = worker->shared;
    char peer[128], line[384];
    metric_add(&worker->executor.metrics->handshakes_failed, 1);
    worker->greetings_unsaid++;
    if (worker->now.steady_ms < worker->greeting_say_ms || !shared->say)
        return;
    link_transport(&connection->link)->name_peer(&connection->link, peer, sizeof peer);
    snprintf(line, sizeof line, "no TLS with %s: %s (%" PRIu64 " failed since the last such line)",
             peer, why, worker->greetings_unsaid);
    shared->say(shared->context, LOG_WARNING, line);
    worker->greetings_unsaid = 0;
    worker->greeting_say_ms = worker->now.steady_ms + SAY_EACH_MS;
}

void worker_greeting_failed(struct worker *worker, const struct connection *connection)
{
    note_failed(worker, connection, "it ended, or began with more than a hello");
}

static void give_up(struct worker *worker, struct connection *connection, const char *why)
{
    note_failed(worker, connection, why);
    worker_cut(worker, connection);
    worker_look_at(worker, connection);
}

static void give_up_late_ones(struct worker *worker)
{
    uint32_t most_ms = worker->shared->service.limits.handshake_ms;
    struct connection *oldest;
    while ((oldest = worker->lists.head[LIST_GREETING]) &&
           worker->now.steady_ms - oldest->greeting_since_ms >= most_ms)
        give_up(worker, oldest, "not done within tls-handshake-timeout-ms");
    while (worker->lists.count[LIST_GREET_HALF] > HALVES)
        give_up(worker, worker->lists.head[LIST_GREET_HALF], "too many others were under way");
}

/* Who shows a certificate may be known by it. A name with a NUL in it is nobody's. */
static void meet_certified(struct worker *worker, struct connection *connection)
{
    char name[NAME_MAX_BYTES + 1];
    struct text certified = link_certified_name(&connection->link);
    if (!text_given(certified) || memchr(certified.at, 0, certified.len))
        return;
    snprintf(name, sizeof name, "%.*s", (int)certified.len, certified.at);
    worker_meet_certificate(worker, connection, name);
}

static void take_step(struct worker *worker, struct connection *connection)
{
    struct worker_metrics *metrics = worker->executor.metrics;
    struct link *link = &connection->link;
    list_remove(&worker->lists, LIST_GREET_READY, connection);
    struct greeted greeted = link_transport(link)->greet(link);
    if (greeted.why) {
        note_failed(worker, connection, greeted.why);
    } else if (link->greeting == GREETING_AWAITED) {
        list_add(&worker->lists, LIST_GREET_HALF, connection);
    } else {
        list_remove(&worker->lists, LIST_GREETING, connection);
        metric_add(&metrics->handshakes, 1);
        metric_add(&metrics->handshakes_resumed, greeted.resumed);
        meet_certified(worker, connection);
    }
    worker_take(worker, connection, &greeted.received);
}

bool worker_greet(struct worker *worker)
{
    const unsigned *ready = &worker->lists.count[LIST_GREET_READY];
    if (worker->lists.count[LIST_GREETING] == 0)
        return false;
    uint64_t until = clock_ns(CLOCK_MONOTONIC) + STEPS_NS;
    for (unsigned steps = 0; steps<STEPS && * ready> 0; steps++) {
        take_step(worker, worker->lists.head[LIST_GREET_READY]);
        if (clock_ns(CLOCK_MONOTONIC) >= until)
            break;
    }
    give_up_late_ones(worker);
    return *ready > 0;
}

uint64_t worker_greet_sleep_ms(const struct worker *worker)
{
    const struct connection *oldest = worker->lists.head[LIST_GREETING];
    if (!oldest)
        return UINT64_MAX;
    uint64_t due = oldest->greeting_since_ms + worker->shared->service.limits.handshake_ms;
    return due > worker->now.steady_ms ? due - worker->now.steady_ms : 1;
}
