/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's view of a connection's bytes: it reads what was received, in place, and writes into a
 * stream of chunks that the transport sends. Nothing here makes a system call.
 */
#ifndef STOCKD_PROTOCOL_TLS_PIPE_H
#define STOCKD_PROTOCOL_TLS_PIPE_H

#include <stddef.h>

#include "protocol/out.h"

struct bio_st;

struct tls_pipe {
    const unsigned char *in; /* received, not read by OpenSSL yet */
    size_t in_length;
    struct out cipher; /* written by OpenSSL, not sent yet */
};

/* A BIO on the pipe, which outlives it. NULL: no memory. */
struct bio_st *tls_pipe_bio(struct tls_pipe *pipe);

#endif
