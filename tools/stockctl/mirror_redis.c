/* SPDX-License-Identifier: Apache-2.0 */
/* mirror_redis.c - a blocking connection to the mirror's Redis. */
#include "tools/stockctl/mirror.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define TIMEOUT_S 30

static redisContext *begin(const char *address)
{
    const struct timeval timeout = { .tv_sec = TIMEOUT_S };
    const char *colon = strrchr(address, ':');

    if (strncmp(address, "unix:", 5) == 0)
        return redisConnectUnixWithTimeout(address + 5, timeout);
    if (colon == NULL)
        return NULL;
    bool bracketed = address[0] == '[' && colon > address + 1 && colon[-1] == ']';
    char *host = text_format("%.*s", (int)(colon - address) - 2 * bracketed, address + bracketed);
    redisContext *redis = redisConnectWithTimeout(*host != '\0' ? host : "127.0.0.1",
                                                  (int)strtol(colon + 1, NULL, 10), timeout);
    free(host);
    return redis;
}

static redisReply *check(const struct ctl *ctl, redisContext *redis, redisReply *reply)
{
    if (reply == NULL) {
        ctl_error(ctl, CTL_UNREACHABLE, "unreachable", "Redis: %s",
                  redis->err == REDIS_ERR_IO ? strerror(errno) : redis->errstr);
        return NULL;
    }
    if (reply->type != REDIS_REPLY_ERROR)
        return reply;
    ctl_error(ctl, CTL_UNREACHABLE, "unreachable", "Redis: %s", reply->str);
    freeReplyObject(reply);
    return NULL;
}

redisReply *mirror_ask(const struct ctl *ctl, redisContext *redis, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(redis, format, arguments);
    va_end(arguments);
    return check(ctl, redis, reply);
}

static bool done(redisReply *reply)
{
    if (reply == NULL)
        return false;
    freeReplyObject(reply);
    return true;
}

static bool authenticate(const struct ctl *ctl, redisContext *redis,
                         const struct mirror_place *place)
{
    char password[512] = "";
    FILE *file = fopen(place->password_file, "re");
    if (file == NULL) {
        ctl_error(ctl, CTL_USAGE, "bad_request", "%s: %s", place->password_file, strerror(errno));
        return false;
    }
    setvbuf(file, NULL, _IONBF, 0); /* a buffer would keep a copy */
    if (fgets(password, sizeof(password), file) == NULL)
        password[0] = '\0';
    fclose(file);
    password[strcspn(password, "\r\n")] = '\0';
    bool in = done(place->user != NULL ? mirror_ask(ctl, redis, "AUTH %s %s", place->user, password)
                                       : mirror_ask(ctl, redis, "AUTH %s", password));
    explicit_bzero(password, sizeof password);
    return in;
}

redisContext *mirror_connect(const struct ctl *ctl, const struct mirror_place *place)
{
    redisContext *redis = begin(place->address);

    if (redis == NULL || redis->err != 0) {
        ctl_error(ctl, CTL_UNREACHABLE, "unreachable", "Redis %s: %s", place->address,
                  redis != NULL ? redis->errstr : "not HOST:PORT or unix:PATH");
    } else {
        redisSetTimeout(redis, (struct timeval){ .tv_sec = TIMEOUT_S });
        bool in = place->password_file == NULL || authenticate(ctl, redis, place);
        if (in && place->database != 0)
            in = done(mirror_ask(ctl, redis, "SELECT %llu", (unsigned long long)place->database));
        if (in)
            return redis;
    }
    if (redis != NULL)
        redisFree(redis);
    return NULL;
}
