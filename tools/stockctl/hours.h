/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hours.h - opening hours, dispatch times and dates as people write them, and as the protocol does.
 *
 *   week      mon-fri 09:00-18:30,sat 10:00-14:00   [[1, 540, 1110], ..., [6, 600, 840]]
 *             never                                 []
 *   dispatch  mon-fri 16:00,sat 11:30               [[1, 960], ..., [6, 690]]
 *   extra     2026-12-24 09:00-12:00                [["2026-12-24", 540, 720]]
 *   dates     2026-12-25,2026-12-26                 ["2026-12-25", "2026-12-26"]
 */
#ifndef STOCKCTL_HOURS_H
#define STOCKCTL_HOURS_H

#include "tools/stockctl/ctl.h"

enum hours_form {
    HOURS_WEEK,
    HOURS_DISPATCH,
    HOURS_EXTRA,
    HOURS_DATES,
};

/* NULL, or what is wrong with the text: "has ...". */
const char *hours_check(enum hours_form form, const char *text);

/* Packs a text that was checked. */
void hours_pack(enum hours_form form, const char *text, stockd_pack *pack);

/* The protocol's list as text, which hours_pack reads; to be freed. */
char *hours_text(enum hours_form form, stockd_value list);

/* Whether a result's key holds such a list. */
bool hours_key(const char *key, enum hours_form *form);

#endif
