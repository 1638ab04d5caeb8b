/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens: 32 random bytes, as 43 characters of base64url. Only the SHA-256 of those characters is
 * ever stored. A password needs a slow hash because it can be guessed; 256 random bits cannot, so a
 * fast hash protects them as well, and a flood of wrong tokens costs the engine little.
 */
#ifndef STOCKD_ACCESS_SECRET_H
#define STOCKD_ACCESS_SECRET_H

#include <stdbool.h>
#include <stddef.h>

enum { SECRET_LENGTH = 43, SECRET_HASH_BYTES = 32 };

/* Makes a new token, with a NUL behind it. False: the system has no random bytes. */
bool secret_make(char token[SECRET_LENGTH + 1]);

/* False: no memory. */
bool secret_hash(const char *token, size_t length, unsigned char hash[SECRET_HASH_BYTES]);

/* Takes the same time wherever they differ. */
bool secret_same(const unsigned char a[SECRET_HASH_BYTES],
                 const unsigned char b[SECRET_HASH_BYTES]);

/* Overwrites it, even where the compiler sees that nobody reads it again. */
void secret_wipe(void *at, size_t size);

#endif
