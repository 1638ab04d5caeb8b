/* SPDX-License-Identifier: Apache-2.0 */
#include "client/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/internal.h"

struct stk_tls {
    SSL_CTX *context;
    SSL *ssl;             /* of the connection; NULL: there is none */
    SSL_SESSION *session; /* for the next connection to that host; NULL: there is none */
    char host[256];
    int fd;
    bool failed; /* OpenSSL must not be asked anything more about this connection */
    char why[160];
};

/* ---- the socket, without SIGPIPE, which OpenSSL's own BIO would raise ---- */

static int socket_send(BIO *bio, const char *bytes, int length)
{
    const struct stk_tls *tls = BIO_get_data(bio);
    ssize_t sent = send(tls->fd, bytes, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);

    BIO_clear_retry_flags(bio);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)sent;
}

static int socket_receive(BIO *bio, char *bytes, int size)
{
    const struct stk_tls *tls = BIO_get_data(bio);
    ssize_t received = recv(tls->fd, bytes, (size_t)size, MSG_DONTWAIT);

    BIO_clear_retry_flags(bio);
    if (received < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    if (received == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return (int)received;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method; /* NULL: no memory */

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stockd socket");
    if (!method)
        return;
    BIO_meth_set_write(method, socket_send);
    BIO_meth_set_read(method, socket_receive);
    BIO_meth_set_ctrl(method, socket_control);
}

static BIO *socket_bio(struct stk_tls *tls)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;

    if (bio) {
        BIO_set_data(bio, tls);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* ---- the files ---- */

/* The oldest error is the cause. */
static const char *oldest_error(char *text, size_t size)
{
    unsigned long error = ERR_get_error();
    const char *reason = ERR_reason_error_string(error);

    if (ERR_SYSTEM_ERROR(error))
        reason = strerror(ERR_GET_REASON(error));
    snprintf(text, size, "%s", reason ? reason : "it cannot be read");
    ERR_clear_error();
    return text;
}

static bool bad_file(const char *path, char *why, size_t size)
{
    char text[128];

    snprintf(why, size, "%s: %s", path, oldest_error(text, sizeof text));
    return false;
}

/* OpenSSL would ask the terminal. */
static int no_passphrase(char *to, int size, int writing, void *context)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static bool read_files(SSL_CTX *context, const struct stk_tls_files *files, char *why, size_t size)
{
    const char *key = files->key ? files->key : files->cert;

    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (files->ca && SSL_CTX_load_verify_file(context, files->ca) != 1)
        return bad_file(files->ca, why, size);
    if (!files->ca)
        SSL_CTX_set_default_verify_paths(context);
    if (files->cert && SSL_CTX_use_certificate_chain_file(context, files->cert) != 1)
        return bad_file(files->cert, why, size);
    if (key && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return bad_file(key, why, size);
    return true;
}

/* A ticket has come: for the next connection. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct stk_tls *tls = SSL_get_app_data(ssl);

    SSL_SESSION_free(tls->session);
    tls->session = session;
    return 1;
}

static void set_rules(SSL_CTX *context)
{
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1); /* a record in one recv instead of two */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
}

struct stk_tls *stk_tls_new(const struct stk_tls_files *files, char *why, size_t size)
{
    struct stk_tls *tls = calloc(1, sizeof *tls);

    ERR_clear_error();
    if (tls)
        tls->context = SSL_CTX_new(TLS_client_method());
    if (!tls || !tls->context) {
        snprintf(why, size, "out of memory");
        free(tls);
        return NULL;
    }
    set_rules(tls->context);
    if (read_files(tls->context, files, why, size))
        return tls;
    stk_tls_free(tls);
    return NULL;
}

void stk_tls_free(struct stk_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    SSL_SESSION_free(tls->session);
    SSL_CTX_free(tls->context);
    free(tls);
}

/* ---- a connection ---- */

/* Addresses are compared with a certificate's addresses, and names with its names. */
static bool expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);

    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(rules, host) == 1)
        return true;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool open_ssl(struct stk_tls *tls, int fd, const char *host)
{
    BIO *bio = socket_bio(tls);

    tls->fd = fd;
    tls->failed = false;
    tls->ssl = bio ? SSL_new(tls->context) : NULL;
    if (!tls->ssl) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    if (strcmp(tls->host, host) != 0) { /* another one has to prove who it is itself */
        SSL_SESSION_free(tls->session);
        tls->session = NULL;
        snprintf(tls->host, sizeof tls->host, "%s", host);
    }
    if (tls->session)
        SSL_set_session(tls->ssl, tls->session);
    return expect_host(tls->ssl, host);
}

/* Notes why a step failed; sets errno. */
static void note_failure(struct stk_tls *tls, int error)
{
    int number = errno;
    char text[128];
    long verified = SSL_get_verify_result(tls->ssl);

    tls->failed = true;
    if (verified != X509_V_OK)
        snprintf(tls->why, sizeof tls->why, "the engine's certificate is not accepted: %s",
                 X509_verify_cert_error_string(verified));
    else if (error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0)
        snprintf(tls->why, sizeof tls->why, "%s", strerror(number));
    else
        snprintf(tls->why, sizeof tls->why, "TLS: %s", oldest_error(text, sizeof text));
    ERR_clear_error();
    errno = error == SSL_ERROR_SYSCALL && number && number != EAGAIN ? number : EPROTO;
}

/* After a step: true if it should be tried again once the socket is ready for these events. */
static bool again(struct stk_tls *tls, int done, short *events)
{
    int error = SSL_get_error(tls->ssl, done);

    *events = error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return true;
    note_failure(tls, error);
    return false;
}

static int wait_for(int fd, short events, stk_ms deadline)
{
    struct pollfd pfd = { .fd = fd, .events = events };
    int ready = poll(&pfd, 1, stk_poll_timeout(deadline));

    if (ready < 0 && errno != EINTR)
        return errno;
    return ready == 0 && stk_now() >= deadline ? ETIMEDOUT : 0;
}

static int shake_hands(struct stk_tls *tls, stk_ms deadline)
{
    int error = 0;
    short events;

    while (!error) {
        ERR_clear_error();
        errno = 0;
        int done = SSL_connect(tls->ssl);
        if (done == 1)
            return 0;
        error = again(tls, done, &events) ? wait_for(tls->fd, events, deadline) : errno;
        if (error == ETIMEDOUT)
            snprintf(tls->why, sizeof tls->why, "no TLS handshake in time");
    }
    return error;
}

int stk_tls_begin(struct stk_tls *tls, int fd, const char *host, int64_t deadline, char *why,
                  size_t size)
{
    int error = open_ssl(tls, fd, host) ? shake_hands(tls, deadline) : ENOMEM;

    if (!error)
        return 0;
    snprintf(why, size, "%s", error == ENOMEM ? "out of memory" : tls->why);
    tls->failed = true;
    stk_tls_end(tls);
    return error;
}

void stk_tls_end(struct stk_tls *tls)
{
    if (!tls || !tls->ssl)
        return;
    ERR_clear_error();
    if (!tls->failed)
        SSL_shutdown(tls->ssl);
    SSL_free(tls->ssl);
    tls->ssl = NULL;
}

ssize_t stk_tls_send(struct stk_tls *tls, const void *bytes, size_t length)
{
    size_t sent;
    short events;

    if (tls->failed) {
        errno = EPIPE;
        return -1;
    }
    ERR_clear_error();
    errno = 0;
    int done = SSL_write_ex(tls->ssl, bytes, length, &sent);
    if (done == 1)
        return (ssize_t)sent;
    if (again(tls, done, &events))
        errno = EAGAIN;
    return -1;
}

/* One record. */
static ssize_t receive_record(struct stk_tls *tls, void *bytes, size_t size)
{
    size_t received;
    short events;

    ERR_clear_error();
    errno = 0;
    int done = SSL_read_ex(tls->ssl, bytes, size, &received);
    if (done == 1)
        return (ssize_t)received;
    if (SSL_get_error(tls->ssl, done) == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (again(tls, done, &events))
        errno = EAGAIN;
    return -1;
}

ssize_t stk_tls_receive(struct stk_tls *tls, void *bytes, size_t size)
{
    unsigned char *to = bytes;
    size_t length = 0;

    if (tls->failed) {
        errno = EPIPE;
        return -1;
    }
    while (length < size) {
        ssize_t n = receive_record(tls, to + length, size - length);
        if (n <= 0) /* an error or the end comes again at the next call */
            return length > 0 ? (ssize_t)length : n;
        length += (size_t)n;
    }
    return (ssize_t)length;
}

const char *stk_tls_why(const struct stk_tls *tls)
{
    return tls->why;
}
