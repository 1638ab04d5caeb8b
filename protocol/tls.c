/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICKET_SECONDS = 3600, /* for which a client may resume without showing its certificate again */
    CHAIN_BYTES = 32 << 10, /* of a client's certificates, at most */
    SECURITY_LEVEL = 2,     /* RSA from 2048 bits, no SHA-1 */
};

struct tls {
    struct tls_files files;
    pthread_mutex_t lock; /* of context; held for a moment, at a new connection and a reload */
    SSL_CTX *context;
};

/* ---- reading the files ---- */

/* The oldest error that OpenSSL has noted is the cause. */
static bool failed(const char *option, const char *path, char *why, size_t size)
{
    unsigned long error = ERR_get_error();
    const char *reason = ERR_reason_error_string(error);
    char number[32];
    if (ERR_SYSTEM_ERROR(error)) /* OpenSSL has a text for some only */
        reason = strerror(ERR_GET_REASON(error));
    snprintf(number, sizeof number, "OpenSSL error %lx", error);
    snprintf(why, size, "%s %s: %s", option, path, reason ? reason : number);
    ERR_clear_error();
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

static bool has_revocation_list(X509_STORE *store)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++)
        if (X509_OBJECT_get_type(sk_X509_OBJECT_value(objects, i)) == X509_LU_CRL)
            return true;
    return false;
}

static bool read_authorities(SSL_CTX *context, const char *path, char *why, size_t size)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!names || SSL_CTX_load_verify_file(context, path) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return failed("tls-client-ca", path, why, size);
    }
    SSL_CTX_set_client_CA_list(context, names);
    if (has_revocation_list(store))
        X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return true;
}

static void set_rules(SSL_CTX *context, bool tls_1_2)
{
    static const unsigned char scope[] = "stockd";
    SSL_CTX_set_security_level(context, SECURITY_LEVEL);
    SSL_CTX_set_min_proto_version(context, tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    /* Idle connections hold no buffers. After a record that carries no data a read returns, so that
     * such records can be counted. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_max_cert_list(context, CHAIN_BYTES);
    /* Tickets, which the client keeps: nothing is kept here. Their key is this context's, so none
     * outlives a reload, which may have withdrawn a client's certificate. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context, scope, sizeof scope - 1);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_timeout(context, TICKET_SECONDS);
}

static bool read_files(SSL_CTX *context, const struct tls_files *files, char *why, size_t size)
{
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, files->certificate) != 1)
        return failed("tls-cert", files->certificate, why, size);
    if (SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) != 1)
        return failed("tls-key", files->key, why, size);
    return !files->client_ca || read_authorities(context, files->client_ca, why, size);
}

/* NULL: a file is bad. */
static SSL_CTX *read_context(const struct tls_files *files, char *why, size_t size)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context) {
        snprintf(why, size, "no memory for TLS");
        return NULL;
    }
    set_rules(context, files->tls_1_2);
    if (read_files(context, files, why, size))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

/* ---- in use ---- */

struct tls *tls_create(const struct tls_files *files, char *why, size_t size)
{
    SSL_CTX *context = read_context(files, why, size);
    struct tls *tls = context ? malloc(sizeof *tls) : NULL;
    if (!tls) {
        if (context)
            snprintf(why, size, "no memory for TLS");
        SSL_CTX_free(context);
        return NULL;
    }
    *tls = (struct tls){ .files = *files, .context = context };
    pthread_mutex_init(&tls->lock, NULL);
    return tls;
}

void tls_destroy(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

/* The caller frees it. */
static SSL_CTX *context_now(struct tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    SSL_CTX *context = tls->context;
    SSL_CTX_up_ref(context);
    pthread_mutex_unlock(&tls->lock);
    return context;
}

static bool has_expired(SSL_CTX *context)
{
    return X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(context))) < 0;
}

/* An old file in the place of the new one must not take away what still serves. */
static bool may_replace(struct tls *tls, SSL_CTX *fresh, char *why, size_t size)
{
    SSL_CTX *old = context_now(tls);
    bool may = has_expired(old) || !has_expired(fresh);
    SSL_CTX_free(old);
    if (!may)
        snprintf(why, size, "tls-cert: %s has expired, and the one in use has not",
                 tls->files.certificate);
    return may;
}

bool tls_reload(struct tls *tls, char *why, size_t size)
{
    SSL_CTX *fresh = read_context(&tls->files, why, size);
    if (!fresh)
        return false;
    if (!may_replace(tls, fresh, why, size)) {
        SSL_CTX_free(fresh);
        return false;
    }
    pthread_mutex_lock(&tls->lock);
    SSL_CTX *old = tls->context;
    tls->context = fresh;
    pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(old); /* its connections hold it as well */
    return true;
}

SSL *tls_accept(struct tls *tls)
{
    SSL_CTX *context = context_now(tls);
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    if (ssl)
        SSL_set_accept_state(ssl);
    return ssl;
}

void tls_describe(struct tls *tls, char *to, size_t size)
{
    SSL_CTX *context = context_now(tls);
    X509 *certificate = SSL_CTX_get0_certificate(context);
    const ASN1_TIME *end = X509_get0_notAfter(certificate);
    BIO *text = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    long length = 0;
    if (text) {
        X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE);
        BIO_puts(text, has_expired(context) ? ", which has EXPIRED: " : ", valid until ");
        ASN1_TIME_print(text, end);
        length = BIO_get_mem_data(text, &bytes);
    }
    snprintf(to, size, "%.*s", (int)length, bytes ? bytes : "");
    BIO_free(text);
    SSL_CTX_free(context);
}
