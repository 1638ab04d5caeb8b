/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server knows of a mirror: what it says of itself, and that it can be told to write
 * again. So the server knows no Redis.
 */
#ifndef STOCKD_PROTOCOL_MIRROR_PORT_H
#define STOCKD_PROTOCOL_MIRROR_PORT_H

#include <stdint.h>

struct mirror_number {
    const char *name; /* static */
    uint64_t number;
};

enum { MIRROR_NUMBERS_MAX = 24, MIRROR_TEXT_MAX = 200 };

struct mirror_report {
    const char *state;            /* static; "off": there is none */
    const char *address, *prefix; /* live as long as the server; NULL: there is none */
    char engine[20];              /* by which Redis knows this engine */
    char error[MIRROR_TEXT_MAX];  /* the last; "": there was none */
    struct mirror_number numbers[MIRROR_NUMBERS_MAX];
    unsigned count;
};

/* Any worker may call these at any time; they wait for nobody. */
struct mirror_port {
    void *self;
    void (*report)(void *self, struct mirror_report *report);
    /* Lets it write again although a newer engine does. */
    void (*take)(void *self);
};

#endif
