/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.c - strings to numbers: an open-addressed table that is at most half full.
 *
 * Its keys come from files that the user chose and from the engine, so the hash needs no secret.
 */
#include "tools/stockctl/ctl.h"

#include <stdlib.h>
#include <string.h>

struct slot {
    char *key; /* NULL: empty */
    size_t len;
    size_t value;
};

struct lookup {
    struct slot *slot;
    size_t capacity; /* a power of two */
    size_t count;
};

struct lookup *lookup_new(void)
{
    struct lookup *lookup = must_alloc(1, sizeof(*lookup));
    lookup->capacity = 64;
    lookup->slot = must_alloc(lookup->capacity, sizeof(*lookup->slot));
    return lookup;
}

void lookup_free(struct lookup *lookup)
{
    if (lookup == NULL)
        return;
    for (size_t i = 0; i < lookup->capacity; i++)
        free(lookup->slot[i].key);
    free(lookup->slot);
    free(lookup);
}

size_t lookup_count(const struct lookup *lookup)
{
    return lookup->count;
}

/* FNV-1a, its high bits folded in because the low ones choose the slot. */
static size_t hash(const char *key, size_t len)
{
    uint64_t state = 0xcbf29ce484222325;
    for (size_t i = 0; i < len; i++)
        state = (state ^ (unsigned char)key[i]) * 0x100000001b3;
    return (size_t)(state ^ state >> 32);
}

/* The key's slot, or the empty one where it belongs. */
static struct slot *find(const struct lookup *lookup, const char *key, size_t len)
{
    for (size_t at = hash(key, len);; at++) {
        struct slot *slot = &lookup->slot[at & (lookup->capacity - 1)];
        if (slot->key == NULL || (slot->len == len && memcmp(slot->key, key, len) == 0))
            return slot;
    }
}

static void grow(struct lookup *lookup)
{
    struct lookup bigger = { .capacity = lookup->capacity * 2, .count = lookup->count };

    bigger.slot = must_alloc(bigger.capacity, sizeof(*bigger.slot));
    for (size_t i = 0; i < lookup->capacity; i++)
        if (lookup->slot[i].key != NULL)
            *find(&bigger, lookup->slot[i].key, lookup->slot[i].len) = lookup->slot[i];
    free(lookup->slot);
    *lookup = bigger;
}

size_t lookup_add(struct lookup *lookup, const char *key, size_t len, size_t value)
{
    struct slot *slot = find(lookup, key, len);

    if (slot->key != NULL)
        return slot->value;
    if (lookup->count * 2 >= lookup->capacity) {
        grow(lookup);
        slot = find(lookup, key, len);
    }
    slot->key = must_alloc(len + 1, 1);
    memcpy(slot->key, key, len);
    slot->len = len;
    slot->value = value;
    lookup->count++;
    return value;
}

bool lookup_find(const struct lookup *lookup, const char *key, size_t len, size_t *value)
{
    const struct slot *slot = find(lookup, key, len);
    if (slot->key != NULL && value != NULL)
        *value = slot->value;
    return slot->key != NULL;
}

void lookup_each(const struct lookup *lookup, char **keys)
{
    for (size_t i = 0; i < lookup->capacity; i++)
        if (lookup->slot[i].key != NULL)
            keys[lookup->slot[i].value] = text_format("%s", lookup->slot[i].key);
}
