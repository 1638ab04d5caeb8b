/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/access.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- sets ---- */

static struct token_use *use_named(struct access *access, const char *name)
{
    struct token_use *use = access->uses;
    while (use && strcmp(use->name, name) != 0)
        use = use->next;
    if (use)
        return use;
    use = calloc(1, sizeof *use);
    if (!use)
        return NULL;
    memcpy(use->name, name, sizeof use->name);
    use->next = access->uses;
    access->uses = use;
    return use;
}

static void free_set(struct token_set *set)
{
    grants_free(&set->grants);
    free(set);
}

static struct token_set *make_set(struct access *access, struct grants *grants)
{
    struct token_set *set = malloc(sizeof *set + grants->count * sizeof(struct token_use *));
    if (!set) {
        grants_free(grants);
        return NULL;
    }
    *set = (struct token_set){ .grants = *grants };
    *grants = (struct grants){ .count = 0 };
    for (uint32_t i = 0; i < set->grants.count; i++) {
        set->uses[i] = use_named(access, set->grants.at[i].name);
        if (!set->uses[i]) {
            free_set(set);
            return NULL;
        }
    }
    return set;
}

static uint64_t next_epoch(const struct access *access)
{
    return atomic_load_explicit(&access->epoch, memory_order_relaxed) + 1;
}

bool access_publish(struct access *access, struct grants *grants, uint64_t wall_ms)
{
    struct token_set *set = make_set(access, grants);
    if (!set)
        return false;
    set->epoch = next_epoch(access);
    set->loaded_ms = wall_ms;
    set->older = atomic_load_explicit(&access->current, memory_order_relaxed);
    atomic_store_explicit(&access->current, set, memory_order_release);      /* AC1 */
    atomic_store_explicit(&access->epoch, set->epoch, memory_order_release); /* AC1 */
    atomic_fetch_add_explicit(&access->reloads, 1, memory_order_relaxed);
    return true;
}

/* The epoch that every worker has seen. */
static uint64_t seen_by_all(const struct access *access)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < access->workers; i++) {
        uint64_t seen =
            atomic_load_explicit(&access->seen[i].epoch, memory_order_acquire); /* AC2 */
        least = seen < least ? seen : least;
    }
    return least;
}

static void free_older(struct token_set *set)
{
    while (set->older) {
        struct token_set *older = set->older;
        set->older = older->older;
        free_set(older);
    }
}

bool access_look(struct access *access, uint64_t wall_ms)
{
    struct token_set *set = atomic_load_explicit(&access->current, memory_order_relaxed);
    bool expired = false;
    for (uint32_t i = 0; i < set->grants.count; i++) {
        uint64_t expires_ms = set->grants.at[i].expires_ms;
        expired |= expires_ms > access->looked_ms && expires_ms <= wall_ms;
    }
    access->looked_ms = wall_ms;
    if (seen_by_all(access) >= set->epoch)
        free_older(set);
    if (expired)
        atomic_store_explicit(&access->epoch, next_epoch(access), memory_order_release);
    return expired;
}

struct access *access_create(const struct access_limits *limits, unsigned workers,
                             struct grants *grants, uint64_t wall_ms)
{
    struct access *access = aligned_alloc(_Alignof(struct access), sizeof *access);
    assert(workers <= CONTEXTS_MAX);
    if (!access) {
        grants_free(grants);
        return NULL;
    }
    memset(access, 0, sizeof *access);
    access->limits = *limits;
    access->workers = workers;
    access->looked_ms = wall_ms;
    if (access_publish(access, grants, wall_ms))
        return access;
    access_destroy(access);
    return NULL;
}

void access_destroy(struct access *access)
{
    if (!access)
        return;
    struct token_set *set = atomic_load_explicit(&access->current, memory_order_relaxed);
    if (set) {
        free_older(set);
        free_set(set);
    }
    while (access->uses) {
        struct token_use *next = access->uses->next;
        free(access->uses);
        access->uses = next;
    }
    free(access);
}

/* ---- who it is ---- */

static struct known known_as(const struct token_set *set, const struct grant *grant,
                             uint64_t now_ms)
{
    if (!grant || (grant->expires_ms > 0 && grant->expires_ms <= now_ms))
        return (struct known){ NULL, NULL };
    return (struct known){ grant, set->uses[grant - set->grants.at] };
}

struct known access_by_token(const struct access *access, const char *token, size_t length,
                             uint64_t now_ms)
{
    const struct token_set *set = access_set(access);
    unsigned char hash[SECRET_HASH_BYTES];
    if (!secret_hash(token, length, hash))
        return (struct known){ NULL, NULL };
    return known_as(set, grants_with_hash(&set->grants, hash), now_ms);
}

struct known access_by_uid(const struct access *access, uint32_t uid, uint64_t now_ms)
{
    const struct token_set *set = access_set(access);
    return known_as(set, grants_with_uid(&set->grants, uid), now_ms);
}

struct known access_by_certificate(const struct access *access, const char *common_name,
                                   uint64_t now_ms)
{
    const struct token_set *set = access_set(access);
    return known_as(set, grants_with_certificate(&set->grants, common_name), now_ms);
}

struct known access_again(const struct access *access, const struct grant *grant, uint64_t now_ms)
{
    const struct token_set *set = access_set(access);
    const struct grant *now = grants_named(&set->grants, grant->name);
    if (!now || !grant_same_key(now, grant))
        return (struct known){ NULL, NULL };
    return known_as(set, now, now_ms);
}

/* ---- what is used ---- */

static uint32_t own_or(uint32_t own, uint32_t usual)
{
    return own > 0 ? own : usual;
}

uint32_t access_connections(const struct access *access, const struct grant *grant)
{
    return own_or(grant->connections, access->limits.connections);
}

uint32_t access_subscriptions(const struct access *access, const struct grant *grant)
{
    return own_or(grant->subscriptions, access->limits.subscriptions);
}

uint32_t access_rate(const struct access *access, const struct grant *grant)
{
    return own_or(grant->rate, access->limits.rate);
}

/* As many as in a second, if nothing is set. */
uint32_t access_burst(const struct access *access, const struct grant *grant)
{
    return own_or(own_or(grant->burst, access->limits.burst), access_rate(access, grant));
}

bool token_use_add(_Atomic uint32_t *count, uint32_t most)
{
    uint32_t before = atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
    if (most == 0 || before < most)
        return true;
    token_use_drop(count);
    return false;
}

void token_use_drop(_Atomic uint32_t *count)
{
    uint32_t before = atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
}

/*
 * Each request moves due_us by the time that it may take at the rate; it may run as long as due_us
 * is ahead of now by less than the burst takes. (The generic cell rate algorithm: a bucket in one
 * word, which no timer fills.)
 */
uint32_t token_use_take(struct token_use *use, uint32_t rate, uint32_t burst, uint64_t now_ms)
{
    uint64_t now_us = now_ms * 1000;
    uint64_t each_us = rate < 1000000 ? 1000000 / rate : 1;
    uint64_t ahead_us = each_us * burst;
    uint64_t due_us = atomic_load_explicit(&use->due_us, memory_order_relaxed);
    for (;;) {
        uint64_t next_us = (due_us > now_us ? due_us : now_us) + each_us;
        if (next_us > now_us + ahead_us)
            return (uint32_t)((next_us - now_us - ahead_us + 999) / 1000);
        if (atomic_compare_exchange_weak_explicit(&use->due_us, &due_us, next_us,
                                                  memory_order_relaxed, memory_order_relaxed))
            return 0;
    }
}

/* FNV-1a: who makes two names collide has one name less. Never 0. */
static uint64_t hash_name(const char *name, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
    return hash | 1;
}

bool token_use_name(struct token_use *use, const char *name, size_t length)
{
    uint64_t hash = hash_name(name, length);
    for (unsigned i = 0; i < TOKEN_NAMES_MAX; i++) {
        uint64_t there = 0;
        if (atomic_compare_exchange_strong_explicit(&use->names[i], &there, hash,
                                                    memory_order_relaxed, memory_order_relaxed) ||
            there == hash)
            return true;
    }
    return false;
}
