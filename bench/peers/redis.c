/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-redis: loads a Redis with the scripts reserve.lua and cancel.lua.
 *
 *   bench-redis --server PORT ...        (see peer.c; on 127.0.0.1)
 *
 * As fast as a client can be: EVALSHA, commands formatted into one buffer, a whole window in one
 * write, replies taken as they arrive, one thread with epoll over all connections.
 */
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <hiredis/sds.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bench/peers/peer.h"

enum { SHA_BYTES = 41, MAX_EVENTS = 64 };

struct connection {
    redisContext *redis;
    struct peer_script script;
    unsigned in_flight;
    unsigned first; /* of times */
    uint64_t *times;
    bool writing; /* epoll watches for room to write */
};

static struct peer_options options;
static struct peer_result result;
static struct connection connections[PEER_MAX_CONNECTIONS];
static char reserve_sha[SHA_BYTES];
static char cancel_sha[SHA_BYTES];
static bool measuring;
static int epoll_fd;

static redisContext *connect_redis(void)
{
    redisContext *redis = redisConnect("127.0.0.1", (int)strtol(options.address, NULL, 10));

    if (!redis || redis->err)
        peer_die("redis", redis ? redis->errstr : "out of memory");
    return redis;
}

/* ---- Before the load ------------------------------------------------------------------------- */

static void load_script(redisContext *redis, const char *path, char sha[SHA_BYTES])
{
    static char text[4096];
    FILE *file = fopen(path, "re");

    if (!file)
        peer_die(path, strerror(errno));
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    redisReply *reply = redisCommand(redis, "SCRIPT LOAD %b", text, len);
    if (!reply || reply->type != REDIS_REPLY_STRING)
        peer_die(path, reply ? reply->str : redis->errstr);
    snprintf(sha, SHA_BYTES, "%s", reply->str);
    freeReplyObject(reply);
}

/* Unless the last one exists. */
static void stock_items(redisContext *redis)
{
    redisReply *there = redisCommand(redis, "EXISTS i:SKU-%07u", (unsigned)options.items - 1);
    bool stocked = there && there->integer == 1;

    freeReplyObject(there);
    if (stocked)
        return;
    for (uint32_t i = 0; i < options.items; i++)
        redisAppendCommand(redis, "SET i:SKU-%07u 100000000", (unsigned)i);
    for (uint32_t i = 0; i < options.items; i++) {
        redisReply *reply;

        if (redisGetReply(redis, (void **)&reply) != REDIS_OK)
            peer_die("SET", redis->errstr);
        freeReplyObject(reply);
    }
}

static void watch(struct connection *connection, int operation, bool writing)
{
    struct epoll_event event = { .events = EPOLLIN | (writing ? EPOLLOUT : 0),
                                 .data.ptr = connection };

    connection->writing = writing;
    if (epoll_ctl(epoll_fd, operation, connection->redis->fd, &event) < 0)
        peer_die("epoll_ctl", strerror(errno));
}

static void open_connection(struct connection *connection, unsigned number)
{
    connection->redis = connect_redis();
    connection->times = calloc(options.window, sizeof *connection->times);
    if (!connection->times)
        peer_die("memory", "none left");
    peer_script_start(&connection->script, &options, number);
    int fd = connection->redis->fd;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        peer_die("fcntl", strerror(errno));
    connection->redis->flags &= ~REDIS_BLOCK;
    watch(connection, EPOLL_CTL_ADD, false);
}

/* ---- The load -------------------------------------------------------------------------------- */

static void append_next(struct connection *connection)
{
    struct peer_script *script = &connection->script;
    bool reserve = peer_script_next(script, &options);
    int rc;

    if (reserve)
        rc = redisAppendCommand(connection->redis, "EVALSHA %s 3 i:%s r:%s d 1 1893456000000 %s",
                                reserve_sha, script->sku, script->id, script->id);
    else
        rc = redisAppendCommand(connection->redis, "EVALSHA %s 3 i:%s r:%s d %s 900", cancel_sha,
                                script->sku, script->id, script->id);
    if (rc != REDIS_OK)
        peer_die("append", connection->redis->errstr);
}

static void write_out(struct connection *connection)
{
    int done = 0;

    while (!done) {
        size_t before = sdslen(connection->redis->obuf);

        if (redisBufferWrite(connection->redis, &done) != REDIS_OK)
            peer_die("write", connection->redis->errstr);
        if (!done && sdslen(connection->redis->obuf) == before)
            break; /* the socket is full */
    }
    if (connection->writing == (done != 0))
        watch(connection, EPOLL_CTL_MOD, !done);
}

static void refill(struct connection *connection, uint64_t now)
{
    if (connection->in_flight == options.window)
        return;
    while (connection->in_flight < options.window) {
        append_next(connection);
        connection->times[(connection->first + connection->in_flight++) % options.window] = now;
    }
    write_out(connection);
}

static void receive(struct connection *connection)
{
    redisContext *redis = connection->redis;
    void *reply;

    if (redisBufferRead(redis) != REDIS_OK)
        peer_die("read", redis->errstr);
    uint64_t now = peer_now();
    for (;;) {
        if (redisReaderGetReply(redis->reader, &reply) != REDIS_OK)
            peer_die("reply", redis->reader->errstr);
        if (!reply)
            break;
        if (((redisReply *)reply)->type == REDIS_REPLY_ERROR && result.errors++ == 0)
            fprintf(stderr, "bench-redis: %s\n", ((redisReply *)reply)->str);
        freeReplyObject(reply);
        if (measuring) {
            result.messages++;
            histogram_add(&result.latency, now - connection->times[connection->first], 1);
        }
        connection->first = (connection->first + 1) % options.window;
        connection->in_flight--;
    }
    refill(connection, now);
}

static void run_for(double seconds)
{
    uint64_t end = peer_now() + (uint64_t)(seconds * 1e9);
    struct epoll_event events[MAX_EVENTS];

    while (peer_now() < end) {
        int n = epoll_wait(epoll_fd, events, MAX_EVENTS, 10);

        for (int i = 0; i < n; i++) {
            if (events[i].events & EPOLLOUT)
                write_out(events[i].data.ptr);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                receive(events[i].data.ptr);
        }
    }
}

int main(int argc, char **argv)
{
    peer_parse(&options, "redis", argc, argv);
    redisContext *redis = connect_redis();

    load_script(redis, "bench/peers/reserve.lua", reserve_sha);
    load_script(redis, "bench/peers/cancel.lua", cancel_sha);
    stock_items(redis);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < options.connections; i++)
        open_connection(&connections[i], i);
    for (unsigned i = 0; i < options.connections; i++)
        refill(&connections[i], peer_now());
    run_for(options.warmup);
    double cpu = peer_cpu();
    uint64_t begin = peer_now();
    measuring = true;
    run_for(options.seconds);
    result.seconds = (double)(peer_now() - begin) / 1e9;
    result.cpu_seconds = peer_cpu() - cpu;
    peer_report(&options, &result);
    for (unsigned i = 0; i < options.connections; i++) {
        redisFree(connections[i].redis);
        free(connections[i].times);
    }
    redisFree(redis);
    return result.errors > 0;
}
