/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storefront.c - what a product page does: reads availability from Redis, never from the engine.
 *
 *     cc storefront.c -o storefront $(pkg-config --cflags --libs hiredis)
 *     ./storefront 127.0.0.1 7422 web TEE-BLK-M MUG-ALPS
 *
 * For each SKU it prints what one order on that channel could take now, then how old that is. All
 * is asked in one round trip. What a page shows may be some milliseconds old; the engine's
 * `reserve` decides. Exit status: 0 it could be read, 1 not, 2 usage.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

enum { STALE_MS = 2000 }; /* stock:mirror moves every 250 ms as long as all is well */

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static redisReply *next_reply(redisContext *redis)
{
    void *reply = NULL;
    if (redisGetReply(redis, &reply) == REDIS_OK)
        return reply;
    fprintf(stderr, "Redis: %s\n", redis->errstr);
    redisFree(redis);
    exit(1);
}

/* HGET of the channel's field: no such field, no such item on that channel. */
static void show_item(redisContext *redis, const char *sku)
{
    redisReply *available = next_reply(redis);
    if (available->type == REDIS_REPLY_STRING)
        printf("%s: %s available\n", sku, available->str);
    else
        printf("%s: unknown\n", sku);
    freeReplyObject(available);
}

/* time_ms: when the mirror last wrote; behind_ms: how much older than that what it shows may be. */
static void show_age(redisContext *redis)
{
    redisReply *mirror = next_reply(redis);
    if (mirror->type != REDIS_REPLY_ARRAY) {
        printf("STALE: %s\n", mirror->str);
        freeReplyObject(mirror);
        return;
    }
    const redisReply *time_ms = mirror->element[0], *behind_ms = mirror->element[1];
    const redisReply *state = mirror->element[2];
    if (time_ms->type == REDIS_REPLY_STRING && behind_ms->type == REDIS_REPLY_STRING) {
        long long age =
            now_ms() - strtoll(time_ms->str, NULL, 10) + strtoll(behind_ms->str, NULL, 10);
        const char *fresh =
            state->str && strcmp(state->str, "live") == 0 && age < STALE_MS ? "fresh" : "STALE";
        printf("%s: %lld ms old\n", fresh, age < 0 ? 0 : age);
    } else {
        printf("STALE: there is no mirror\n");
    }
    freeReplyObject(mirror);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: storefront HOST PORT CHANNEL SKU...\n");
        return 2;
    }
    redisContext *redis = redisConnectWithTimeout(argv[1], (int)strtol(argv[2], NULL, 10),
                                                  (struct timeval){ .tv_sec = 2 });
    if (!redis || redis->err) {
        fprintf(stderr, "Redis: %s\n", redis ? redis->errstr : "no memory");
        if (redis)
            redisFree(redis);
        return 1;
    }
    redisSetTimeout(redis, (struct timeval){ .tv_sec = 2 });
    for (int i = 4; i < argc; i++)
        redisAppendCommand(redis, "HGET stock:item:%s %s", argv[i], argv[3]);
    redisAppendCommand(redis, "HMGET stock:mirror time_ms behind_ms state");
    for (int i = 4; i < argc; i++)
        show_item(redis, argv[i]);
    show_age(redis);
    redisFree(redis);
    return 0;
}
