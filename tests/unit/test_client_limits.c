/* SPDX-License-Identifier: Apache-2.0 */
/* What is longer than its place, and what is more than both sides' buffers hold. */
#include <criterion/criterion.h>
#include <string.h>

#include "client/internal.h"
#include "tests/support/fake_engine.h"

enum { REQUESTS = 16000, PADDING = 200 };

static stockd_client *start(struct fake *fake, void (*script)(struct fake *fake))
{
    stockd_client *client;
    fake_start(fake, script);
    cr_assert_eq(stockd_connect(&client, fake->address, NULL), STOCKD_OK);
    return client;
}

static void stop(struct fake *fake, stockd_client *client)
{
    stockd_close(client);
    fake_join(fake);
}

/* [1, msgid, ["limit", message], nil]; the message ends in characters of two bytes, and the place
 * for it ends in the middle of one. */
static void play_long_message(struct fake *fake)
{
    unsigned char bytes[1024];
    char message[601];
    uint32_t msgid;
    stockd_pack pack;

    memset(message, 'x', 510);
    for (unsigned i = 510; i < 600; i += 2)
        memcpy(message + i, "\xc3\xa9", 2);
    message[600] = '\0';
    fake_accept(fake);
    fake_request(fake, &msgid);
    stockd_pack_init(&pack, bytes, sizeof bytes);
    stockd_pack_array(&pack, 4);
    stockd_pack_u64(&pack, 1);
    stockd_pack_u64(&pack, msgid);
    stockd_pack_array(&pack, 3);
    stockd_pack_str(&pack, "limit");
    stockd_pack_str(&pack, message);
    stockd_pack_nil(&pack);
    stockd_pack_nil(&pack);
    fake_bytes(fake, pack.data, pack.len);
    while (fake_request(fake, &msgid)) {
    }
}

Test(client_limits, a_long_message_is_cut_between_characters)
{
    struct fake fake;
    stockd_client *client = start(&fake, play_long_message);
    cr_assert_eq(sizeof client->message, 512, "else the message above ends elsewhere");

    cr_assert_eq(stockd_ping(client), STOCKD_REFUSED);
    const char *message = stockd_last_reply(client)->message;
    cr_assert_eq(strlen(message), 510, "cut at %zu, in a character", strlen(message));
    stop(&fake, client);
}

/* Answers each request with more than it was, and reads nothing more until the answer is taken. */
static void play_much(struct fake *fake)
{
    unsigned char result[400];
    uint32_t msgid;
    stockd_pack pack;

    stockd_pack_init(&pack, result, sizeof result);
    stockd_pack_str_n(&pack, (const char *)fake->buffer, sizeof result - 8);
    fake_accept(fake);
    while (fake_request(fake, &msgid))
        fake_result(fake, msgid, pack.data, pack.len);
}

Test(client_limits, a_flush_takes_in_what_the_peer_is_stuck_with)
{
    struct fake fake;
    unsigned char params[PADDING + 16];
    static const char padding[PADDING];
    stockd_client *client = start(&fake, play_much);
    stockd_pack pack;

    stockd_pack_init(&pack, params, sizeof params);
    stockd_pack_array(&pack, 1);
    stockd_pack_str_n(&pack, padding, sizeof padding);
    for (unsigned i = 0; i < REQUESTS; i++) {
        cr_assert_eq(stockd_send(client, "ping", pack.data, pack.len, NULL), STOCKD_OK);
        if (i % 1000 == 999)
            cr_assert_eq(stockd_flush(client), STOCKD_OK, "%s", stockd_error_message(client));
    }
    for (unsigned i = 0; i < REQUESTS; i++)
        cr_assert_eq(stockd_receive(client, NULL), STOCKD_OK, "%s", stockd_error_message(client));
    stop(&fake, client);
}
