/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/etcd.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/etcd_connection.h"
#include "cluster/etcd_tls.h"
#include "cluster/etcd_verdict.h"

enum { REQUEST_USUAL = 256 << 10, REPLY_USUAL = 1 << 20 };

enum call_state { CALL_FREE, CALL_WAITS, CALL_UNDER_WAY, CALL_ENDED, CALL_TAKEN };

struct call {
    enum call_state state;
    uint64_t turn; /* when it was submitted; then, when it ended: older ones come first */
    uint64_t deadline_ms;
    struct etcd_branches branches;
    struct grpc_call grpc;
    struct etcd_reply reply;
    char why[ETCD_WHY_MAX];
};

struct etcd {
    struct etcd_connection connection;
    struct call calls[ETCD_CALLS_MAX];
    uint64_t turns;
    size_t request_room, reply_room; /* with their prefixes */
    bool distrusted;                 /* a reply was malformed */
    uint8_t *memory;                 /* of all requests and replies */
};

/* ---- ends of calls ---- */

static void end_call(struct etcd *etcd, struct call *call, struct etcd_verdict verdict,
                     const char *why)
{
    assert(call->state == CALL_WAITS || call->state == CALL_UNDER_WAY);
    call->state = CALL_ENDED;
    call->turn = ++etcd->turns;
    call->reply.outcome = verdict.outcome;
    call->reply.error = verdict.error;
    snprintf(call->why, sizeof call->why, "%s", why);
    call->reply.why = call->why;
}

static bool decode(struct etcd *etcd, struct call *call)
{
    struct etcd_answer *answer = &call->reply.answer;
    size_t length;
    const void *bytes = grpc_reply(&call->grpc, &length);
    struct text message = { bytes, (uint32_t)length };
    return etcd_decode(call->reply.method, &call->branches, message, answer) &&
           answer->cluster_id == etcd->connection.cluster_id;
}

static void take_answer(struct etcd *etcd, struct call *call)
{
    if (decode(etcd, call)) {
        etcd->connection.proven = true;
        end_call(etcd, call,
                 (struct etcd_verdict){ .outcome = ETCD_ANSWERED, .error = ETCD_NO_ERROR }, "");
        return;
    }
    etcd->distrusted = true;
    end_call(etcd, call, (struct etcd_verdict){ .outcome = ETCD_UNKNOWN, .error = ETCD_MALFORMED },
             "the reply is malformed");
}

/* gRPC is through with the call. */
static void settle(struct etcd *etcd, struct call *call)
{
    const struct grpc_call *grpc = &call->grpc;
    if (grpc->end == GRPC_STATUS && grpc->status == GRPC_OK) {
        take_answer(etcd, call);
        return;
    }
    struct etcd_verdict verdict = etcd_judge(grpc);
    if (verdict.leave)
        etcd->connection.leaving = true;
    if (verdict.distrust)
        etcd->distrusted = true;
    if (verdict.outcome != ETCD_UNKNOWN && grpc->end == GRPC_STATUS)
        etcd->connection.proven = true;
    if (verdict.again) {
        call->state = CALL_WAITS; /* with the turn that it had */
        return;
    }
    end_call(etcd, call, verdict, grpc->message[0] ? grpc->message : etcd_end_name(grpc->end));
}

static void settle_all(struct etcd *etcd)
{
    for (struct call *call = etcd->calls; call < etcd->calls + ETCD_CALLS_MAX; call++) {
        if (call->state == CALL_UNDER_WAY && call->grpc.end != GRPC_UNDER_WAY)
            settle(etcd, call);
    }
}

static bool is_wholly_sent(const struct call *call)
{
    return call->grpc.sent == call->grpc.request_length;
}

/* The connection is about to end. What no member can have read in whole waits for the next one. */
static void on_lost(void *owner, const char *why)
{
    struct etcd *etcd = owner;
    settle_all(etcd);
    for (struct call *call = etcd->calls; call < etcd->calls + ETCD_CALLS_MAX; call++) {
        if (call->state != CALL_UNDER_WAY)
            continue;
        if (is_wholly_sent(call))
            end_call(
                etcd, call,
                (struct etcd_verdict){ .outcome = ETCD_UNKNOWN, .error = ETCD_CONNECTION_LOST },
                why);
        else
            call->state = CALL_WAITS;
    }
}

/* True: one that a member was given took too long. */
static bool expire(struct etcd *etcd, uint64_t now_ms)
{
    static const struct etcd_verdict not_connected = { .outcome = ETCD_REFUSED,
                                                       .error = ETCD_NOT_CONNECTED };
    static const struct etcd_verdict not_sent = { .outcome = ETCD_REFUSED,
                                                  .error = ETCD_TIMED_OUT };
    static const struct etcd_verdict unknown = { .outcome = ETCD_UNKNOWN, .error = ETCD_TIMED_OUT };
    const char *problem = etcd->connection.problem;
    bool late = false;
    for (struct call *call = etcd->calls; call < etcd->calls + ETCD_CALLS_MAX; call++) {
        if (call->deadline_ms > now_ms)
            continue;
        if (call->state == CALL_WAITS) {
            end_call(etcd, call, not_connected, problem[0] ? problem : "not connected in time");
        } else if (call->state == CALL_UNDER_WAY) {
            end_call(etcd, call, is_wholly_sent(call) ? unknown : not_sent, "no answer in time");
            late = true;
        }
    }
    return late;
}

/* ---- going on ---- */

/* The oldest call in that state, or NULL. */
static struct call *oldest(struct etcd *etcd, enum call_state state)
{
    struct call *found = NULL;
    for (struct call *call = etcd->calls; call < etcd->calls + ETCD_CALLS_MAX; call++) {
        if (call->state == state && (!found || call->turn < found->turn))
            found = call;
    }
    return found;
}

static void open_calls(struct etcd *etcd)
{
    struct call *call;
    while (etcd_connection_serves(&etcd->connection) && (call = oldest(etcd, CALL_WAITS))) {
        if (!grpc_open(etcd->connection.grpc, &call->grpc)) {
            etcd->connection.leaving = true; /* no stream is left on it */
            return;
        }
        call->state = CALL_UNDER_WAY;
    }
}

void etcd_run(struct etcd *etcd, uint64_t now_ms)
{
    struct etcd_connection *connection = &etcd->connection;
    etcd_connection_receive(connection, now_ms);
    settle_all(etcd);
    if (etcd->distrusted && connection->grpc)
        etcd_connection_fail(connection, "its reply is malformed", now_ms);
    else if (expire(etcd, now_ms))
        etcd_connection_fail(connection, "no answer in time", now_ms);
    etcd->distrusted = false;
    open_calls(etcd);
    if (connection->stage == ETCD_SERVES && connection->leaving && !oldest(etcd, CALL_UNDER_WAY))
        etcd_connection_fail(connection, "it takes no more calls", now_ms);
    etcd_connection_send(connection, now_ms);
}

void etcd_waits_for(const struct etcd *etcd, struct pollfd *poll, uint64_t *until_ms)
{
    *until_ms = etcd_connection_waits_for(&etcd->connection, poll);
    for (unsigned i = 0; i < ETCD_CALLS_MAX; i++) {
        const struct call *call = &etcd->calls[i];
        bool open = call->state == CALL_WAITS || call->state == CALL_UNDER_WAY;
        if (open && call->deadline_ms < *until_ms)
            *until_ms = call->deadline_ms;
    }
}

const struct etcd_reply *etcd_take(struct etcd *etcd)
{
    struct call *taken = oldest(etcd, CALL_TAKEN);
    if (taken)
        taken->state = CALL_FREE;
    struct call *call = oldest(etcd, CALL_ENDED);
    if (!call)
        return NULL;
    call->state = CALL_TAKEN;
    return &call->reply;
}

/* ---- submitting ---- */

static const char *const paths[] = {
    [ETCD_RANGE] = "/etcdserverpb.KV/Range",
    [ETCD_TXN] = "/etcdserverpb.KV/Txn",
    [ETCD_COMPACT] = "/etcdserverpb.KV/Compact",
    [ETCD_STATUS] = "/etcdserverpb.Maintenance/Status",
};

/* A free call, whose request the writer is to fill; NULL: there is none. */
static struct call *begin(struct etcd *etcd, struct proto_writer *writer)
{
    struct call *call = oldest(etcd, CALL_FREE);
    if (call)
        *writer = (struct proto_writer){ .bytes = call->grpc.request + GRPC_PREFIX,
                                         .capacity = etcd->request_room - GRPC_PREFIX };
    return call;
}

static int submit(struct etcd *etcd, struct call *call, const struct proto_writer *writer,
                  enum etcd_method method, uint64_t tag, uint64_t deadline_ms)
{
    if (writer->full)
        return -EMSGSIZE;
    call->grpc.path = paths[method];
    call->grpc.request_length = writer->length + GRPC_PREFIX;
    call->grpc.end = GRPC_UNDER_WAY;
    call->reply = (struct etcd_reply){ .tag = tag, .method = method };
    call->deadline_ms = deadline_ms;
    call->turn = ++etcd->turns;
    call->state = CALL_WAITS;
    return 0;
}

int etcd_range(struct etcd *etcd, const struct etcd_range *range, uint64_t tag,
               uint64_t deadline_ms)
{
    struct proto_writer writer;
    struct call *call = begin(etcd, &writer);
    if (!call)
        return -EAGAIN;
    etcd_encode_range(&writer, range);
    return submit(etcd, call, &writer, ETCD_RANGE, tag, deadline_ms);
}

int etcd_txn(struct etcd *etcd, const struct etcd_txn *txn, uint64_t tag, uint64_t deadline_ms)
{
    struct proto_writer writer;
    if (txn->compare_count > ETCD_COMPARES_MAX || txn->then_count > ETCD_OPS_MAX ||
        txn->otherwise_count > ETCD_OPS_MAX)
        return -EINVAL;
    struct call *call = begin(etcd, &writer);
    if (!call)
        return -EAGAIN;
    call->branches = etcd_branches_of(txn);
    etcd_encode_txn(&writer, txn);
    return submit(etcd, call, &writer, ETCD_TXN, tag, deadline_ms);
}

int etcd_compact(struct etcd *etcd, int64_t revision, uint64_t tag, uint64_t deadline_ms)
{
    struct proto_writer writer;
    struct call *call = begin(etcd, &writer);
    if (!call)
        return -EAGAIN;
    etcd_encode_compact(&writer, revision);
    return submit(etcd, call, &writer, ETCD_COMPACT, tag, deadline_ms);
}

int etcd_status(struct etcd *etcd, uint64_t tag, uint64_t deadline_ms)
{
    struct proto_writer writer;
    struct call *call = begin(etcd, &writer);
    if (!call)
        return -EAGAIN;
    return submit(etcd, call, &writer, ETCD_STATUS, tag, deadline_ms);
}

/* ---- the client ---- */

static bool set_up_connection(struct etcd *etcd, const struct etcd_config *config, char *why,
                              size_t size)
{
    struct etcd_connection *connection = &etcd->connection;
    const struct etcd_tls_files files = { config->ca, config->certificate, config->key };
    connection->connect_ms = config->connect_ms ? config->connect_ms : ETCD_CONNECT_MS;
    connection->owner = etcd;
    connection->lost = on_lost;
    connection->say = config->say;
    connection->context = config->context;
    connection->stage = ETCD_PAUSES;
    if (!etcd_endpoints_parse(&connection->endpoints, config->endpoints, why, size))
        return false;
    if (!connection->endpoints.encrypted) {
        if (!files.ca && !files.certificate && !files.key)
            return true;
        snprintf(why, size,
                 "certificates are for etcds://, and etcd's address begins with etcd://");
        return false;
    }
    connection->tls = etcd_tls_create(&files, why, size);
    return connection->tls != NULL;
}

static bool set_up_calls(struct etcd *etcd, const struct etcd_config *config)
{
    size_t request = config->request_max ? config->request_max : REQUEST_USUAL;
    size_t reply = config->reply_max ? config->reply_max : REPLY_USUAL;
    etcd->request_room = request + GRPC_PREFIX;
    etcd->reply_room = reply + GRPC_PREFIX;
    etcd->memory = malloc(ETCD_CALLS_MAX * (etcd->request_room + etcd->reply_room));
    if (!etcd->memory)
        return false;
    for (unsigned i = 0; i < ETCD_CALLS_MAX; i++) {
        struct grpc_call *grpc = &etcd->calls[i].grpc;
        grpc->request = etcd->memory + i * (etcd->request_room + etcd->reply_room);
        grpc->reply = grpc->request + etcd->request_room;
        grpc->reply_room = etcd->reply_room;
    }
    return true;
}

struct etcd *etcd_create(const struct etcd_config *config, char *why, size_t size)
{
    struct etcd *etcd = calloc(1, sizeof *etcd);
    if (!etcd || !set_up_calls(etcd, config))
        snprintf(why, size, "out of memory");
    else if (set_up_connection(etcd, config, why, size))
        return etcd;
    etcd_destroy(etcd);
    return NULL;
}

void etcd_destroy(struct etcd *etcd)
{
    if (!etcd)
        return;
    etcd_connection_end(&etcd->connection);
    free(etcd->memory);
    free(etcd);
}

const char *etcd_connected(const struct etcd *etcd)
{
    const struct etcd_connection *connection = &etcd->connection;
    return connection->stage == ETCD_SERVES ? connection->endpoints.all[connection->at].name : NULL;
}

const char *etcd_problem(const struct etcd *etcd)
{
    return etcd->connection.problem;
}
