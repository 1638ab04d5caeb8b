/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies, checked at a few nanoseconds each. Walking a reply of 25 values costs more than
 * everything else that the generator does for a message, so it walks one of each shape: a shape is
 * a reply's head bytes (types, short lengths) and length bytes, by position. Bytes that agree with
 * a known shape in all of these parse the same, and so have its length and its lack of an error;
 * only the msgid remains to be checked.
 */
#ifndef TOOLS_STOCKBENCH_REPLY_H
#define TOOLS_STOCKBENCH_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/stockbench/workload.h"

enum {
    SHAPE_BYTES = 256, /* a longer reply has no shape */
    SHAPE_WORDS = SHAPE_BYTES / 8,
    SHAPES = 4, /* for each kind of request; the last one used is tried first */
};

struct shape {
    size_t len; /* 0: this slot is free */
    uint64_t mask[SHAPE_WORDS];
    uint64_t want[SHAPE_WORDS];
};

struct shapes {
    struct shape shape[ASK_KINDS][SHAPES];
};

/* What some received bytes begin with. */
struct reply {
    size_t len;                 /* 0: it is not complete yet */
    bool foreign;               /* not a response, or not to the request of this msgid */
    const unsigned char *error; /* NULL: no error */
    size_t error_len;
};

/* Once, before everything else. */
void reply_init(void);

/* A reply to a request of that kind. SHAPE_BYTES bytes beyond len must be readable. */
struct reply reply_read(struct shapes *shapes, enum ask kind, const unsigned char *bytes,
                        size_t len, uint32_t msgid);

/* The same for a fixed-size response of the echo workload. */
struct reply reply_echo(const unsigned char *bytes, size_t len, uint32_t msgid,
                        size_t response_bytes);

#endif
