/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/session.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "protocol/admission.h"
#include "protocol/methods.h"

enum { REQUEST = 0, NOTIFICATION = 2, REQUEST_VALUES = 4 };

/* Every request begins so, except from clients that pack longer forms than needed. */
static const unsigned char request_begins[] = { 0x90 | REQUEST_VALUES, REQUEST };

enum {
    GROUP_MAX = 16,         /* messages read before the first of them runs */
    DISCARD_MAX = 64 << 20, /* bytes of one message discarded before the connection ends */
    STRIKES_MAX = 256,      /* a stranger's messages refused before the connection ends */
};

/* ---- messages ---- */

enum frame_kind {
    FRAME_CALL,
    FRAME_NO_METHOD,    /* a request for an unknown method */
    FRAME_NOTIFICATION, /* from a client: ignored */
    FRAME_MALFORMED,    /* a request whose method is not a string */
    FRAME_FOREIGN,      /* MessagePack, but not MessagePack-RPC */
};

struct frame {
    size_t end; /* within the bytes that hold it */
    enum frame_kind kind;
    uint32_t msgid; /* 0 if it has none */
    const struct method *method;
    struct text name;
    struct wire params;
};

static bool read_count(struct wire *wire, uint32_t *count)
{
    if (wire_short_array(wire, count))
        return true;
    struct wire_value value = wire_next(wire);
    *count = value.count;
    return value.kind == WIRE_ARRAY;
}

static bool read_u32(struct wire *wire, uint32_t *number)
{
    if (wire_unsigned(wire, number))
        return true;
    struct wire_value value = wire_next(wire);
    *number = (uint32_t)value.bits;
    return value.kind == WIRE_INT && !value.negative && value.bits <= UINT32_MAX;
}

/* Reads [type, msgid, method, params], as far as the bytes go if they are incomplete. */
static void read_frame(struct frame *frame, const unsigned char *bytes, size_t length)
{
    struct wire wire = wire_over(bytes, length);
    uint32_t count;
    uint32_t type;
    uint32_t msgid;
    frame->kind = FRAME_FOREIGN;
    frame->msgid = 0;
    if (length >= sizeof request_begins &&
        memcmp(bytes, request_begins, sizeof request_begins) == 0) {
        wire.at += sizeof request_begins;
        count = REQUEST_VALUES;
        type = REQUEST;
    } else if (!read_count(&wire, &count) || count == 0 || !read_u32(&wire, &type)) {
        return;
    }
    if (type == NOTIFICATION && count == 3)
        frame->kind = FRAME_NOTIFICATION;
    if (type != REQUEST || count < 2 || !read_u32(&wire, &msgid))
        return;
    frame->msgid = msgid;
    if (count != REQUEST_VALUES)
        return;
    frame->kind = FRAME_MALFORMED;
    if (!wire_short_text(&wire, &frame->name)) {
        struct wire_value value = wire_next(&wire);
        if (value.kind != WIRE_TEXT)
            return;
        frame->name = value.text;
    }
    frame->params = wire;
    frame->method = method_named(frame->name);
    frame->kind = frame->method ? FRAME_CALL : FRAME_NO_METHOD;
}

/* ---- running one ---- */

static void refuse_unknown(struct refusal *refusal, struct text name)
{
    enum { SHOWN = 64 };
    bool cut = name.len > SHOWN;
    refuse(refusal, CODE_UNKNOWN_METHOD, "method", "unknown method \"%.*s%s\"",
           cut ? SHOWN : (int)name.len, name.at, cut ? "..." : "");
}

static void refuse_foreign(struct refusal *refusal)
{
    refuse(refusal, CODE_BAD_REQUEST, NULL,
           "this is not a MessagePack-RPC request, [0, msgid, method, params] with a 32-bit msgid; "
           "the connection closes after this reply");
}

/* Until it has said who it is, a peer is told no more than that it must. */
static bool is_stranger(const struct connection *connection)
{
    return principal_is_stranger(&connection->principal);
}

/* The limits of its messages. */
static const struct wire_limits *limits_of(const struct executor *executor,
                                           const struct connection *connection)
{
    const struct service_limits *limits = &executor->service->limits;
    return is_stranger(connection) ? &limits->hello : &limits->message;
}

/* A stranger that goes on and on is not listened to any longer. */
static void strike(struct connection *connection)
{
    if (is_stranger(connection) && ++connection->principal.strikes >= STRIKES_MAX &&
        connection_takes_requests(connection))
        connection_end_requests(connection);
}

/* Notes who asked for what: a client chooses its own name, so a log line takes it with care. */
static void note_first(struct refused *refused, const struct connection *connection, enum code code,
                       const char *asked)
{
    struct text name = principal_name(&connection->principal);
    char shown[NAME_MAX_BYTES + 1] = "";
    char peer[128] = "a peer";
    for (uint32_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];
        shown[i] = '?';
        if (c >= 0x20 && c != 0x7f)
            shown[i] = name.at[i];
    }
    if (connection->link.listener)
        link_transport(&connection->link)->name_peer(&connection->link, peer, sizeof peer);
    snprintf(refused->first, sizeof refused->first, "%s: %s by \"%s\" from %s", code_name(code),
             asked, shown, peer);
}

/* Counts a refusal that has to do with rights, and notes the first one since the worker last told
 * of any. */
static void note_refused(struct executor *executor, struct connection *connection, enum code code,
                         const char *asked)
{
    struct worker_metrics *metrics = executor->metrics;
    if (code != CODE_UNAUTHORIZED && code != CODE_FORBIDDEN)
        return;
    metric_add(code == CODE_UNAUTHORIZED ? &metrics->unauthorized : &metrics->forbidden, 1);
    if (executor->refused.count++ == 0)
        note_first(&executor->refused, connection, code, asked);
}

static void answer_bad_message(struct executor *executor, struct connection *connection,
                               const struct frame *frame, const struct refusal *refusal)
{
    struct held_message message = { .offset = out_end(&connection->out), .msgid = frame->msgid };
    metric_add(&executor->metrics->bad_messages, 1);
    reply_bad_message(&connection->out, frame->msgid, refusal);
    connection_hold(connection, &message);
}

bool call_goes_on(const struct call *call)
{
    return ctx_work(call->ctx) < call->work_end;
}

static enum code run_method(struct call *call, const struct method *method)
{
    enum code code = admit(call, method);
    return code == CODE_OK ? method->run(call) : code;
}

/* The call's reply lies in the stream from that offset on. It waits for the journal if it must:
 * what it says is true once both LSNs are durable. */
static void hold_reply(const struct executor *executor, struct connection *connection,
                       const struct call *call, uint64_t from)
{
    uint64_t acknowledged = log_acknowledged(executor->service->log);
    uint64_t lsn = call->lsn > call->shown_lsn ? call->lsn : call->shown_lsn;
    if (call->lsn > acknowledged) /* @answer */
        connection_barrier(connection, from, call->lsn, executor->iteration, executor->steady_ms);
    if (connection->barrier_count == 0)
        return;
    struct held_message message = { .offset = from,
                                    .lsn = lsn > acknowledged ? lsn : 0,
                                    .msgid = call->msgid };
    connection_hold(connection, &message);
}

/* Counts the answer, and the reply for the histogram of its kind: a held one when its barrier
 * opens, others at the end of the iteration; but what waited before it could run, now. */
static void count_answer(struct executor *executor, struct connection *connection,
                         const struct method *method, enum code code)
{
    struct worker_metrics *metrics = executor->metrics;
    enum request_kind kind = method->needs & NEED_LOG ? REQUEST_CHANGE : REQUEST_READ;
    metric_add(&metrics->answers[method->number][code], 1);
    if (connection->barrier_count > 0)
        connection_count_held(connection, kind, executor->asked_ns);
    else if (executor->asked_ns == executor->steady_ns)
        executor->free_replies[kind]++;
    else
        latency_note(&metrics->latency[kind], executor->steady_ns - executor->asked_ns, 1);
}

enum { LSN_MOST_MS = 2000 };

/* A question whose LSN has not come: it waits for a while, and is refused then. */
static enum code await_lsn(const struct executor *executor, struct connection *connection,
                           struct call *call)
{
    if (connection->lsn_until_ms == 0)
        connection->lsn_until_ms = executor->steady_ms + LSN_MOST_MS;
    connection->awaited_lsn = call->params.min_lsn;
    if (executor->steady_ms < connection->lsn_until_ms)
        return CODE_DEFERRED;
    call->refusal.code = CODE_OK;
    refuse(&call->refusal, CODE_OVERLOADED, "min_lsn",
           "this node has not come to LSN %" PRIu64 " within %d s; it is at %" PRIu64,
           call->params.min_lsn, LSN_MOST_MS / 1000, log_head(executor->service->log));
    return CODE_OVERLOADED;
}

/* False: deferred, nothing was done. */
static bool run_call(struct executor *executor, struct connection *connection,
                     const struct frame *frame)
{
    struct call call;
    struct out *out = &connection->out;
    uint64_t from = out_end(out);
    call.service = executor->service;
    call.scratch = executor->scratch;
    call.ctx = executor->ctx;
    call.metrics = executor->metrics;
    call.feed = &connection->feed;
    call.out = out;
    call.principal = &connection->principal;
    call.awaited = &connection->awaited;
    call.box = executor->box;
    call.checking = &connection->checking;
    call.slicing = &connection->slicing;
    call.work_end = executor->work_end - executor->bytes / BYTES_PER_WORK;
    call.refuses_changes = executor->refuses_changes;
    call.engine_ms = executor->engine_ms;
    call.msgid = frame->msgid;
    call.refusal.code = CODE_OK;
    call.id = call.sku = call.location = call.channel = (struct text){ NULL, 0 };
    call.lsn = call.shown_lsn = 0;
    params_begin(&call.params, frame->params, &call.refusal);

    enum code code = run_method(&call, frame->method);
    if (code == CODE_DEFERRED && call.refusal.code == CODE_DEFERRED)
        code = await_lsn(executor, connection, &call);
    if (code == CODE_DEFERRED) {
        assert(out_end(out) == from);
        return false;
    }
    connection->principal.paid = false;
    connection->awaited_lsn = connection->lsn_until_ms = 0;
    if (connection->awaited.query) /* decided, whatever the answer */
        awaited_drop(&connection->awaited);
    if (code != CODE_OK) {
        assert(out_end(out) == from);
        reply_error(&call, code);
        call.lsn = call.shown_lsn = 0; /* a refusal reports no change */
        note_refused(executor, connection, code, frame->method->name);
        strike(connection);
    }
    hold_reply(executor, connection, &call, from);
    count_answer(executor, connection, frame->method, code);
    return true;
}

/* Answers a message that is not a call. */
static void answer_other(struct executor *executor, struct connection *connection,
                         const struct frame *frame)
{
    struct refusal refusal = { .code = CODE_OK };
    switch (frame->kind) {
    case FRAME_NO_METHOD:
        if (is_stranger(connection))
            refuse_stranger(&refusal);
        refuse_unknown(&refusal, frame->name);
        break;
    case FRAME_MALFORMED:
        refuse(&refusal, CODE_BAD_REQUEST, "method", "method must be a string");
        break;
    case FRAME_FOREIGN:
        refuse_foreign(&refusal);
        connection_end_requests(connection);
        break;
    case FRAME_NOTIFICATION:
    case FRAME_CALL:
        return;
    }
    answer_bad_message(executor, connection, frame, &refusal);
    note_refused(executor, connection, refusal.code, "an unknown method");
    strike(connection);
}

/* ---- messages that cannot run ---- */

static void refuse_excess(struct refusal *refusal, enum wire_excess excess,
                          const struct wire_limits *limits)
{
    switch (excess) {
    case WIRE_MANY_BYTES:
        refuse(refusal, CODE_TOO_LARGE, NULL, "a message may have %" PRIu32 " bytes",
               limits->bytes);
        break;
    case WIRE_MANY_ELEMENTS:
        refuse(refusal, CODE_TOO_LARGE, NULL, "a message may have %" PRIu32 " elements",
               limits->elements);
        break;
    case WIRE_TOO_DEEP:
        refuse(refusal, CODE_TOO_LARGE, NULL, "a message may be nested %" PRIu32 " deep",
               limits->depth);
        break;
    case WIRE_WITHIN:
        assert(false);
    }
}

/* The bytes are not a message, or begin one that cannot be read to its end; its msgid may be
 * there. */
static void answer_unreadable(struct executor *executor, struct connection *connection,
                              const unsigned char *bytes, size_t length)
{
    struct frame frame;
    struct refusal refusal = { .code = CODE_OK };
    read_frame(&frame, bytes, length);
    refuse_foreign(&refusal);
    answer_bad_message(executor, connection, &frame, &refusal);
    connection_end_requests(connection);
}

void session_refuse(struct executor *executor, struct connection *connection,
                    const unsigned char *bytes, size_t length, const struct refusal *refusal)
{
    struct frame frame;
    read_frame(&frame, bytes, length);
    answer_bad_message(executor, connection, &frame, refusal);
    connection_end_requests(connection);
}

/* Answers a message over a limit as soon as that is known; it is then walked to its end. */
static void answer_excess(struct executor *executor, struct connection *connection,
                          const unsigned char *bytes, size_t length)
{
    struct frame frame;
    struct refusal refusal = { .code = CODE_OK };
    read_frame(&frame, bytes, length);
    if (frame.kind == FRAME_FOREIGN) {
        answer_unreadable(executor, connection, bytes, length);
        return;
    }
    refuse_excess(&refusal, connection->walk.excess, limits_of(executor, connection));
    if (frame.kind != FRAME_NOTIFICATION)
        answer_bad_message(executor, connection, &frame, &refusal);
    if (is_stranger(connection))
        connection_end_requests(connection);
    else
        connection->discarding = true;
}

/* Continues the walk of a message that is not kept. Returns how many bytes are done. */
static size_t discard(struct executor *executor, struct connection *connection,
                      const unsigned char *bytes, size_t length)
{
    struct wire_walk *walk = &connection->walk;
    enum wire_found found = wire_walk(walk, &executor->service->limits.message, bytes, length);
    size_t through = walk->at < length ? (size_t)walk->at : length;
    if (found == WIRE_WHOLE) {
        connection->discarding = false;
        wire_walk_start(walk);
        return through;
    }
    wire_walk_drop(walk, through);
    /* The message was answered already. */
    if (found == WIRE_BAD || walk->dropped > DISCARD_MAX)
        connection_end_requests(connection);
    return through;
}

/* ---- groups of messages ---- */

struct group {
    struct frame frames[GROUP_MAX];
    unsigned count;
    enum wire_found found; /* how the walk ended after the last frame */
    bool no_message;       /* the bytes after the last frame begin no message */
};

/* A message begins with an array's head. */
static bool begins_message(unsigned char byte)
{
    return (byte & 0xf0) == 0x90 || byte == 0xdc || byte == 0xdd;
}

/* Finds and reads messages; if the first is incomplete, the walk stays in it. */
static void read_group(struct executor *executor, struct connection *connection,
                       const unsigned char *bytes, size_t length, struct group *group)
{
    struct wire_walk *walk = &connection->walk;
    const struct wire_limits *limits = limits_of(executor, connection);
    size_t start = 0;
    /* Those behind a long request would only wait again, and after hello other limits apply. */
    unsigned most = connection->slicing || is_stranger(connection) ? 1 : GROUP_MAX;
    group->count = 0;
    group->no_message = false;
    group->found = WIRE_PARTIAL;
    while (group->count < most && start < length) {
        if (!begins_message(bytes[start])) {
            group->no_message = true;
            return;
        }
        group->found = wire_walk(walk, limits, bytes + start, length - start);
        if (group->found != WIRE_WHOLE || walk->excess != WIRE_WITHIN)
            return;
        struct frame *frame = &group->frames[group->count++];
        read_frame(frame, bytes + start, (size_t)walk->at);
        start += (size_t)walk->at;
        frame->end = start;
        wire_walk_start(walk);
    }
}

static void prefetch_group(struct executor *executor, const struct group *group)
{
    struct prefetch_hint hints[GROUP_MAX];
    unsigned count = 0;
    if (group->count < 2)
        return;
    for (unsigned i = 0; i < group->count; i++) {
        const struct frame *frame = &group->frames[i];
        if (frame->kind != FRAME_CALL || frame->method->hint == HINT_NONE)
            continue;
        hints[count].id = hints[count].sku = (struct text){ NULL, 0 };
        method_hints(frame->method, frame->params, &hints[count].id, &hints[count].sku);
        count++;
    }
    for (unsigned stage = 0; stage < PREFETCH_STAGES; stage++)
        for (unsigned i = 0; i < count; i++)
            ledger_prefetch(executor->ctx, stage, &hints[i]);
}

static enum stall why_deferred(const struct executor *executor, const struct connection *connection)
{
    if (connection->awaited.query && !connection->awaited.answered)
        return STALL_ANSWER;
    if (connection->slicing)
        return STALL_QUANTUM;
    if (connection->awaited_lsn > 0)
        return STALL_LSN;
    if (connection->checking)
        return connection->checking->waits ? STALL_LATER : STALL_DEFERRED;
    return log_has_room(executor->service->log) ? STALL_DEFERRED : STALL_NO_ROOM;
}

static bool is_cancel(const struct group *group, unsigned i)
{
    return i < group->count && group->frames[i].kind == FRAME_CALL &&
           group->frames[i].method->cancels;
}

/* Announces to the engine where a run of cancels begins. A cancel behind another request may be of
 * a reservation made just before it, and could not claim before that. */
static void expect_cancels(struct executor *executor, const struct group *group, unsigned i)
{
    unsigned end = i;
    if (i > 0 && is_cancel(group, i - 1))
        return;
    while (is_cancel(group, end))
        end++;
    if (end - i > 1)
        ledger_expect_cancels(executor->ctx, end - i);
}

/* Why a request of that length may not start now; STALL_NONE: it may. */
static enum stall why_not_now(const struct executor *executor, const struct connection *connection,
                              size_t length)
{
    const struct chunk_pool *pool = connection->out.pool;
    uint64_t held = chunk_pool_bytes(pool);
    if (out_unsent(&connection->out) > (held >= pool->bytes_short ? 0 : OUTPUT_HIGH))
        return STALL_OUTPUT;
    if (held >= pool->bytes_full)
        return STALL_QUANTUM; /* the end of the iteration makes room */
    bool waits = executor->crowded && (length >= GREAT_BYTES || connection->slicing);
    return waits || executor_work(executor) >= executor->work_end ? STALL_QUANTUM : STALL_NONE;
}

static size_t run_frames(struct executor *executor, struct connection *connection,
                         const struct group *group)
{
    size_t through = 0;
    for (unsigned i = 0; i < group->count; i++) {
        const struct frame *frame = &group->frames[i];
        size_t length = frame->end - through;
        connection->stall = why_not_now(executor, connection, length);
        if (connection->stall != STALL_NONE)
            return through;
        uint64_t from = out_end(&connection->out);
        expect_cancels(executor, group, i);
        if (frame->kind != FRAME_CALL) {
            answer_other(executor, connection, frame);
        } else if (!run_call(executor, connection, frame)) {
            if (!connection->checking && !connection->slicing && connection->awaited_lsn == 0)
                metric_add(&executor->metrics->deferred, 1);
            connection->stall = why_deferred(executor, connection);
            return through;
        }
        executor->bytes += length + (out_end(&connection->out) - from);
        through = frame->end;
        if (!connection_takes_requests(connection))
            break;
    }
    return through;
}

/* Runs a group to its end or a stall. Returns how many bytes are done. */
static size_t run_group(struct executor *executor, struct connection *connection,
                        const struct group *group)
{
    size_t through = run_frames(executor, connection, group);
    ledger_expect_cancels(executor->ctx, 0);
    return through;
}

size_t session_run(struct executor *executor, struct connection *connection,
                   const unsigned char *bytes, size_t length)
{
    struct group group;
    size_t through = 0;
    executor->asked_ns =
        connection->stall == STALL_NONE ? executor->steady_ns : connection->stalled_ms * 1000000;
    connection->stall = STALL_NONE;
    executor->work_end = executor_work(executor) + executor->quantum;
    while (through < length && connection_takes_requests(connection)) {
        const unsigned char *next = bytes + through;
        size_t left = length - through;
        if (connection->discarding) {
            size_t used = discard(executor, connection, next, left);
            through += used;
            if (used == 0)
                break;
            continue;
        }
        read_group(executor, connection, next, left, &group);
        if (group.count > 0) {
            prefetch_group(executor, &group);
            through += run_group(executor, connection, &group);
            wire_walk_start(&connection->walk);
            if (connection->stall != STALL_NONE)
                break;
        } else if (group.no_message || group.found == WIRE_BAD) {
            answer_unreadable(executor, connection, next, left);
        } else if (connection->walk.excess != WIRE_WITHIN) {
            answer_excess(executor, connection, next, left);
        } else {
            break; /* the message continues after these bytes */
        }
    }
    return through;
}
