/* SPDX-License-Identifier: Apache-2.0 */
/* replay.h - what the files of `replay` share: the orders, their outcomes and the log of them. */
#ifndef STOCKCTL_REPLAY_H
#define STOCKCTL_REPLAY_H

#include "tools/stockctl/ctl.h"

enum outcome {
    OUTCOME_NONE, /* not yet known */
    OUTCOME_FULFILLED,
    OUTCOME_REFUSED,
    OUTCOME_RETURNED,
    OUTCOME_COUNT,
};

extern const char *const outcome_names[OUTCOME_COUNT];

struct replay_line {
    char *sku;
    char *location; /* NULL: the engine chooses */
    int64_t qty;    /* > 0 */
};

struct replay_order {
    char *id;
    char *channel;
    size_t first; /* of its lines */
    size_t lines;
    size_t file_line;
    bool is_return;
};

#define CODES_MAX 24
#define CODE_SIZE 32

/* What has become of the orders so far. */
struct tally {
    size_t orders[OUTCOME_COUNT];
    size_t resumed; /* of them, known from the log of an earlier run */
    int64_t units;
    int64_t units_returned;
    char code[CODES_MAX][CODE_SIZE]; /* why orders were refused ... */
    size_t times[CODES_MAX];         /* ... and how often */
    size_t codes;
};

struct replay {
    struct ctl *ctl;
    const char *path;
    struct replay_order *order;
    size_t orders;
    struct replay_line *line;
    size_t lines;
    struct tally tally;
    struct replay_log *log; /* NULL: none is kept */
    size_t connections;
    size_t pipeline;
    int64_t patience_ms; /* how long to retry an engine that went away */
};

/* replay_file.c: reads and checks all of the file. */
int replay_read(struct replay *replay);
void replay_free(struct replay *replay);

/* replay_run.c: sends the orders. */
int replay_run(struct replay *replay);

/* Counts the order in the tally. */
void replay_count(struct replay *replay, size_t number, enum outcome outcome, const char *code);

/* An order is over: counted and, if there is a log, logged. code says why it was refused. */
int replay_finish(struct replay *replay, size_t number, enum outcome outcome, const char *code);

/* replay_log.c: one line per finished order, so that no order is sent twice. */
int replay_log_open(struct replay *replay, const char *path);
int replay_log_add(struct replay *replay, size_t number, enum outcome outcome, const char *code);
bool replay_log_has(const struct replay *replay, size_t number, enum outcome *outcome,
                    const char **code);
void replay_log_close(struct replay *replay);

#endif
