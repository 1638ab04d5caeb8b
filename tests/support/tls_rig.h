/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_transport and clients of it, in one thread: the bytes from a client are handed to the link as
 * completions, so a test may hold them back or change them; those from the link go through a ring
 * and a socket. Certificates are made by the rig and are signed by themselves.
 */
#ifndef STOCKD_TESTS_TLS_RIG_H
#define STOCKD_TESTS_TLS_RIG_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "protocol/transport.h"
#include "tests/support/scratch.h"

enum { RIG_PATH = PATH_MAX + 32 };

struct tls_rig {
    struct scratch scratch;
    char certificate[RIG_PATH], key[RIG_PATH], client_certificate[RIG_PATH], client_key[RIG_PATH];
    struct tls *tls;
    struct listener listener;
    struct chunk_pool chunks;
    struct uring *ring;
    SSL_CTX *context; /* of the clients */
};

/* With a name, clients must show a certificate, and show one of that name. */
void tls_rig_open(struct tls_rig *rig, const char *client_name);
void tls_rig_close(struct tls_rig *rig);

/* Makes another certificate of the server, or of that name if it is not NULL, for clients. */
void tls_rig_renew(struct tls_rig *rig, const char *client_name);

struct tls_peer {
    struct link link;
    struct out stream; /* the link's, towards the client */
    int fd;            /* the client's end */
    SSL *ssl;          /* the client */
    BIO *from_engine;
    BIO *to_engine;
};

/* Connects; no byte is exchanged yet. */
void tls_peer_open(struct tls_rig *rig, struct tls_peer *peer);
/* Closes the link, too. */
void tls_peer_close(struct tls_rig *rig, struct tls_peer *peer);

/* Hands bytes to the link, as a completion does, and takes the step of the greeting that they make
 * possible. *why, if given: why that failed, or NULL. */
struct received tls_peer_deliver(struct tls_peer *peer, const void *bytes, size_t length,
                                 const char **why);

/* Sends what the link has to send, and lets the client read it. False: the link is unusable. */
bool tls_peer_fetch(struct tls_rig *rig, struct tls_peer *peer);

/* What the client wants to send; valid until it wants to send more. */
size_t tls_peer_cipher(struct tls_peer *peer, const unsigned char **bytes);
/* It was taken. */
void tls_peer_taken(struct tls_peer *peer);

/* To the end. False: it failed, for *why. */
bool tls_peer_shake_hands(struct tls_rig *rig, struct tls_peer *peer, const char **why);

#endif
