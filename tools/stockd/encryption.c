/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/encryption.h"

#include <stdio.h>
#include <string.h>

#include "tools/service/notice.h"

enum { LINE_MAX_BYTES = 1024 };

static void say_certificate(struct tls *tls)
{
    char line[LINE_MAX_BYTES];
    tls_describe(tls, line, sizeof line);
    notice(LOG_INFO, "tls", "the certificate of tls:// addresses is %s", line);
}

static struct tls *read_files(const struct options *options, char *why, size_t size)
{
    const struct tls_files files = {
        .certificate = options->tls_cert,
        .key = options->tls_key,
        .client_ca = options->tls_client_ca[0] ? options->tls_client_ca : NULL,
        .tls_1_2 = strcmp(options->tls_min, "1.2") == 0,
    };
    return tls_create(&files, why, size);
}

bool encryption_check(const struct options *options, char *why, size_t size)
{
    if (!options_encrypt(options))
        return true;
    struct tls *tls = read_files(options, why, size);
    tls_destroy(tls);
    return tls != NULL;
}

bool encryption_start(struct tls **tls, const struct options *options, char *why, size_t size)
{
    *tls = NULL;
    if (!options_encrypt(options))
        return true;
    *tls = read_files(options, why, size);
    if (!*tls)
        return false;
    say_certificate(*tls);
    return true;
}

void encryption_reload(struct tls *tls)
{
    char why[LINE_MAX_BYTES];
    if (tls_reload(tls, why, sizeof why))
        say_certificate(tls);
    else
        notice(LOG_ERR, "tls", "the certificates stay as they are: %s", why);
}

void encryption_look(void *tls, bool asked)
{
    if (asked)
        encryption_reload(tls);
}
