/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cluster's keys hold in etcd, except log/N: MessagePack maps, one struct for each key
 * (docs/CLUSTER.md, "In etcd"). A reader skips what it does not know, so that a later version may
 * add fields; a map that lacks one of these is no value.
 */
#ifndef STOCKD_CLUSTER_VALUES_H
#define STOCKD_CLUSTER_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/text.h"

enum {
    NODE_NAME_MAX = 64, /* with their ends */
    NODE_ADDRESS_MAX = 272,
    NODE_VERSION_MAX = 32,
    CLUSTER_VALUE_MAX = 1024, /* bytes of any value */
    CLUSTER_FORMAT = 1,
};

/* `cluster`: what all nodes have in common; written once. */
struct cluster_common {
    uint64_t format;
    uint64_t journal;       /* id of the journal */
    uint64_t segment_bytes; /* of it */
    uint64_t ids;           /* places in the id table */
};

/* `term` */
struct cluster_term {
    uint64_t number; /* counts takeovers */
    uint64_t id;     /* of the node */
    uint64_t word;   /* random: of this attempt */
    char node[NODE_NAME_MAX];
    char address[NODE_ADDRESS_MAX];
};

/* `beat` */
struct cluster_beat {
    uint64_t counter;
    uint64_t clock_ms; /* of the primary, since 1970 */
};

/* `trimmed`: the last batch that was */
struct cluster_trimmed {
    uint64_t number;
    uint64_t checksum;
};

/* `node/NODE` */
struct cluster_member {
    uint64_t id;
    char address[NODE_ADDRESS_MAX];
    char version[NODE_VERSION_MAX]; /* of the program */
};

/* `kept/NODE` */
struct cluster_kept {
    uint64_t number; /* N11 */
    uint64_t lsn;
};

/* `handover` */
struct cluster_handover {
    uint64_t term;   /* number of the term that hands over */
    uint64_t number; /* its last batch */
    char node[NODE_NAME_MAX];
};

enum cluster_kind {
    CLUSTER_COMMON,
    CLUSTER_TERM,
    CLUSTER_BEAT,
    CLUSTER_TRIMMED,
    CLUSTER_MEMBER,
    CLUSTER_KEPT,
    CLUSTER_HANDOVER,
};

/* The struct of that kind as bytes, which lie in room (CLUSTER_VALUE_MAX bytes). */
struct text cluster_value(enum cluster_kind kind, const void *value, char *room);

/* False: the bytes are no value of that kind; the struct is then undefined. */
bool cluster_read_value(enum cluster_kind kind, struct text bytes, void *value);

#endif
