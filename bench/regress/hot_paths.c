/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot_paths: runs the hot paths while callgrind counts their instructions. run.sh runs it; alone it
 * does the same and counts nothing.
 *
 * Only the code between begin() and end() is counted: the calls under test, not the making of their
 * requests. All is deterministic: one thread, fixed hash seeds, fixed time, ids and items by
 * number. Each path runs once without being counted, so that tables have the size, and shapes the
 * state, that they have in service.
 */
#include <assert.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/regress/count.h"
#include "tests/support/session_rig.h"

enum {
    OPERATIONS = 4096,
    WARM_UP = 20000, /* ids: more than the table holds, so that its slots are used again */
    RESERVATIONS = 16384,
    ITEMS = 500,
    LINES = 10,
    BATCH = 64, /* requests of one receive */
    BATCH_BYTES = 8192,
    STOCK = 1000000,
};

static const struct ledger_config config = {
    .items = 1000,
    .pools = 4000,
    .reservations = RESERVATIONS,
    .contexts = 1,
    .figures = 4 << 20,
    .hash_seed = 12345,
};

struct name {
    char bytes[24];
    uint32_t len;
};

static struct session_rig session;
static struct ctx *ctx;
static uint64_t ids;

/* ---- Requests -------------------------------------------------------------------------------- */

static struct name name_of(char letter, uint64_t number)
{
    struct name name;

    name.len = (uint32_t)snprintf(name.bytes, sizeof name.bytes, "%c%015llu", letter,
                                  (unsigned long long)number);
    return name;
}

static struct text text_in(const struct name *name)
{
    return (struct text){ name->bytes, name->len };
}

/* Every item once, neighbours far apart. */
static struct name sku_of(uint64_t number)
{
    return name_of('S', number * 7919 % ITEMS);
}

/* Ends the iteration, and drains the log to the journal. */
static void next_turn(void)
{
    ledger_rig_drain(&session.rig);
    session.rig.length = 0; /* it will not be replayed */
    session_rig_iteration(&session);
}

static void must(enum code code)
{
    if (code != CODE_OK) {
        fprintf(stderr, "hot_paths: code %d: %s\n", code, ctx_failure(ctx)->message);
        exit(1);
    }
}

/* ---- The ledger alone ------------------------------------------------------------------------ */

static void receive_all(void)
{
    for (uint64_t i = 0; i < ITEMS; i++) {
        struct name id = name_of('r', i);
        struct name sku = name_of('S', i);
        struct movement_result result;
        struct movement movement = {
            .id = text_in(&id), .sku = text_in(&sku), .location = text_of("main"), .qty = STOCK
        };

        must(ledger_receive(ctx, &movement, &result));
        next_turn();
    }
}

static void reserve(uint64_t number, uint32_t lines)
{
    struct name id = name_of('o', number);
    struct name sku[LINES];
    struct order_line line[LINES];
    struct reservation_view view;

    for (uint32_t i = 0; i < lines; i++) {
        sku[i] = sku_of(number * lines + i);
        line[i] = (struct order_line){ .sku = text_in(&sku[i]), .qty = 1 };
    }
    struct order order = {
        .id = text_in(&id), .channel = text_of("default"), .lines = line, .line_count = lines
    };
    begin();
    enum code code = ledger_reserve(ctx, &order, &view);
    end();
    must(code);
    next_turn();
}

static void cancel(uint64_t number)
{
    struct name id = name_of('o', number);
    struct step step = { .id = text_in(&id) };
    struct reservation_view view;

    begin();
    enum code code = ledger_cancel(ctx, &step, &view);
    end();
    must(code);
    next_turn();
}

static void confirm(uint64_t number)
{
    struct name id = name_of('o', number);
    struct reservation_view view;

    begin();
    enum code code = ledger_confirm(ctx, text_in(&id), (struct text){ NULL, 0 }, &view);
    end();
    must(code);
    next_turn();
}

static void fulfil(uint64_t number)
{
    struct name id = name_of('o', number);
    struct step step = { .id = text_in(&id) };
    struct reservation_view view;

    begin();
    enum code code = ledger_fulfil(ctx, &step, &view);
    end();
    must(code);
    next_turn();
}

static void availability(uint64_t number)
{
    struct name sku = sku_of(number);
    struct text text = text_in(&sku);
    int64_t available;
    uint64_t lsn;

    begin();
    enum code code = ledger_availability(ctx, text_of("default"), &text, 1, &available, &lsn);
    end();
    must(code);
}

static void promise_many(uint64_t number)
{
    struct name sku[LINES];
    struct order_line line[LINES];
    struct reservation_view view;

    for (uint32_t i = 0; i < LINES; i++) {
        sku[i] = sku_of(number * LINES + i);
        line[i] = (struct order_line){ .sku = text_in(&sku[i]), .qty = 1 };
    }
    struct order order = { .channel = text_of("default"), .lines = line, .line_count = LINES };
    begin();
    enum code code = ledger_promise(ctx, &order, &view);
    end();
    must(code);
}

static void reserve_one(uint64_t number)
{
    reserve(number, 1);
}

static void receive_one(uint64_t number)
{
    struct name id = name_of('m', number);
    struct name sku = sku_of(number);
    struct movement_result result;
    struct movement movement = {
        .id = text_in(&id), .sku = text_in(&sku), .location = text_of("main"), .qty = 1
    };

    begin();
    enum code code = ledger_receive(ctx, &movement, &result);
    end();
    must(code);
    next_turn();
}

static void sell(uint64_t number, uint32_t lines)
{
    struct name id = name_of('t', number);
    struct name sku[LINES];
    struct order_line line[LINES];
    struct sold_view view;

    for (uint32_t i = 0; i < lines; i++) {
        sku[i] = sku_of(number * lines + i);
        line[i] = (struct order_line){ .sku = text_in(&sku[i]), .qty = 1 };
    }
    struct sale sale = { .id = text_in(&id),
                         .channel = text_of("default"),
                         .location = text_of("main"),
                         .lines = line,
                         .line_count = lines };
    begin();
    enum code code = ledger_sold(ctx, &sale, &view);
    end();
    must(code);
    next_turn();
}

static void sell_one(uint64_t number)
{
    sell(number, 1);
}

static void sell_many(uint64_t number)
{
    sell(number, LINES);
}

static void reserve_many(uint64_t number)
{
    reserve(number, LINES);
}

static void walk(const char *path, void (*step)(uint64_t), uint64_t first, unsigned operations)
{
    for (uint64_t i = 0; i < operations; i++)
        step(first + i);
    report(path, operations);
}

static void warm_up(void)
{
    for (unsigned i = 0; i < WARM_UP; i++) {
        uint64_t id = ++ids;

        reserve(id, 1);
        cancel(id);
    }
    CALLGRIND_ZERO_STATS;
}

static void walk_ledger(void)
{
    uint64_t first = ids + 1;

    walk("ledger-reserve", reserve_one, first, OPERATIONS);
    walk("ledger-confirm", confirm, first, OPERATIONS);
    walk("ledger-fulfil", fulfil, first, OPERATIONS);
    first += OPERATIONS;
    walk("ledger-reserve-10-lines", reserve_many, first, OPERATIONS / 4);
    walk("ledger-cancel-10-lines", cancel, first, OPERATIONS / 4);
    first += OPERATIONS / 4;
    walk("ledger-availability", availability, first, OPERATIONS);
    walk("ledger-promise-10-lines", promise_many, first, OPERATIONS / 4);
    for (uint64_t i = 0; i < OPERATIONS; i++)
        reserve(first + i, 1);
    CALLGRIND_ZERO_STATS;
    walk("ledger-cancel", cancel, first, OPERATIONS);
    first += OPERATIONS;
    walk("ledger-receive", receive_one, first, OPERATIONS);
    first += OPERATIONS;
    walk("ledger-sold", sell_one, first, OPERATIONS);
    first += OPERATIONS;
    walk("ledger-sold-10-lines", sell_many, first, OPERATIONS / 4);
    ids = first + OPERATIONS;
}

/* ---- A session: decode, execute, encode ------------------------------------------------------ */

static void pack_text(msgpack_packer *packer, const char *bytes, size_t len)
{
    msgpack_pack_str_with_body(packer, bytes, len);
}

static void pack_head(msgpack_packer *packer, uint32_t msgid, const char *method, size_t params)
{
    msgpack_pack_array(packer, 4);
    msgpack_pack_int(packer, 0);
    msgpack_pack_uint32(packer, (1U << 20) + msgid);
    pack_text(packer, method, strlen(method));
    msgpack_pack_array(packer, params);
}

static void pack_reserve(msgpack_packer *packer, uint64_t number)
{
    struct name id = name_of('o', number);
    struct name sku = sku_of(number);

    pack_head(packer, (uint32_t)number, "reserve", 3);
    pack_text(packer, id.bytes, id.len);
    pack_text(packer, "default", 7);
    msgpack_pack_array(packer, 1);
    msgpack_pack_array(packer, 2);
    pack_text(packer, sku.bytes, sku.len);
    msgpack_pack_int(packer, 1);
}

static void pack_cancel(msgpack_packer *packer, uint64_t number)
{
    struct name id = name_of('o', number);

    pack_head(packer, (uint32_t)number, "cancel", 1);
    pack_text(packer, id.bytes, id.len);
}

static void pack_availability(msgpack_packer *packer, uint64_t number)
{
    struct name sku = sku_of(number);

    pack_head(packer, (uint32_t)number, "availability", 2);
    pack_text(packer, "default", 7);
    msgpack_pack_array(packer, 1);
    pack_text(packer, sku.bytes, sku.len);
}

static void pack_receive(msgpack_packer *packer, uint64_t number)
{
    struct name id = name_of('m', number);
    struct name sku = sku_of(number);

    pack_head(packer, (uint32_t)number, "receive", 4);
    pack_text(packer, id.bytes, id.len);
    pack_text(packer, sku.bytes, sku.len);
    pack_text(packer, "main", 4);
    msgpack_pack_int(packer, 1);
}

static void pack_sold(msgpack_packer *packer, uint64_t number)
{
    struct name id = name_of('t', number);
    struct name sku = sku_of(number);

    pack_head(packer, (uint32_t)number, "sold", 4);
    pack_text(packer, id.bytes, id.len);
    pack_text(packer, "default", 7);
    pack_text(packer, "main", 4);
    msgpack_pack_array(packer, 1);
    msgpack_pack_array(packer, 2);
    pack_text(packer, sku.bytes, sku.len);
    msgpack_pack_int(packer, 1);
}

/* Each request of the batch has a reply, and none is an error: [1, msgid, nil, ...]. */
static void check_replies(struct out *out)
{
    static unsigned char bytes[BATCH * 256];
    size_t len = (size_t)out_unsent(out);
    size_t at = 0;

    assert(len <= sizeof bytes);
    out_copy(out, out->sent, bytes);
    for (unsigned i = 0; i < BATCH; i++) {
        msgpack_unpacked reply;

        msgpack_unpacked_init(&reply);
        msgpack_unpack_return got = msgpack_unpack_next(&reply, (char *)bytes, len, &at);
        if (got < MSGPACK_UNPACK_SUCCESS ||
            reply.data.via.array.ptr[2].type != MSGPACK_OBJECT_NIL) {
            fprintf(stderr, "hot_paths: reply %u is an error, or missing\n", i);
            exit(1);
        }
        msgpack_unpacked_destroy(&reply);
    }
    assert(at == len);
    out_consume(out, len);
}

static void run_batch(void (*pack)(msgpack_packer *, uint64_t), uint64_t first)
{
    static unsigned char bytes[BATCH_BYTES];
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    for (uint64_t i = 0; i < BATCH; i++)
        pack(&packer, first + i);
    size_t len = buffer.size;
    assert(len <= sizeof bytes);
    memcpy(bytes, buffer.data, len); /* always at the same address */
    msgpack_sbuffer_destroy(&buffer);

    begin();
    size_t through = session_run(&session.executor, &session.connection, bytes, len);
    end();
    assert(through == len);
    assert(session.connection.stall == STALL_NONE);
    check_replies(&session.connection.out);
    next_turn();
}

static void walk_session(const char *path, void (*pack)(msgpack_packer *, uint64_t), uint64_t first)
{
    for (uint64_t i = 0; i < OPERATIONS; i += BATCH)
        run_batch(pack, first + i);
    report(path, OPERATIONS);
}

int main(void)
{
    session_rig_open(&session, NULL, &config);
    ctx = session.executor.ctx;
    receive_all();
    warm_up();
    walk_ledger();
    uint64_t first = ids + 1;
    run_batch(pack_availability, first);
    CALLGRIND_ZERO_STATS;
    walk_session("session-availability", pack_availability, first);
    walk_session("session-reserve", pack_reserve, first);
    walk_session("session-cancel", pack_cancel, first);
    walk_session("session-receive", pack_receive, first);
    walk_session("session-sold", pack_sold, first);
    session_rig_close(&session);
    walk_journal(BATCH);
    return 0;
}
