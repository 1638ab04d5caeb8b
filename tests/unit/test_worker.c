/* SPDX-License-Identifier: Apache-2.0 */
/* A worker among its connections: whose iteration it is, and how much of their input it keeps. It
 * has no ring: nothing comes, nothing goes, and each iteration is made by hand. */
#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdio.h>
#include <string.h>

#include "protocol/worker_feed.h"
#include "protocol/worker_half.h"
#include "protocol/worker_io.h"
#include "tests/support/session_rig.h"

enum { PEERS = 3, HALF_BYTES = 5000, HALF_ROOM = 8192 };

static struct session_rig session;
static struct shared shared;
static struct inbox inbox;
static struct worker worker;
static struct connection peers[PEERS];

static void open_rig(void)
{
    session_rig_open(&session, NULL, NULL);
    shared = (struct shared){ .service = session.service, .inboxes = &inbox };
    worker = (struct worker){
        .shared = &shared,
        .inbox = &inbox,
        .executor = session.executor,
        .now = { .steady_ms = 1000, .engine_ms = SESSION_RIG_NOW_MS },
        .crowded_at = UINT64_MAX,
    };
    out_init(&worker.feed.slice.out, &session.chunks);
    for (int i = 0; i < PEERS; i++) {
        connection_init(&peers[i], &session.chunks);
        list_add(&worker.lists, LIST_ALL, &peers[i]);
    }
}

static void close_rig(void)
{
    for (int i = 0; i < PEERS; i++) {
        for (enum connection_list list = 0; list < LISTS; list++)
            list_remove(&worker.lists, list, &peers[i]);
        connection_destroy(&peers[i]);
    }
    session_rig_close(&session);
}

TestSuite(worker, .init = open_rig, .fini = close_rig);

/* A question comes, as long as many skus make it, and waits in that list. */
static void ask(struct connection *peer, enum connection_list list, enum stall stall, int skus)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 0);
    msgpack_pack_int(&packer, 7);
    msgpack_pack_str_with_body(&packer, "availability", strlen("availability"));
    msgpack_pack_array(&packer, 2);
    msgpack_pack_str_with_body(&packer, "default", strlen("default"));
    msgpack_pack_array(&packer, (size_t)skus);
    for (int i = 0; i < skus; i++)
        msgpack_pack_str_with_body(&packer, "S", 1);
    cr_assert(input_append(&peer->input, (unsigned char *)buffer.data, buffer.size));
    msgpack_sbuffer_destroy(&buffer);
    peer->stall = stall;
    list_add(&worker.lists, list, peer);
}

enum { FEW = 1, MANY = 3000 };
_Static_assert((int)MANY >= (int)GREAT_BYTES, "many skus make a great request");

static void must_be_answered(const struct connection *peer)
{
    cr_assert_gt(out_unsent(&peer->out), 0);
    cr_assert_eq(peer->stall, STALL_NONE);
    cr_assert_not(peer->listed[LIST_HEAVY]);
}

static void must_wait_for_its_turn(const struct connection *peer)
{
    cr_assert_eq(out_unsent(&peer->out), 0, "it did not wait");
    cr_assert_eq(peer->stall, STALL_QUANTUM);
    cr_assert(peer->listed[LIST_HEAVY]);
}

Test(worker, who_asks_much_waits_behind_those_who_wait_for_that)
{
    ask(&peers[0], LIST_HEAVY, STALL_QUANTUM, MANY);
    ask(&peers[1], LIST_RETRY, STALL_DEFERRED, MANY);
    ask(&peers[2], LIST_RETRY, STALL_DEFERRED, FEW);
    cr_assert_not(worker_retry(&worker));
    must_wait_for_its_turn(&peers[0]);
    must_wait_for_its_turn(&peers[1]);
    must_be_answered(&peers[2]);
    cr_assert_eq(worker.lists.head[LIST_HEAVY], &peers[0]);

    while (worker_run_heavy(&worker)) /* for a limited time each */
        ;
    must_be_answered(&peers[0]);
    must_be_answered(&peers[1]);
}

Test(worker, a_iteration_that_did_much_begins_nothing_great)
{
    worker.crowded_at = executor_work(&worker.executor);
    ask(&peers[0], LIST_RETRY, STALL_DEFERRED, MANY);
    ask(&peers[1], LIST_RETRY, STALL_DEFERRED, FEW);
    worker_retry(&worker);
    must_wait_for_its_turn(&peers[0]);
    must_be_answered(&peers[1]);
}

Test(worker, one_request_that_is_long_in_one_piece_is_enough_for_a_iteration)
{
    worker.great_done = true;
    ask(&peers[0], LIST_RETRY, STALL_DEFERRED, MANY);
    worker_retry(&worker);
    must_wait_for_its_turn(&peers[0]);
    cr_assert(worker_run_heavy(&worker));
    must_wait_for_its_turn(&peers[0]);

    worker.great_done = false; /* the next iteration */
    cr_assert_not(worker_run_heavy(&worker));
    must_be_answered(&peers[0]);
}

/* ---- half messages ---- */

/* The beginning of a message comes. */
static void begin_message(struct connection *peer)
{
    static unsigned char bytes[HALF_BYTES] = { 0x94, 0x00, 0x07 };
    cr_assert(input_append(&peer->input, bytes, sizeof bytes));
    worker_note_input(&worker, peer);
    cr_assert(peer->listed[LIST_HALF]);
}

static void must_be_turned_out(const struct connection *peer)
{
    cr_assert_eq(peer->state, CONNECTION_CLOSING);
    cr_assert_gt(out_unsent(&peer->out), 0, "it is not told why");
    cr_assert_eq(input_length(&peer->input), 0);
    cr_assert_not(peer->listed[LIST_HALF]);
}

Test(worker, halves_have_a_bound_together)
{
    shared.service.limits.message.bytes = 1024; /* four messages find room in any case */
    shared.service.limits.input_bytes = 2 * HALF_ROOM;
    for (int i = 0; i < 2; i++)
        begin_message(&peers[i]);
    worker_mind_halves(&worker);
    cr_assert_eq(worker.half_bytes, 2 * HALF_ROOM);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(peers[i].state, CONNECTION_OPEN);

    begin_message(&peers[2]);
    worker_mind_halves(&worker);
    must_be_turned_out(&peers[0]); /* the first of those that hold most */
    cr_assert_eq(worker.half_bytes, 2 * HALF_ROOM);
    for (int i = 1; i < PEERS; i++)
        cr_assert_eq(peers[i].state, CONNECTION_OPEN);
}

Test(worker, a_half_has_a_time_to_become_whole)
{
    uint32_t most_ms = shared.service.limits.message_ms;
    begin_message(&peers[0]);
    worker.now.steady_ms++;
    begin_message(&peers[1]);
    worker.now.steady_ms += most_ms - 2;
    worker_mind_halves(&worker);
    cr_assert_eq(peers[0].state, CONNECTION_OPEN);
    cr_assert_eq(worker_half_sleep_ms(&worker), 1);
    worker.now.steady_ms++;
    worker_mind_halves(&worker);
    must_be_turned_out(&peers[0]);
    cr_assert_eq(peers[1].state, CONNECTION_OPEN);
}

/* ---- subscribers ---- */

static void change_stock(const char *id)
{
    struct movement_result result;
    struct movement more = {
        .id = text_of(id), .sku = text_of("S"), .location = text_of("main"), .qty = 1
    };
    cr_assert_eq(ledger_receive(worker.executor.ctx, &more, &result), CODE_OK);
    ledger_rig_drain(&session.rig);
}

static uint64_t tell_what_has_changed(void)
{
    uint64_t before = out_unsent(&peers[0].out);
    worker.now.steady_ms += 1000;
    worker_feed(&worker);
    cr_assert_gt(out_unsent(&peers[0].out), before, "the subscriber gets no notification");
    return connection_open_barriers(&peers[0], worker.acknowledged);
}

Test(worker, subscribers_do_not_hear_what_a_crash_may_undo)
{
    struct subscription *subscription = &peers[0].feed.subscription;
    subscription->on = true;
    subscription->channel = FEED_ALL_CHANNELS;
    list_add(&worker.lists, LIST_SUBSCRIBED, &peers[0]);
    change_stock("a");
    worker.acknowledged = log_head(session.service.log);
    cr_assert_eq(tell_what_has_changed(), out_end(&peers[0].out), "it is on disk");
    uint64_t told = out_end(&peers[0].out);

    change_stock("b");
    cr_assert_eq(tell_what_has_changed(), told, "it is not on disk");
    worker.acknowledged = log_head(session.service.log);
    cr_assert_eq(connection_open_barriers(&peers[0], worker.acknowledged), out_end(&peers[0].out));
}
