/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/etcd_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the socket, without SIGPIPE, which OpenSSL's own BIO would raise ---- */

static int socket_send(BIO *bio, const char *bytes, int length)
{
    const int *fd = BIO_get_data(bio);
    ssize_t sent = send(*fd, bytes, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
    BIO_clear_retry_flags(bio);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)sent;
}

static int socket_receive(BIO *bio, char *bytes, int size)
{
    const int *fd = BIO_get_data(bio);
    ssize_t received = recv(*fd, bytes, (size_t)size, MSG_DONTWAIT);
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

static BIO_METHOD *socket_method; /* NULL: no memory */

static void make_socket_method(void)
{
    socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "etcd's socket");
    if (!socket_method)
        return;
    BIO_meth_set_write(socket_method, socket_send);
    BIO_meth_set_read(socket_method, socket_receive);
    BIO_meth_set_ctrl(socket_method, socket_control);
}

static BIO *socket_bio(const int *fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_socket_method);
    BIO *bio = socket_method ? BIO_new(socket_method) : NULL;
    if (bio) {
        BIO_set_data(bio, (void *)fd);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* ---- the files ---- */

/* The oldest error is the cause. */
static unsigned long oldest_error(char *text, size_t size)
{
    unsigned long error = ERR_get_error();
    const char *reason = ERR_reason_error_string(error);
    if (ERR_SYSTEM_ERROR(error))
        reason = strerror(ERR_GET_REASON(error));
    snprintf(text, size, "%s", reason ? reason : "it cannot be read");
    ERR_clear_error();
    return error;
}

static bool bad_file(const char *path, char *why, size_t size)
{
    char text[128];
    oldest_error(text, sizeof text);
    snprintf(why, size, "%s: %s", path, text);
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

static bool read_files(SSL_CTX *tls, const struct etcd_tls_files *files, char *why, size_t size)
{
    const char *key = files->key ? files->key : files->certificate;
    SSL_CTX_set_default_passwd_cb(tls, no_passphrase);
    if (files->ca && SSL_CTX_load_verify_file(tls, files->ca) != 1)
        return bad_file(files->ca, why, size);
    if (!files->ca)
        SSL_CTX_set_default_verify_paths(tls);
    if (files->certificate && SSL_CTX_use_certificate_chain_file(tls, files->certificate) != 1)
        return bad_file(files->certificate, why, size);
    if (key && SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        return bad_file(key, why, size);
    return true;
}

/* Without "h2" etcd would speak HTTP/1.1. */
static bool set_rules(SSL_CTX *tls)
{
    static const unsigned char http2[] = { 2, 'h', '2' };
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(tls, 1); /* a record in one recv instead of two */
    return SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_alpn_protos(tls, http2, sizeof http2) == 0;
}

SSL_CTX *etcd_tls_create(const struct etcd_tls_files *files, char *why, size_t size)
{
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls || !set_rules(tls)) {
        snprintf(why, size, "out of memory");
        SSL_CTX_free(tls);
        return NULL;
    }
    if (read_files(tls, files, why, size))
        return tls;
    SSL_CTX_free(tls);
    return NULL;
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

SSL *etcd_tls_connect(SSL_CTX *tls, const int *fd, const char *host)
{
    BIO *bio = socket_bio(fd);
    SSL *ssl = bio ? SSL_new(tls) : NULL;
    ERR_clear_error();
    if (!ssl) {
        BIO_free(bio);
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    if (expect_host(ssl, host)) {
        SSL_set_connect_state(ssl);
        ERR_clear_error();
        return ssl;
    }
    SSL_free(ssl);
    return NULL;
}

/* The server's alert is about a certificate, which is ours. */
static bool refuses_us(unsigned long error)
{
    switch (ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_CERTIFICATE_REQUIRED:
        return !ERR_SYSTEM_ERROR(error) && ERR_GET_LIB(error) == ERR_LIB_SSL;
    default:
        return false;
    }
}

void etcd_tls_failure(SSL *ssl, int returned, char *why, size_t size)
{
    int number = errno;
    char text[128];
    int error = SSL_get_error(ssl, returned);
    long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK) {
        snprintf(why, size, "its certificate is not accepted: %s",
                 X509_verify_cert_error_string(verified));
    } else if (error == SSL_ERROR_ZERO_RETURN) {
        snprintf(why, size, "it closed the connection");
    } else if (error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0) {
        snprintf(why, size, "%s", number ? strerror(number) : "it closed the connection");
    } else {
        unsigned long oldest = oldest_error(text, sizeof text);
        snprintf(why, size, "%s%s",
                 refuses_us(oldest) ? "it does not accept our certificate: " : "TLS: ", text);
    }
    ERR_clear_error();
}
