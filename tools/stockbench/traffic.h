/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of a workload, made at a few nanoseconds each: templates of which only msgid, id and
 * the digits of the SKU are patched.
 *
 *   reserve       94 00 ce MSGID a7 "reserve" 93 b0 ID a7 "default" 91 92 ab SKU 01        56 bytes
 *   cancel        94 00 ce MSGID a6 "cancel" 91 b0 ID                                      32 bytes
 *   availability  94 00 ce MSGID ac "availability" 92 a7 "default" 91 ab SKU               42 bytes
 *   echo          94 00 ce MSGID 00 00 00 ...
 *
 * ID is five random characters of the run, three hexadecimal digits of the connection and eight of
 * a counter: no id is ever used twice, for the engine would know it again and do nothing. SKU is
 * "SKU-" and seven digits.
 */
#ifndef TOOLS_STOCKBENCH_TRAFFIC_H
#define TOOLS_STOCKBENCH_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/stockbench/options.h"

enum {
    RESERVE_BYTES = 56,
    CANCEL_BYTES = 32,
    AVAILABILITY_BYTES = 42,
    ID_BYTES = 16,
    SKU_BYTES = 11,
    MSGID_AT = 3,
    FIRST_MSGID = 1 << 20, /* so that msgids are all of one width on the wire */
};

/* What one connection sends; its own, so that no two share a cache line or a counter. */
struct traffic {
    enum workload workload;
    bool cancel_next; /* the id's reserve has been made, its cancel has not */
    uint32_t next_msgid;
    uint32_t items;
    uint64_t random; /* xorshift64* */
    size_t echo_bytes;
    unsigned char id[ID_BYTES];
    const unsigned char *echo; /* template, shared */
};

/* Once, before all else. */
void traffic_init(void);

void traffic_start(struct traffic *traffic, const struct options *options, size_t connection);

/* The most bytes that a request of this workload has. */
size_t traffic_request_max(const struct options *options);

/* Writes the next request at to; returns its end. */
unsigned char *traffic_next(struct traffic *traffic, unsigned char *to);

/* The SKU of an item, not NUL-terminated. */
void traffic_sku(uint32_t item, char sku[SKU_BYTES]);

/* A good seed out of any seed (splitmix64). */
uint64_t traffic_mix(uint64_t seed);

#endif
