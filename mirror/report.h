/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the mirror reports to people: lines for the engine's log, and the last error for its status.
 * Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_REPORT_H
#define STOCKD_MIRROR_REPORT_H

#include "mirror/metrics.h"

struct report {
    void (*say)(void *context, const char *line); /* NULL: silent */
    void *context;
    const char *address;            /* of Redis, for the lines */
    struct mirror_metrics *metrics; /* keeps the last error */
    char last[MIRROR_ERROR_MAX];    /* the error that was logged last; "": none since recovery */
};

/* Something is wrong with Redis, or with what it holds. Becomes the last error, and is logged
 * unless it is the one that was logged last. */
void report_error(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The mirror writes again: logs the line; the next error is logged whatever it is. */
void report_recovery(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
