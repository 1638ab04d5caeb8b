/* SPDX-License-Identifier: Apache-2.0 */
/* mirror.h - the parts of `mirror verify`: a connection to Redis, and two views to compare. */
#ifndef STOCKCTL_MIRROR_H
#define STOCKCTL_MIRROR_H

#include "tools/stockctl/ctl.h"

#include <hiredis/hiredis.h>

#define FIELD_ABSENT INT64_MIN /* no such field, or item */

/* ---- mirror_redis.c ---- */

/* Where the mirror is, as the engine or the command line says. */
struct mirror_place {
    char *address;
    char *prefix;
    const char *user;
    const char *password_file;
    uint64_t database;
};

/* NULL on failure, which it reports. */
redisContext *mirror_connect(const struct ctl *ctl, const struct mirror_place *place);

/* The reply to one command; NULL on failure, which it reports. hiredis's format: %s, %b, %llu. */
redisReply *mirror_ask(const struct ctl *ctl, redisContext *redis, const char *format, ...);

/* ---- mirror_items.c ---- */

/* A difference. NULL: that side has nothing. */
struct difference {
    size_t item;
    char *field; /* NULL: the whole key */
    char *engine;
    char *redis;
};

struct verify {
    struct ctl *ctl;
    redisContext *redis;
    struct mirror_place place;
    struct lookup *channels, *skus;
    char **channel; /* by number */
    size_t channel_count;
    char **sku;
    size_t *sku_len;
    size_t sku_count, sku_capacity;
    int64_t *before, *after; /* what the engine says, by item and channel */
    size_t *suspect;         /* items still to compare */
    size_t suspect_count;
    uint64_t lsn; /* that the engine's answers include */
    bool behind;  /* the mirror did not reach that LSN in time */
    struct difference *difference;
    size_t difference_count, difference_capacity;
    size_t moving; /* items that change too fast to compare */
};

/* The item with that sku, of any bytes; a new one if there is none. */
size_t verify_add_sku(struct verify *v, const char *sku, size_t len);
void verify_add_difference(struct verify *v, size_t item, const char *field, const char *engine,
                           const char *redis);
void verify_clear_differences(struct verify *v);
/* Drops the differences of items that changed between `before` and `after`, and counts these. */
void verify_set_moving_apart(struct verify *v);

/* ---- mirror_compare.c ---- */

/* Reads the suspects from Redis, keeps those that differ from `before`, and adds differences. */
int compare_suspects(struct verify *v);
/* Adds the items of all keys in Redis. */
int find_redis_items(struct verify *v);

/* ---- mirror_verify.c ---- */

/* Compares both sides until all items agree or really differ. Returns an exit code, and the
 * remaining differences in v. */
int verify_run(struct verify *v);

#endif
