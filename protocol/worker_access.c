/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/worker_access.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>

#include "protocol/worker_end.h"
#include "protocol/worker_half.h"

enum { TELL_MS = 1000 }; /* from one line about refusals to the next, at least */

static struct access *access_of(const struct worker *worker)
{
    return worker->shared->service.access;
}

/* ---- who a peer is ---- */

static void welcome(struct worker *worker, struct connection *connection, struct known known)
{
    enum granted granted = GRANT_NO_MEMORY;
    if (known.grant)
        granted = principal_grant(&connection->principal, access_of(worker), known);
    if (granted == GRANTED)
        connection->principal.nameless = connection->principal.bound = true;
    if (granted == GRANT_CROWDED)
        metric_add(&worker->executor.metrics->crowded, 1);
}

static struct known known_by_user(const struct worker *worker, const struct link *link)
{
    struct ucred who;
    socklen_t size = sizeof who;
    if (!link->listener->unix_socket ||
        getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
        return (struct known){ NULL, NULL };
    return access_by_uid(access_of(worker), who.uid, worker->now.engine_ms);
}

/* What peers of one address have in common, and others hardly: of IPv6 the network, because a
 * customer gets a whole one. Unix sockets are one address. */
static uint64_t address_of(const struct link *link)
{
    struct sockaddr_storage peer = { 0 };
    socklen_t size = sizeof peer;
    uint64_t address = 0;
    if (link->listener->unix_socket || getpeername(link->fd, (struct sockaddr *)&peer, &size) < 0)
        return 1;
    if (peer.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &peer, sizeof in6);
        memcpy(&address, in6.sin6_addr.s6_addr, sizeof address);
    } else {
        struct sockaddr_in in;
        memcpy(&in, &peer, sizeof in);
        address = UINT64_C(1) << 32 | in.sin_addr.s_addr;
    }
    return address;
}

/* ---- strangers ---- */

/* This worker's part of a limit of all; connections are handed to the workers in turn. */
static uint32_t share_of(const struct worker *worker, uint32_t limit)
{
    uint32_t workers = worker->shared->service.workers;
    return (limit + workers - 1) / workers;
}

static void part_with(struct worker *worker, struct connection *connection)
{
    metric_add(&worker->executor.metrics->strangers_cut, 1);
    worker_cut(worker, connection);
    worker_look_at(worker, connection);
}

/* Makes room for one more from that address. The list has the oldest first. */
static void make_room(struct worker *worker, uint64_t address)
{
    const struct access_limits *limits = &access_of(worker)->limits;
    struct connection *oldest = worker->lists.head[LIST_STRANGER], *same = NULL;
    uint32_t count = 0;
    for (struct connection *c = oldest; c; c = c->links[LIST_STRANGER].next) {
        if (c->stranger_address != address)
            continue;
        same = same ? same : c;
        count++;
    }
    if (count >= share_of(worker, limits->strangers_each))
        part_with(worker, same);
    else if (worker->lists.count[LIST_STRANGER] >= share_of(worker, limits->strangers))
        part_with(worker, oldest);
}

void worker_meet(struct worker *worker, struct connection *connection)
{
    if (!access_of(worker))
        return;
    principal_make_stranger(&connection->principal);
    welcome(worker, connection, known_by_user(worker, &connection->link));
    if (!principal_is_stranger(&connection->principal))
        return;
    connection->stranger_address = address_of(&connection->link);
    connection->stranger_since_ms = worker->now.steady_ms;
    make_room(worker, connection->stranger_address);
    list_add(&worker->lists, LIST_STRANGER, connection);
    metric_add(&worker->executor.metrics->strangers, 1);
}

void worker_meet_certificate(struct worker *worker, struct connection *connection,
                             const char *common_name)
{
    struct access *access = access_of(worker);
    if (!access || !principal_is_stranger(&connection->principal))
        return;
    welcome(worker, connection, access_by_certificate(access, common_name, worker->now.engine_ms));
    worker_note_known(worker, connection);
}

void worker_note_known(struct worker *worker, struct connection *connection)
{
    if (!connection->listed[LIST_STRANGER])
        return;
    if (principal_is_stranger(&connection->principal) && connection_takes_requests(connection))
        return;
    list_remove(&worker->lists, LIST_STRANGER, connection);
    metric_add(&worker->executor.metrics->strangers, (uint64_t)-1);
}

static void refuse_silent(struct worker *worker, struct connection *connection)
{
    struct refusal refusal = { .code = CODE_OK };
    struct input *input = &connection->input;
    refuse(&refusal, CODE_UNAUTHORIZED, NULL,
           "no hello with a token came within hello-timeout-ms, %" PRIu32
           "; the connection closes after this reply",
           access_of(worker)->limits.stranger_ms);
    uint32_t length = input_length(input);
    const unsigned char *bytes = length > 0 ? input->bytes + input->start : (const void *)"";
    session_refuse(&worker->executor, connection, bytes, length, &refusal);
    metric_add(&worker->executor.metrics->strangers_cut, 1);
    input_drop(input);
    worker_note_input(worker, connection);
    worker_note_known(worker, connection);
    worker_look_at(worker, connection);
}

/* ---- what was refused ---- */

static void tell_refused(struct worker *worker)
{
    struct refused *refused = &worker->executor.refused;
    const struct shared *shared = worker->shared;
    char line[512];
    if (refused->count == 0 || worker->now.steady_ms < worker->tell_refused_ms)
        return;
    snprintf(line, sizeof line, "refused for lack of rights: %" PRIu64 ", first %s", refused->count,
             refused->first);
    if (shared->say)
        shared->say(shared->context, LOG_WARNING, line);
    refused->count = 0;
    worker->tell_refused_ms = worker->now.steady_ms + TELL_MS;
}

void worker_mind_strangers(struct worker *worker)
{
    const struct access *access = access_of(worker);
    struct connection *oldest;
    if (!access)
        return;
    while ((oldest = worker->lists.head[LIST_STRANGER]) &&
           worker->now.steady_ms - oldest->stranger_since_ms >= access->limits.stranger_ms) {
        if (connection_takes_requests(oldest))
            refuse_silent(worker, oldest);
        worker_note_known(worker, oldest);
    }
    tell_refused(worker);
}

uint64_t worker_access_sleep_ms(const struct worker *worker)
{
    const struct connection *oldest = worker->lists.head[LIST_STRANGER];
    uint64_t due = UINT64_MAX, now = worker->now.steady_ms;
    if (!access_of(worker))
        return due;
    if (oldest)
        due = oldest->stranger_since_ms + access_of(worker)->limits.stranger_ms;
    if (worker->executor.refused.count > 0 && worker->tell_refused_ms < due)
        due = worker->tell_refused_ms;
    if (due == UINT64_MAX)
        return due;
    return due > now ? due - now : 1;
}

/* ---- tokens that change ---- */

static bool subscribes(const struct connection *connection)
{
    return connection->feed.subscription.on || connection->feed.events.on;
}

/* A client whose token is gone is cut. One whose rights are others now goes on with those; if it
 * subscribes, it must subscribe again, because nobody knows what it was promised. */
static void look_again(struct worker *worker, struct connection *connection)
{
    struct principal *principal = &connection->principal;
    if (!principal->grant)
        return;
    const struct access *access = access_of(worker);
    struct known known = access_again(access, principal->grant, worker->now.engine_ms);
    bool good = known.grant != NULL;
    if (good && subscribes(connection))
        good = grant_same_rights(known.grant, principal->grant);
    if (good)
        good = principal_regrant(principal, access, known.grant);
    if (good)
        return;
    metric_add(&worker->executor.metrics->revoked, 1);
    principal_end(principal); /* nothing refers to the old set any longer */
    worker_cut(worker, connection);
    worker_look_at(worker, connection);
}

void worker_mind_access(struct worker *worker)
{
    struct access *access = access_of(worker);
    if (!access)
        return;
    uint64_t epoch = access_epoch(access);
    if (epoch == worker->access_epoch)
        return;
    for (struct connection *c = worker->lists.head[LIST_ALL]; c; c = c->links[LIST_ALL].next)
        look_again(worker, c);
    worker->access_epoch = epoch;
    access_note_seen(access, worker->index, epoch);
}

void worker_part(struct worker *worker, struct connection *connection)
{
    if (!connection->listed[LIST_STRANGER])
        return;
    list_remove(&worker->lists, LIST_STRANGER, connection);
    metric_add(&worker->executor.metrics->strangers, (uint64_t)-1);
}
