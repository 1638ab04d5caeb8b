/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaps: which LSNs a crash has taken back. A run that acknowledges before the disk has everything
 * may have told of changes that are lost. The log then goes on far beyond whatever it told
 * (persistence/format.h, F17), so that none of those LSNs is ever another change's: and who comes
 * with one knows of what never happened.
 *
 * Replay writes them, in order, before the contexts' threads start; then they are constant.
 */
#ifndef STOCKD_ENGINE_LEDGER_LEAPS_H
#define STOCKD_ENGINE_LEDGER_LEAPS_H

#include <stdint.h>

enum { LEAPS_MAX = 256 }; /* the last ones are kept */

struct leap {
    uint64_t from; /* the last LSN that was recovered */
    uint64_t to;   /* where the log went on */
};

struct leaps {
    struct leap last[LEAPS_MAX]; /* ascending */
    uint32_t count;
    uint64_t forgotten; /* LSNs below may have been taken back by an earlier one */
};

void leaps_add(struct leaps *leaps, const struct leap *leap);
/* Where the log went on when a crash had taken back that LSN; 0: none has. */
uint64_t leaps_took_back(const struct leaps *leaps, uint64_t lsn);

struct ledger;

/* Between the records before and after: the log leapt. As ledger_apply. */
void ledger_leap(struct ledger *ledger, uint64_t from, uint64_t to);
/* As leaps_took_back. Any thread. */
uint64_t ledger_took_back(const struct ledger *ledger, uint64_t lsn);
/* Where the log went on after the last crash that may have taken something back; 0: there was none.
 * Whoever has read how something stands before that may have read what is not so. Any thread. */
uint64_t ledger_leapt_to(const struct ledger *ledger);

#endif
