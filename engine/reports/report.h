/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports: tables for people, of figures (engine/figures/figures.h) and of what is in stock.
 *
 * A report runs on a thread that serves no orders, with a context that only reads. It holds no
 * store, version or entry for longer than a slice of its work.
 */
#ifndef STOCKD_ENGINE_REPORTS_REPORT_H
#define STOCKD_ENGINE_REPORTS_REPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"
#include "engine/base/text.h"

struct ctx;
struct ledger;

/* X(NAME, its name on the wire, what it may be grouped by, by default, what it may leave out) */
#define REPORTS(X)                                                                                 \
    X(STOCK, "stock", BY_LOCATION | BY_SKU, BY_LOCATION, BY_LOCATION | BY_SKU)                     \
    X(SALES, "sales", BY_ANY, BY_CHANNEL, BY_ANY)                                                  \
    X(RETURNS, "returns", BY_ANY, BY_CHANNEL, BY_ANY)                                              \
    X(REFUSED, "refused", BY_ANY & ~BY_LOCATION, BY_CHANNEL, BY_ANY & ~BY_LOCATION)                \
    X(SELL_THROUGH, "sell_through", BY_THINGS, BY_CHANNEL, BY_ANY)                                 \
    X(SOLD_OUT, "sold_out", BY_ANY & ~BY_LOCATION, BY_CHANNEL, BY_ANY & ~BY_LOCATION)              \
    X(HOLDS, "holds", BY_CHANNEL, BY_CHANNEL, BY_CHANNEL)                                          \
    X(PARTS, "parts", BY_LOCATION | BY_CHANNEL, BY_LOCATION, BY_LOCATION | BY_CHANNEL)             \
    X(LATE, "late", BY_LOCATION | BY_SKU, BY_LOCATION, BY_LOCATION | BY_SKU)                       \
    X(SHORT, "short", BY_LOCATION | BY_SKU, BY_LOCATION, BY_LOCATION | BY_SKU)                     \
    X(PROMISES, "promises", BY_ANY, BY_CHANNEL, BY_ANY)

enum report_name {
#define X(name, text, groups, usual, filters) REPORT_##name,
    REPORTS(X)
#undef X
        REPORT_COUNT,
};

/* The key of the rows; bits, so that a set of them is a number. */
enum report_by {
    BY_CHANNEL = 1 << 0,
    BY_LOCATION = 1 << 1,
    BY_SKU = 1 << 2,
    BY_DAY = 1 << 3,
    BY_HOUR = 1 << 4,
    BY_THINGS = (1 << 3) - 1, /* no times */
    BY_ANY = (1 << 5) - 1,
};

enum {
    REPORT_VALUES = 8,
    REPORT_ROWS_MAX = 10000, /* maximum limit */
    REPORT_ROWS_USUAL = 1000,
    REPORT_KEY_MAX = SKU_MAX,
};

/* What is asked. Channel, location and item are indexes. */
struct report_ask {
    enum report_name name;
    enum report_by by;
    bool has_channel, has_location, has_item, has_from, has_to, has_after;
    uint16_t channel, location;
    uint32_t item;
    uint64_t from_ms, to_ms; /* wall clock: from this on, before that; whole hours count */
    uint32_t limit;
    struct text after; /* only rows whose key comes after this one; in the report's own memory */
    char after_text[REPORT_KEY_MAX];
};

/* A column behind the key. */
struct report_column {
    const char *name; /* static */
    bool real;        /* the value is a fraction */
};

struct report_row {
    bool no_key; /* of what has none, as a return without a reservation has no channel */
    uint8_t key_len;
    char key[REPORT_KEY_MAX];
    double values[REPORT_VALUES]; /* NaN: none; others are exact up to 2^53 */
};

enum report_outcome { REPORT_DONE, REPORT_NO_MEMORY, REPORT_NOT_KEPT, REPORT_STOPPED };

struct report {
    struct report_ask ask;
    enum report_outcome outcome;
    uint64_t now_ms;   /* wall clock, when it ran */
    uint64_t since_ms; /* from when on its figures are whole; 0: since the beginning */
    unsigned column_count;
    const struct report_column *columns; /* static */
    struct report_row *rows;             /* owned; in the order of their keys */
    uint32_t row_count;
    bool more; /* there are rows after the last */
};

/* NULL: no memory. */
struct report *report_new(const struct report_ask *ask);
void report_free(struct report *report); /* NULL is fine */

/* Of a name on the wire; false: there is none. */
bool report_name_of(struct text text, enum report_name *name);
const char *report_name_text(enum report_name name);
bool report_by_of(struct text text, enum report_by *by);
const char *report_by_text(enum report_by by);
unsigned report_groups(enum report_name name);  /* enum report_by */
unsigned report_filters(enum report_name name); /* likewise; BY_DAY: times */
enum report_by report_usual(enum report_name name);

/* Runs it; *stop, set by any thread, ends it early. Not within an iteration of the context: it
 * begins and ends its own, at that time. */
void report_run(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                uint64_t engine_ms, uint64_t wall_ms);

/* What reports can tell of; false: no figures are kept. Any thread, any time. */
struct figures_metrics;
bool report_metrics(const struct ledger *ledger, struct figures_metrics *metrics);

#endif
