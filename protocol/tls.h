/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the encrypting listeners have in common: the certificate, its key, and the authorities whose
 * client certificates are accepted. The files are read at the start and at each reload. Connections
 * keep what they began with; a file that is bad changes nothing.
 */
#ifndef STOCKD_PROTOCOL_TLS_H
#define STOCKD_PROTOCOL_TLS_H

#include <stdbool.h>
#include <stddef.h>

struct ssl_st;
struct tls;

struct tls_files {
    const char *certificate; /* PEM: the server's, then those that lead to its authority */
    const char *key;         /* PEM, without a passphrase */
    /* PEM: authorities whose clients may connect, and their revocation lists. NULL: clients need no
     * certificate. If there is a revocation list, each of the authorities needs one. */
    const char *client_ca;
    bool tls_1_2; /* accept TLS 1.2, too */
};

/* Keeps the names of the files, which outlive it. NULL on failure, with one line in why (size
 * bytes) that names the file. */
struct tls *tls_create(const struct tls_files *files, char *why, size_t size);
void tls_destroy(struct tls *tls);

/* Reads the files again. Any thread. False, with one line in why: they are bad, or the certificate
 * has expired where that in use has not, and connections go on being made with what was read
 * before. */
bool tls_reload(struct tls *tls, char *why, size_t size);

/* The certificate in use, for a log line: its subject, until when it is valid, and a warning if
 * that is over. Any thread. */
void tls_describe(struct tls *tls, char *to, size_t size);

/* The server's side of a new connection; SSL_free ends it. Any thread. NULL: no memory. */
struct ssl_st *tls_accept(struct tls *tls);

#endif
