/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of a workload, made at a few nanoseconds each: templates in which only msgid, id and
 * the digits of the SKU are patched.
 *
 *   reserve       94 00 ce MSGID a7 "reserve" 93 b0 ID a7 "default" 91 92 ab SKU 01        56 bytes
 *                 (94 and 81 a7 "confirm" c3 behind it if it is confirmed at once; 92 ab SKU 01
 *                 for each further line)
 *   cancel        94 00 ce MSGID a6 "cancel" 91 b0 ID                                      32 bytes
 *   confirm       94 00 ce MSGID a7 "confirm" 91 b0 ID                                     33 bytes
 *   fulfil        94 00 ce MSGID a6 "fulfil" 91 b0 ID                                      32 bytes
 *   availability  94 00 ce MSGID ac "availability" 92 a7 "default" 91 ab SKU               42 bytes
 *   locate        94 00 ce MSGID a6 "locate" 93 a7 "network" 91 92 ab SKU 01
 *                     82 a3 "lat" cb DOUBLE a3 "lon" cb DOUBLE                           65 bytes
 *   transfer      94 00 ce MSGID a8 "transfer" 95 b0 ID a4 "N001" a4 "N002" 91 92 ab SKU 01
 *                     81 a6 "eta_ms" cf TIME                                         76 bytes
 *   arrive        94 00 ce MSGID a6 "arrive" 91 b0 ID                                32 bytes
 *   echo          94 00 ce MSGID 00 00 00 ...
 *
 * ID is five random characters of the run, three hexadecimal digits of the connection and eight of
 * a serial number: no id is ever reused, because the engine would recognise it and do nothing. SKU
 * is a prefix of four ("SKU-"; "FLA-" in a flash sale; "P" and three digits for items at several
 * places, "N" and three digits in a network) and seven digits.
 */
#ifndef TOOLS_STOCKBENCH_TRAFFIC_H
#define TOOLS_STOCKBENCH_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/stockbench/choice.h"
#include "tools/stockbench/options.h"

enum {
    ID_BYTES = 16,
    SKU_BYTES = 11,
    MSGID_AT = 3,
    FIRST_MSGID = 1 << 20, /* so that all msgids have one width on the wire */
};

/* What is remembered of a request until its reply arrives. */
struct asked {
    uint32_t serial; /* of the id */
    uint8_t kind;    /* enum ask */
    uint8_t units;   /* that it moves if it succeeds */
    uint16_t length; /* of its message */
};

/* What one connection sends; separate, so that no two share a cache line or a counter. */
struct traffic {
    const struct workload *workload;
    const struct choice *choice;
    unsigned step;     /* next of the workload's script */
    uint32_t serial;   /* of the script's id */
    uint8_t units;     /* the script's */
    uint32_t transfer; /* serial of the script's transfer */
    uint32_t places;
    uint64_t eta_ms; /* of transfers */
    uint32_t next_msgid;
    uint64_t random;
    size_t echo_bytes;
    uint32_t first_granted; /* granted, still to be fulfilled: a ring */
    uint32_t granted_count;
    uint32_t granted_mask;
    uint32_t *granted;
    char sku[SKU_BYTES];
    unsigned char id[ID_BYTES];
};

/* Once before each run: makes its ids new. */
void traffic_init(void);

/* The run's part of the ids: RUN_ID_BYTES characters. */
enum { RUN_ID_BYTES = 5 };
const char *traffic_run(void);

/* The choice must outlive the traffic. */
void traffic_start(struct traffic *traffic, const struct options *options,
                   const struct choice *choice, size_t connection);
void traffic_end(struct traffic *traffic);

/* The size of this workload's longest request. */
size_t traffic_request_max(const struct options *options);

/* Writes the next request at `to`, and what to remember at *asked; returns its end. */
unsigned char *traffic_next(struct traffic *traffic, unsigned char *to, struct asked *asked);

/* A reserve was granted: its follow-up, if the workload has one, goes next. */
void traffic_granted(struct traffic *traffic, const struct asked *asked);

/* Requests still needed so that nothing stays half done. */
static inline size_t traffic_owed(const struct traffic *traffic)
{
    return traffic->granted_count + (traffic->step > 0);
}

/* The SKU of an item, not NUL-terminated. */
void traffic_sku(const struct options *options, uint32_t item, char sku[SKU_BYTES]);

/* A good seed from any seed (splitmix64). */
uint64_t traffic_mix(uint64_t seed);

#endif
