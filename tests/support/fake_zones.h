/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source of three time zones, whose offsets follow from a line of arithmetic:
 *
 *   UTC
 *   Test/Saving  an hour to the east, and two every other 30 days
 *   Test/Half    three hours to the west, and half an hour more every other 45 days
 */
#ifndef STOCKD_TESTS_SUPPORT_FAKE_ZONES_H
#define STOCKD_TESTS_SUPPORT_FAKE_ZONES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/store/timetable.h"

struct fake_zones {
    struct zone_source source; /* its context is this struct */
    /* Any thread, also that of a ledger that follows. */
    _Atomic bool broken;         /* no zone's data can be read */
    const char *_Atomic missing; /* a zone that there is not any more; NULL: all are there */
    _Atomic int32_t shift_s;     /* to the east, for all but UTC: the rules have changed */
    _Atomic unsigned asked;      /* how often */
};

void fake_zones_open(struct fake_zones *zones);

/* The offset of a zone that there is, without the shift. */
int32_t fake_zone_offset_s(const char *tz, int64_t ms);

#endif
