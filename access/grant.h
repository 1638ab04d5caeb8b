/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A grant: one line of a tokens file. It says by what a client is known, and what the client may
 * do: which verbs, on which channels, at which locations.
 *
 *     NAME KEY [can=VERB,...] [channels=PATTERN,...] [locations=PATTERN,...] [expires=TIME]
 *          [rate=N] [burst=N] [connections=N] [subscriptions=N]
 *
 * KEY is sha256:HEX (a token, of which only this is kept), uid:N (a peer of a Unix socket that runs
 * as this user) or cert:CN (a peer with a client certificate of that common name). A pattern is a
 * code, a prefix of codes with a * behind it, or *; of locations also @GROUP and @PREFIX*, of
 * groups. What is not given is not granted: without can= a client may do nothing but say hello and
 * ping.
 */
#ifndef STOCKD_ACCESS_GRANT_H
#define STOCKD_ACCESS_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/secret.h"

enum {
    GRANT_CODE_MAX = 32, /* bytes of a name, and of a pattern without its @ or * */
    GRANT_COMMON_NAME_MAX = 64,
    GRANT_PATTERNS_MAX = 512,
    GRANT_LINE_MAX = 2 * GRANT_PATTERNS_MAX * (GRANT_CODE_MAX + 3) + 1024, /* bytes as text */
};

/* What a method needs, and a grant gives; the wire and the file know the names below. */
#define VERBS(X)                                                                                   \
    X(READ, "read")                                                                                \
    X(ORDER, "order")                                                                              \
    X(STOCK, "stock") X(CATALOGUE, "catalogue") X(SUPPLY, "supply") X(ADMIN, "admin")

enum verb_number {
#define X(name, text) VERB_NUMBER_##name,
    VERBS(X)
#undef X
        VERB_COUNT
};

enum verb {
#define X(name, text) VERB_##name = 1 << VERB_NUMBER_##name,
    VERBS(X)
#undef X
        VERBS_ALL = (1 << VERB_COUNT) - 1
};

/* The name of one verb; a static string. */
const char *verb_name(enum verb verb);

struct pattern {
    char text[GRANT_CODE_MAX + 1]; /* without the @ or * */
    uint8_t length;
    bool prefix; /* a * followed: all that begins so */
    bool group;  /* an @ came first: of locations, those in that group */
};

struct patterns {
    struct pattern *at; /* owned */
    uint32_t count;
    bool all; /* one of them is * */
};

enum key_kind { KEY_TOKEN, KEY_UID, KEY_CERT };

struct grant {
    char name[GRANT_CODE_MAX + 1];
    enum key_kind key;
    unsigned char hash[SECRET_HASH_BYTES];       /* of KEY_TOKEN */
    uint32_t uid;                                /* of KEY_UID */
    char common_name[GRANT_COMMON_NAME_MAX + 1]; /* of KEY_CERT */
    unsigned verbs;                              /* enum verb */
    struct patterns channels, locations;
    uint64_t expires_ms;                 /* wall clock; 0: never */
    uint32_t rate, burst;                /* requests a second, and at once; 0: not set */
    uint32_t connections, subscriptions; /* at once; 0: not set */
};

/* 1 to 32 bytes of A-Za-z0-9._- */
bool grant_is_code(const char *at, size_t length);

/* Each reads a value as it stands in the file. False: why (size bytes) says what is wrong, and
 * quotes nothing of it: a token may stand there by mistake. */
bool grant_read_verbs(struct grant *grant, const char *value, size_t length, char *why,
                      size_t size);
bool grant_read_patterns(struct patterns *patterns, bool groups, const char *value, size_t length,
                         char *why, size_t size);
bool grant_read_expires(struct grant *grant, const char *value, size_t length, char *why,
                        size_t size);

/* Reads a line without its end. False: why says what is wrong; the grant is empty. */
bool grant_read(struct grant *grant, const char *line, size_t length, char *why, size_t size);

/* Writes the values, and the line, as they are read; each ends with a NUL. The size of a line is at
 * least GRANT_LINE_MAX. */
void grant_write_verbs(const struct grant *grant, char *to, size_t size);
void grant_write_patterns(const struct patterns *patterns, char *to, size_t size);
void grant_write_time(uint64_t time_ms, char *to, size_t size);
void grant_write(const struct grant *grant, char *to, size_t size);

void grant_free(struct grant *grant);

/* Whether one of the patterns is for that code; groups do not count. */
bool patterns_match(const struct patterns *patterns, const char *code, size_t length);
/* Whether one of them is for that group of locations. */
bool patterns_match_group(const struct patterns *patterns, const char *group, size_t length);

/* Both are known by the same token, user or certificate. */
bool grant_same_key(const struct grant *a, const struct grant *b);
/* Both may do the same, as far as verbs, channels and locations go. */
bool grant_same_rights(const struct grant *a, const struct grant *b);

#endif
