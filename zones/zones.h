/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones as the system knows them: GLib reads its tzdata, in $TZDIR or /usr/share/zoneinfo. A
 * zone is read anew for each question, so that an update of tzdata counts from the next one on.
 */
#ifndef STOCKD_ZONES_ZONES_H
#define STOCKD_ZONES_ZONES_H

#include "engine/store/timetable.h"

/* Needs no context. Only names of the IANA database count, and "UTC" even without tzdata. */
struct zone_source zones_of_system(void);

#endif
