/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of everything that stockd counts, in one place, so that code, files and protocol
 * agree. */
#ifndef STOCKD_ENGINE_BASE_LIMITS_H
#define STOCKD_ENGINE_BASE_LIMITS_H

#include <stdint.h>

enum {
    SKU_MAX = 64,         /* bytes of UTF-8 */
    CODE_MAX = 32,        /* bytes of a location's or channel's code */
    ID_MAX = 40,          /* bytes of an operation's or reservation's id */
    UNIT_MAX = 32,        /* bytes of UTF-8 of an item's unit: "kg" */
    DECIMALS_MAX = 6,     /* of a quantity, in an item's unit */
    NAME_MAX_BYTES = 128, /* bytes of a human-readable name, a barcode, a ref or a reason */
    GROUPS_MAX = 16,      /* groups that one location may be in */
    LINES_MAX = 1024,     /* lines of one order, unless the configuration says less */
    DRAWS_MAX = 2024,     /* pools that one order may draw from */
    REDRAWN_MAX = 800,    /* of which it may draw anew in one step */
    REJECTED_MAX = 800,   /* of which one step may reject */
    LOCATIONS_MAX = 4096,
    SENDS_MAX = 31, /* transfers of what one order is sent, see engine/ops/send.h */
    CHANNELS_MAX = 1024,
    DISPATCH_MAX = 64,           /* times in a week at which parcels leave a location */
    CHANNEL_LOCATIONS_MAX = 480, /* locations or groups that one channel may name */
    CALENDARS_MAX = 1024,
    ZONE_MAX = 64,       /* bytes of a time zone's name */
    WEEK_HOURS_MAX = 64, /* opening hours of a calendar's week */
    CLOSED_MAX = 1024,   /* dates on which a calendar is closed */
    EXTRA_MAX = 1024,    /* opening hours that a calendar has on single dates */
    CLIENTS_MAX = 4096,  /* distinct client names that the journal remembers */
    CONTEXTS_MAX = 63,   /* threads that may operate the ledger at once */
};

/* A quantity fits in 28 bits; on hand and reserved of a pool share one word. */
#define QUANTITY_MAX ((INT64_C(1) << 28) - 1)

/* How far ahead of now a channel may promise supply: ten years of 365 days. */
#define HORIZON_MAX_S (INT32_C(10) * 365 * 24 * 3600)

/* Deadlines are 32-bit milliseconds from the hold's creation: 49 days. */
#define TTL_MAX_MS UINT32_MAX

#define DEFAULT_HOLD_MS (UINT64_C(15) * 60 * 1000)

#endif
