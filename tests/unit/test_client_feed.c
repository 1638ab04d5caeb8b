/* SPDX-License-Identifier: Apache-2.0 */
/* The client as a subscriber, against a scripted engine. */
#include <criterion/criterion.h>
#include <string.h>

#include <stockd/client.h>

#include "tests/support/fake_engine.h"

struct heard {
    unsigned count, bad;
    stockd_changed last;
    char sku[STOCKD_SKU_MAX + 1];
};

static void on_notify(void *context, const char *method, stockd_value params)
{
    struct heard *heard = context;
    if (strcmp(method, "changed") != 0 || !stockd_read_changed(params, &heard->last)) {
        heard->bad++;
        return;
    }
    memcpy(heard->sku, heard->last.sku, heard->last.sku_len);
    heard->sku[heard->last.sku_len] = '\0';
    heard->count++;
}

/* A result {"lsn": 40}, and three notifications in the same write: two good ones, one foreign. */
static void play_subscription(struct fake *fake)
{
    static const char news[] = "\x93\x02\xa7"
                               "changed\x94\xa3web\xa3tea\x05\x2a"
                               "\x93\x02\xa7"
                               "current\x91\x2a"
                               "\x93\x02\xa7"
                               "changed\x94\xa3web\xa3"
                               "cup\xff\xcd\x01\x00";
    uint32_t msgid;
    fake_accept(fake);
    for (int i = 0; i < 2; i++) {
        fake_request(fake, &msgid);
        fake_result(fake, msgid, "\x82\xa3lsn\x28\xa6resync\xc2", 14);
    }
    fake_bytes(fake, news, sizeof news - 1);
    fake_request(fake, &msgid);
}

Test(client_feed, a_subscriber_hears_what_changes)
{
    struct fake fake;
    struct heard heard = { 0 };
    const stockd_options options = { .notify = on_notify, .notify_context = &heard };
    const uint64_t since = 300;
    uint64_t lsn = 0;
    stockd_client *client;
    static const char asked[] = "\x91\x82\xa7"
                                "channel\xa3web\xa9since_lsn\xcd\x01\x2c";

    fake_start(&fake, play_subscription);
    cr_assert_eq(stockd_connect(&client, fake.address, &options), STOCKD_OK);
    cr_assert_eq(stockd_subscribe(client, NULL, NULL, NULL), STOCKD_OK);
    cr_assert_str_eq(fake.last_method, "subscribe");
    cr_assert_arr_eq(fake.last_params, "\x91\x80", 2);
    cr_assert_eq(stockd_subscribe(client, "web", &since, &lsn), STOCKD_OK);
    cr_assert_eq(lsn, 40);
    cr_assert_eq(fake.last_params_len, sizeof asked - 1);
    cr_assert_arr_eq(fake.last_params, asked, sizeof asked - 1);
    while (heard.count + heard.bad < 3)
        cr_assert_gt(stockd_wait_notifications(client, 5000), 0);
    cr_assert_eq(heard.count, 2);
    cr_assert_eq(heard.bad, 1);
    cr_assert_str_eq(heard.sku, "cup");
    cr_assert_eq(heard.last.available, -1);
    cr_assert_eq(heard.last.lsn, 256);
    stockd_close(client);
    fake_join(&fake);
}

Test(client_feed, only_a_whole_change_is_read)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        { "\x93\xa1"
          "a\xa1"
          "b\x01",
          6 },
        { "\x94\x01\xa1"
          "b\x01\x02",
          6 },
        { "\x94\xa1"
          "a\xa1"
          "b\xa1"
          "c\x02",
          8 },
        { "\x94\xa1"
          "a\xa1"
          "b\x01\xff",
          7 },
        { "\x84\xa1"
          "a\xa1"
          "b\x01\x02\x03\x04\x05\x06",
          11 },
        { "\x05", 1 },
        { NULL, 0 },
    };
    stockd_changed change = { .lsn = 77 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(
            stockd_read_changed((stockd_value){ (const unsigned char *)bad[i].bytes, bad[i].len },
                                &change),
            "%zu", i);
    cr_assert_eq(change.lsn, 77);
    char long_sku[128] = "\x94\xa1"
                         "a\xd9\x41"; /* 65 bytes */
    memset(long_sku + 5, 'x', 65);
    memcpy(long_sku + 70, "\x01\x02", 2);
    cr_assert_not(
        stockd_read_changed((stockd_value){ (const unsigned char *)long_sku, 72 }, &change));
    long_sku[4] = 0x40;
    memcpy(long_sku + 69, "\x01\x02", 2);
    cr_assert(stockd_read_changed((stockd_value){ (const unsigned char *)long_sku, 71 }, &change));
    cr_assert_eq(change.sku_len, 64);
}
