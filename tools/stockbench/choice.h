/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which item a request is for: uniform, or by Zipf's law (item n has a weight of
 * 1 / (n + 1)^exponent). A draw costs a few nanoseconds either way.
 */
#ifndef TOOLS_STOCKBENCH_CHOICE_H
#define TOOLS_STOCKBENCH_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

/* Walker's alias table: each slot is an item's, and a second one shares it. */
struct alias {
    uint32_t share; /* of 2^32: how often the slot gives its own item */
    uint32_t other;
};

struct choice {
    uint32_t items;
    const struct alias *table; /* NULL: uniform */
};

/* exponent 0: uniform. False: no memory. */
bool choice_init(struct choice *choice, uint32_t items, double exponent);
void choice_destroy(struct choice *choice);

/* xorshift64*; *state is never 0. */
static inline uint64_t choice_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* A number below limit, by Lemire's multiplication instead of a division. */
static inline uint32_t choice_below(uint64_t random, uint32_t limit)
{
    return (uint32_t)((random >> 32) * limit >> 32);
}

static inline uint32_t choice_item(const struct choice *choice, uint64_t *state)
{
    uint64_t random = choice_random(state);
    uint32_t place = choice_below(random, choice->items);

    if (!choice->table || (uint32_t)random < choice->table[place].share)
        return place;
    return choice->table[place].other;
}

#endif
