/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ledger with its log on a bench, for one thread: it keeps what it drains from the log, so that
 * it can be replayed from any offset.
 */
#ifndef STOCKD_TESTS_SUPPORT_LEDGER_RIG_H
#define STOCKD_TESTS_SUPPORT_LEDGER_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/ledger/ledger.h"

struct ledger_rig {
    struct log log;
    struct ledger_config config;
    struct ledger *ledger;
    unsigned char *records; /* everything that was ever in the log, from LSN 0 */
    size_t length, capacity;
};

/* config.log may be NULL: the rig has its own. Ends the program if there is no memory. */
void ledger_rig_open(struct ledger_rig *rig, const struct ledger_config *config);
void ledger_rig_close(struct ledger_rig *rig);

/* Moves the log's records to `records`. */
void ledger_rig_drain(struct ledger_rig *rig);

/* The record at that offset, in an aligned buffer; returns its length. */
uint32_t ledger_rig_record(const struct ledger_rig *rig, size_t offset, void *buffer);

/*
 * Opens another rig from the first bytes of this one's records, as a start from a journal would.
 * False, with the reason, if a record is refused.
 */
bool ledger_rig_follow(struct ledger_rig *follower, const struct ledger_rig *rig, size_t bytes,
                       uint64_t now_ms, char *why, size_t size);

/* Its two halves: without handing holds to the wheels, like a compactor; and the end of a start,
 * after the first bytes of those records were replayed in some way. */
bool ledger_rig_follow_quietly(struct ledger_rig *follower, const struct ledger_rig *rig,
                               size_t bytes, char *why, size_t size);
void ledger_rig_adopt(struct ledger_rig *follower, const struct ledger_rig *rig, size_t bytes,
                      uint64_t now_ms);

/*
 * Opens another rig in this one's place: it starts from the first bytes of the records, follows in
 * batches of a few records each up to the end, and is promoted. `random` chooses the batches.
 */
struct random;
bool ledger_rig_take_over(struct ledger_rig *follower, const struct ledger_rig *rig, size_t bytes,
                          uint64_t now_ms, struct random *random, char *why, size_t size);

/*
 * Whether both ledgers are the same: catalogue, items, pools, and what ids stand for. `right` was
 * made from left's log. forgetful: either may have forgotten ids that are finished.
 */
bool ledgers_equal(const struct ledger *left, const struct ledger *right, bool forgetful, char *why,
                   size_t size);

#endif
