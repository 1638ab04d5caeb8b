/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of stock-gateway. */
#ifndef GATEWAY_OPTIONS_H
#define GATEWAY_OPTIONS_H

#include <stdbool.h>

#include "tools/gateway/dialer.h"

struct options {
    struct engine engine;
    const char *listen;
    const char *ready_file; /* NULL: none */
    const char *token;      /* of requests that bear none; NULL: none. From --token-file */
    const char *cors;       /* origins with commas between them, "*" or "none"; NULL: see cors.h */
    const char *ops;        /* HOST:PORT of the engine's ops port; NULL: none */
    const char *console;    /* a folder to serve the console from; NULL: the embedded one */
    int threads;
    int connections;     /* to the engine, for each lane, token and thread */
    int max_connections; /* of clients, over all threads */
    int max_streams;     /* of them, over all threads */
    int idle_s;          /* for a request to be complete, and between two */
    int call_s;          /* for the engine to answer; a slow question has six times that */
    int drain_s;         /* for what is under way, after SIGTERM */
};

/* Returns -1 to go on, or the exit status after having said why. */
int options_read(struct options *options, int count, char **arguments);

#endif
