/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/session_rig.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "protocol/methods.h"

static bool nothing_next(void *self, bool idle, struct storage_request *request)
{
    (void)self;
    (void)idle;
    (void)request;
    return false;
}

static bool nothing_done(void *self, const struct storage_request *request, int result,
                         struct storage_request *next)
{
    (void)self;
    (void)request;
    (void)result;
    (void)next;
    return false;
}

static uint64_t never(void *self)
{
    (void)self;
    return UINT64_MAX;
}

static const char *out_of_disk(void *self)
{
    (void)self;
    return "the disk is on fire";
}

static unsigned no_metrics(void *self, struct storage_metric *metrics)
{
    (void)self;
    (void)metrics;
    return 0;
}

static bool answer_returned(struct session_rig *session, struct history_query *query)
{
    session->queries++;
    query->outcome = session->outcome;
    query->evidence = session->evidence;
    query->evidence.upto = query->upto - session->behind;
    session->connection.awaited.answered = true;
    return true;
}

/* The answer is there when the request is tried again. */
static bool answer_at_once(void *self, struct history_query *query, struct answer_box *box)
{
    struct session_rig *session = self;
    if (query->kind == HISTORY_RETURNED)
        return answer_returned(session, query);
    struct history_event event = {
        .lsn = query->since_lsn + 8,
        .type = "reserve",
        .state = "held",
        .has_item = true,
        .has_pool = true,
        .has_channel = true,
        .id = text_of("o"),
        .reason = text_of("because"),
    };
    (void)box;
    query->lsn = query->upto;
    query->outcome = (enum history_outcome)(query->limit % (HISTORY_STOPPED + 1));
    history_keep(query, &event);
    history_settle_texts(query);
    query->pools = calloc(1, sizeof *query->pools);
    query->pool_count = query->pools ? 1 : 0;
    session->connection.awaited.answered = true;
    return true;
}

static const struct service_limits usual_limits = {
    .message = { .bytes = 1 << 20, .elements = 65536, .depth = 8 },
    .hello = { .bytes = 4096, .elements = 64, .depth = 8 },
    .lines = LINES_MAX,
    .skus = 4096,
    .connections = 10000,
    .input_bytes = 64 << 20,
    .message_ms = 30000,
    .reader_ms = 60000,
};

static const struct ledger_config usual_ledger = {
    .items = 1000,
    .pools = 4000,
    .reservations = 4000,
    .contexts = 1,
    .hash_seed = 1,
};

void session_rig_open(struct session_rig *session, const struct service_limits *limits,
                      const struct ledger_config *config)
{
    memset(session, 0, sizeof *session);
    methods_prepare();
    ledger_rig_open(&session->rig, config ? config : &usual_ledger);
    session->storage = (struct storage_port){
        .next = nothing_next,
        .done = nothing_done,
        .next_sync_ms = never,
        .failure = out_of_disk,
        .metrics = no_metrics,
    };
    session->history = (struct history_port){ .self = session, .ask = answer_at_once };
    session->metrics = aligned_alloc(64, sizeof *session->metrics);
    session->scratch = memory_reserve(sizeof *session->scratch);
    assert(session->metrics && session->scratch);
    memset(session->metrics, 0, sizeof *session->metrics);
    session->service = (struct service){
        .ledger = session->rig.ledger,
        .log = session->rig.config.log,
        .storage = &session->storage,
        .history = &session->history,
        .limits = limits ? *limits : usual_limits,
        .version = "0.0.0-test",
        .started_ms = SESSION_RIG_NOW_MS,
        .metrics = session->metrics,
        .workers = 1,
        .checks = &session->checks,
    };
    uint32_t skus = session->service.limits.skus;
    session->scratch->skus = calloc(skus, sizeof *session->scratch->skus);
    session->scratch->available = calloc(skus, sizeof *session->scratch->available);
    assert(session->scratch->skus && session->scratch->available);
    chunk_pool_init(&session->chunks, 4);
    connection_init(&session->connection, &session->chunks);
    session->executor = (struct executor){
        .service = &session->service,
        .scratch = session->scratch,
        .ctx = ledger_ctx(session->rig.ledger, 0),
        .metrics = session->metrics,
        .engine_ms = SESSION_RIG_NOW_MS,
        .quantum = UINT64_C(1) << 40, /* no end, unless a test says less */
    };
    session_rig_iteration(session);
}

void session_rig_close(struct session_rig *session)
{
    ledger_end(session->executor.ctx);
    history_query_free(session->connection.awaited.query);
    connection_destroy(&session->connection);
    chunk_pool_destroy(&session->chunks);
    free(session->reply);
    free(session->scratch->skus);
    free(session->scratch->available);
    memory_release(session->scratch, sizeof *session->scratch);
    free(session->metrics);
    ledger_rig_close(&session->rig);
}

void session_rig_iteration(struct session_rig *session)
{
    struct executor *executor = &session->executor;
    if (session->in_iteration)
        ledger_end(executor->ctx);
    executor->iteration++;
    ledger_begin(executor->ctx, executor->engine_ms, executor->engine_ms);
    session->in_iteration = true;
}

void session_rig_retry(struct session_rig *session)
{
    struct input *input = &session->connection.input;
    size_t through = session_run(&session->executor, &session->connection,
                                 input->bytes + input->start, input_length(input));
    input_consume(input,
                  connection_takes_requests(&session->connection) ? through : input_length(input));
}

void session_rig_feed(struct session_rig *session, const void *bytes, size_t length)
{
    bool good = input_append(&session->connection.input, bytes, length);
    assert(good);
    (void)good;
    if (session->connection.stall == STALL_NONE && length > 0)
        session_rig_retry(session);
}

/* ---- the notation ---- */

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " ,:");
}

static const char *past_value(const char *at);

static const char *past_values(const char *at, char end, uint32_t *count)
{
    for (*count = 0; *(at = skip_blanks(at)) != end; ++*count)
        at = past_value(at);
    return at + 1;
}

static const char *past_value(const char *at)
{
    uint32_t count;
    if (*at == '[' || *at == '{')
        return past_values(at + 1, *at == '[' ? ']' : '}', &count);
    if (*at == '\'')
        return strchr(at + 1, '\'') + 1;
    return at + strcspn(at, " ,:]}");
}

static const char *pack_notation(msgpack_packer *packer, const char *at);

static const char *pack_values(msgpack_packer *packer, const char *at)
{
    uint32_t count;
    char end = *at == '[' ? ']' : '}';
    past_values(at + 1, end, &count);
    if (end == ']')
        msgpack_pack_array(packer, count);
    else
        msgpack_pack_map(packer, count / 2);
    for (at++; *(at = skip_blanks(at)) != end;)
        at = pack_notation(packer, at);
    return at + 1;
}

static const char *pack_notation(msgpack_packer *packer, const char *at)
{
    size_t length = (size_t)(past_value(at) - at);
    if (*at == '[' || *at == '{')
        return pack_values(packer, at);
    if (*at == '\'')
        msgpack_pack_str_with_body(packer, at + 1, length - 2);
    else if (*at == 't')
        msgpack_pack_true(packer);
    else if (*at == 'f')
        msgpack_pack_false(packer);
    else if (*at == 'n')
        msgpack_pack_nil(packer);
    else if (memchr(at, '.', length))
        msgpack_pack_double(packer, strtod(at, NULL));
    else if (*at == '-')
        msgpack_pack_int64(packer, strtoll(at, NULL, 10));
    else
        msgpack_pack_uint64(packer, strtoull(at, NULL, 10));
    return at + length;
}

void session_rig_ask(struct session_rig *session, uint32_t msgid, const char *method,
                     const char *params)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 0);
    msgpack_pack_uint32(&packer, msgid);
    msgpack_pack_str_with_body(&packer, method, strlen(method));
    pack_notation(&packer, params);
    session_rig_feed(session, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
}

bool session_rig_reply(struct session_rig *session, msgpack_unpacked *reply)
{
    struct out *out = &session->connection.out;
    size_t length = (size_t)out_unsent(out);
    size_t end = 0;
    msgpack_unpacked_init(reply);
    if (length == 0)
        return false;
    unsigned char *bytes = malloc(length);
    assert(bytes);
    out_copy(out, out->sent, bytes);
    msgpack_unpack_return got = msgpack_unpack_next(reply, (char *)bytes, length, &end);
    assert(got == MSGPACK_UNPACK_SUCCESS || got == MSGPACK_UNPACK_EXTRA_BYTES);
    (void)got;
    free(session->reply);
    session->reply = (char *)bytes;
    out_consume(out, end);
    return true;
}

const char *session_rig_text(struct session_rig *session)
{
    msgpack_unpacked unpacked;
    if (!session_rig_reply(session, &unpacked))
        return "(none)";
    msgpack_object_print_buffer(session->text, sizeof session->text, unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    return session->text;
}
