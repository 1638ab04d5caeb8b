/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS over TCP sockets. OpenSSL does the cryptography on bytes in memory, and `socket_transport`
 * moves them: a completion's bytes are decrypted into `plain`, and what is to be sent is encrypted
 * into `pipe.cipher`, a stream of its own, which also carries what TLS itself has to say.
 *
 * T1: `carried` bytes of the connection's stream are encrypted in the cipher. They count as sent
 *     once all of it is, and only then is more of the stream encrypted.
 * T2: before the greeting is done one receive fetches one piece, so that no more than that has to
 *     be kept until its step.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/limits.h"
#include "protocol/tls.h"
#include "protocol/tls_pipe.h"
#include "protocol/transport.h"

enum {
    FIRST_BYTES = 4096,     /* of a peer that has not shown that it speaks TLS */
    SEND_BYTES = 64 << 10,  /* of the stream that are encrypted at once */
    PLAIN_BYTES = 48 << 10, /* more than one received piece and one record begun before it */
    /* Steps that OpenSSL takes for records without data, of which a new key needs two: so many, and
     * one for so many bytes of data. */
    CONTROL_STEPS = 32,
    BYTES_PER_STEP = 512 << 10,
};

struct tls_link {
    SSL *ssl; /* NULL before the first step */
    struct tls_pipe pipe;
    uint64_t carried;    /* T1 */
    unsigned char *kept; /* received, for the next step of the greeting */
    size_t kept_length;
    uint64_t data_received;
    uint64_t control_steps; /* after the greeting */
    bool unusable;          /* an error ended it: OpenSSL must not be asked anything more */
    bool peer_finished;     /* it has said that it sends no more */
    bool finishing;         /* we have; the socket follows once the cipher is sent */
    uint8_t name_length;
    char name[NAME_MAX_BYTES]; /* certified */
};

/* Decrypted bytes, until the worker has taken them. */
static _Thread_local unsigned char plain[PLAIN_BYTES];

/* ---- opening and closing ---- */

static void prepare(const struct listener *listener)
{
    socket_transport.prepare(listener);
}

static void accept_peers(const struct listener *listener, struct uring *ring, uint64_t tag)
{
    socket_transport.accept(listener, ring, tag);
}

/* It could not read the bytes, as it has no session yet. */
static void turn_away(int fd, const void *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    close(fd);
}

static bool open_link(struct link *link, struct chunk_pool *pool)
{
    struct tls_link *tls = calloc(1, sizeof *tls);
    if (!tls)
        return false;
    out_init(&tls->pipe.cipher, pool);
    link->tls = tls;
    link->greeting = GREETING_AWAITED;
    return true;
}

static bool is_open(const struct link *link)
{
    return link->greeting == GREETING_DONE && !link->tls->unusable;
}

static bool has_cipher(const struct tls_link *tls)
{
    return out_unsent(&tls->pipe.cipher) > 0;
}

/* Before the socket is shut: sends what it takes without waiting, an alert or the notice of the
 * end. */
static void say_goodbye(struct link *link)
{
    struct tls_link *tls = link->tls;
    if (link->in_flight.send)
        return; /* it would come in the middle */
    if (is_open(link) && !tls->finishing)
        SSL_shutdown(tls->ssl);
    tls->unusable = true;
    struct out *cipher = &tls->pipe.cipher;
    unsigned count = out_pieces(cipher, out_end(cipher), link->pieces, SEND_PIECES);
    struct msghdr message = { .msg_iov = link->pieces, .msg_iovlen = count };
    if (count > 0 && sendmsg(link->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        /* The peer has gone, or reads nothing; the link ends in any case. */
    }
    out_destroy(cipher);
}

static void abort_link(struct link *link)
{
    say_goodbye(link);
    socket_transport.abort(link);
}

static void close_link(struct link *link)
{
    struct tls_link *tls = link->tls;
    say_goodbye(link);
    SSL_free(tls->ssl);
    free(tls->kept);
    free(tls);
    link->tls = NULL;
    socket_transport.close(link);
}

static bool finish(struct link *link)
{
    struct tls_link *tls = link->tls;
    if (is_open(link))
        SSL_shutdown(tls->ssl);
    tls->finishing = true;
    link->has_more = has_cipher(tls);
    return link->has_more || socket_transport.finish(link);
}

static void name_peer(const struct link *link, char *to, size_t size)
{
    socket_transport.name_peer(link, to, size);
}

/* ---- receiving ---- */

static void receive(struct link *link, struct uring *ring, uint64_t tag)
{
    assert(!link->in_flight.receive);
    uring_receive(ring, link->fd, link->greeting != GREETING_DONE, tag); /* T2 */
    link->in_flight.receive = true;
}

static void stop_receiving(struct link *link, struct uring *ring, uint64_t tag)
{
    socket_transport.stop_receiving(link, ring, tag);
}

static struct received unusable(struct tls_link *tls)
{
    tls->unusable = true;
    return (struct received){ .failed = true };
}

/* For the next step of the greeting. */
static struct received keep(struct link *link, const struct received *cipher)
{
    struct tls_link *tls = link->tls;
    assert(!tls->kept); /* T2 */
    if (!tls->ssl && cipher->length > FIRST_BYTES)
        return unusable(tls);
    tls->kept = malloc(cipher->length);
    if (!tls->kept)
        return unusable(tls);
    memcpy(tls->kept, cipher->bytes, cipher->length);
    tls->kept_length = cipher->length;
    link->greeting = GREETING_READY;
    return (struct received){ .length = 0 };
}

/* Another step for a record without data (a new key is asked for, a new handshake begun): it is
 * work, and little of it is needed. */
static bool may_control(struct tls_link *tls)
{
    tls->control_steps++;
    return tls->control_steps <= CONTROL_STEPS + tls->data_received / BYTES_PER_STEP;
}

/* Reads records until there are no more. Returns what SSL_get_error said then. */
static int read_records(struct tls_link *tls, size_t *length)
{
    while (*length < sizeof plain) {
        size_t read = 0;
        ERR_clear_error();
        int done = SSL_read_ex(tls->ssl, plain + *length, sizeof plain - *length, &read);
        *length += read;
        tls->data_received += read;
        int error = done ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, done);
        bool was_control = error == SSL_ERROR_WANT_READ && tls->pipe.in_length > 0;
        if (error != SSL_ERROR_NONE && !(was_control && may_control(tls)))
            return was_control ? SSL_ERROR_SSL : error;
    }
    return SSL_ERROR_SSL; /* never: see PLAIN_BYTES */
}

/* Decrypts all that is in the pipe. */
static struct received decrypt(struct link *link)
{
    struct tls_link *tls = link->tls;
    struct received received = { .bytes = plain };
    switch (read_records(tls, &received.length)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        received.ended = tls->peer_finished = true;
        break;
    default:
        received.failed = tls->unusable = true;
    }
    link->has_more = has_cipher(tls);
    return received;
}

static struct received received(struct link *link, const struct completion *completion)
{
    struct tls_link *tls = link->tls;
    struct received cipher = socket_transport.received(link, completion);
    if (tls->unusable)
        return (struct received){ .failed = true };
    if (tls->peer_finished)
        return (struct received){ .ended = true, .failed = cipher.failed };
    if (cipher.ended) /* cut off: whoever did that may not be the peer */
        return unusable(tls);
    if (cipher.length == 0)
        return cipher;
    if (link->greeting != GREETING_DONE)
        return keep(link, &cipher);
    tls->pipe.in = cipher.bytes;
    tls->pipe.in_length = cipher.length;
    return decrypt(link);
}

/* ---- the greeting ---- */

/* The first step: what it needs is allocated only now. */
static bool begin(struct link *link)
{
    struct tls_link *tls = link->tls;
    BIO *bio = tls_pipe_bio(&tls->pipe);
    tls->ssl = bio ? tls_accept(link->listener->tls) : NULL;
    if (!tls->ssl) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(tls->ssl, bio, bio);
    return true;
}

/* The last common name, which is the most specific one; a name with a NUL is none. */
static void note_name(struct tls_link *tls, X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    unsigned char *text = NULL;
    int last = -1, at;
    while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, last)) >= 0)
        last = at;
    if (last < 0)
        return;
    int length =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
    if (length > 0 && length <= NAME_MAX_BYTES && !memchr(text, '\0', (size_t)length)) {
        memcpy(tls->name, text, (size_t)length);
        tls->name_length = (uint8_t)length;
    }
    OPENSSL_free(text);
}

/* NULL: the peer may come in. A session is resumed without a look at the certificate of its
 * beginning, which may have expired since. */
static const char *look_at_peer(struct tls_link *tls)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    if (!certificate)
        return NULL;
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        return "its certificate has expired";
    note_name(tls, certificate);
    return NULL;
}

static const char *reason(const SSL *ssl)
{
    long verified = SSL_get_verify_result(ssl);
    const char *text = ERR_reason_error_string(ERR_peek_error());
    if (verified != X509_V_OK)
        return X509_verify_cert_error_string(verified);
    return text ? text : "it does not follow the protocol";
}

/* One step, on the bytes in the pipe. NULL: it did not fail. */
static const char *shake_hands(struct link *link)
{
    struct tls_link *tls = link->tls;
    ERR_clear_error();
    int done = SSL_do_handshake(tls->ssl);
    if (done == 1) {
        link->greeting = GREETING_DONE;
        return look_at_peer(tls);
    }
    if (SSL_get_error(tls->ssl, done) == SSL_ERROR_WANT_READ && tls->pipe.in_length == 0) {
        link->greeting = GREETING_AWAITED;
        return NULL;
    }
    return reason(tls->ssl);
}

static struct greeted greet(struct link *link)
{
    struct tls_link *tls = link->tls;
    struct greeted greeted = { .why = NULL };
    assert(link->greeting == GREETING_READY && tls->kept);
    tls->pipe.in = tls->kept;
    tls->pipe.in_length = tls->kept_length;
    greeted.why = tls->ssl || begin(link) ? shake_hands(link) : "no memory";
    if (greeted.why) {
        greeted.received = unusable(tls);
    } else if (link->greeting == GREETING_DONE) {
        greeted.resumed = SSL_session_reused(tls->ssl);
        greeted.received = decrypt(link);
    }
    free(tls->kept);
    tls->kept = NULL;
    link->has_more = has_cipher(tls);
    return greeted;
}

struct text link_certified_name(const struct link *link)
{
    const struct tls_link *tls = link->tls;
    return tls ? (struct text){ tls->name, tls->name_length } : (struct text){ NULL, 0 };
}

/* ---- sending ---- */

/* False: no memory. */
static bool encrypt(struct link *link, const struct out *out, uint64_t to)
{
    struct tls_link *tls = link->tls;
    uint64_t most = out->sent + SEND_BYTES;
    unsigned count = out_pieces(out, to < most ? to : most, link->pieces, SEND_PIECES);
    ERR_clear_error();
    for (unsigned i = 0; i < count; i++) {
        size_t written;
        if (!SSL_write_ex(tls->ssl, link->pieces[i].iov_base, link->pieces[i].iov_len, &written))
            return false;
        tls->carried += written;
    }
    return true;
}

static void send_stream(struct link *link, struct uring *ring, const struct out *out, uint64_t to,
                        uint64_t tag)
{
    struct tls_link *tls = link->tls;
    struct out *cipher = &tls->pipe.cipher;
    if (tls->carried == 0 && is_open(link) && !tls->finishing && !encrypt(link, out, to))
        tls->unusable = true;
    if (has_cipher(tls)) {
        socket_transport.send(link, ring, cipher, out_end(cipher), tag);
        return;
    }
    link->in_flight.send = true;
    uring_send(ring, link->fd, "", 0, tag); /* completes; `sent` then says that it failed */
}

static int sent(struct link *link, int result)
{
    struct tls_link *tls = link->tls;
    int bytes = socket_transport.sent(link, result);
    if (bytes > 0)
        out_consume(&tls->pipe.cipher, (size_t)bytes);
    if (bytes < 0 || tls->unusable)
        return -EPIPE;
    link->has_more = has_cipher(tls);
    if (link->has_more)
        return 0;
    int carried = (int)tls->carried;
    tls->carried = 0;
    if (tls->finishing && !socket_transport.finish(link))
        return -EPIPE;
    return carried;
}

const struct transport tls_transport = {
    .prepare = prepare,
    .accept = accept_peers,
    .turn_away = turn_away,
    .open = open_link,
    .greet = greet,
    .receive = receive,
    .received = received,
    .stop_receiving = stop_receiving,
    .send = send_stream,
    .sent = sent,
    .finish = finish,
    .abort = abort_link,
    .close = close_link,
    .name_peer = name_peer,
};
