/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to Redis through hiredis, which never blocks for longer than its time-outs.
 *
 * Only the mirror's thread uses it. A failure closes it, and `why` says what failed; a password is
 * never part of that.
 */
#ifndef STOCKD_MIRROR_REDIS_H
#define STOCKD_MIRROR_REDIS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "mirror/commands.h"
#include "mirror/wake.h"

enum { REDIS_WHY_MAX = 192, REDIS_PASSWORD_MAX = 512 };

/* Where Redis is, and the credentials. Borrowed; NULL or 0: not given. */
struct redis_access {
    const char *address; /* HOST:PORT, [IPV6]:PORT or unix:PATH */
    const char *user;
    const char *password_file; /* its first line is the password; read at each connection */
    unsigned database;
};

struct redis {
    redisContext *context; /* NULL: closed */
    struct wake *wake;
    struct commands commands; /* what redis_send will send */
    uint64_t patience_ms;     /* how long it waits for a reply */
    char why[REDIS_WHY_MAX];
};

void redis_init(struct redis *redis, struct wake *wake, uint64_t patience_ms);
void redis_destroy(struct redis *redis);

/* Connects, authenticates and selects the database. */
bool redis_open(struct redis *redis, const struct redis_access *access);
void redis_close(struct redis *redis);

/* Sends `commands` and clears them. */
bool redis_send(struct redis *redis);

/* The next reply; free it with freeReplyObject. NULL: the connection failed. */
redisReply *redis_receive(struct redis *redis);

/* Stores the error in `why`, closes the connection, and returns false. */
bool redis_fail(struct redis *redis, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Likewise for a reply that is an error, or of an unexpected type. */
bool redis_fail_reply(struct redis *redis, const char *what, const redisReply *reply);

static inline bool reply_is_error(const redisReply *reply, const char *begins)
{
    return reply->type == REDIS_REPLY_ERROR &&
           __builtin_strncmp(reply->str, begins, __builtin_strlen(begins)) == 0;
}

/* The first line of the file, without its end. 0 or an errno. */
int password_read(const char *path, char password[REDIS_PASSWORD_MAX]);

#endif
