/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_STOCKBENCH_OPTIONS_H
#define TOOLS_STOCKBENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum workload { WORKLOAD_RESERVE_CANCEL, WORKLOAD_AVAILABILITY, WORKLOAD_HOT, WORKLOAD_ECHO };

enum {
    MAX_CONNECTIONS = 4096,
    MAX_WINDOW = 65536,
    MAX_ITEMS = 10000000, /* seven digits in an SKU */
    MAX_MESSAGE = 4096,   /* of the echo workload */
};

struct options {
    const char *address;
    const char *token; /* NULL: none */
    enum workload workload;
    size_t connections;
    size_t window;
    double seconds;
    double warmup;
    size_t items;
    uint64_t seed;
    size_t request_bytes;  /* echo */
    size_t response_bytes; /* echo */
    bool json;
    bool setup_only;
};

const char *workload_name(enum workload workload);

/* Reads the command line; -1: go on, else the exit code (0 after --help, 2 for a bad option). */
int options_parse(struct options *options, int argc, char **argv);

#endif
