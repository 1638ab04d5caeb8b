/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top.h - `top`: what an engine does, as its `info` has it, sample after sample.
 *
 * Counters only rise until the engine is started again, so rates are of two samples. What is shown
 * first is of the time since the start.
 */
#ifndef STOCKCTL_TOP_H
#define STOCKCTL_TOP_H

#include "tools/stockctl/ctl.h"

enum {
    TOP_METHODS_MAX = 128,
    TOP_CODES_MAX = 48,
    TOP_NAME_MAX = 40,
    TOP_BUCKETS_MAX = 32,
};

struct top_count {
    char name[TOP_NAME_MAX];
    uint64_t done, refused;
};

enum top_latency { TOP_READ, TOP_CHANGE, TOP_WRITE, TOP_SYNC, TOP_LATENCIES };

struct sample {
    uint64_t at_ms; /* steady time */
    char version[TOP_NAME_MAX], durability[TOP_NAME_MAX], mirror[TOP_NAME_MAX];
    bool failed; /* no change is taken */
    uint64_t started_ms, uptime_ms, workers;
    uint64_t requests, refusals, bytes_in, bytes_out, client_bytes, client_bytes_max;
    uint64_t connections, connections_max, subscribers;
    uint64_t tail, durable, batches, record_bytes;
    uint64_t items, items_max, pools, pools_max, ids, ids_max;
    uint64_t live, expired; /* reservations and supplies that are not over; holds that ended */
    uint64_t mirror_lag_ms, mirror_waiting;
    struct top_count method[TOP_METHODS_MAX];
    size_t methods;
    struct top_count code[TOP_CODES_MAX]; /* of refusals */
    size_t codes;
    uint64_t bound_us[TOP_BUCKETS_MAX], bucket[TOP_LATENCIES][TOP_BUCKETS_MAX + 1];
    size_t bounds;
};

/* ---- top_sample.c ---- */

void sample_read(struct sample *sample, stockd_value info);
/* What counters were at the engine's start. */
void sample_at_start(struct sample *sample, const struct sample *now);

/* A second's share of how far a counter rose between the two. */
double rate_between(const struct sample *before, const struct sample *now, uint64_t from,
                    uint64_t to);
/* How often it was counted before, under that name. */
struct top_count count_before(const struct top_count *counts, size_t count, const char *name);
/* Milliseconds within which that part (0.99) was, of what came between the two; negative: nothing
 * came. Within a bucket it is taken as spread evenly. */
double quantile_between(const struct sample *before, const struct sample *now,
                        enum top_latency which, double part);

/* ---- top_show.c ---- */

/* As many lines as there is to say, for a screen. */
void show_screen(FILE *out, const struct ctl *ctl, const struct sample *before,
                 const struct sample *now);
/* One line; a header goes before the first, and then every 20. */
void show_line(FILE *out, const struct sample *before, const struct sample *now, size_t number);
void show_line_json(FILE *out, const struct sample *before, const struct sample *now);

/* ---- top_terminal.c ---- */

/*
 * Takes over the terminal of standard output, with a screen of its own; what was there comes back
 * at any end of the program but a SIGKILL. False: standard output is none.
 */
bool terminal_enter(void);
void terminal_leave(void);

enum terminal_event { TERMINAL_TIME, TERMINAL_REFRESH, TERMINAL_RESIZED, TERMINAL_QUIT };

/* Waits for that long, for a key, or for a signal. Also without a terminal. */
enum terminal_event terminal_wait(int64_t ms);
/* Shows the text from the top of the screen, cut to its size. */
void terminal_draw(const char *text);

#endif
