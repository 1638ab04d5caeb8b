/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot contents of a ledger in memory, in short runs of records. */
#ifndef STOCKD_TESTS_SUPPORT_CONTENTS_RIG_H
#define STOCKD_TESTS_SUPPORT_CONTENTS_RIG_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/replay/contents.h"
#include "tests/support/ledger_rig.h"

struct contents_run {
    struct contents_run *next;
    enum contents_kind kind;
    size_t length, room;
    unsigned char *bytes;
};

struct contents {
    struct contents_run *first, *last;
    struct contents_totals totals;
};

/* Saves the contents of a ledger at rest. False, and why. */
bool contents_take(struct contents *contents, const struct ledger *ledger, char *why, size_t size);
/* Loads them into a fresh ledger. False, and why. */
bool contents_put(const struct contents *contents, struct ledger *ledger, char *why, size_t size);
void contents_free(struct contents *contents);

/*
 * As ledger_rig_follow, but like a start after a compaction: the first `imaged` bytes of the
 * records are replayed into one ledger, its contents loaded into another, which must be equal, and
 * the rest is replayed from there.
 */
bool contents_rig_follow(struct ledger_rig *follower, const struct ledger_rig *rig, size_t imaged,
                         uint64_t now_ms, char *why, size_t size);

/* A ledger made of the contents of this one, which several contexts may have used, is the same. */
bool contents_rig_copies(const struct ledger_rig *rig, uint64_t now_ms, char *why, size_t size);

#endif
