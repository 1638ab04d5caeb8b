/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tls_rig.h"

#include <assert.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/tls.h"

enum { TAG = 7, WAIT_NS = 1000000000, TRIES = 60, STEPS = 16, PIECE = 16384 };

static void need(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "tls_rig: %s failed\n", what);
    abort();
}

/* ---- certificates ---- */

static void write_pem(const char *path, X509 *certificate, EVP_PKEY *key)
{
    FILE *file = fopen(path, "we");
    need(file, path);
    if (certificate)
        need(PEM_write_X509(file, certificate), "PEM_write_X509");
    else
        need(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), "PEM_write_PrivateKey");
    fclose(file);
}

static void make_certificate(const char *name, const char *pem, const char *key_file)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    need(key && certificate, "a new certificate");
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name,
                               (int)strlen(name), -1, 0);
    X509_set_issuer_name(certificate, subject);
    need(X509_sign(certificate, key, EVP_sha256()) > 0, "X509_sign");
    write_pem(pem, certificate, NULL);
    write_pem(key_file, NULL, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void tls_rig_renew(struct tls_rig *rig, const char *client_name)
{
    if (client_name)
        make_certificate(client_name, rig->client_certificate, rig->client_key);
    else
        make_certificate("engine", rig->certificate, rig->key);
}

/* ---- the rig ---- */

static struct uring *open_ring(void)
{
    static const struct uring_config config = {
        .ids = 16, .completions = 64, .buffers = 4, .buffer_bytes = 4096, .rings = 1
    };
    char why[256];
    struct uring *ring = uring_create(&config, why, sizeof why);
    need(ring && uring_enable(ring) == 0, "io_uring");
    return ring;
}

void tls_rig_open(struct tls_rig *rig, const char *client_name)
{
    char why[256] = "";
    *rig = (struct tls_rig){ .listener = { .fd = -1, .encrypted = true } };
    scratch_make(&rig->scratch);
    snprintf(rig->certificate, sizeof rig->certificate, "%s/engine.pem", rig->scratch.path);
    snprintf(rig->key, sizeof rig->key, "%s/engine.key", rig->scratch.path);
    snprintf(rig->client_certificate, sizeof rig->client_certificate, "%s/client.pem",
             rig->scratch.path);
    snprintf(rig->client_key, sizeof rig->client_key, "%s/client.key", rig->scratch.path);
    tls_rig_renew(rig, NULL);
    rig->context = SSL_CTX_new(TLS_client_method());
    if (client_name) {
        tls_rig_renew(rig, client_name);
        need(SSL_CTX_use_certificate_chain_file(rig->context, rig->client_certificate) == 1 &&
                 SSL_CTX_use_PrivateKey_file(rig->context, rig->client_key, SSL_FILETYPE_PEM) == 1,
             "the client's certificate");
    }
    const struct tls_files files = { .certificate = rig->certificate,
                                     .key = rig->key,
                                     .client_ca = client_name ? rig->client_certificate : NULL };
    rig->tls = tls_create(&files, why, sizeof why);
    need(rig->tls, why);
    rig->listener.tls = rig->tls;
    rig->listener.transport = &tls_transport;
    chunk_pool_init(&rig->chunks, 4);
    rig->ring = open_ring();
}

void tls_rig_close(struct tls_rig *rig)
{
    uring_destroy(rig->ring);
    chunk_pool_destroy(&rig->chunks);
    tls_destroy(rig->tls);
    SSL_CTX_free(rig->context);
    scratch_remove(&rig->scratch);
}

/* ---- a client ---- */

void tls_peer_open(struct tls_rig *rig, struct tls_peer *peer)
{
    int ends[2];
    need(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    *peer =
        (struct tls_peer){ .link = { .fd = ends[0], .listener = &rig->listener }, .fd = ends[1] };
    need(link_transport(&peer->link)->open(&peer->link, &rig->chunks), "open");
    out_init(&peer->stream, &rig->chunks);
    peer->ssl = SSL_new(rig->context);
    peer->from_engine = BIO_new(BIO_s_mem());
    peer->to_engine = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(peer->from_engine, -1);
    SSL_set_bio(peer->ssl, peer->from_engine, peer->to_engine);
    SSL_set_connect_state(peer->ssl);
}

void tls_peer_close(struct tls_rig *rig, struct tls_peer *peer)
{
    (void)rig;
    peer->link.in_flight.receive = false; /* completions were made by hand */
    link_transport(&peer->link)->abort(&peer->link);
    link_transport(&peer->link)->close(&peer->link);
    out_destroy(&peer->stream);
    SSL_free(peer->ssl);
    close(peer->fd);
}

struct received tls_peer_deliver(struct tls_peer *peer, const void *bytes, size_t length,
                                 const char **why)
{
    struct link *link = &peer->link;
    struct completion completion = {
        .result = (int32_t)length,
        .more = true,
        .has_buffer = length > 0,
        .bytes = (unsigned char *)(uintptr_t)bytes /* only a worker overwrites them */
    };
    struct received received = link_transport(link)->received(link, &completion);
    if (why)
        *why = NULL;
    if (link->greeting != GREETING_READY || received.failed)
        return received;
    struct greeted greeted = link_transport(link)->greet(link);
    if (why)
        *why = greeted.why;
    return greeted.received;
}

static int wait_for_one(struct uring *ring)
{
    struct completion completion;
    for (int i = 0; i < TRIES; i++) {
        need(uring_wait(ring, WAIT_NS) == 0, "uring_wait");
        if (uring_take(ring, &completion, 1) == 1)
            return completion.result;
    }
    need(false, "a completion");
    return 0;
}

bool tls_peer_fetch(struct tls_rig *rig, struct tls_peer *peer)
{
    struct link *link = &peer->link;
    const struct transport *transport = link_transport(link);
    char bytes[PIECE];
    while (link->has_more || out_unsent(&peer->stream) > 0) {
        transport->send(link, rig->ring, &peer->stream, out_end(&peer->stream), TAG);
        int sent = transport->sent(link, wait_for_one(rig->ring));
        if (sent < 0)
            return false;
        out_consume(&peer->stream, (size_t)sent);
        ssize_t n = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        for (; n > 0; n = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT))
            need(BIO_write(peer->from_engine, bytes, (int)n) == n, "BIO_write");
    }
    return true;
}

size_t tls_peer_cipher(struct tls_peer *peer, const unsigned char **bytes)
{
    char *at = NULL;
    long length = BIO_get_mem_data(peer->to_engine, &at);
    *bytes = (const unsigned char *)at;
    return (size_t)length;
}

void tls_peer_taken(struct tls_peer *peer)
{
    need(BIO_reset(peer->to_engine) == 1, "BIO_reset");
}

bool tls_peer_shake_hands(struct tls_rig *rig, struct tls_peer *peer, const char **why)
{
    *why = NULL;
    for (int i = 0; i < STEPS; i++) {
        const unsigned char *bytes;
        bool done = SSL_do_handshake(peer->ssl) == 1;
        size_t length = tls_peer_cipher(peer, &bytes);
        if (done && length == 0 && peer->link.greeting == GREETING_DONE)
            return true;
        struct received received = tls_peer_deliver(peer, bytes, length, why);
        tls_peer_taken(peer);
        if (received.failed || !tls_peer_fetch(rig, peer))
            return false;
    }
    return false;
}
