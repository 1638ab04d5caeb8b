/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that apply records. */
#ifndef STOCKD_ENGINE_REPLAY_APPLY_INSIDE_H
#define STOCKD_ENGINE_REPLAY_APPLY_INSIDE_H

#include <stdint.h>

#include "engine/log/record.h"

struct id_entry;
struct ledger;
struct line_entry;
struct pool;
struct ctx;

/* One record being applied to the ledger. */
struct applying {
    struct ledger *ledger;
    struct ctx *ctx; /* the first context: its failure holds the reason, its cursor finds slots */
    const struct record_head *record;
    uint64_t lsn;
    uint64_t time_ms;     /* of a step */
    uint64_t happened_ms; /* of a sale, if its till says when; else 0 */
    bool moves; /* beside readers: its units move between pools, so it is bracketed as a whole */
};

/* Both note the reason: -EINVAL for a record that does not fit, -ENOSPC for a full table. */
int apply_refuse(const struct applying *a, const char *why);
/* Finds or creates the pool of that key. */
int apply_find_pool(const struct applying *a, const struct pool_key *key, struct pool **pool);
/* Whether the change fits the pool; raises its item's version. */
int apply_change_pool(const struct applying *a, struct pool *pool, int64_t on_hand,
                      int64_t reserved);
/* After units were taken from what is on hand: of a supply, no more than what has come. */
int apply_check_come(const struct applying *a, const struct pool *pool);
/* A fresh entry for an id. A finished entry is replaced, as it was when this was live. */
int apply_fresh_entry(const struct applying *a, struct text id, struct id_entry **entry);
/* Ids end at engine time, and time does not go back. */
void apply_set_time(const struct applying *a, uint64_t time_ms);
int apply_no_space(const struct applying *a, const char *table);

/* Finds an entry, and takes it. Beside readers it waits for one that looks at it. */
enum entry_found apply_find_entry(const struct applying *a, struct text id, struct id_entry **entry,
                                  uint64_t *word);
/* Finds the reservation, and takes its entry. */
int apply_find_reservation(const struct applying *a, struct text id, struct id_entry **entry,
                           uint64_t *word);

/* Records of a reservation's parts and draws (apply_parts.c). */
int apply_confirm(struct applying *a);
int apply_set_aside(struct applying *a);
int apply_not_collected(struct applying *a);
int apply_redraw(struct applying *a);
int apply_reject(struct applying *a);

/* Records of steps that settle draws (apply_settle.c). */
int apply_step_head(struct applying *a);
int apply_op(struct applying *a);
int apply_expire(struct applying *a);

/* Records of the catalogue (apply_catalogue.c). */
int apply_item(struct applying *a);
int apply_location(struct applying *a);
int apply_channel(struct applying *a);
int apply_stocking(struct applying *a);
int apply_calendar(struct applying *a);
int apply_client(struct applying *a);

/* What a place sold, and owed (apply_sold.c). */
int apply_sold(struct applying *a);
int apply_debt_sweep(struct applying *a, const struct sweep_fields *f);
/* Changes what is on hand in the pool of that key, at that time. */
int apply_move_pool(const struct applying *a, const struct pool_key *key, int64_t delta,
                    uint64_t time_ms);

/* A reserve, or one whose units were sent. *entry: of its id, owned; apply_show_granted puts it. */
int apply_granted(struct applying *a, const struct reserve_fields *f, struct id_entry **entry);
void apply_show_granted(struct applying *a, const struct reserve_fields *f, struct id_entry *entry);
/* What is sent with an order (apply_sent.c). */
int apply_sent(struct applying *a);

/* Records of supplies (apply_supply.c). */
/* Changes the pool of that key, which is made if need be. */
int apply_change(const struct applying *a, struct pool_key key, int64_t on_hand, int64_t reserved);
void apply_note_recent(const struct applying *a, struct pool_key key, int64_t delta);
/* So many more are expected in that pool, which is the line's from now on. */
int apply_begin_expected(const struct applying *a, const struct id_entry *entry,
                         struct line_entry *line, struct pool_key key, uint32_t more);

int apply_supply(struct applying *a);
int apply_supply_step(struct applying *a);
int apply_reschedule(struct applying *a);
int apply_sweep(struct applying *a);
int apply_due(struct applying *a);

#endif
