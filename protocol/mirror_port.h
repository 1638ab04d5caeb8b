/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's port to a mirror: it reports its state and can be told to write again. The server
 * itself knows nothing of Redis.
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
    const char *state;            /* static; "off": no mirror */
    const char *address, *prefix; /* live as long as the server; NULL: no mirror */
    char engine[20];              /* this engine's name in Redis */
    char error[MIRROR_TEXT_MAX];  /* the last one; "": none so far */
    struct mirror_number numbers[MIRROR_NUMBERS_MAX];
    unsigned count;
};

/* Any worker may call these at any time; they never wait. */
struct mirror_port {
    void *self;
    void (*report)(void *self, struct mirror_report *report);
    /* Lets it write again although a newer engine has taken over. */
    void (*take)(void *self);
};

#endif
