/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the reports: groups of rows. */
#ifndef STOCKD_ENGINE_REPORTS_REPORT_INSIDE_H
#define STOCKD_ENGINE_REPORTS_REPORT_INSIDE_H

#include "engine/reports/report.h"

enum { GROUP_SUMS = 6 };

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
void groups_empty(struct groups *groups);
void groups_free(struct groups *groups);

/* Turns a group's sums into the values of its row. False: the row says nothing, and is left out. */
typedef bool report_values(const struct report *report, const int64_t *sums, double *values);

/* Makes the rows. The context is in an iteration. */
void report_make_rows(struct report *report, struct ctx *ctx, struct groups *groups,
                      report_values *values);

#endif
