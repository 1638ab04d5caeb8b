/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything between a socket and the log, on any bytes: the input is a stream of a connection, cut
 * into pieces by its own first byte. A ledger with a little stock is behind it.
 *
 *   S1  What comes out is whole replies, [1, msgid, nil or error, result or nil].
 *   S2  Nothing gathers: what is kept of the input is less than a message.
 *   S3  The ledger is sound afterwards.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/session_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct service_limits limits = {
    .message = { .bytes = 2048, .elements = 256, .depth = 8 },
    .lines = 16,
    .skus = 32,
    .connections = 10,
};

static const struct ledger_config ledger = {
    .items = 64, .pools = 64, .reservations = 256, .contexts = 1, .hash_seed = 1
};

static void check_reply(const msgpack_object *reply)
{
    assert(reply->type == MSGPACK_OBJECT_ARRAY);
    if (reply->via.array.size == 3) {
        assert(reply->via.array.ptr[0].via.u64 == 2);
        assert(reply->via.array.ptr[1].type == MSGPACK_OBJECT_STR);
        assert(reply->via.array.ptr[2].type == MSGPACK_OBJECT_ARRAY);
        return;
    }
    assert(reply->via.array.size == 4);
    const msgpack_object *parts = reply->via.array.ptr;
    assert(parts[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER && parts[0].via.u64 == 1);
    assert(parts[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER && parts[1].via.u64 <= UINT32_MAX);
    if (parts[2].type == MSGPACK_OBJECT_NIL) {
        assert(parts[3].type == MSGPACK_OBJECT_MAP || parts[3].type == MSGPACK_OBJECT_STR);
        return;
    }
    assert(parts[2].type == MSGPACK_OBJECT_ARRAY);
    assert(parts[2].via.array.size == 3);
    assert(parts[2].via.array.ptr[0].type == MSGPACK_OBJECT_STR);
    assert(parts[2].via.array.ptr[1].type == MSGPACK_OBJECT_STR);
    assert(parts[2].via.array.ptr[2].type == MSGPACK_OBJECT_MAP);
    assert(parts[3].type == MSGPACK_OBJECT_NIL);
}

static void take_replies(struct session_rig *session)
{
    msgpack_unpacked reply;
    while (session_rig_reply(session, &reply)) {
        check_reply(&reply.data);
        msgpack_unpacked_destroy(&reply);
    }
}

/* What a worker would tell, if the connection has subscribed. */
static void tell(struct session_rig *session)
{
    struct feed_slice slice = { .made = false };
    struct subscription *s = &session->connection.feed.subscription;
    if (!s->on)
        return;
    struct feed_view view = feed_look(session->rig.ledger, session->executor.ctx, s->channel);
    out_init(&slice.out, &session->chunks);
    while (feed_begin_walk(s, log_head(session->service.log)) &&
           feed_make_slice(&slice, &view, s)) {
        feed_give_slice(s, &session->connection.out, &slice);
        feed_drop_slice(&slice);
    }
}

/* Nobody reads the records. */
static void drain(struct log *log)
{
    static _Alignas(8) unsigned char records[2 * RECORD_MAX];
    while (log_drain(log, records, sizeof records) > 0)
        continue;
}

static void end_turn(struct session_rig *session)
{
    session->executor.engine_ms += 10;
    session_rig_iteration(session);
    ledger_expire(session->executor.ctx, 16);
    drain(&session->rig.log);
    tell(session);
    connection_open_barriers(&session->connection, log_head(session->service.log));
    while (session->connection.stall != STALL_NONE) {
        take_replies(session);
        session_rig_retry(session);
    }
    take_replies(session);
    assert(input_length(&session->connection.input) <= limits.message.bytes); /* S2 */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session_rig session;
    char message[256];
    if (size < 1)
        return -1;
    size_t piece = data[0] ? data[0] : size;
    session_rig_open(&session, &limits, &ledger);
    if (data[0] % 2 == 1) /* every query in as many parts as it can have */
        session.executor.quantum = 1;
    session_rig_ask(&session, 1, "receive", "['r', 'S', 'main', 100]");
    session_rig_ask(&session, 2, "reserve", "['o', 'default', [['S', 5]], {'ttl_ms': 50}]");
    for (size_t at = 1; at < size; at += piece) {
        session_rig_feed(&session, data + at, size - at < piece ? size - at : piece);
        end_turn(&session);
    }
    end_turn(&session);
    int unsound = ledger_check(session.rig.ledger, message, sizeof message); /* S3 */
    if (unsound)
        fprintf(stderr, "%s\n", message);
    assert(!unsound);
    session_rig_close(&session);
    return 0;
}
