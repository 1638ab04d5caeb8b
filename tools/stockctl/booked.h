/* SPDX-License-Identifier: Apache-2.0 */
/* booked.h - what is booked as on hand at one location, as of a time. */
#ifndef STOCKCTL_BOOKED_H
#define STOCKCTL_BOOKED_H

#include "tools/stockctl/ctl.h"

struct booked_item {
    char *sku;
    size_t len;
    int64_t on_hand; /* now, until booked_at says what it was */
};

struct booked {
    const char *location;
    struct booked_item *item; /* in the order of their creation */
    size_t count;
    size_t capacity;
    struct lookup *index; /* SKU -> its place in `item` */
    uint64_t lsn;
};

/* Each item that has or had stock there, as it is now. Returns an exit code. */
int booked_read(struct ctl *ctl, const char *location, struct booked *booked);

/* Makes it what was booked at that time. Only items that have changed since are asked for one by
 * one, because the engine reads its journal for each. Returns an exit code. */
int booked_at(struct ctl *ctl, struct booked *booked, int64_t at_ms);

/* Units of that item; 0 if it has none there. */
int64_t booked_units(const struct booked *booked, const char *sku, size_t len);

void booked_free(struct booked *booked);

#endif
