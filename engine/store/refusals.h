/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which orders were refused lately: so that one that is tried again and again counts once.
 *
 * A table of hashes, in buckets. A word is 40 bits of the hash and the second, modulo 2^24, at
 * which it was counted. Where a bucket is full the oldest word gives way; then an order that is
 * tried again may count again.
 *
 * Any context reads and writes words, by compare-and-swap from what it has read; relaxed, because
 * a word carries nothing but itself.
 */
#ifndef STOCKD_ENGINE_STORE_REFUSALS_H
#define STOCKD_ENGINE_STORE_REFUSALS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { REFUSAL_SLOTS = 1 << 16, REFUSAL_WAYS = 8, REFUSAL_SECONDS = 600 };

struct refusals {
    _Atomic uint64_t *slots; /* owned */
};

/* 0 or -ENOMEM. */
int refusals_init(struct refusals *refusals);
void refusals_destroy(struct refusals *refusals);

/* False: it was remembered less than REFUSAL_SECONDS before. */
bool refusals_remember(struct refusals *refusals, uint64_t hash, uint64_t now_s);

#endif
