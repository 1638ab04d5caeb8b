/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/etcd_connection.h"

#include <assert.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

enum {
    RESOLVE_LOOK_MS = 5,     /* how often to look whether a name is resolved */
    RECEIVE_BYTES = 1 << 15, /* at once */
    RECEIVE_TURNS = 64,      /* before what else there is has its turn */
};

static const char STATUS_PATH[] = "/etcdserverpb.Maintenance/Status";

static struct etcd_endpoint *endpoint_of(struct etcd_connection *c)
{
    return &c->endpoints.all[c->at];
}

static void say(const struct etcd_connection *c, const char *what)
{
    char line[ETCD_WHY_MAX + 64];
    if (!c->say)
        return;
    snprintf(line, sizeof line, "etcd: %s", what);
    c->say(c->context, line);
}

static void close_all(struct etcd_connection *c)
{
    grpc_destroy(c->grpc);
    c->grpc = NULL;
    etcd_link_close(&c->link);
    c->output_at = c->output_end = 0;
    c->leaving = c->unread = false;
}

/* Reports why an endpoint is down, but not again while the reason stays the same. */
static void note_failure(struct etcd_connection *c, const char *why)
{
    struct etcd_endpoint *endpoint = endpoint_of(c);
    char reason[sizeof endpoint->told];
    snprintf(reason, sizeof reason, "%s", why);
    snprintf(c->problem, sizeof c->problem, "%s: %s", endpoint->name, reason);
    if (strcmp(endpoint->told, reason) != 0)
        say(c, c->problem);
    memcpy(endpoint->told, reason, sizeof reason);
    if (c->stage == ETCD_SERVES && c->proven)
        c->failures = 0;
    c->failures++;
}

static uint64_t pause_ms(const struct etcd_connection *c)
{
    uint32_t rounds = c->failures / c->endpoints.count;
    if (c->failures % c->endpoints.count != 0)
        return 0;
    uint64_t pause = (uint64_t)PAUSE_FIRST_MS << (rounds < 8 ? rounds : 8);
    return pause < PAUSE_MOST_MS ? pause : PAUSE_MOST_MS;
}

void etcd_connection_fail(struct etcd_connection *c, const char *why, uint64_t now_ms)
{
    note_failure(c, why);
    c->lost(c->owner, c->problem);
    close_all(c);
    c->at = (c->at + 1) % c->endpoints.count;
    c->stage = ETCD_PAUSES;
    c->until_ms = now_ms + pause_ms(c);
}

/* ---- the stages ---- */

static void begin_connect(struct etcd_connection *c, uint64_t now_ms)
{
    c->stage = ETCD_CONNECTS;
    c->until_ms = now_ms + c->connect_ms;
    if (!etcd_link_open(&c->link, c->address, c->tls, endpoint_of(c)->host))
        etcd_connection_fail(c, c->link.why, now_ms);
}

static void resolve(struct etcd_connection *c, uint64_t now_ms)
{
    char why[ETCD_WHY_MAX];
    switch (etcd_endpoint_resolve(endpoint_of(c), why, sizeof why)) {
    case ETCD_RESOLVED:
        c->address = endpoint_of(c)->addresses;
        begin_connect(c, now_ms);
        break;
    case ETCD_UNRESOLVED:
        etcd_connection_fail(c, why, now_ms);
        break;
    case ETCD_RESOLVING:
        c->look_ms = now_ms + RESOLVE_LOOK_MS;
        if (now_ms >= c->until_ms)
            etcd_connection_fail(c, "its name is not resolved in time", now_ms);
        break;
    }
}

/* A name may have several addresses: the next one, or the next endpoint. */
static void connect_failed(struct etcd_connection *c, const char *why, uint64_t now_ms)
{
    if (!c->address->ai_next || c->grpc) {
        etcd_connection_fail(c, why, now_ms);
        return;
    }
    close_all(c);
    c->address = c->address->ai_next;
    begin_connect(c, now_ms);
}

static void ask_status(struct etcd_connection *c, uint64_t now_ms)
{
    c->grpc = grpc_create(endpoint_of(c)->name, c->tls != NULL);
    c->status = (struct grpc_call){
        .path = STATUS_PATH,
        .request = c->status_request,
        .request_length = sizeof c->status_request,
        .reply = c->status_reply,
        .reply_room = sizeof c->status_reply,
    };
    c->proven = false;
    c->stage = ETCD_ASKS;
    if (!c->grpc || !grpc_open(c->grpc, &c->status))
        etcd_connection_fail(c, "out of memory", now_ms);
}

static void go_on_connecting(struct etcd_connection *c, uint64_t now_ms)
{
    if (!etcd_link_step(&c->link))
        connect_failed(c, c->link.why, now_ms);
    else if (c->link.state == ETCD_LINK_OPEN)
        ask_status(c, now_ms);
}

/* Why the member must not be used; NULL: it may. */
static const char *judge_member(const struct etcd_connection *c, const struct etcd_answer *answer)
{
    if (c->cluster_id != 0 && answer->cluster_id != c->cluster_id)
        return "it belongs to another cluster";
    if (answer->member.leader == 0)
        return "it knows no leader";
    return answer->member.learner ? "it is a learner, which answers no reads" : NULL;
}

static void serve(struct etcd_connection *c, const struct etcd_answer *answer)
{
    char line[ETCD_WHY_MAX];
    c->cluster_id = answer->cluster_id;
    c->stage = ETCD_SERVES;
    c->problem[0] = endpoint_of(c)->told[0] = '\0';
    snprintf(line, sizeof line, "connected to %s, version %.*s", endpoint_of(c)->name,
             (int)(answer->member.version.len < 32 ? answer->member.version.len : 32),
             answer->member.version.len ? answer->member.version.at : "");
    say(c, line);
}

static void take_status(struct etcd_connection *c, uint64_t now_ms)
{
    struct etcd_answer answer;
    if (c->status.end == GRPC_UNDER_WAY)
        return;
    if (c->status.end != GRPC_STATUS || c->status.status != GRPC_OK) {
        etcd_connection_fail(c, c->status.message[0] ? c->status.message : "it tells no status",
                             now_ms);
        return;
    }
    size_t length;
    const void *reply = grpc_reply(&c->status, &length);
    const char *why = "its status is malformed";
    if (etcd_decode(ETCD_STATUS, NULL, (struct text){ reply, (uint32_t)length }, &answer))
        why = judge_member(c, &answer);
    if (why)
        etcd_connection_fail(c, why, now_ms);
    else
        serve(c, &answer);
}

/* ---- bytes ---- */

static const char not_http2[] = "it does not speak HTTP/2 as it should";

static void receive(struct etcd_connection *c, uint64_t now_ms)
{
    uint8_t bytes[RECEIVE_BYTES];
    c->unread = false;
    for (unsigned turn = 0; turn < RECEIVE_TURNS; turn++) {
        ssize_t length = etcd_link_receive(&c->link, bytes, sizeof bytes);
        if (length == 0)
            return;
        if (length < 0) {
            etcd_connection_fail(c, c->link.why, now_ms);
            return;
        }
        if (!grpc_receive(c->grpc, bytes, (size_t)length)) {
            etcd_connection_fail(c, not_http2, now_ms);
            return;
        }
    }
    c->unread = true;
}

void etcd_connection_receive(struct etcd_connection *c, uint64_t now_ms)
{
    if (c->stage == ETCD_PAUSES && now_ms >= c->until_ms) {
        c->stage = ETCD_RESOLVES;
        c->until_ms = now_ms + c->connect_ms;
    }
    if (c->stage == ETCD_RESOLVES)
        resolve(c, now_ms);
    if (c->stage == ETCD_CONNECTS)
        go_on_connecting(c, now_ms);
    if (c->grpc)
        receive(c, now_ms);
    if (c->stage == ETCD_ASKS)
        take_status(c, now_ms);
    if (c->grpc && grpc_leaving(c->grpc))
        c->leaving = true;
    if (c->stage == ETCD_CONNECTS && now_ms >= c->until_ms)
        connect_failed(c, "it does not connect in time", now_ms);
    else if (c->stage == ETCD_ASKS && now_ms >= c->until_ms)
        etcd_connection_fail(c, "it is connected, but tells no status in time", now_ms);
}

/* False: there is nothing to send. */
static bool fill(struct etcd_connection *c, uint64_t now_ms)
{
    bool good;
    if (c->output_at < c->output_end)
        return true;
    c->output_at = 0;
    c->output_end = grpc_send(c->grpc, c->output, sizeof c->output, &good);
    if (!good) {
        etcd_connection_fail(c, "out of memory", now_ms);
        return false;
    }
    return c->output_end > 0;
}

void etcd_connection_send(struct etcd_connection *c, uint64_t now_ms)
{
    while (c->grpc && fill(c, now_ms)) {
        ssize_t sent =
            etcd_link_send(&c->link, c->output + c->output_at, c->output_end - c->output_at);
        if (sent == 0)
            return;
        if (sent < 0) {
            etcd_connection_fail(c, c->link.why, now_ms);
            return;
        }
        c->output_at += (size_t)sent;
    }
    if (c->grpc && grpc_over(c->grpc))
        etcd_connection_fail(c, grpc_leaving(c->grpc) ? "it stops" : not_http2, now_ms);
}

bool etcd_connection_serves(const struct etcd_connection *c)
{
    return c->stage == ETCD_SERVES && !c->leaving;
}

uint64_t etcd_connection_waits_for(const struct etcd_connection *c, struct pollfd *poll)
{
    *poll = (struct pollfd){ .fd = c->link.state == ETCD_LINK_CLOSED ? -1 : c->link.fd };
    if (poll->fd >= 0)
        poll->events = (short)(c->link.wants_write ? POLLIN | POLLOUT : POLLIN);
    if (c->link.state == ETCD_LINK_CONNECTS)
        poll->events = POLLOUT;
    if (c->unread)
        return 0;
    if (c->stage == ETCD_RESOLVES)
        return c->look_ms;
    return c->stage == ETCD_SERVES ? UINT64_MAX : c->until_ms;
}

void etcd_connection_end(struct etcd_connection *c)
{
    close_all(c);
    etcd_endpoints_free(&c->endpoints);
    SSL_CTX_free(c->tls);
}
