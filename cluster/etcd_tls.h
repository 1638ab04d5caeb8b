/* SPDX-License-Identifier: Apache-2.0 */
/* TLS towards etcd: whom to trust, and who we are. */
#ifndef STOCKD_CLUSTER_ETCD_TLS_H
#define STOCKD_CLUSTER_ETCD_TLS_H

#include <stdbool.h>
#include <stddef.h>

struct ssl_ctx_st;
struct ssl_st;

struct etcd_tls_files {
    const char *ca;          /* PEM; NULL: the system's authorities */
    const char *certificate; /* PEM, ours; NULL: none */
    const char *key;         /* PEM, without a passphrase; NULL: it is in the certificate's file */
};

/* SSL_CTX_free ends it. NULL, with one line in why (size bytes) that names the file. */
struct ssl_ctx_st *etcd_tls_create(const struct etcd_tls_files *files, char *why, size_t size);

/* The client's side of a connection over that socket, which outlives it; SSL_free ends it. Only a
 * server whose certificate is for that host is accepted. NULL: no memory. */
struct ssl_st *etcd_tls_connect(struct ssl_ctx_st *tls, const int *fd, const char *host);

/* Why the last step, which returned that, failed: one line. Empties OpenSSL's queue of errors. */
void etcd_tls_failure(struct ssl_st *ssl, int returned, char *why, size_t size);

#endif
