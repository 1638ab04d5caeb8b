/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log for those who follow one: what a ledger has made of random requests of all kinds, for a
 * naive model's shops or depots, and of units that only move: nobody gets any of them.
 */
#ifndef STOCKD_TESTS_SUPPORT_MADE_LOG_H
#define STOCKD_TESTS_SUPPORT_MADE_LOG_H

#include "tests/support/ledger_rig.h"

/* SHUTTLES units, of which SHUTTLES_PROMISED are promised all the time, so that so many are
 * available on the channel `hub` at any time. */
enum { SHUTTLES = 40, SHUTTLES_PROMISED = 6, SHUTTLES_FREE = SHUTTLES - SHUTTLES_PROMISED };

extern const char made_log_shuttle[], made_log_hub[];

struct made_log {
    struct ledger_rig rig; /* the ledger, and its records */
    size_t settled;        /* from that LSN on, shuttles are there */
    uint64_t now_ms;
};

/* Ends the program if it cannot. */
void made_log_open(struct made_log *made, uint64_t seed, int steps);
void made_log_close(struct made_log *made);

#endif
