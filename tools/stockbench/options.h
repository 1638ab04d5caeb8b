/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_STOCKBENCH_OPTIONS_H
#define TOOLS_STOCKBENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/stockbench/workload.h"

enum {
    MAX_CONNECTIONS = 4096,
    MAX_IDLE = 50000,
    MAX_WINDOW = 65536,
    MAX_ITEMS = 10000000, /* seven digits in an SKU */
    MAX_PLACES = 999,     /* three digits in an SKU */
    MAX_UNITS = 100000000,
    MAX_MESSAGE = 4096, /* of the echo workload */
};

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV };

struct options {
    const char *address;
    const char *token;                          /* NULL: none */
    const char *ca_file, *cert_file, *key_file; /* for tls://; NULL: none */
    const char *token_file;                     /* NULL: none */
    const struct workload *workload;
    size_t connections;
    size_t idle; /* further connections that only stay open */
    size_t window;
    size_t runs;
    double seconds;
    double warmup;
    double rate; /* messages per second, open loop; 0: closed loop */
    size_t items;
    size_t places; /* where each item is stocked */
    size_t units;  /* flash sale: of each item */
    uint64_t seed;
    size_t request_bytes;  /* echo */
    size_t response_bytes; /* echo */
    const char *orders;    /* replay: the file */
    double speed;          /* replay: multiple of the file's time; 0: as fast as possible */
    enum format format;
    bool check;
    bool setup_only;
    bool no_setup; /* neither hello nor stocking: the server may not be stockd */
};

/* Reads the command line. -1: continue; else the exit code (0 after --help, 2: bad option). */
int options_parse(struct options *options, int argc, char **argv);

#endif
