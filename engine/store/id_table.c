/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/id_table.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/base/memory.h"
#include "engine/store/slots.h"

#define BUCKET_BUSY UINT64_C(1)
#define WORD_ENTRY UINT64_C(0xffffffff)

enum { BUCKET_WORDS = 7, BUCKET_IDS = 3, DISTANCES = 16, CHUNK = CHUNK_SLOTS };

static const char *const state_names[STATE_COUNT] = { "none",      "held",      "confirmed",
                                                      "fulfilled", "cancelled", "expired" };

static const uint8_t next_states[STATE_COUNT] = {
    [STATE_NONE] = 1 << STATE_HELD | 1 << STATE_CONFIRMED,
    [STATE_HELD] =
        1 << STATE_HELD | 1 << STATE_CONFIRMED | 1 << STATE_CANCELLED | 1 << STATE_EXPIRED,
    [STATE_CONFIRMED] = 1 << STATE_CONFIRMED | 1 << STATE_FULFILLED | 1 << STATE_CANCELLED,
};

const char *state_name(enum entry_state state)
{
    assert((unsigned)state < STATE_COUNT);
    return state_names[state];
}

bool state_may_become(enum entry_state from, enum entry_state to)
{
    assert((unsigned)from < STATE_COUNT);
    return next_states[from] >> to & 1;
}

int id_table_init(struct id_table *ids, uint32_t max, uint64_t remember_ms, uint64_t hash_seed)
{
    memset(ids, 0, sizeof *ids);
    if (max == 0 || max > UINT32_MAX - CHUNK)
        return -EINVAL;
    uint32_t chunks = (max + CHUNK - 1) / CHUNK;
    ids->max = chunks * CHUNK;
    /* A full table, as it is most of its life, has at most three ids per bucket of seven: with
     * four, one add in a thousand million finds no room within reach, and one is enough to make a
     * journal that cannot be replayed. */
    uint32_t buckets = (ids->max + BUCKET_IDS - 1) / BUCKET_IDS;
    if (buckets < DISTANCES)
        buckets = DISTANCES;
    ids->chunk_count = chunks;
    ids->bucket_count = buckets;
    ids->hash_seed = hash_seed;
    ids->remember_ms = remember_ms;
    atomic_store_explicit(&ids->free, ids->max, memory_order_relaxed);
    for (unsigned i = 0; i < CONTEXTS_MAX; i++)
        atomic_store_explicit(&ids->contexts[i].ripe_ms, UINT64_MAX, memory_order_relaxed);
    ids->all = memory_reserve((size_t)ids->max * sizeof(struct id_entry));
    ids->places = memory_reserve((size_t)ids->max * sizeof *ids->places);
    ids->taken = memory_reserve((size_t)chunks * sizeof *ids->taken);
    ids->buckets = memory_reserve(id_table_bucket_bytes(ids));
    return ids->all && ids->places && ids->taken && ids->buckets ? 0 : -ENOMEM;
}

void id_table_destroy(struct id_table *ids)
{
    memory_release(ids->all, (size_t)ids->max * sizeof(struct id_entry));
    memory_release((void *)ids->places, (size_t)ids->max * sizeof *ids->places);
    memory_release(ids->taken, (size_t)ids->chunk_count * sizeof *ids->taken);
    memory_release(ids->buckets, id_table_bucket_bytes(ids));
}

uint64_t id_hash(const struct id_table *ids, struct text id)
{
    return XXH3_64bits_withSeed(id.at, id.len, ids->hash_seed);
}

/* ---- buckets ---- */

static struct bucket *bucket_at(const struct id_table *ids, uint64_t hash, unsigned distance)
{
    uint32_t at = id_table_home(ids, hash) + distance;
    return &ids->buckets[at < ids->bucket_count ? at : at - ids->bucket_count];
}

static bool bucket_take(struct bucket *bucket)
{
    uint64_t head = atomic_load_explicit(&bucket->head, memory_order_relaxed);
    return !(head & BUCKET_BUSY) &&
           atomic_compare_exchange_strong_explicit(&bucket->head, &head, head | BUCKET_BUSY,
                                                   memory_order_acquire, memory_order_relaxed);
}

static void bucket_put(struct bucket *bucket)
{
    uint64_t head = atomic_load_explicit(&bucket->head, memory_order_relaxed);
    assert(head & BUCKET_BUSY);
    /* Release: the next taker sees this one's words. */
    atomic_store_explicit(&bucket->head, head & ~BUCKET_BUSY, memory_order_release);
}

/* How many ids of this home lie in the bucket at that distance behind it. */
static unsigned strays(uint64_t head, unsigned distance)
{
    return (unsigned)(head >> (4 * distance) & 0xf);
}

/* The nearest distance, from `from` on, at which ids of this home lie; DISTANCES: none. */
static unsigned next_distance(uint64_t head, unsigned from)
{
    uint64_t rest = from < DISTANCES ? head >> (4 * from) : 0;
    return rest ? from + (unsigned)__builtin_ctzll(rest) / 4 : DISTANCES;
}

/* The caller holds the home bucket. */
static void count_stray(struct bucket *home, unsigned distance, int by)
{
    if (distance == 0)
        return;
    uint64_t head = atomic_load_explicit(&home->head, memory_order_relaxed);
    assert(by > 0 ? strays(head, distance) < 0xf : strays(head, distance) > 0);
    head += (uint64_t)(int64_t)by << (4 * distance);
    /* Release: a thread that reads the count finds the word it counts. */
    atomic_store_explicit(&home->head, head, memory_order_release);
}

static uint64_t index_word(const struct id_table *ids, const struct id_entry *entry, uint64_t hash)
{
    return (hash & ~WORD_ENTRY) | (entry_number(ids, entry) + 1);
}

/* Examines one entry whose tag matches: BUSY if it is busy, because it may be this id or
 * another. */
static enum entry_found examine(struct id_entry *candidate, struct text id, struct id_entry **entry,
                                uint64_t *word)
{
    if (!entry_take(candidate, word))
        return ENTRY_BUSY;
    if (text_equal(entry_id(candidate, *word), id)) {
        *entry = candidate;
        return ENTRY_FOUND;
    }
    entry_put(candidate, *word);
    return ENTRY_ABSENT;
}

enum entry_found id_table_find(struct id_table *ids, struct text id, uint64_t hash,
                               struct id_entry **entry, uint64_t *word)
{
    uint64_t head = atomic_load_explicit(&bucket_at(ids, hash, 0)->head, memory_order_acquire);
    for (unsigned distance = 0; distance < DISTANCES;
         distance = next_distance(head, distance + 1)) {
        struct bucket *bucket = bucket_at(ids, hash, distance);
        for (unsigned i = 0; i < BUCKET_WORDS; i++) {
            /* Acquire: a thread that finds the entry finds it busy or filled. */
            uint64_t found = atomic_load_explicit(&bucket->words[i], memory_order_acquire);
            if (found == 0 || (found & ~WORD_ENTRY) != (hash & ~WORD_ENTRY))
                continue;
            enum entry_found outcome =
                examine(entry_at(ids, (uint32_t)(found & WORD_ENTRY) - 1), id, entry, word);
            if (outcome != ENTRY_ABSENT)
                return outcome;
        }
    }
    return ENTRY_ABSENT;
}

/* Examines one word whose tag matches: FOUND if it names the entry itself, ABSENT if it may be
 * skipped. */
static enum entry_found examine_own(struct id_table *ids, const struct id_entry *own,
                                    uint32_t number, struct text id, bool *another)
{
    struct id_entry *candidate = entry_at(ids, number), *found;
    uint64_t word;
    if (candidate == own)
        return ENTRY_FOUND;
    enum entry_found outcome = examine(candidate, id, &found, &word);
    if (outcome == ENTRY_FOUND)
        entry_put(found, word);
    *another = outcome == ENTRY_FOUND;
    return outcome == ENTRY_FOUND ? ENTRY_ABSENT : outcome;
}

enum entry_found id_table_find_own(struct id_table *ids, const struct id_entry *entry,
                                   struct text id, uint64_t hash)
{
    uint64_t head = atomic_load_explicit(&bucket_at(ids, hash, 0)->head, memory_order_acquire);
    bool another = false; /* another entry is found instead */
    for (unsigned distance = 0; distance < DISTANCES && !another;
         distance = next_distance(head, distance + 1)) {
        struct bucket *bucket = bucket_at(ids, hash, distance);
        for (unsigned i = 0; i < BUCKET_WORDS && !another; i++) {
            uint64_t word = atomic_load_explicit(&bucket->words[i], memory_order_acquire);
            if (word == 0 || (word & ~WORD_ENTRY) != (hash & ~WORD_ENTRY))
                continue;
            enum entry_found outcome =
                examine_own(ids, entry, (uint32_t)(word & WORD_ENTRY) - 1, id, &another);
            if (outcome != ENTRY_ABSENT)
                return outcome;
        }
    }
    return ENTRY_ABSENT;
}

/* Puts the word of a busy entry into the first free index word. The caller holds the home
 * bucket. */
static bool index_add(struct id_table *ids, const struct id_entry *entry, uint64_t hash)
{
    struct bucket *home = bucket_at(ids, hash, 0);
    for (unsigned distance = 0; distance < DISTANCES; distance++) {
        uint64_t head = atomic_load_explicit(&home->head, memory_order_relaxed);
        if (distance > 0 && strays(head, distance) == 0xf)
            continue;
        struct bucket *bucket = bucket_at(ids, hash, distance);
        for (unsigned i = 0; i < BUCKET_WORDS; i++) {
            uint64_t none = 0;
            if (atomic_load_explicit(&bucket->words[i], memory_order_relaxed) == 0 &&
                atomic_compare_exchange_strong_explicit(
                    &bucket->words[i], &none, index_word(ids, entry, hash), memory_order_release,
                    memory_order_relaxed)) {
                count_stray(home, distance, 1);
                return true;
            }
        }
    }
    return false;
}

/* The caller holds the home bucket and the entry. */
static void index_remove(struct id_table *ids, const struct id_entry *entry, uint64_t hash)
{
    assert(entry_is_owned(entry)); /* E1 */
    uint64_t word = index_word(ids, entry, hash);
    struct bucket *home = bucket_at(ids, hash, 0);
    for (unsigned distance = 0; distance < DISTANCES; distance++) {
        struct bucket *bucket = bucket_at(ids, hash, distance);
        for (unsigned i = 0; i < BUCKET_WORDS; i++) {
            if (atomic_load_explicit(&bucket->words[i], memory_order_relaxed) != word)
                continue;
            atomic_store_explicit(&bucket->words[i], 0, memory_order_release);
            count_stray(home, distance, -1);
            return;
        }
    }
    assert(false); /* an entry with an id is in the index */
}

bool entry_unindex(struct id_table *ids, const struct id_entry *entry, uint64_t word)
{
    uint64_t hash = id_hash(ids, entry_id(entry, word));
    struct bucket *home = bucket_at(ids, hash, 0);
    if (!bucket_take(home))
        return false;
    index_remove(ids, entry, hash);
    bucket_put(home);
    return true;
}

/* ---- ids ---- */

/* Reuses a tombstone of that id. */
static enum entry_found revive(struct id_table *ids, struct id_entry *entry)
{
    slots_keep(ids, entry_number(ids, entry));
    return ENTRY_ABSENT;
}

enum entry_found id_table_add(struct id_table *ids, struct id_cursor *cursor, struct text id,
                              uint64_t hash, struct id_entry **entry, uint64_t *word)
{
    assert(id.len >= 1);
    assert(id.len <= ID_MAX);
    struct bucket *home = bucket_at(ids, hash, 0);
    struct id_entry *fresh = slots_take(ids, cursor);
    *entry = NULL;
    enum entry_found found = ENTRY_BUSY;
    if (bucket_take(home)) {
        found = id_table_find(ids, id, hash, entry, word);
        if (found == ENTRY_ABSENT && fresh && index_add(ids, fresh, hash)) {
            /* No thread reads the id before the entry is put: it is busy. */
            memcpy(fresh->id, id.at, id.len);
            fresh->owner = NO_OWNER;
            *entry = fresh;
            *word = state_word(ENTRY_REFUSED, STATE_NONE, id.len);
        }
        bucket_put(home);
    }
    if (fresh && *entry != fresh)
        slots_give_back(ids, cursor, fresh);
    if (found == ENTRY_ABSENT && !*entry)
        return fresh ? ENTRY_TABLE_FULL : ENTRY_NO_SLOT;
    if (found == ENTRY_FOUND && word_kind(*word) == ENTRY_REFUSED)
        return revive(ids, *entry);
    return found;
}

void entry_refuse(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                  uint64_t word)
{
    assert(word_kind(word) == ENTRY_REFUSED);
    assert(entry_is_owned(entry)); /* E1 */
    if (entry_unindex(ids, entry, word)) {
        slots_give_back(ids, cursor, entry);
        return;
    }
    /* A tombstone: the context that gets the slot removes its id from the index. Released while
     * owned, so that no thread has revived it yet. */
    slots_release(ids, entry);
    entry_put(entry, word);
}

int id_table_enter(struct id_table *ids, struct id_entry *entry, struct text id, uint64_t hash)
{
    struct bucket *home = bucket_at(ids, hash, 0);
    struct id_entry *found;
    uint64_t word;
    while (!bucket_take(home))
        sched_yield(); /* no thread holds it for long, and there is nothing else to do */
    enum entry_found outcome;
    while ((outcome = id_table_find(ids, id, hash, &found, &word)) == ENTRY_BUSY)
        sched_yield();
    int error = 0;
    if (outcome == ENTRY_FOUND)
        entry_put(found, word);
    if (outcome == ENTRY_FOUND)
        error = -EEXIST;
    else if (!index_add(ids, entry, hash))
        error = -ENOSPC;
    bucket_put(home);
    return error;
}

void draw_walk_block(struct draw_walk *walk)
{
    struct draws_entry *draws = (struct draws_entry *)(void *)entry_at(walk->ids, walk->next - 1);
    walk->at = draws->draws;
    walk->in_block = draws_in_block(walk->layout);
    walk->next = draws->next;
}

/* ---- hints ---- */

void id_table_prefetch_bucket(const struct id_table *ids, uint64_t hash)
{
    memory_fetch(bucket_at(ids, hash, 0));
}

uint32_t id_table_prefetch_entry(const struct id_table *ids, uint64_t hash)
{
    const struct bucket *bucket = bucket_at(ids, hash, 0);
    for (unsigned i = 0; i < BUCKET_WORDS; i++) {
        uint64_t found = atomic_load_explicit(&bucket->words[i], memory_order_relaxed);
        if (found == 0 || (found & ~WORD_ENTRY) != (hash & ~WORD_ENTRY))
            continue;
        const struct id_entry *entry = entry_at(ids, (uint32_t)(found & WORD_ENTRY) - 1);
        memory_fetch(entry);
        memory_fetch((const char *)entry + 64);
        return (uint32_t)(found & WORD_ENTRY);
    }
    return 0;
}

bool id_table_only_draw(struct id_table *ids, uint32_t number, uint32_t *pool)
{
    struct id_entry *entry = entry_at(ids, number);
    uint64_t word;
    if (!entry_take(entry, &word))
        return false;
    bool found = word_kind(word) == ENTRY_RESERVATION && entry_draw_blocks(entry) == 0;
    *pool = entry->draw.pool;
    entry_put(entry, word);
    return found;
}
