/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the mirror tells operators: lines in the engine's log, and the last error in its status.
 * Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_REPORT_H
#define STOCKD_MIRROR_REPORT_H

#include "mirror/metrics.h"

struct report {
    void (*say)(void *context, int level, const char *line); /* NULL: silent */
    void *context;
    const char *address;            /* of Redis, for the lines */
    struct mirror_metrics *metrics; /* keeps the last error */
    char last[MIRROR_ERROR_MAX];    /* the last error logged; "": none since recovery */
};

/* Reports an error of Redis or in its contents: keeps it as the last error, and logs it unless it
 * was the last one logged. */
void report_error(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The mirror writes again: logs the line, and will log the next error even if it repeats. */
void report_recovery(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
