/* SPDX-License-Identifier: Apache-2.0 */
/* The transport that encrypts, as a worker uses it, against OpenSSL's client. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "protocol/tls.h"
#include "tests/support/tls_rig.h"

enum { LONG = 1 << 20, FIRST_BYTES = 4096, CONTROLS = 16 };

static struct tls_rig rig;
static struct tls_peer peer;
static const char *why;

static void open_rig(void)
{
    tls_rig_open(&rig, NULL);
    tls_peer_open(&rig, &peer);
}

static void open_rig_of_known_clients(void)
{
    tls_rig_open(&rig, "till 7");
    tls_peer_open(&rig, &peer);
}

static void close_rig(void)
{
    tls_peer_close(&rig, &peer);
    tls_rig_close(&rig);
}

TestSuite(tls, .init = open_rig, .fini = close_rig);
TestSuite(tls_clients, .init = open_rig_of_known_clients, .fini = close_rig);

static void shake_hands(void)
{
    cr_assert(tls_peer_shake_hands(&rig, &peer, &why), "%s", why ? why : "it does not end");
}

/* What the client writes, to the link. */
static struct received from_client(const void *bytes, size_t length)
{
    const unsigned char *cipher;
    if (length > 0)
        cr_assert_eq(SSL_write(peer.ssl, bytes, (int)length), (int)length);
    size_t cipher_length = tls_peer_cipher(&peer, &cipher);
    struct received received = tls_peer_deliver(&peer, cipher, cipher_length, NULL);
    tls_peer_taken(&peer);
    return received;
}

/* Reads so many bytes, or to the end; returns how many. */
static size_t read_client(unsigned char *to, size_t length)
{
    size_t got = 0, n;
    while (got < length && SSL_read_ex(peer.ssl, to + got, length - got, &n))
        got += n;
    return got;
}

Test(tls, bytes_go_both_ways)
{
    unsigned char got[16];
    shake_hands();
    struct received received = from_client("hello", 5);
    cr_assert(!received.failed && !received.ended);
    cr_assert_eq(received.length, 5);
    cr_assert_eq(memcmp(received.bytes, "hello", 5), 0);
    out_append(&peer.stream, "world", 5);
    cr_assert(tls_peer_fetch(&rig, &peer));
    cr_assert_eq(read_client(got, sizeof got), 5);
    cr_assert_eq(memcmp(got, "world", 5), 0);
}

Test(tls, a_long_stream_arrives_as_it_was_although_the_socket_takes_little)
{
    unsigned char *sent = malloc(LONG), *got = malloc(LONG);
    int little = 4096;
    shake_hands();
    setsockopt(peer.link.fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    for (size_t i = 0; i < LONG; i++)
        sent[i] = (unsigned char)(i * 2654435761U >> 13);
    out_append(&peer.stream, sent, LONG);
    cr_assert(tls_peer_fetch(&rig, &peer));
    cr_assert_eq(peer.stream.sent, LONG, "not all counts as sent");
    cr_assert_eq(read_client(got, LONG), LONG);
    cr_assert_eq(memcmp(sent, got, LONG), 0);
    free(sent);
    free(got);
}

Test(tls, records_may_come_in_pieces_and_many_at_once)
{
    const unsigned char *cipher;
    shake_hands();
    for (int i = 0; i < 100; i++)
        cr_assert_eq(SSL_write(peer.ssl, "x", 1), 1);
    size_t length = tls_peer_cipher(&peer, &cipher), got = 0;
    for (size_t at = 0, piece = 1; at < length; at += piece, piece = piece % 7 + 1) {
        size_t this_piece = piece < length - at ? piece : length - at;
        got += tls_peer_deliver(&peer, cipher + at, this_piece, NULL).length;
    }
    cr_assert_eq(got, 100);
    tls_peer_taken(&peer);
}

Test(tls, an_end_that_was_announced_is_one_and_another_is_a_failure)
{
    shake_hands();
    SSL_shutdown(peer.ssl);
    struct received received = from_client("", 0);
    cr_assert(received.ended && !received.failed);

    tls_peer_close(&rig, &peer);
    tls_peer_open(&rig, &peer);
    shake_hands();
    received = tls_peer_deliver(&peer, NULL, 0, NULL);
    cr_assert(received.failed);
}

Test(tls, the_peer_is_told_of_the_end_before_the_socket_is_shut)
{
    unsigned char byte;
    char none;
    shake_hands();
    out_append(&peer.stream, "bye", 3);
    cr_assert(tls_peer_fetch(&rig, &peer));
    cr_assert_eq(read_client(&byte, 1) + read_client(&byte, 1) + read_client(&byte, 1), 3);
    cr_assert(link_transport(&peer.link)->finish(&peer.link));
    cr_assert(peer.link.has_more, "the notice must be sent");
    cr_assert(tls_peer_fetch(&rig, &peer));
    cr_assert_eq(SSL_read(peer.ssl, &byte, 1), 0);
    cr_assert(SSL_get_shutdown(peer.ssl) & SSL_RECEIVED_SHUTDOWN, "no notice of the end came");
    cr_assert_eq(recv(peer.fd, &none, 1, MSG_DONTWAIT), 0, "the socket is not shut");
}

Test(tls, an_abort_tells_the_peer_what_was_wrong)
{
    unsigned char alert[64];
    shake_hands();
    struct received received = tls_peer_deliver(&peer, "\x17\x03\x03\x00\x02??", 7, NULL);
    cr_assert(received.failed);
    cr_assert(tls_peer_deliver(&peer, "more", 4, NULL).failed, "it goes on after a failure");
    link_transport(&peer.link)->abort(&peer.link);
    cr_assert_gt(recv(peer.fd, alert, sizeof alert, MSG_DONTWAIT), 5);
    cr_assert_eq(alert[0], 0x17, "an encrypted record");
}

Test(tls, a_first_message_that_is_too_long_is_not_kept)
{
    unsigned char bytes[FIRST_BYTES + 1] = { 0x16, 3, 1, 0x3f, 0 };
    cr_assert(tls_peer_deliver(&peer, bytes, sizeof bytes, NULL).failed);
}

Test(tls, junk_instead_of_a_hello_fails_and_says_why)
{
    cr_assert(tls_peer_deliver(&peer, "GET / HTTP/1.1\r\n", 16, &why).failed);
    cr_assert_str_eq(why, "http request");
}

Test(tls, few_records_without_data_are_answered)
{
    shake_hands();
    for (int i = 0; i < CONTROLS; i++) {
        cr_assert_eq(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        struct received received = from_client("x", 1);
        cr_assert(!received.failed, "the new key %d is refused", i);
        cr_assert_eq(received.length, 1);
        cr_assert(tls_peer_fetch(&rig, &peer));
    }
    SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED);
    cr_assert(from_client("x", 1).failed);
}

Test(tls, data_earns_further_new_keys)
{
    static unsigned char bytes[8192];
    shake_hands();
    for (int i = 0; i < 3 * CONTROLS; i++) {
        for (size_t sent = 0; sent < LONG; sent += sizeof bytes)
            cr_assert_eq(from_client(bytes, sizeof bytes).length, sizeof bytes);
        SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED);
        cr_assert(!from_client("x", 1).failed, "the new key %d is refused", i);
        cr_assert(tls_peer_fetch(&rig, &peer));
    }
}

Test(tls, a_client_without_a_certificate_has_no_name)
{
    shake_hands();
    cr_assert_eq(link_certified_name(&peer.link).len, 0);
}

Test(tls_clients, a_certificate_tells_the_clients_name)
{
    shake_hands();
    struct text name = link_certified_name(&peer.link);
    cr_assert_eq(name.len, 6);
    cr_assert_eq(memcmp(name.at, "till 7", 6), 0);
}

Test(tls_clients, a_certificate_that_nobody_vouches_for_is_refused)
{
    char text[256];
    tls_rig_renew(&rig, "till 8"); /* under the engine's and the client's feet */
    cr_assert(tls_reload(rig.tls, text, sizeof text), "%s", text);
    cr_assert_not(tls_peer_shake_hands(&rig, &peer, &why));
    cr_assert(why, "it fails without a reason");
    cr_assert_eq(link_certified_name(&peer.link).len, 0);
}

Test(tls, what_began_before_a_reload_goes_on)
{
    char text[256];
    shake_hands();
    tls_rig_renew(&rig, NULL);
    cr_assert(tls_reload(rig.tls, text, sizeof text), "%s", text);
    cr_assert_eq(from_client("hello", 5).length, 5);
}
