/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/tls_pipe.h"

#include <openssl/bio.h>
#include <pthread.h>
#include <string.h>

static int read_received(BIO *bio, char *to, size_t size, size_t *length)
{
    struct tls_pipe *pipe = BIO_get_data(bio);
    *length = size < pipe->in_length ? size : pipe->in_length;
    BIO_clear_retry_flags(bio);
    if (*length == 0) { /* more may come: the end is the transport's to notice */
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, pipe->in, *length);
    pipe->in += *length;
    pipe->in_length -= *length;
    return 1;
}

static int write_cipher(BIO *bio, const char *from, size_t size, size_t *length)
{
    struct tls_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    out_append(&pipe->cipher, from, size);
    *length = size;
    return !pipe->cipher.failed;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method; /* NULL: no memory */

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stockd pipe");
    if (!method)
        return;
    BIO_meth_set_read_ex(method, read_received);
    BIO_meth_set_write_ex(method, write_cipher);
    BIO_meth_set_ctrl(method, control);
}

BIO *tls_pipe_bio(struct tls_pipe *pipe)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, pipe);
    BIO_set_init(bio, 1);
    return bio;
}
