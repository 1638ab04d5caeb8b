/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text in which metrics are shown: OpenMetrics 1.0, or the older Prometheus text format, which
 * differ in the names of counters' families and in the last line. A family is a name, a type, a
 * line of help, and its samples, which follow it at once.
 */
#ifndef STOCKD_TELEMETRY_EXPOSITION_H
#define STOCKD_TELEMETRY_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/text.h"

enum { LABELS_MAX = 4 };

struct exposition {
    char *text; /* owned */
    size_t length, room;
    bool open_metrics;
    bool failed;        /* no memory: the text is not whole */
    const char *family; /* the current one */
    bool counter;       /* it is a counter: samples end in _total */
};

enum family_type { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_HISTOGRAM };

/* A label; its value needs no escape: it is a code, a name of ours, or a number. */
struct label {
    const char *name;
    struct text value;
};

void exposition_init(struct exposition *e, bool open_metrics);
void exposition_free(struct exposition *e);

/* Begins a family; name: of a counter without _total, static. */
void expose_family(struct exposition *e, enum family_type type, const char *name, const char *help);

/* A sample of the current family. */
void expose_number(struct exposition *e, const struct label *labels, unsigned count,
                   uint64_t value);
void expose_real(struct exposition *e, const struct label *labels, unsigned count, double value);

/* A family of one sample without labels. */
void expose_counter(struct exposition *e, const char *name, const char *help, uint64_t value);
void expose_gauge(struct exposition *e, const char *name, const char *help, uint64_t value);
void expose_gauge_ms(struct exposition *e, const char *name, const char *help, uint64_t ms);

/* A histogram of the current family: what fell into each bucket, of which the last has no bound;
 * bounds in microseconds. */
struct exposed_histogram {
    const uint64_t *buckets;
    unsigned bounds; /* one less than buckets */
    uint64_t (*bound_us)(unsigned bucket);
    uint64_t sum_ns;
};

void expose_histogram(struct exposition *e, const struct label *labels, unsigned count,
                      const struct exposed_histogram *histogram);

/* The last line. */
void exposition_end(struct exposition *e);

#endif
