/* SPDX-License-Identifier: Apache-2.0 */
/* TLS over a connected, non-blocking socket: OpenSSL, the client's side. Uses nothing of the rest
 * of the client but its clock. */
#ifndef STOCKD_CLIENT_TLS_H
#define STOCKD_CLIENT_TLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stk_tls;

struct stk_tls_files {
    const char *ca;   /* PEM: authorities that may vouch for the engine; NULL: the system's */
    const char *cert; /* PEM: what we show the engine; NULL: nothing */
    const char *key;  /* PEM: its key; NULL: it is in the same file */
};

/* Reads the files. NULL on failure, with why filled in. */
struct stk_tls *stk_tls_new(const struct stk_tls_files *files, char *why, size_t size);
void stk_tls_free(struct stk_tls *tls); /* NULL is allowed */

/*
 * Shakes hands over the socket; the engine must prove that it is that host. A session of an earlier
 * connection is resumed if the engine agrees. 0, or the errno with why filled in; ETIMEDOUT at the
 * deadline (milliseconds of the monotonic clock). What is open ends with stk_tls_end.
 */
int stk_tls_begin(struct stk_tls *tls, int fd, const char *host, int64_t deadline, char *why,
                  size_t size);

/* Says that no more comes, if the connection can still say so. The socket stays open. */
void stk_tls_end(struct stk_tls *tls);

/* As send and recv do: bytes, or -1 with errno, EAGAIN if the socket must be waited for. A receive
 * that does not fill the buffer has taken all that the socket held. */
ssize_t stk_tls_send(struct stk_tls *tls, const void *bytes, size_t length);
ssize_t stk_tls_receive(struct stk_tls *tls, void *bytes, size_t size);

/* Why the last of these failed. */
const char *stk_tls_why(const struct stk_tls *tls);

#endif
