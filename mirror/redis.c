/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/redis.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mirror/clock.h"

enum { HOST_LENGTH_MAX = 256, CONNECT_MS = 3000 };

void redis_init(struct redis *redis, struct wake *wake, uint64_t patience_ms)
{
    *redis = (struct redis){ .wake = wake, .patience_ms = patience_ms };
}

void redis_close(struct redis *redis)
{
    if (redis->context)
        redisFree(redis->context);
    redis->context = NULL;
}

void redis_destroy(struct redis *redis)
{
    redis_close(redis);
    commands_free(&redis->commands);
}

bool redis_fail(struct redis *redis, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(redis->why, sizeof redis->why, format, arguments);
    va_end(arguments);
    redis_close(redis);
    return false;
}

bool redis_fail_reply(struct redis *redis, const char *what, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return redis_fail(redis, "%s: %.150s", what, reply->str);
    return redis_fail(redis, "%s: unexpected reply of type %d", what, reply->type);
}

static bool fail_context(struct redis *redis, const char *what)
{
    const redisContext *context = redis->context;
    if (context->err == REDIS_ERR_IO)
        return redis_fail(redis, "%s: %s", what, strerror(errno));
    return redis_fail(redis, "%s: %.100s", what, context->errstr);
}

/* ---- connecting ---- */

int password_read(const char *path, char password[REDIS_PASSWORD_MAX])
{
    FILE *file = fopen(path, "re");
    if (!file)
        return errno;
    setvbuf(file, NULL, _IONBF, 0); /* a buffer would keep a copy */
    bool read = fgets(password, REDIS_PASSWORD_MAX, file) != NULL;
    int error = ferror(file) ? EIO : 0;
    fclose(file);
    if (!read)
        password[0] = '\0';
    password[strcspn(password, "\r\n")] = '\0';
    return error;
}

static redisContext *begin_connecting(const char *address)
{
    char host[HOST_LENGTH_MAX];
    if (strncmp(address, "unix:", 5) == 0)
        return redisConnectUnixNonBlock(address + 5);
    const char *colon = strrchr(address, ':');
    const char *from = address;
    size_t length = colon ? (size_t)(colon - address) : 0;
    if (length >= 2 && *from == '[' && colon[-1] == ']') {
        from++;
        length -= 2;
    }
    if (!colon || length >= sizeof host)
        return NULL;
    memcpy(host, from, length);
    host[length] = '\0';
    return redisConnectNonBlock(length ? host : "127.0.0.1", (int)strtol(colon + 1, NULL, 10));
}

static bool wait_connected(struct redis *redis)
{
    int fd = redis->context->fd;
    int error = 0;
    socklen_t size = sizeof error;
    uint64_t until = steady_us() + (uint64_t)CONNECT_MS * 1000;
    if (!wake_wait(redis->wake, fd, POLLOUT, until))
        return redis_fail(redis, "cannot connect: no reply within %d ms", CONNECT_MS);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error)
        return redis_fail(redis, "cannot connect: %s", strerror(error));
    return true;
}

/* The reply to what was sent must be OK. */
static bool expect_ok(struct redis *redis, const char *what)
{
    redisReply *reply = redis_receive(redis);
    if (!reply)
        return false;
    bool good = reply->type == REDIS_REPLY_STATUS;
    if (!good)
        redis_fail_reply(redis, what, reply);
    freeReplyObject(reply);
    return good;
}

/* Sends the commands past hiredis, which would leave a copy in memory, and overwrites them. */
static bool send_secret(struct redis *redis)
{
    struct commands *commands = &redis->commands;
    uint64_t until = steady_us() + redis->patience_ms * 1000;
    size_t sent = 0;
    int error = commands->incomplete ? ENOMEM : 0;
    while (!error && sent < commands->length) {
        ssize_t n = send(redis->context->fd, commands->bytes + sent, commands->length - sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            error = errno;
        else if (!wake_wait(redis->wake, redis->context->fd, POLLOUT, until))
            error = ETIMEDOUT;
    }
    if (commands->capacity > 0)
        explicit_bzero(commands->bytes, commands->capacity);
    commands_clear(commands);
    return error ? redis_fail(redis, "cannot send: %s", strerror(error)) : true;
}

static bool authenticate(struct redis *redis, const struct redis_access *access)
{
    char password[REDIS_PASSWORD_MAX];
    int error = password_read(access->password_file, password);
    if (error)
        return redis_fail(redis, "cannot read the password file %.100s: %s", access->password_file,
                          strerror(error));
    command(&redis->commands, "AUTH", access->user ? 3 : 2);
    if (access->user)
        argument_string(&redis->commands, access->user);
    argument_string(&redis->commands, password);
    explicit_bzero(password, sizeof password);
    return send_secret(redis) && expect_ok(redis, "AUTH");
}

bool redis_open(struct redis *redis, const struct redis_access *access)
{
    assert(!redis->context);
    commands_clear(&redis->commands);
    redis->context = begin_connecting(access->address);
    if (!redis->context)
        return redis_fail(redis, "cannot connect: out of memory, or the address is invalid");
    if (redis->context->err)
        return redis_fail(redis, "cannot connect: %.100s", redis->context->errstr);
    if (!wait_connected(redis))
        return false;
    if (access->password_file && !authenticate(redis, access))
        return false;
    if (access->database) {
        command(&redis->commands, "SELECT", 2);
        argument_number(&redis->commands, access->database);
        return redis_send(redis) && expect_ok(redis, "SELECT");
    }
    return true;
}

/* ---- commands and replies ---- */

static uint64_t patience_ends(const struct redis *redis)
{
    return steady_us() + redis->patience_ms * 1000;
}

static bool out_of_patience(struct redis *redis)
{
    if (wake_stopping(redis->wake))
        return redis_fail(redis, "no reply before the engine stopped");
    return redis_fail(redis, "no reply within %d ms (--redis-timeout-ms)", (int)redis->patience_ms);
}

/*
 * Writes everything before reading anything. That cannot deadlock: Redis buffers unread replies and
 * keeps reading.
 */
bool redis_send(struct redis *redis)
{
    struct commands *commands = &redis->commands;
    redisContext *context = redis->context;
    assert(context);
    if (commands->incomplete ||
        redisAppendFormattedCommand(context, commands->bytes, commands->length) != REDIS_OK)
        return redis_fail(redis, "cannot send: out of memory");
    commands_clear(commands);
    int done = 0;
    while (redisBufferWrite(context, &done) == REDIS_OK) {
        if (done)
            return true;
        if (!wake_wait(redis->wake, context->fd, POLLOUT, patience_ends(redis)))
            return out_of_patience(redis);
    }
    return fail_context(redis, "cannot send");
}

redisReply *redis_receive(struct redis *redis)
{
    redisContext *context = redis->context;
    void *reply = NULL;
    for (;;) {
        if (redisGetReplyFromReader(context, &reply) != REDIS_OK) {
            fail_context(redis, "cannot parse a reply");
            return NULL;
        }
        if (reply)
            return reply;
        if (!wake_wait(redis->wake, context->fd, POLLIN, patience_ends(redis))) {
            out_of_patience(redis);
            return NULL;
        }
        if (redisBufferRead(context) != REDIS_OK) {
            fail_context(redis, "connection lost");
            return NULL;
        }
    }
}
