/* SPDX-License-Identifier: Apache-2.0 */
#include "access/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <sys/random.h>

enum { RANDOM_BYTES = 32 };

/* 32 bytes are 10 groups of 3, each 4 characters, and 2 more bytes, 3 characters. */
_Static_assert(RANDOM_BYTES / 3 * 4 + 3 == SECRET_LENGTH, "the length is that of base64url");

static void encode(const unsigned char *bytes, char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned held = 0;
    for (unsigned i = 0; i < RANDOM_BYTES; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6)
            *to++ = digits[bits >> (held - 6) & 63];
    }
    if (held > 0)
        *to++ = digits[bits << (6 - held) & 63];
    *to = '\0';
}

bool secret_make(char token[SECRET_LENGTH + 1])
{
    unsigned char bytes[RANDOM_BYTES];
    do {
        if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
            return false;
        encode(bytes, token);
    } while (token[0] == '-'); /* a command line would take it for an option */
    secret_wipe(bytes, sizeof bytes);
    return true;
}

bool secret_hash(const char *token, size_t length, unsigned char hash[SECRET_HASH_BYTES])
{
    unsigned size = 0;
    return EVP_Digest(token, length, hash, &size, EVP_sha256(), NULL) == 1 &&
           size == SECRET_HASH_BYTES;
}

bool secret_same(const unsigned char a[SECRET_HASH_BYTES], const unsigned char b[SECRET_HASH_BYTES])
{
    return CRYPTO_memcmp(a, b, SECRET_HASH_BYTES) == 0;
}

void secret_wipe(void *at, size_t size)
{
    OPENSSL_cleanse(at, size);
}
