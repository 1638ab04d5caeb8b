/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that apply records. */
#ifndef STOCKD_ENGINE_REPLAY_APPLY_INSIDE_H
#define STOCKD_ENGINE_REPLAY_APPLY_INSIDE_H

#include <stdint.h>

#include "engine/log/record.h"

struct ledger;
struct pool;
struct ctx;

/* One record being applied to the ledger. */
struct applying {
    struct ledger *ledger;
    struct ctx *ctx; /* the first context: its failure holds the reason, its cursor finds slots */
    const struct record_head *record;
    uint64_t lsn;
    uint64_t time_ms; /* of a step */
};

/* Both note the reason: -EINVAL for a record that does not fit, -ENOSPC for a full table. */
int apply_refuse(const struct applying *a, const char *why);
/* Finds or creates the pool of that key. */
int apply_find_pool(const struct applying *a, const struct pool_key *key, struct pool **pool);
int apply_no_space(const struct applying *a, const char *table);

/* Records of the catalogue (apply_catalogue.c). */
int apply_item(struct applying *a);
int apply_location(struct applying *a);
int apply_channel(struct applying *a);
int apply_stocking(struct applying *a);
int apply_calendar(struct applying *a);
int apply_client(struct applying *a);

#endif
