/* SPDX-License-Identifier: Apache-2.0 */
/* A socket to one address, with or without TLS. Nothing blocks. Owned by one thread. */
#ifndef STOCKD_CLUSTER_ETCD_LINK_H
#define STOCKD_CLUSTER_ETCD_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct addrinfo;
struct ssl_ctx_st;
struct ssl_st;

enum etcd_link_state { ETCD_LINK_CLOSED, ETCD_LINK_CONNECTS, ETCD_LINK_GREETS, ETCD_LINK_OPEN };

struct etcd_link {
    enum etcd_link_state state;
    int fd;
    struct ssl_st *ssl; /* NULL: plain */
    struct ssl_ctx_st *tls;
    const char *host;
    bool wants_write; /* the last step waits until the socket takes more */
    char why[192];    /* why it failed: one line */
};

/* Begins to connect. tls, or NULL for a plain connection, and the host, for which the server's
 * certificate must be, outlive the link. False: failed. The link must not move until it is
 * closed. */
bool etcd_link_open(struct etcd_link *link, const struct addrinfo *address, struct ssl_ctx_st *tls,
                    const char *host);
/* A closed one is closed again. */
void etcd_link_close(struct etcd_link *link);

/* Goes on until the link is open. False: failed. */
bool etcd_link_step(struct etcd_link *link);

/* Of an open link: bytes moved; 0: not now; -1: failed, or the server has closed it. */
ssize_t etcd_link_send(struct etcd_link *link, const void *bytes, size_t length);
ssize_t etcd_link_receive(struct etcd_link *link, void *bytes, size_t size);

#endif
