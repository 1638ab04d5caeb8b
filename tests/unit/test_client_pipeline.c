/* SPDX-License-Identifier: Apache-2.0 */
/* The client's pipelining, notifications and non-blocking use, against a scripted engine. */
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <stockd/client.h>

#include "tests/support/fake_engine.h"

static stockd_client *start(struct fake *fake, void (*script)(struct fake *),
                            const stockd_options *options)
{
    stockd_client *client;

    fake_start(fake, script);
    int rc = stockd_connect(&client, fake->address, options);
    cr_assert_eq(rc, STOCKD_OK, "%s", stockd_error_message(client));
    return client;
}

static void stop(struct fake *fake, stockd_client *client)
{
    stockd_close(client);
    fake_join(fake);
}

struct heard {
    unsigned count;
    uint64_t sum;
};

static void on_notify(void *context, const char *method, stockd_value params)
{
    struct heard *heard = context;
    stockd_value element;
    uint64_t number;

    cr_assert_str_eq(method, "changed");
    cr_assert(stockd_array_at(params, 0, &element));
    cr_assert(stockd_value_u64(element, &number));
    heard->count++;
    heard->sum += number;
}

/* Three requests answered in one write, a notification before each response. */
static void play_joined(struct fake *fake)
{
    unsigned char bytes[256];
    stockd_pack pack;
    uint32_t msgid;

    fake_accept(fake);
    stockd_pack_init(&pack, bytes, sizeof bytes);
    for (unsigned i = 0; i < 3; i++) {
        fake_request(fake, &msgid);
        fake_pack_changed(&pack, i + 1);
        fake_pack_pong(&pack, msgid);
    }
    fake_bytes(fake, pack.data, pack.len);
    fake_request(fake, &msgid);
}

Test(client_pipeline, replies_may_come_joined_with_notifications_between)
{
    struct fake fake;
    struct heard heard = { 0 };
    const stockd_options options = { .notify = on_notify, .notify_context = &heard };
    stockd_client *client = start(&fake, play_joined, &options);
    stockd_reply reply;
    uint32_t msgids[3];

    for (int i = 0; i < 3; i++)
        cr_assert_eq(stockd_send(client, "ping", NULL, 0, &msgids[i]), STOCKD_OK);
    cr_assert_eq(stockd_in_flight(client), 3);
    cr_assert(stockd_wants_write(client));
    cr_assert_eq(stockd_ping(client), STOCKD_E_ARGUMENT, "no call while others are in flight");
    cr_assert_eq(stockd_wait_notifications(client, 0), STOCKD_E_ARGUMENT);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(stockd_receive(client, &reply), STOCKD_OK);
        cr_assert_eq(reply.msgid, msgids[i]);
        cr_assert_eq(heard.count, i + 1);
    }
    cr_assert_eq(heard.sum, 6);
    cr_assert_eq(stockd_in_flight(client), 0);
    cr_assert_eq(stockd_receive(client, &reply), STOCKD_E_ARGUMENT);
    stop(&fake, client);
}

/* Answers each request with a kilobyte before it reads the next, so that both ways fill up. */
static void play_kilobytes(struct fake *fake)
{
    static unsigned char kilobyte[1024] = { 0xc5, 0x03, 0xfd };
    unsigned char head[16];
    stockd_pack pack;
    uint32_t msgid;

    fake_accept(fake);
    while (fake_request(fake, &msgid)) {
        stockd_pack_init(&pack, head, sizeof head);
        stockd_pack_array(&pack, 4);
        stockd_pack_u64(&pack, 1);
        stockd_pack_u64(&pack, msgid);
        stockd_pack_nil(&pack);
        fake_bytes(fake, pack.data, pack.len);
        fake_bytes(fake, kilobyte, sizeof kilobyte);
    }
}

Test(client_pipeline, a_flush_reads_while_it_writes)
{
    enum { COUNT = 20000 };
    struct fake fake;
    const stockd_options options = { .call_timeout_ms = 10000 };
    stockd_client *client = start(&fake, play_kilobytes, &options);
    stockd_reply reply;

    for (int i = 0; i < COUNT; i++)
        cr_assert_eq(stockd_send(client, "ping", NULL, 0, NULL), STOCKD_OK);
    cr_assert_eq(stockd_flush(client), STOCKD_OK, "%s", stockd_error_message(client));
    cr_assert_not(stockd_wants_write(client));
    for (int i = 0; i < COUNT; i++)
        cr_assert_eq(stockd_receive(client, &reply), STOCKD_OK);
    stop(&fake, client);
}

Test(client_pipeline, one_thread_drives_it_with_poll)
{
    enum { COUNT = 5000, WINDOW = 100 };
    struct fake fake;
    stockd_client *client = start(&fake, fake_play_pongs, NULL);
    int sent = 0, received = 0;

    cr_assert_eq(stockd_try_receive(client, NULL), STOCKD_E_AGAIN);
    while (received < COUNT) {
        while (sent < COUNT && stockd_in_flight(client) < WINDOW) {
            cr_assert_eq(stockd_send(client, "ping", NULL, 0, NULL), STOCKD_OK);
            sent++;
        }
        int rc = stockd_try_flush(client);
        cr_assert(rc == STOCKD_OK || rc == STOCKD_E_AGAIN);
        struct pollfd pfd = { .fd = stockd_fd(client),
                              .events = stockd_wants_write(client) ? POLLIN | POLLOUT : POLLIN };
        cr_assert_eq(poll(&pfd, 1, 5000), 1);
        while ((rc = stockd_try_receive(client, NULL)) == STOCKD_OK)
            received++;
        cr_assert_eq(rc, STOCKD_E_AGAIN);
    }
    cr_assert_eq(received, COUNT);
    stop(&fake, client);
}

/* Answers the first two of its requests, then hangs up; answers all on the next connection. */
static void play_two_then_lost(struct fake *fake)
{
    uint32_t msgid;

    fake_accept(fake);
    for (int i = 0; i < 2; i++) {
        fake_request(fake, &msgid);
        fake_pong(fake, msgid);
    }
    fake_play_pongs(fake);
}

Test(client_pipeline, what_was_answered_before_a_loss_is_received)
{
    struct fake fake;
    stockd_client *client = start(&fake, play_two_then_lost, NULL);
    stockd_reply reply;

    for (int i = 0; i < 5; i++)
        cr_assert_eq(stockd_send(client, "ping", NULL, 0, NULL), STOCKD_OK);
    cr_assert_eq(stockd_receive(client, &reply), STOCKD_OK);
    cr_assert_eq(stockd_receive(client, &reply), STOCKD_OK);
    cr_assert_eq(stockd_receive(client, &reply), STOCKD_E_CLOSED);
    cr_assert_eq(stockd_in_flight(client), 0);
    cr_assert_eq(stockd_send(client, "ping", NULL, 0, NULL), STOCKD_E_CLOSED);
    cr_assert_eq(stockd_flush(client), STOCKD_E_CLOSED);
    cr_assert_eq(stockd_receive(client, &reply), STOCKD_E_CLOSED);
    cr_assert_eq(stockd_try_flush(client), STOCKD_E_CLOSED);
    cr_assert_eq(stockd_try_receive(client, &reply), STOCKD_E_CLOSED);
    cr_assert_eq(stockd_fd(client), -1);
    cr_assert_eq(stockd_reconnect(client), STOCKD_OK);
    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    stop(&fake, client);
}

static void play_refusal_and_goodbye(struct fake *fake)
{
    uint32_t msgid;

    fake_accept(fake);
    fake_request(fake, &msgid);
    fake_refuse(fake, msgid);
}

Test(client_pipeline, the_last_word_of_a_peer_that_hung_up_is_heard)
{
    struct fake fake;
    stockd_client *client = start(&fake, play_refusal_and_goodbye, NULL);

    cr_assert_eq(stockd_send(client, "ping", NULL, 0, NULL), STOCKD_OK);
    cr_assert_eq(stockd_flush(client), STOCKD_OK);
    fake_join(&fake); /* it is gone, and what we write next fails */
    cr_assert_eq(stockd_send(client, "ping", NULL, 0, NULL), STOCKD_OK);
    cr_assert_eq(stockd_flush(client), STOCKD_OK);
    cr_assert_eq(stockd_receive(client, NULL), STOCKD_REFUSED);
    cr_assert_eq(stockd_receive(client, NULL), STOCKD_E_CLOSED);
    stockd_close(client);
}

static void play_silence(struct fake *fake)
{
    uint32_t msgid;

    fake_accept(fake);
    while (fake_request(fake, &msgid))
        ;
}

Test(client_pipeline, a_receive_times_out)
{
    struct fake fake;
    const stockd_options options = { .call_timeout_ms = 30 };
    stockd_client *client = start(&fake, play_silence, &options);

    cr_assert_eq(stockd_send(client, "ping", NULL, 0, NULL), STOCKD_OK);
    cr_assert_eq(stockd_receive(client, NULL), STOCKD_E_TIMEOUT);
    cr_assert_eq(stockd_in_flight(client), 0);
    stop(&fake, client);
}

static void play_news(struct fake *fake)
{
    unsigned char bytes[64];
    stockd_pack pack;
    uint32_t msgid;

    fake_accept(fake);
    fake_request(fake, &msgid);
    fake_pong(fake, msgid);
    usleep(1000000);
    stockd_pack_init(&pack, bytes, sizeof bytes);
    fake_pack_changed(&pack, 40);
    fake_pack_changed(&pack, 2);
    fake_bytes(fake, pack.data, pack.len);
}

Test(client_pipeline, notifications_are_waited_for)
{
    struct fake fake;
    struct heard heard = { 0 };
    const stockd_options options = { .notify = on_notify, .notify_context = &heard };
    stockd_client *client = start(&fake, play_news, &options);

    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    cr_assert_eq(stockd_wait_notifications(client, 5), 0);
    cr_assert_eq(stockd_wait_notifications(client, 5000), 2);
    cr_assert_eq(heard.sum, 42);
    cr_assert_eq(stockd_wait_notifications(client, 5000), STOCKD_E_CLOSED);
    stop(&fake, client);
}
