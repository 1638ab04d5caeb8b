/* SPDX-License-Identifier: Apache-2.0 */
/* A client with several addresses, against engines that play scripts. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <stockd/client.h>

#include "tests/support/fake_engine.h"

enum { FAKES = 3 };

static struct fake fakes[FAKES];
static char list[256];

/* Starts as many engines as there are scripts; `list` names them in order. */
static stockd_client *begin(const stockd_options *options, size_t count,
                            void (*const *scripts)(struct fake *))
{
    const stockd_options quick = { .call_timeout_ms = 20000, .backoff_ms = 1 };
    stockd_client *client;

    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        fake_start(&fakes[i], scripts[i]);
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i > 0 ? "," : "",
                 fakes[i].address);
    }
    int rc = stockd_connect(&client, list, options ? options : &quick);
    cr_assert_eq(rc, STOCKD_OK, "%s", stockd_error_message(client));
    return client;
}

static void end(stockd_client *client, size_t count)
{
    stockd_close(client);
    for (size_t i = 0; i < count; i++)
        fake_join(&fakes[i]);
}

static unsigned requests(size_t fake)
{
    return (unsigned)atomic_load(&fakes[fake].requests);
}

/* ---- Scripts ------------------------------------------------------------------------------- */

static void refuse_all(struct fake *fake, const char *address, uint64_t term)
{
    uint32_t msgid;

    fake_accept(fake);
    while (fake_request(fake, &msgid))
        fake_refuse_node(fake, msgid, "not_primary", address, term);
}

static void play_second_is_primary(struct fake *fake)
{
    refuse_all(fake, fakes[1].address, 7);
}

static void play_no_primary_then_pongs(struct fake *fake)
{
    refuse_all(fake, NULL, 3);
    fake_play_pongs(fake);
}

static void play_no_primary(struct fake *fake)
{
    for (;;) {
        uint32_t msgid;

        fake_accept(fake);
        while (fake_request(fake, &msgid)) {
            if (strcmp(fake->last_method, "leave") == 0)
                return;
            fake_refuse_node(fake, msgid, "not_primary", NULL, 3);
        }
    }
}

static void play_dies_after_receiving(struct fake *fake)
{
    uint32_t msgid;

    fake_accept(fake);
    fake_request(fake, &msgid);
}

static void play_dies_for_good(struct fake *fake)
{
    play_dies_after_receiving(fake);
    shutdown(fake->listener, SHUT_RDWR);
}

static void play_nothing(struct fake *fake)
{
    (void)fake;
}

static void play_silence(struct fake *fake)
{
    uint32_t msgid;

    fake_accept(fake);
    while (fake_request(fake, &msgid))
        ;
}

static void play_read_only(struct fake *fake)
{
    uint32_t msgid;

    fake_accept(fake);
    while (fake_request(fake, &msgid))
        fake_refuse_node(fake, msgid, "read_only", NULL, 0);
}

static void play_first_is_primary(struct fake *fake)
{
    refuse_all(fake, fakes[0].address, 7);
}

static void play_read_only_twice(struct fake *fake)
{
    play_read_only(fake);
    play_read_only(fake);
}

typedef void script(struct fake *fake);

/* ---- Redirects ----------------------------------------------------------------------------- */

Test(client_failover, a_change_goes_to_the_primary_and_the_client_stays_there)
{
    static script *const scripts[] = { play_second_is_primary, fake_play_pongs };
    stockd_client *client = begin(NULL, 2, scripts);

    cr_assert_str_eq(stockd_address(client), fakes[0].address);
    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    cr_assert_str_eq(stockd_address(client), fakes[1].address);
    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    end(client, 2);
    cr_assert_eq(requests(0), 1);
    cr_assert_eq(requests(1), 2);
}

Test(client_failover, a_refused_request_that_is_not_safe_to_repeat_goes_on_too)
{
    static script *const scripts[] = { play_second_is_primary, fake_play_pongs };
    stockd_client *client = begin(NULL, 2, scripts);

    cr_assert_eq(stockd_call(client, "ping", NULL, 0, 0, NULL), STOCKD_OK);
    end(client, 2);
}

Test(client_failover, without_a_primary_all_are_asked_until_there_is_one)
{
    static script *const scripts[] = { play_no_primary_then_pongs, play_no_primary_then_pongs };
    stockd_client *client = begin(NULL, 2, scripts);

    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    cr_assert_eq(requests(0), 2, "the first that has become it");
    cr_assert_eq(requests(1), 1);
    /* The second still waits for its next connection. */
    stockd_client *other;
    cr_assert_eq(stockd_connect(&other, fakes[1].address, NULL), STOCKD_OK);
    stockd_close(other);
    end(client, 2);
}

Test(client_failover, one_address_waits_for_a_primary_too)
{
    static script *const scripts[] = { play_no_primary_then_pongs };
    stockd_client *client = begin(NULL, 1, scripts);

    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    end(client, 1);
}

Test(client_failover, without_a_primary_the_call_ends_in_time_and_says_what_each_said)
{
    static script *const scripts[] = { play_no_primary, play_no_primary };
    const stockd_options options = { .call_timeout_ms = 300, .backoff_ms = 1 };
    stockd_client *client = begin(&options, 2, scripts);
    char expected[512];

    cr_assert_eq(stockd_ping(client), STOCKD_E_CONNECT, "it was refused, so it was not done");
    snprintf(expected, sizeof expected,
             "%s: not the primary, and there is none (term 3); "
             "%s: not the primary, and there is none (term 3)",
             fakes[0].address, fakes[1].address);
    cr_assert_str_eq(stockd_error_message(client), expected);
    stockd_close(client);
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(stockd_connect(&client, fakes[i].address, NULL), STOCKD_OK);
        (void)stockd_call(client, "leave", NULL, 0, 0, NULL);
        stockd_close(client);
        fake_join(&fakes[i]);
    }
}

/* ---- Losses -------------------------------------------------------------------------------- */

Test(client_failover, what_was_not_answered_is_sent_again_elsewhere)
{
    static script *const scripts[] = { play_dies_after_receiving, fake_play_pongs };
    stockd_client *client = begin(NULL, 2, scripts);
    stockd_line line = { .sku = "A", .qty = 1 };

    (void)stockd_reserve(client, "order-1", "default", &line, 1, NULL,
                         NULL); /* pong is no answer */
    cr_assert_str_eq(fakes[1].last_method, "reserve");
    cr_assert_eq(fakes[0].last_params_len, fakes[1].last_params_len);
    cr_assert_eq(memcmp(fakes[0].last_params, fakes[1].last_params, fakes[0].last_params_len), 0,
                 "with its id");
    end(client, 2);
    cr_assert_eq(requests(0), 1);
    cr_assert_eq(requests(1), 1);
}

Test(client_failover, a_change_without_an_id_is_not_sent_again_and_the_error_says_so)
{
    static script *const scripts[] = { play_dies_after_receiving, play_nothing };
    stockd_client *client = begin(NULL, 2, scripts);
    stockd_line line = { .sku = "A", .qty = 1 };

    cr_assert_eq(stockd_fulfil(client, "r", &line, 1, NULL, NULL), STOCKD_E_CLOSED);
    cr_assert(strstr(stockd_error_message(client), "not known whether it was done"));
    end(client, 2);
    cr_assert_eq(requests(0), 1);
    cr_assert_eq(requests(1), 0);
}

/* After it was sent, a try that cannot connect does not make it undone. */
Test(client_failover, once_sent_and_lost_it_is_not_known_whether_it_was_done)
{
    const stockd_options options = { .call_timeout_ms = 400, .backoff_ms = 1 };
    char both[128];
    stockd_client *client;

    fake_start(&fakes[0], play_dies_for_good);
    snprintf(both, sizeof both, "%s,unix:@stockd-test-nobody", fakes[0].address);
    cr_assert_eq(stockd_connect(&client, both, &options), STOCKD_OK);
    int rc = stockd_ping(client);
    cr_assert_eq(rc, STOCKD_E_CLOSED, "%s", stockd_error_message(client));
    cr_assert(strstr(stockd_error_message(client), "unix:@stockd-test-nobody: cannot connect"));
    end(client, 1);
}

Test(client_failover, of_one_engine_it_is_not_known_either)
{
    const stockd_options options = { .retries = 1, .backoff_ms = 1 };
    stockd_client *client;

    fake_start(&fakes[0], play_dies_for_good);
    cr_assert_eq(stockd_connect(&client, fakes[0].address, &options), STOCKD_OK);
    cr_assert_eq(stockd_ping(client), STOCKD_E_CLOSED);
    cr_assert(strstr(stockd_error_message(client), "it may have been done"));
    end(client, 1);
}

static void play_dies_then_read_only(struct fake *fake)
{
    play_dies_after_receiving(fake);
    play_read_only(fake);
}

Test(client_failover, a_refusal_of_the_repeat_says_that_the_first_may_have_been_done)
{
    static script *const scripts[] = { play_dies_then_read_only };
    stockd_client *client = begin(NULL, 1, scripts);

    cr_assert_eq(stockd_ping(client), STOCKD_REFUSED);
    cr_assert_str_eq(stockd_last_reply(client)->code, "read_only");
    cr_assert(strstr(stockd_last_reply(client)->message, "it may have been done"));
    end(client, 1);
}

Test(client_failover, who_does_not_answer_has_half_of_the_time)
{
    static script *const scripts[] = { play_silence, fake_play_pongs };
    const stockd_options options = { .call_timeout_ms = 2000, .backoff_ms = 1 };
    stockd_client *client = begin(&options, 2, scripts);

    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    end(client, 2);
}

Test(client_failover, no_retries_means_that_nothing_is_sent_twice)
{
    static script *const scripts[] = { play_dies_after_receiving, play_nothing };
    const stockd_options options = { .retries = -1, .backoff_ms = 1 };
    stockd_client *client = begin(&options, 2, scripts);

    cr_assert_eq(stockd_ping(client), STOCKD_E_CLOSED);
    end(client, 2);
    cr_assert_eq(requests(1), 0);
}

/* ---- Connecting ---------------------------------------------------------------------------- */

Test(client_failover, the_first_that_answers_is_connected_to)
{
    stockd_client *client;
    char both[128];

    fake_start(&fakes[0], fake_play_pongs);
    snprintf(both, sizeof both, "unix:@stockd-test-nobody,127.0.0.1:1,%s", fakes[0].address);
    cr_assert_eq(stockd_connect(&client, both, NULL), STOCKD_OK);
    cr_assert_str_eq(stockd_address(client), fakes[0].address);
    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    end(client, 1);
}

Test(client_failover, if_nobody_answers_each_is_named_with_its_reason)
{
    stockd_client *client;

    cr_assert_eq(stockd_connect(&client, "unix:@stockd-test-nobody,127.0.0.1:1", NULL),
                 STOCKD_E_CONNECT);
    cr_assert_str_eq(stockd_error_message(client),
                     "unix:@stockd-test-nobody: cannot connect: Connection refused; "
                     "127.0.0.1:1: cannot connect: Connection refused");
    cr_assert_eq(stockd_reconnect(client), STOCKD_E_CONNECT);
    stockd_close(client);
    cr_assert_eq(stockd_connect(&client, "127.0.0.1:1,nonsense", NULL), STOCKD_E_ARGUMENT);
    cr_assert_eq(stockd_ping(client), STOCKD_E_ARGUMENT);
    stockd_close(client);
}

/* ---- read_only ----------------------------------------------------------------------------- */

Test(client_failover, a_primary_that_is_cut_off_is_left_for_the_new_one)
{
    static script *const scripts[] = { play_read_only, fake_play_pongs };
    stockd_client *client = begin(NULL, 2, scripts);

    cr_assert_eq(stockd_ping(client), STOCKD_OK);
    end(client, 2);
}

Test(client_failover, the_primary_s_own_word_counts_if_the_others_name_it)
{
    static script *const scripts[] = { play_read_only_twice, play_first_is_primary };
    stockd_client *client = begin(NULL, 2, scripts);

    cr_assert_eq(stockd_ping(client), STOCKD_REFUSED);
    cr_assert_str_eq(stockd_last_reply(client)->code, "read_only");
    end(client, 2);
    cr_assert_eq(requests(0), 2);
    cr_assert_eq(requests(1), 1);
}

/* ---- Pipelines ----------------------------------------------------------------------------- */

Test(client_failover, a_pipeline_follows_too)
{
    static script *const scripts[] = { play_second_is_primary, fake_play_pongs };
    stockd_client *client = begin(NULL, 2, scripts);
    stockd_reply reply;

    for (int i = 0; i < 3; i++)
        cr_assert_eq(stockd_send(client, "ping", NULL, 0, NULL), STOCKD_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(stockd_receive(client, &reply), STOCKD_REFUSED);
        cr_assert(stockd_follow(client, &reply));
    }
    cr_assert_str_eq(stockd_address(client), fakes[0].address, "until it reconnects");
    cr_assert_eq(stockd_reconnect(client), STOCKD_OK);
    cr_assert_str_eq(stockd_address(client), fakes[1].address);
    cr_assert_eq(stockd_send(client, "ping", NULL, 0, NULL), STOCKD_OK);
    cr_assert_eq(stockd_receive(client, &reply), STOCKD_OK);
    cr_assert_not(stockd_follow(client, &reply));
    end(client, 2);
}

Test(client_failover, after_a_loss_a_pipeline_goes_on_at_the_next_node)
{
    static script *const scripts[] = { play_dies_after_receiving, fake_play_pongs };
    stockd_client *client = begin(NULL, 2, scripts);

    cr_assert_eq(stockd_send(client, "ping", NULL, 0, NULL), STOCKD_OK);
    cr_assert_eq(stockd_receive(client, NULL), STOCKD_E_CLOSED);
    cr_assert_eq(stockd_reconnect(client), STOCKD_OK);
    cr_assert_str_eq(stockd_address(client), fakes[1].address);
    end(client, 2);
}
