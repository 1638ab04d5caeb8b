/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the reports: groups of rows. */
#ifndef STOCKD_ENGINE_REPORTS_REPORT_INSIDE_H
#define STOCKD_ENGINE_REPORTS_REPORT_INSIDE_H

#include "engine/reports/report.h"

enum { GROUP_SUMS = 8 };

#define GROUP_NO_KEY UINT32_MAX

/* What is summed up for one row. */
struct group {
    uint32_t key; /* index of the channel, location or item; day or hour since 1970 */
    bool used;
    int64_t sums[GROUP_SUMS];
};

/* A hash table of groups. */
struct groups {
    struct group *at; /* owned */
    uint32_t room, count;
    bool no_memory;
};

/* The group of that key, made if need be; a spare one once there is no memory. */
struct group *groups_find(struct groups *groups, uint32_t key);
/* The same, or NULL. */
struct group *groups_look(const struct groups *groups, uint32_t key);
void groups_empty(struct groups *groups);
void groups_free(struct groups *groups);

struct fact;
struct figures;

enum { HOURS_A_DAY = 24 };

/* The hours that are asked for. */
struct report_span {
    uint32_t from, to; /* from that one on, before that one */
};

struct report_span report_span_of(const struct report_ask *ask);

/* Adds a fact to a group's sums; false: it is not of this report. */
typedef bool report_sum(const struct report *report, const struct fact *fact, int64_t *sums);

struct outs;

/* Sums up the facts; sets outcome and since_ms. outs: if not NULL, they are copied at the moment up
 * to which there are facts of crossings; then also those after the span are summed. */
void report_sum_facts(struct report *report, struct ctx *ctx, report_sum *sum,
                      const _Atomic bool *stop, struct groups *groups, struct outs *outs);

/* What is sold out now: for each item and channel, whether it is. */
struct outs {
    uint64_t *words;     /* owned; of each item, the lower one of two bits; channel by channel */
    size_t plane;        /* words of a channel */
    uint16_t first, end; /* the channels */
};

/* Copies them. The caller holds the store of figures, and keeps crossings back from then on. The
 * context is not in an iteration. False: no memory. */
bool outs_copy(struct outs *outs, const struct report *report, struct ctx *ctx);
void outs_free(struct outs *outs);

/* Sums of the report of times without stock. */
enum {
    SUM_LOST,      /* units missing from refused orders */
    SUM_TIMES,     /* how often something sold out, in the row's time */
    SUM_OUT_MS,    /* how long it was */
    SUM_STILL_OUT, /* how many items on channels are so at the end of the row's time */
    SUM_BACKS,     /* how often something came back, in that time */
    SUM_LATER,     /* after the span: how often something sold out, less how often it came back */
};

/* The report of times without stock: its sum of facts, and what follows from them and the outs. */
report_sum sum_sold_out;
void report_sold_out(const struct report *report, const struct outs *outs, struct groups *groups);

/* What there is in a pool, as `stock` shows it. */
struct pool_sight {
    uint32_t item;
    uint16_t location;
    bool allotted, active; /* is its location? */
    uint16_t channel;      /* of an allotted pool */
    int64_t on_hand, reserved, damaged, expected;
    uint64_t eta_ms; /* of what is expected: wall clock; 0: not known */
};

/* Hands over each pool that the report is about: an item's all of one instant. False: stopped, or
 * no memory. */
bool report_scan_pools(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                       void (*take)(void *context, const struct pool_sight *sight), void *context);

/* Between two slices of those below: keeps no old version of the catalogue alive. */
void report_iterate(struct ctx *ctx);

/* The reports of pools and of reservations. */
bool report_stock(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                  struct groups *groups);
bool report_short(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                  struct groups *groups);
bool report_late(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                 struct groups *groups);
bool report_holds(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                  struct groups *groups);
bool report_parts(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                  struct groups *groups);
/* What is on hand, as the report groups it, into sums[sum]. */
bool report_on_hand(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                    struct groups *groups, unsigned sum);

/* Turns a group's sums into the values of its row. False: the row says nothing, and is left out. */
typedef bool report_values(const struct report *report, const int64_t *sums, double *values);

/* Makes the rows. The context is in an iteration. */
void report_make_rows(struct report *report, struct ctx *ctx, struct groups *groups,
                      report_values *values);

#endif
