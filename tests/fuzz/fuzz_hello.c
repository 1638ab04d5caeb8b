/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What strangers send: an engine with tokens, of which the input knows none, and the input is a
 * stream of a connection, cut into pieces by its own first byte.
 *
 *   H1  Every reply is an error, and of a kind that tells nothing: unauthorized, too_large or
 *       bad_request.
 *   H2  Nothing is journalled.
 *   H3  No more is kept than a stranger's message may have.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/session_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct service_limits limits = {
    .message = { .bytes = 1 << 20, .elements = 65536, .depth = 8 },
    .hello = { .bytes = 1024, .elements = 64, .depth = 8 },
    .lines = 16,
    .skus = 32,
    .connections = 10,
};

static const struct ledger_config ledger = {
    .items = 64, .pools = 64, .reservations = 256, .contexts = 1, .hash_seed = 1
};

static struct access *tokens(void)
{
    static const struct access_limits none;
    static const char line[] =
        "web sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef can=*";
    struct grants grants;
    char why[512];
    bool good = grants_read(&grants, line, strlen(line), why, sizeof why);
    assert(good);
    struct access *access = access_create(&none, 1, &grants, SESSION_RIG_NOW_MS);
    assert(access);
    return access;
}

static bool is_code(const msgpack_object *code, const char *name)
{
    return code->via.str.size == strlen(name) &&
           memcmp(code->via.str.ptr, name, code->via.str.size) == 0;
}

static void take_replies(struct session_rig *session)
{
    msgpack_unpacked reply;
    while (session_rig_reply(session, &reply)) {
        const msgpack_object *error = &reply.data.via.array.ptr[2];
        assert(error->type == MSGPACK_OBJECT_ARRAY && error->via.array.size == 3); /* H1 */
        const msgpack_object *code = &error->via.array.ptr[0];
        assert(is_code(code, "unauthorized") || is_code(code, "too_large") ||
               is_code(code, "bad_request"));
        msgpack_unpacked_destroy(&reply);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session_rig session;
    if (size < 1)
        return -1;
    size_t piece = data[0] ? data[0] : size;
    session_rig_open(&session, &limits, &ledger);
    session.service.access = tokens();
    principal_make_stranger(&session.connection.principal);
    uint64_t head = log_head(&session.rig.log);
    for (size_t at = 1; at < size && connection_takes_requests(&session.connection); at += piece) {
        session_rig_feed(&session, data + at, size - at < piece ? size - at : piece);
        session_rig_iteration(&session);
        take_replies(&session);
        assert(principal_is_stranger(&session.connection.principal));
        assert(input_length(&session.connection.input) <= limits.hello.bytes); /* H3 */
    }
    assert(log_head(&session.rig.log) == head); /* H2 */
    struct access *access = session.service.access;
    session_rig_close(&session);
    access_destroy(access);
    return 0;
}
