/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and replies as bytes, without sockets: what a message leads to, and what it does not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/log/record.h"
#include "tests/support/session_fixture.h"

TestSuite(session, .init = open_session, .fini = close_session);
TestSuite(session_limits, .init = open_session, .fini = close_session);

static void ask(const char *method, const char *params)
{
    session_rig_ask(&session, 7, method, params);
}

static const char *reply(void)
{
    return session_rig_text(&session);
}

static void assert_reply(const char *expected)
{
    const char *got = reply();
    cr_assert_str_eq(got, expected, "got %s", got);
}

/* It says these words somewhere. */
static void assert_says(const char *words)
{
    const char *got = reply();
    cr_assert(strstr(got, words), "wanted %s, got %s", words, got);
}

static void assert_refused(const char *code, const char *words)
{
    const char *got = reply();
    char begin[64];
    snprintf(begin, sizeof begin, "[\"%s\", ", code);
    cr_assert(strstr(got, begin), "wanted %s, got %s", code, got);
    cr_assert(strstr(got, words), "wanted %s, got %s", words, got);
}

static void stock_up(void)
{
    ask("receive", "['r1', 'S', 'main', 10]");
    assert_says("\"on_hand\"=>10");
}

/* ---- messages ---- */

Test(session, replies_come_in_order_however_the_bytes_do)
{
    static const char three[] = "\x94\x00\x01\xa4ping\x90"
                                "\x94\x00\xcd\x01\x00\xa4ping\x90"
                                "\x94\x00\x03\xa4ping\x90";
    const size_t length = sizeof three - 1;
    for (size_t piece = 1; piece <= length; piece++) {
        for (size_t at = 0; at < length; at += piece)
            session_rig_feed(&session, three + at, at + piece < length ? piece : length - at);
        assert_reply("[1, 1, nil, \"pong\"]");
        assert_reply("[1, 256, nil, \"pong\"]");
        assert_reply("[1, 3, nil, \"pong\"]");
        assert_reply("(none)");
    }
}

Test(session, notifications_are_passed_over)
{
    session_rig_feed(&session, "\x93\x02\xa4ping\x90\x94\x00\x01\xa4ping\x90", 17);
    assert_reply("[1, 1, nil, \"pong\"]");
    assert_reply("(none)");
}

Test(session, what_is_no_message_ends_the_stream)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *msgid;
    } cases[] = {
        { "\xc1", 1, "[1, 0, [" },
        { "GET / HTTP/1.1", 14, "[1, 0, [" },
        { "\x94\x00\x05\xc1\x90", 5, "[1, 5, [" },
        { "\x94\x00\x05\xa4ping\xc1", 9, "[1, 5, [" },
        { "\x94\x00\xce\x00\x00\x01\x00\xa4ping\x91\xc1", 14, "[1, 256, [" },
        { "\x90", 1, "[1, 0, [" },
        { "\x94\x01\x05\xc0\xc0", 5, "[1, 0, [" },
        { "\x94\x00\xff\xa4ping\x90", 9, "[1, 0, [" },
        { "\x93\x00\x05\xa4ping", 8, "[1, 5, [" },
        { "\xdd\x0f\xff\xff\xff", 5, "[1, 0, [" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        session_rig_close(&session);
        session_rig_open(&session, NULL, NULL);
        session_rig_feed(&session, cases[i].bytes, cases[i].length);
        const char *got = reply();
        cr_assert(strstr(got, "bad_request"), "case %zu: %s", i, got);
        cr_assert_eq(strncmp(got, cases[i].msgid, strlen(cases[i].msgid)), 0, "case %zu: %s", i,
                     got);
        cr_assert_eq(session.connection.state, CONNECTION_CLOSING, "case %zu", i);
        assert_reply("(none)");
    }
}

Test(session, unknown_methods_are_named)
{
    ask("teleport", "[1, 2]");
    assert_refused("unknown_method", "teleport");
    ask("\xff\xfe", "[]");
    assert_refused("unknown_method", "??");
    ask("x", "{}");
    assert_refused("unknown_method", "x");
    cr_assert_eq(session.connection.state, CONNECTION_OPEN);
}

/* ---- parameters ---- */

struct bad_case {
    const char *method, *params, *words;
};

static void assert_bad_cases(const struct bad_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ask(cases[i].method, cases[i].params);
        assert_refused("bad_request", cases[i].words);
    }
    assert_reply("(none)");
    cr_assert_eq(session.connection.state, CONNECTION_OPEN);
}

Test(session, wrong_parameters_are_named_with_what_is_right)
{
    static const struct bad_case cases[] = {
        { "receive", "['r', 'S', 'main', -3]",
          "qty must be a whole number from 1 to 268435455, not -3" },
        { "receive", "['r', 'S', 'main', 1.5]", "not the floating-point number 1.5" },
        { "receive", "['r', 'S', 'main', 18446744073709551615]", "not 18446744073709551615" },
        { "receive", "['r', 'S', 'main', null]", "qty must be a whole number" },
        { "receive", "['r', 'S', 'main']", "qty is missing" },
        { "receive", "['', 'S', 'main', 1]", "id must be a string of 1 to 40 bytes" },
        { "receive", "['xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', 'S', 'main', 1]", /* 41 */
          "id must be a string of 1 to 40 bytes" },
        { "receive", "['r', '', 'main', 1]", "sku must be a string of 1 to 64 bytes of UTF-8" },
        { "receive", "['r', 5, 'main', 1]",
          "sku must be a string of 1 to 64 bytes of UTF-8, not 5" },
        { "receive", "['r', 'S', 'no good', 1]", "location must be 1 to 32 characters" },
        { "receive", "['r', 'S', 'main', 1, 5]", "options must be a map, not 5" },
        { "receive", "['r', 'S', 'main', 1, {'reff': 'x'}]", "unknown option \"reff\"" },
        { "receive", "['r', 'S', 'main', 1, {}, 1]", "too many parameters" },
        { "receive", "{}", "params must be a list, not a map of 0" },
        { "adjust", "['r', 'S', 'main', 0]", "delta must not be 0" },
        { "count", "['r', 'S', 'main', 1, {'as_of': -1}]", "as_of must be a whole number" },
        { "reserve", "['o', 'default', []]", "lines must not be empty" },
        { "reserve", "['o', 'default', [['S']]]", "lines[0] must be [sku, qty, location?]" },
        { "reserve", "['o', 'default', [['S', 1], ['S', 0]]]", "lines[1] qty must be" },
        { "reserve", "['o', 'default', [['S', 1]], {'confirm': 1}]", "confirm must be true or" },
        { "fulfil", "['o', 5]", "lines must be a list" },
        { "extend", "['o', 0]", "ttl_ms must be a whole number from 1" },
        { "availability", "['default', 'S']", "skus must be a list" },
        { "availability", "['default', ['S', 5]]", "skus[1] sku must be" },
        { "location_set", "['a', {'groups': ['b', 5]}]", "groups[1] must be 1 to 32 characters" },
        { "location_set", "['a', {'lat': 91}]", "lat must be a number from -90 to 90, not 91" },
        { "channel_set", "['a', {'sourcing': 'random'}]", "sourcing must be" },
        { "channel_set", "['a', {'promise': 'soon'}]", "promise must be on_hand or incoming" },
        { "channel_set", "['a', {'horizon_s': -1}]", "horizon_s must be a whole number from 0" },
        { "info", "['nowhere']", "section must be" },
    };
    assert_bad_cases(cases, sizeof cases / sizeof *cases);
}

Test(session, wrong_parameters_of_supplies_are_named_with_what_is_right)
{
    static const struct bad_case cases[] = {
        { "expect", "['', 'main', [['S', 1]]]", "id must be a string of 1 to 40 bytes" },
        { "expect", "['e', 'no good', [['S', 1]]]", "location must be 1 to 32 characters" },
        { "expect", "['e', 'main']", "lines is missing" },
        { "expect", "['e', 'main', null]", "lines must be a list, not nil" },
        { "expect", "['e', 'main', []]", "lines must have at least one line" },
        { "expect", "['e', 'main', [['S', 1, 1]]]", "lines[0] must be [sku, qty]" },
        { "expect", "['e', 'main', [['S', 1], ['S', 0]]]", "lines[1] qty must be" },
        { "expect", "['e', 'main', [['S', 1]], {'eta_ms': -1}]", "eta_ms must be a whole number" },
        { "expect", "['e', 'main', [['S', 1]], {'eta_ms': 0}]", "eta_ms must be in the future" },
        { "expect", "['e', 'main', [['S', 1]], {'ref': 5}]", "ref must be a string, not 5" },
        { "expect", "['e', 'main', [['S', 1]], {'ship': true}]", "unknown option \"ship\"" },
        { "transfer", "['t', 5, 'main', [['S', 1]]]", "from must be 1 to 32 characters" },
        { "transfer", "['t', 'main', 5, [['S', 1]]]", "to must be 1 to 32 characters" },
        { "transfer", "['t', 'main', 'main', [['S', 1]]]", "to must be another location" },
        { "transfer", "['t', 'main', 'a', [['S', 1]], {'ship': 1}]", "ship must be true or false" },
        { "ship", "['t', 5]", "lines must be a list, not 5" },
        { "ship", "['t', [['S', 0]]]", "lines[0] qty must be a whole number from 1" },
        { "ship", "['t', null, {'eta_ms': 'soon'}]", "eta_ms must be a whole number from 0" },
        { "ship", "['t', {'close': true}]", "unknown option \"close\"" },
        { "arrive", "['t', []]", "lines must have at least one line" },
        { "arrive", "['t', [['S']]]", "lines[0] must be [sku, accepted, rejected?]" },
        { "arrive", "['t', [['S', -1]]]", "lines[0] accepted must be a whole number from 0" },
        { "arrive", "['t', [['S', 1, 'x']]]", "lines[0] rejected must be a whole number" },
        { "arrive", "['t', {'close': 1}]", "close must be true or false" },
        { "arrive", "['t', {'op': ''}]", "op must be a string of 1 to 40 bytes" },
        { "arrive", "['t', {'op': 't'}]", "op must be another id" },
        { "reschedule", "['t']", "eta_ms is missing" },
        { "reschedule", "['t', null]", "eta_ms must be a whole number" },
        { "reschedule", "['t', 5, {'eta_ms': 5}]", "unknown option \"eta_ms\"" },
        { "withdraw", "['t', [['S', 1, 1]]]", "lines[0] must be [sku, qty]" },
        { "withdraw", "['t', null, null, null]", "too many parameters" },
        { "supply", "[]", "id is missing" },
        { "supply", "['t', {}, 1]", "too many parameters" },
        { "supplies", "[{'location': ''}]", "location must be 1 to 32 characters" },
        { "supplies", "[{'state': 'lost'}]", "state must be \"held\", \"in_transit\"" },
        { "supplies", "[{'late': 'yes'}]", "late must be true or false" },
        { "supplies", "[{'after': 'nothing'}]", "after: no supply \"nothing\"" },
        { "supplies", "[{'limit': 0}]", "limit must be a whole number from 1 to 1000" },
        { "supplies", "[{'limit': 1001}]", "limit must be a whole number from 1 to 1000" },
        { "items", "[-1]", "after_index must be" },
    };
    assert_bad_cases(cases, sizeof cases / sizeof *cases);
}

Test(session, nil_is_as_nothing_where_it_may_be)
{
    stock_up();
    ask("reserve", "['o', 'default', [['S', 1, null]], {'ttl_ms': null, 'at': null}]");
    assert_says("\"held\"");
    ask("confirm", "['o', null]");
    assert_says("\"confirmed\"");
    ask("fulfil", "['o', null, {'op': null}]");
    assert_says("\"fulfilled\"");
    ask("info", "[null]");
    assert_says("\"ledger\"");
}

Test(session, a_short_line_stands_alone_and_in_the_list)
{
    stock_up();
    ask("reserve", "['o', 'default', [['S', 11]]]");
    assert_says("{\"sku\"=>\"S\", \"wanted\"=>11, \"available\"=>10, "
                "\"lines\"=>[{\"sku\"=>\"S\", \"wanted\"=>11, \"available\"=>10}]}");
    ask("fulfil", "['ghost']");
    assert_refused("unknown_reservation", "{\"id\"=>\"ghost\"}");
    ask("stock", "['T']");
    assert_refused("unknown_sku", "{\"sku\"=>\"T\"}");
}

/* ---- waiting for the journal ---- */

Test(session, a_change_is_held_back_and_a_question_is_not)
{
    ask("availability", "['default', ['S']]");
    cr_assert_eq(session.connection.barrier_count, 0);
    assert_says("[nil]");
    uint64_t before = out_end(&session.connection.out);
    stock_up();
    cr_assert_eq(session.connection.barrier_count, 1);
    cr_assert_eq(session.connection.barriers[0].from, before);
    cr_assert_eq(session.connection.barriers[0].lsn, atomic_load(&session.service.log->tail));
}

Test(session, the_same_change_again_waits_only_if_the_first_still_does)
{
    stock_up();
    uint64_t end = out_end(&session.connection.out);
    uint64_t lsn = session.connection.barriers[0].lsn;
    atomic_store(&session.service.log->acknowledged, lsn);
    cr_assert_eq(connection_open_barriers(&session.connection, lsn), end);
    stock_up();
    cr_assert_eq(session.connection.barrier_count, 0);
}

/* Who asks after a reservation, on any connection, is not told of one that a crash could undo. */
Test(session, asking_after_a_reservation_waits_until_it_is_sure)
{
    stock_up();
    ask("reserve", "['o1', 'default', [['S', 1]]]");
    uint64_t lsn = session.connection.barriers[0].lsn;
    connection_open_barriers(&session.connection, lsn); /* as on a connection of its own */
    cr_assert_eq(session.connection.barrier_count, 0);
    ask("reservation", "['o1']");
    cr_assert_eq(session.connection.barrier_count, 1);
    cr_assert_eq(session.connection.barriers[0].lsn, lsn);
    atomic_store(&session.service.log->acknowledged, lsn);
    connection_open_barriers(&session.connection, lsn);
    ask("reservation", "['o1']");
    cr_assert_eq(session.connection.barrier_count, 0);
}

Test(session, a_failed_journal_takes_no_changes)
{
    stock_up();
    atomic_store(&session.service.log->failed, true);
    ask("receive", "['r2', 'S', 'main', 1]");
    assert_refused("read_only", "the disk is on fire");
    ask("item_set", "['S', {}]");
    assert_refused("read_only", "the disk is on fire");
    ask("availability", "['default', ['S']]");
    assert_says("[10]");
    ask("hello", "['late']");
    assert_says("\"stockd\"");
}

Test(session, replies_that_can_never_go_become_read_only)
{
    ask("ping", "[]");
    ask("receive", "['r1', 'S', 'main', 10]");
    uint64_t acknowledged = atomic_load(&session.service.log->tail);
    session_rig_iteration(&session);
    ask("receive", "['r2', 'S', 'main', 10]");
    ask("ping", "[]");
    ask("receive", "['r3', 'S', 'main', -1]");
    ask("receive", "['r1', 'S', 'main', 10]");
    cr_assert(connection_refuse_held(&session.connection, acknowledged, "no disk"));
    assert_reply("[1, 7, nil, \"pong\"]");
    assert_says("\"on_hand\"=>10");
    assert_refused("read_only", "no disk");
    assert_reply("[1, 7, nil, \"pong\"]");
    assert_refused("bad_request", "qty");
    assert_says("\"on_hand\"=>10");
    assert_reply("(none)");
}

Test(session, a_full_log_stalls_and_loses_nothing)
{
    const struct ledger_config config = {
        .items = 100, .pools = 100, .reservations = 100000, .contexts = 1
    };
    session_rig_close(&session);
    session_rig_open(&session, NULL, &config);
    unsigned asked = 0;
    char params[64];
    while (session.connection.stall == STALL_NONE) {
        snprintf(params, sizeof params, "['r%u', 'S', 'main', 1]", asked++);
        ask("receive", params);
        cr_assert(asked < 90000, "the session never stalls for room in the log");
        if (session.connection.stall == STALL_OUTPUT) {
            while (strcmp(reply(), "(none)") != 0)
                ;
            session_rig_retry(&session);
        }
    }
    cr_assert_eq(session.connection.stall, STALL_NO_ROOM);
    ask("ping", "[]"); /* waits behind it */
    assert_says("\"lsn\"");
    while (strcmp(reply(), "(none)") != 0)
        ;
    ledger_rig_drain(&session.rig);
    session_rig_retry(&session);
    cr_assert_eq(session.connection.stall, STALL_NONE);
    assert_says("\"on_hand\"");
    assert_reply("[1, 7, nil, \"pong\"]");
    ask("availability", "['default', ['S']]");
    snprintf(params, sizeof params, "[%u]", asked);
    assert_says(params);
}

/* ---- limits ---- */

static void feed_claim(const char *head, size_t length, size_t body)
{
    session_rig_feed(&session, head, length);
    char *bytes = calloc(1, body);
    for (size_t at = 0; at < body; at += 10000)
        session_rig_feed(&session, bytes + at, body - at < 10000 ? body - at : 10000);
    free(bytes);
}

Test(session_limits, too_large_is_said_at_once_and_the_rest_passed_over)
{
    session_rig_feed(&session, "\x94\x00\x07\xa4ping\x91\xc6\x00\x20\x00\x00", 14);
    assert_refused("too_large", "1048576 bytes");
    feed_claim("", 0, 2 << 20);
    cr_assert_eq(input_length(&session.connection.input), 0);
    ask("ping", "[]");
    assert_reply("[1, 7, nil, \"pong\"]");

    feed_claim("\x94\x00\x07\xa4ping\x91\xdd\x00\x01\x00\x01", 14, 65537);
    assert_refused("too_large", "65536 elements");
    session_rig_feed(&session,
                     "\x94\x00\x07\xa4ping\x91\x91\x91\x91\x91\x91\x91\x90"
                     "\x94\x00\x08\xa4ping\x90",
                     25);
    assert_refused("too_large", "nested 8 deep");
    assert_reply("[1, 8, nil, \"pong\"]");
    cr_assert_eq(session.connection.state, CONNECTION_OPEN);
}

Test(session_limits, an_endless_message_ends_the_stream)
{
    session_rig_feed(&session, "\x94\x00\x07\xa4ping\xdd\xff\xff\xff\xff", 13);
    assert_refused("too_large", "elements");
    char *bytes = calloc(1, 1 << 20);
    for (int i = 0; i < 65; i++)
        session_rig_feed(&session, bytes, 1 << 20);
    free(bytes);
    cr_assert_eq(session.connection.state, CONNECTION_CLOSING);
    assert_reply("(none)");
}

Test(session_limits, output_that_nobody_takes_stalls)
{
    stock_up();
    unsigned asked = 1;
    for (; session.connection.stall == STALL_NONE; asked++) {
        ask("stock", "['S']");
        cr_assert(asked < 90000, "the session never stalls for its output");
    }
    cr_assert_eq(session.connection.stall, STALL_OUTPUT);
    cr_assert(out_unsent(&session.connection.out) < OUTPUT_HIGH + 4096);
    unsigned replies = 0;
    while (strcmp(reply(), "(none)") != 0)
        replies++;
    session_rig_retry(&session);
    while (strcmp(reply(), "(none)") != 0)
        replies++;
    cr_assert_eq(replies + 1, asked);
}

/* ---- cancels that came together ---- */

static void add_call(msgpack_packer *packer, const char *method, const char *id)
{
    bool reserve = strcmp(method, "reserve") == 0;
    msgpack_pack_array(packer, 4);
    msgpack_pack_int(packer, 0);
    msgpack_pack_int(packer, 7);
    msgpack_pack_str_with_body(packer, method, strlen(method));
    msgpack_pack_array(packer, reserve ? 3 : 1);
    msgpack_pack_str_with_body(packer, id, strlen(id));
    if (!reserve)
        return;
    msgpack_pack_str_with_body(packer, "default", 7);
    msgpack_pack_array(packer, 1);
    msgpack_pack_array(packer, 2);
    msgpack_pack_str_with_body(packer, "S", 1);
    msgpack_pack_int(packer, 1);
}

/* Sends at once: "+a +b -a -b" reserves a and b and cancels both. */
static void send_together(const char *calls)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    for (; *calls; calls += 2 + (calls[2] == ' ')) {
        char id[] = { calls[1], '\0' };
        add_call(&packer, *calls == '+' ? "reserve" : "cancel", id);
    }
    session_rig_feed(&session, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
}

static unsigned records_of(enum record_type type)
{
    _Alignas(8) unsigned char record[RECORD_MAX];
    unsigned count = 0;
    ledger_rig_drain(&session.rig);
    cr_assert_not(log_has_claims(&session.rig.log), "a claim was neither used nor given up");
    for (size_t at = 0; at < session.rig.length;) {
        at += ledger_rig_record(&session.rig, at, record);
        count += ((const struct record_head *)(const void *)record)->type == type;
    }
    return count;
}

Test(session, cancels_in_a_row_leave_no_gap)
{
    stock_up();
    send_together("+a +b +c -a -b -c");
    for (int i = 0; i < 3; i++)
        assert_says("\"held\"");
    for (int i = 0; i < 3; i++)
        assert_says("\"cancelled\"");
    cr_assert_eq(records_of(RECORD_CANCEL), 3);
    cr_assert_eq(records_of(RECORD_VOID), 0);
}

Test(session, a_cancel_right_behind_its_reserve_claims_by_itself)
{
    stock_up();
    send_together("+a -a +b -b +c -c");
    for (int i = 0; i < 3; i++) {
        assert_says("\"held\"");
        assert_says("\"cancelled\"");
    }
    cr_assert_eq(records_of(RECORD_VOID), 0);
}

Test(session, what_was_claimed_for_cancels_that_are_refused_is_given_up)
{
    stock_up();
    send_together("+a -a -x -y -z");
    assert_says("\"held\"");
    assert_says("\"cancelled\"");
    for (int i = 0; i < 3; i++)
        assert_refused("unknown_reservation", "");
    cr_assert_eq(records_of(RECORD_VOID), 1);
}
