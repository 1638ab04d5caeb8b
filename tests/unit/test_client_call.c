/* SPDX-License-Identifier: Apache-2.0 */
/* The client against an engine that plays a script: one function per test, on its own thread. */
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stockd/client.h>

#include "tests/support/fake_engine.h"

/* Short time-outs, quick retries. */
static const stockd_options quick = { .call_timeout_ms = 5000, .backoff_ms = 1 };

static stockd_client *start(struct fake *fake, void (*script)(struct fake *),
                            const stockd_options *options)
{
    stockd_client *client;

    fake_start(fake, script);
    int rc = stockd_connect(&client, fake->address, options ? options : &quick);
    cr_assert_eq(rc, STOCKD_OK, "%s", stockd_error_message(client));
    return client;
}

static void stop(struct fake *fake, stockd_client *client)
{
    stockd_close(client);
    fake_join(fake);
}

/* ---- Blocking calls ----------------------------------------------------------------------- */

Test(client_call, a_call_gets_its_result)
{
    struct fake fake;
    stockd_client *client = start(&fake, fake_play_pongs, NULL);
    stockd_reply reply;
    const char *text;
    size_t len;

    for (int i = 0; i < 3; i++)
        cr_assert_eq(stockd_call(client, "ping", NULL, 0, STOCKD_RETRY_SAFE, &reply), STOCKD_OK);
    cr_assert(stockd_value_str(reply.result, &text, &len) && len == 4);
    cr_assert_null(reply.code);
    cr_assert_str_eq(stockd_error_message(client), "");
    stop(&fake, client);
}

static void play_byte_by_byte(struct fake *fake)
{
    unsigned char bytes[32];
    stockd_pack pack;
    uint32_t msgid;

    fake_accept(fake);
    fake_request(fake, &msgid);
    stockd_pack_init(&pack, bytes, sizeof bytes);
    fake_pack_changed(&pack, 5);
    fake_pack_pong(&pack, msgid);
    for (size_t i = 0; i < pack.len; i++) {
        fake_bytes(fake, pack.data + i, 1);
        usleep(500);
    }
}

Test(client_call, a_reply_may_come_in_pieces)
{
    struct fake fake;
    stockd_client *client = start(&fake, play_byte_by_byte, NULL);

    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    stop(&fake, client);
}

Test(client_call, a_refusal_is_no_failure)
{
    struct fake fake;
    stockd_client *client = start(&fake, fake_play_refusals, NULL);
    const char *state;
    size_t len;

    cr_assert_eq(stockd_confirm(client, "r1", NULL), STOCKD_REFUSED);
    const stockd_reply *reply = stockd_last_reply(client);
    cr_assert_str_eq(reply->code, "wrong_state");
    cr_assert_str_eq(reply->message, "it is cancelled");
    cr_assert(stockd_map_str(reply->details, "state", &state, &len));
    cr_assert_null(reply->result.data);
    cr_assert_str_eq(stockd_error_message(client), "wrong_state: it is cancelled");
    cr_assert_eq(atomic_load(&fake.requests), 1);
    cr_assert_geq(stockd_fd(client), 0, "the connection stays");
    stop(&fake, client);
}

static void play_silence_then_pongs(struct fake *fake)
{
    uint32_t msgid;

    fake_accept(fake);
    while (fake_request(fake, &msgid))
        ;
    fake_play_pongs(fake);
}

Test(client_call, a_time_out_drops_the_connection_and_the_next_call_opens_one)
{
    struct fake fake;
    const stockd_options options = { .call_timeout_ms = 500 };
    stockd_client *client = start(&fake, play_silence_then_pongs, &options);

    cr_assert_eq(stockd_ping(client), STOCKD_E_TIMEOUT);
    cr_assert_eq(stockd_fd(client), -1);
    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    cr_assert_eq(atomic_load(&fake.connections), 2);
    stop(&fake, client);
}

static void play_lost_twice(struct fake *fake)
{
    uint32_t msgid;

    for (int i = 0; i < 2; i++) {
        fake_accept(fake);
        fake_request(fake, &msgid);
    }
    fake_play_pongs(fake);
}

Test(client_call, a_safe_call_is_sent_again_when_the_connection_is_lost)
{
    struct fake fake;
    stockd_client *client = start(&fake, play_lost_twice, NULL);

    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    cr_assert_eq(atomic_load(&fake.connections), 3);
    cr_assert_eq(atomic_load(&fake.requests), 3);
    stop(&fake, client);
}

Test(client_call, tries_come_to_an_end)
{
    struct fake fake;
    const stockd_options options = { .retries = 1, .backoff_ms = 1 };
    stockd_client *client = start(&fake, play_lost_twice, &options);

    cr_assert_eq(stockd_ping(client), STOCKD_E_CLOSED);
    cr_assert_eq(atomic_load(&fake.requests), 2);
    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    stop(&fake, client);
}

Test(client_call, a_call_that_is_not_safe_is_sent_once)
{
    struct fake fake;
    stockd_line line = { .sku = "A", .qty = 1 };
    stockd_client *client = start(&fake, play_lost_twice, NULL);

    cr_assert_eq(stockd_fulfil(client, "r", &line, 1, NULL, NULL), STOCKD_E_CLOSED);
    cr_assert_eq(atomic_load(&fake.requests), 1);
    cr_assert_eq(stockd_cancel(client, "r", &line, 1, "op-1", NULL), STOCKD_E_PROTOCOL,
                 "a named step is sent again, and pong is no answer to it");
    cr_assert_eq(atomic_load(&fake.requests), 3);
    stop(&fake, client);
}

/* Each pause would last a second at least: the tries end with the call, not twenty pauses later. */
Test(client_call, a_pause_that_outlives_the_call_is_not_begun)
{
    const stockd_options options = { .call_timeout_ms = 500, .retries = 20, .backoff_ms = 2000 };
    struct timespec begin, end;
    stockd_client *client;

    cr_assert_eq(stockd_connect(&client, "unix:@stockd-test-nobody", &options), STOCKD_E_CONNECT);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    cr_assert_eq(stockd_ping(client), STOCKD_E_CONNECT);
    clock_gettime(CLOCK_MONOTONIC, &end);
    cr_assert_lt(end.tv_sec - begin.tv_sec, 15);
    stockd_close(client);
}

static void play_closed_while_idle(struct fake *fake)
{
    fake_accept(fake);
    fake_play_pongs(fake); /* closes the first without a word */
}

Test(client_call, an_idle_connection_that_died_is_replaced_before_an_unsafe_call)
{
    struct fake fake;
    stockd_client *client = start(&fake, play_closed_while_idle, NULL);
    struct pollfd closed = { .fd = stockd_fd(client), .events = POLLIN };

    cr_assert_eq(poll(&closed, 1, 5000), 1);
    cr_assert_eq(stockd_call(client, "ping", NULL, 0, 0, NULL), STOCKD_OK);
    stop(&fake, client);
}

Test(client_call, nobody_there)
{
    static const char *const absent[] = { "unix:@stockd-test-nobody", "127.0.0.1:1", "[::1]:1" };
    static const char *const wrong[] = { "", "localhost", "::1:7421", "host:port", "unix:" };
    stockd_client *client;

    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        cr_assert_eq(stockd_connect(&client, absent[i], &quick), STOCKD_E_CONNECT);
        cr_assert_neq(strstr(stockd_error_message(client), absent[i]), NULL);
        cr_assert_eq(stockd_ping(client), STOCKD_E_CONNECT);
        cr_assert_eq(stockd_send(client, "ping", NULL, 0, NULL), STOCKD_E_CLOSED);
        stockd_close(client);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_eq(stockd_connect(&client, wrong[i], &quick), STOCKD_E_ARGUMENT, "%s", wrong[i]);
        stockd_close(client);
    }
}

Test(client_call, what_would_poison_the_stream_is_not_sent)
{
    struct fake fake;
    stockd_client *client = start(&fake, fake_play_pongs, NULL);
    stockd_pack pack;

    cr_assert_eq(stockd_call(client, "", NULL, 0, 0, NULL), STOCKD_E_ARGUMENT);
    cr_assert_eq(stockd_call(client, "m", "\x93\x01", 2, 0, NULL), STOCKD_E_ARGUMENT);
    cr_assert_eq(stockd_call(client, "m", "\x90\x90", 2, 0, NULL), STOCKD_E_ARGUMENT);
    cr_assert_eq(stockd_call(client, "m", "\x80", 1, 0, NULL), STOCKD_E_ARGUMENT);
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, SIZE_MAX);
    cr_assert_eq(stockd_call(client, "m", pack.data, pack.len, 0, NULL), STOCKD_E_ARGUMENT);
    stockd_pack_free(&pack);
    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    cr_assert_eq(atomic_load(&fake.requests), 1);
    stop(&fake, client);
}

/* ---- Hostile replies ------------------------------------------------------------------------ */

struct hostile {
    const char *bytes;
    size_t len;
    int status;
};

#define HOSTILE(bytes, status)                                                                     \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, status                                                           \
    }

/* The msgid of each is that of the first request, 0, unless it is what is wrong. */
static const struct hostile hostiles[] = {
    HOSTILE("\xc1", STOCKD_E_PROTOCOL),
    HOSTILE("HTTP/1.1 400 Bad Request\r\n", STOCKD_E_PROTOCOL),
    HOSTILE("\xdd\x0f\xff\xff\xff", STOCKD_E_TOO_LARGE),
    HOSTILE("\x94\x01\x00\xc0\xdb\xff\xff\xff\xff", STOCKD_E_TOO_LARGE),
    HOSTILE("\x94\x01\x00\xc0\xdf\xff\xff\xff\xff", STOCKD_E_TOO_LARGE),
    HOSTILE("\x94\x01\x00\xc0" /* 40 arrays deep */
            "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
            "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0",
            STOCKD_E_PROTOCOL),
    HOSTILE("\x94\x01\x01\xc0\xc0", STOCKD_E_PROTOCOL),     /* another msgid */
    HOSTILE("\x94\x01\xff\xc0\xc0", STOCKD_E_PROTOCOL),     /* msgid -1 */
    HOSTILE("\x94\x01\xa1x\xc0\xc0", STOCKD_E_PROTOCOL),    /* msgid "x" */
    HOSTILE("\x93\x01\x00\xc0", STOCKD_E_PROTOCOL),         /* no result */
    HOSTILE("\x95\x01\x00\xc0\xc0\xc0", STOCKD_E_PROTOCOL), /* five elements */
    HOSTILE("\x84\x01\x00\xc0\xc0\x02\x02\x03\x03", STOCKD_E_PROTOCOL),
    HOSTILE("\x94\x00\x00\xa1x\x90", STOCKD_E_PROTOCOL),    /* a request to us */
    HOSTILE("\x94\x01\x00\x01\xc0", STOCKD_E_PROTOCOL),     /* error 1 */
    HOSTILE("\x94\x01\x00\x90\xc0", STOCKD_E_PROTOCOL),     /* error [] */
    HOSTILE("\x94\x01\x00\x91\x05\xc0", STOCKD_E_PROTOCOL), /* error [5] */
    HOSTILE("\x92\x02\xa1x", STOCKD_E_PROTOCOL),            /* notification without params */
    HOSTILE("\x93\x02\x07\x90", STOCKD_E_PROTOCOL),         /* notification 7 */
    HOSTILE("\x94\x01\x00\xc0\xc0\x94\x01\x01\xc0\xc0", STOCKD_OK), /* one response too many */
};

static void play_hostile(struct fake *fake)
{
    uint32_t msgid;

    for (size_t i = 0; i < sizeof hostiles / sizeof hostiles[0]; i++) {
        fake_accept(fake);
        fake_request(fake, &msgid);
        fake_bytes(fake, hostiles[i].bytes, hostiles[i].len);
        fake_request(fake, &msgid); /* until the client hangs up */
    }
}

Test(client_hostile, each_is_refused_and_the_connection_dropped)
{
    struct fake fake;

    fake_start(&fake, play_hostile);
    for (size_t i = 0; i < sizeof hostiles / sizeof hostiles[0]; i++) {
        stockd_client *client;

        cr_assert_eq(stockd_connect(&client, fake.address, &quick), STOCKD_OK);
        cr_assert_eq(stockd_ping(client), hostiles[i].status, "number %zu: %s", i,
                     stockd_error_message(client));
        cr_assert_eq(stockd_fd(client) == -1, hostiles[i].status != STOCKD_OK);
        stockd_close(client);
    }
    fake_join(&fake);
}

static void play_five_megabytes(struct fake *fake)
{
    static unsigned char zeros[1 << 20];
    uint32_t msgid;

    for (int i = 0; i < 2; i++) {
        fake_accept(fake);
        fake_request(fake, &msgid);
        fake_bytes(fake, "\x94\x01\x00\xc0\xc6\x00\x50\x00\x00", 9);
        for (int part = 0; part < 5; part++)
            fake_bytes(fake, zeros, sizeof zeros);
    }
}

Test(client_hostile, a_large_reply_is_fine_up_to_the_limit)
{
    struct fake fake;
    stockd_client *client = start(&fake, play_five_megabytes, NULL);
    stockd_reply reply;

    cr_assert_eq(stockd_call(client, "dump", NULL, 0, 0, &reply), STOCKD_OK);
    cr_assert_eq(reply.result.len, (5 << 20) + 5);
    stockd_close(client);

    const stockd_options small = { .max_reply_bytes = 5 << 20 };
    cr_assert_eq(stockd_connect(&client, fake.address, &small), STOCKD_OK);
    cr_assert_eq(stockd_call(client, "dump", NULL, 0, 0, &reply), STOCKD_E_TOO_LARGE);
    stop(&fake, client);
}

/* ---- Typed calls ---------------------------------------------------------------------------- */

static void play_hello_then_reserve(struct fake *fake)
{
    static const char hello[] = "\x84\xa6server\xa6stockd\xa7version\xa5"
                                "0.1.0"
                                "\xa8protocol\x01\xa3lsn\x09";
    static const char held[] = "\x84\xa3lsn\x0a\xa5state\xa4held\xaa"
                               "expires_ms"
                               "\xcf\x00\x00\x01\x8f\x00\x00\x00\x00\xa5lines\x90";
    static const char stock[] = "\x82\xa3lsn\x0b\xa5stock\x93\x05\xc0\xff";
    uint32_t msgid;

    fake_accept(fake);
    fake_request(fake, &msgid);
    fake_result(fake, msgid, hello, sizeof hello - 1);
    fake_request(fake, &msgid);
    fake_result(fake, msgid, held, sizeof held - 1);
    fake_request(fake, &msgid);
    fake_result(fake, msgid, stock, sizeof stock - 1);
    fake_request(fake, &msgid);
    fake_pong(fake, msgid);
}

Test(client_typed, results_come_as_structures)
{
    struct fake fake;
    const stockd_options options = { .client_name = "test", .token = "secret" };
    stockd_client *client = start(&fake, play_hello_then_reserve, &options);
    static const char wanted[] = "\x92\xa4test\x81\xa5token\xa6secret";

    cr_assert_str_eq(fake.last_method, "hello");
    cr_assert_eq(fake.last_params_len, sizeof wanted - 1);
    cr_assert_arr_eq(fake.last_params, wanted, sizeof wanted - 1);

    stockd_line lines[] = { { .sku = "A", .qty = 2 }, { .sku = "B", .qty = 1, .location = "x" } };
    stockd_reserve_options how = { .ttl_ms = 60000, .at = "shop", .confirm = true };
    stockd_reservation held;
    cr_assert_eq(stockd_reserve(client, "r", "web", lines, 2, &how, &held), STOCKD_OK);
    cr_assert_eq(held.lsn, 10);
    cr_assert_str_eq(held.state, "held");
    cr_assert_eq(held.expires_ms, 0x18f00000000);
    static const char reserve[] = "\x94\xa1r\xa3web\x92\x92\xa1"
                                  "A\x02\x93\xa1"
                                  "B\x01\xa1x"
                                  "\x83\xa6ttl_ms\xcd\xea\x60\xa2"
                                  "at\xa4shop\xa7"
                                  "confirm\xc3";
    cr_assert_eq(fake.last_params_len, sizeof reserve - 1);
    cr_assert_arr_eq(fake.last_params, reserve, sizeof reserve - 1);

    const char *const skus[] = { "A", "B", "C" };
    int64_t available[3];
    uint64_t lsn;
    cr_assert_eq(stockd_availability(client, "web", skus, 3, available, &lsn), STOCKD_OK);
    cr_assert_eq(lsn, 11);
    cr_assert_eq(available[0], 5);
    cr_assert_eq(available[1], STOCKD_UNKNOWN_SKU);
    cr_assert_eq(available[2], -1);

    stockd_level level = { .lsn = 77 };
    cr_assert_eq(stockd_receive_stock(client, "o", "A", "x", 5, "po", &level), STOCKD_E_PROTOCOL);
    cr_assert_eq(level.lsn, 77, "outputs are left alone unless all is well");
    stop(&fake, client);
}

Test(client_typed, a_refused_hello_is_told_apart)
{
    struct fake fake;
    const stockd_options options = { .client_name = "test" };
    stockd_client *client;

    fake_start(&fake, fake_play_refusals);
    cr_assert_eq(stockd_connect(&client, fake.address, &options), STOCKD_REFUSED);
    cr_assert_eq(stockd_fd(client), -1);
    cr_assert_str_eq(stockd_last_reply(client)->code, "wrong_state");
    stop(&fake, client);
}

Test(client_typed, ids_are_random_and_fit)
{
    char first[STOCKD_ID_MAX + 1], second[STOCKD_ID_MAX + 1];

    stockd_make_id(first);
    stockd_make_id(second);
    cr_assert_eq(strlen(first), 32);
    cr_assert_str_neq(first, second);
}
