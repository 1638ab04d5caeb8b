/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_files.c - the tokens file, and the certificate of tls:// addresses. */
#include "tools/stockctl/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "access/grants.h"

/* Reports a file that others may read or write. */
static bool is_private(struct doctor *doctor, const char *check, const char *path)
{
    static const char narrow[] =
        "chmod 0640 it, with the engine's group; or 0600, if it is its own";
    struct stat status;

    if (stat(path, &status) != 0) {
        doctor_found(doctor, errno == EACCES ? VERDICT_SKIPPED : VERDICT_BAD, check,
                     errno == EACCES ? NULL : "make it, or name the right one", "%s: %s", path,
                     strerror(errno));
        return false;
    }
    if ((status.st_mode & (S_IWGRP | S_IRWXO)) == 0)
        return true;
    doctor_found(doctor, VERDICT_BAD, check, narrow, "%s: other users may %s it (mode %04o)", path,
                 status.st_mode & (S_IWGRP | S_IWOTH) ? "write" : "read",
                 (unsigned)status.st_mode & 07777);
    return false;
}

/* ---- tokens --------------------------------------------------------------------------------- */

void check_tokens(struct doctor *doctor)
{
    const char *path = doctor->setup.tokens;
    struct grants grants;
    char why[512];
    uint32_t expired = 0;
    uint64_t now = (uint64_t)time(NULL) * 1000;

    if (path == NULL || !is_private(doctor, "tokens", path))
        return;
    if (!grants_load(&grants, path, why, sizeof why)) {
        doctor_found(doctor, VERDICT_BAD, "tokens", "mend that line; stockctl token adds lines",
                     "%s", why);
        return;
    }
    for (uint32_t i = 0; i < grants.count; i++)
        expired += grants.at[i].expires_ms > 0 && grants.at[i].expires_ms <= now;
    doctor_found(doctor, expired > 0 ? VERDICT_WARNING : VERDICT_WELL, "tokens",
                 expired > 0 ? "stockctl token list names them; token revoke takes them away"
                             : NULL,
                 "%" PRIu32 " in %s, %" PRIu32 " expired", grants.count, path, expired);
    grants_free(&grants);
}

/* ---- the certificate ------------------------------------------------------------------------ */

enum { CONNECT_S = 5, NAP_MS = 10, SOON_DAYS = 21 };

static void judge_expiry(struct doctor *doctor, const X509 *certificate, const char *where)
{
    static const char renew[] =
        "put a new one in its place, then systemctl reload stockd (SIGHUP reads it)";
    int days = 0, seconds = 0;

    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1)
        doctor_found(doctor, VERDICT_SKIPPED, "certificate", NULL, "%s: its end cannot be read",
                     where);
    else if (days < 0 || seconds < 0)
        doctor_found(doctor, VERDICT_BAD, "certificate", renew, "%s: it ran out %d days ago", where,
                     -days);
    else
        doctor_found(doctor, days < SOON_DAYS ? VERDICT_WARNING : VERDICT_WELL, "certificate",
                     days < SOON_DAYS ? renew : NULL, "%s: valid for %d more days", where, days);
}

static void check_certificate_file(struct doctor *doctor, const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

    if (certificate != NULL)
        judge_expiry(doctor, certificate, path);
    else if (file == NULL)
        doctor_found(doctor, errno == EACCES ? VERDICT_SKIPPED : VERDICT_BAD, "certificate",
                     errno == EACCES ? NULL : "make it, or name the right one", "%s: %s", path,
                     strerror(errno));
    else
        doctor_found(doctor, VERDICT_BAD, "certificate", "it must be PEM, the engine's first",
                     "%s: no certificate", path);
    X509_free(certificate);
    if (file != NULL)
        fclose(file);
}

/* What the engine shows to anybody. It is looked at, not trusted: nothing is sent. */
static void check_shown(struct doctor *doctor, const char *whole, const char *address)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    BIO *connection = context != NULL ? BIO_new_ssl_connect(context) : NULL;
    SSL *tls = NULL;
    X509 *certificate = NULL;

    if (connection != NULL) {
        BIO_set_conn_hostname(connection, address);
        BIO_get_ssl(connection, &tls);
        if (BIO_do_connect_retry(connection, CONNECT_S, NAP_MS) == 1)
            certificate = SSL_get1_peer_certificate(tls);
    }
    if (certificate != NULL)
        judge_expiry(doctor, certificate, whole);
    else
        doctor_found(doctor, VERDICT_SKIPPED, "certificate", NULL, "%s shows none", whole);
    ERR_clear_error();
    X509_free(certificate);
    BIO_free_all(connection);
    SSL_CTX_free(context);
}

void check_certificate(struct doctor *doctor)
{
    static const char scheme[] = "tls://";
    const struct setup *setup = &doctor->setup;

    if (setup->tls_cert != NULL)
        check_certificate_file(doctor, setup->tls_cert);
    if (setup->tls_key != NULL && is_private(doctor, "TLS key", setup->tls_key))
        doctor_found(doctor, VERDICT_WELL, "TLS key", NULL, "%s", setup->tls_key);
    for (const char *at = doctor->ctl->server; at != NULL;) {
        size_t len = strcspn(at += strspn(at, " "), ",");
        char *address = text_copy(at, len);
        if (strncmp(address, scheme, sizeof scheme - 1) == 0)
            check_shown(doctor, address, address + sizeof scheme - 1);
        free(address);
        at = at[len] != '\0' ? at + len + 1 : NULL;
    }
}
