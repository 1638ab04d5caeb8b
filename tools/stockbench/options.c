/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <stockd/client.h>

static const char help[] =
    "usage: stockbench [-s HOST:PORT|unix:PATH] [OPTION]...\n"
    "\n"
    "Loads a running stockd from one thread: keeps a window of requests in flight on each of\n"
    "many connections, and reports messages per second and latencies.\n"
    "\n"
    "  -s, --server ADDRESS    the engine (default 127.0.0.1:7421)\n"
    "  -w, --workload NAME     reserve-cancel  one unit of a random item, then cancel (default)\n"
    "                          hot             the same, all on one item\n"
    "                          availability    ask for one random SKU\n"
    "                          echo            fixed-size messages to bench-echo_server\n"
    "  -c, --connections N     (default 32)\n"
    "  -W, --window N          messages in flight on each connection (default 128)\n"
    "  -t, --seconds S         measured time (default 5)\n"
    "      --warmup S          time before it (default 1)\n"
    "  -n, --items N           items to choose from (default 100000)\n"
    "      --seed N            of the choice of items; printed (default random)\n"
    "      --request-bytes N   of the echo workload (default 56)\n"
    "      --response-bytes N  of the echo workload (default 48)\n"
    "      --token TOKEN       if the engine asks for one\n"
    "      --setup             only see to it that the items are there, and in stock\n"
    "      --json              report as one JSON object\n"
    "  -h, --help\n"
    "      --version\n"
    "\n"
    "Items that are missing or low are stocked at location main before the load begins. Every\n"
    "reply is checked; exit code 0: no reply was an error, 1: some were (counted by code),\n"
    "2: usage, 3: the engine cannot be reached, or went away.\n"
    "\n"
    "example: stockbench --workload hot --connections 32 --window 16 --seconds 10\n";

static const char *const workloads[] = {
    [WORKLOAD_RESERVE_CANCEL] = "reserve-cancel",
    [WORKLOAD_AVAILABILITY] = "availability",
    [WORKLOAD_HOT] = "hot",
    [WORKLOAD_ECHO] = "echo",
};

enum { WORKLOADS = sizeof workloads / sizeof workloads[0] };

const char *workload_name(enum workload workload)
{
    return workloads[workload];
}

static int usage_error(const char *what, const char *text)
{
    fprintf(stderr, "stockbench: %s '%s' (see stockbench --help)\n", what, text);
    return 2;
}

static int parse_workload(const char *text, enum workload *out)
{
    for (size_t i = 0; i < WORKLOADS; i++) {
        if (!strcmp(text, workloads[i])) {
            *out = (enum workload)i;
            return -1;
        }
    }
    return usage_error("unknown workload", text);
}

static int parse_u64(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || end == text || *end || strchr(text, '-'))
        return usage_error("not a number:", text);
    *out = number;
    return -1;
}

static int parse_size(const char *text, size_t max, size_t *out)
{
    uint64_t number;
    int rc = parse_u64(text, &number);

    if (rc >= 0)
        return rc;
    if (number < 1 || number > max) {
        fprintf(stderr, "stockbench: %s is not from 1 to %zu\n", text, max);
        return 2;
    }
    *out = (size_t)number;
    return -1;
}

static int parse_seconds(const char *text, double *out)
{
    char *end;

    errno = 0;
    double number = strtod(text, &end);
    if (errno || end == text || *end || !(number >= 0 && number <= 86400))
        return usage_error("not a number of seconds:", text);
    *out = number;
    return -1;
}

enum long_option {
    OPTION_WARMUP = 256,
    OPTION_SEED,
    OPTION_REQUEST_BYTES,
    OPTION_RESPONSE_BYTES,
    OPTION_TOKEN,
    OPTION_SETUP,
    OPTION_JSON,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    { "server", required_argument, NULL, 's' },
    { "workload", required_argument, NULL, 'w' },
    { "connections", required_argument, NULL, 'c' },
    { "window", required_argument, NULL, 'W' },
    { "seconds", required_argument, NULL, 't' },
    { "warmup", required_argument, NULL, OPTION_WARMUP },
    { "items", required_argument, NULL, 'n' },
    { "seed", required_argument, NULL, OPTION_SEED },
    { "request-bytes", required_argument, NULL, OPTION_REQUEST_BYTES },
    { "response-bytes", required_argument, NULL, OPTION_RESPONSE_BYTES },
    { "token", required_argument, NULL, OPTION_TOKEN },
    { "setup", no_argument, NULL, OPTION_SETUP },
    { "json", no_argument, NULL, OPTION_JSON },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, OPTION_VERSION },
    { NULL, 0, NULL, 0 },
};

/* The options that say how much. */
static int parse_amount(struct options *options, int option, const char *text)
{
    switch (option) {
    case 'c':
        return parse_size(text, MAX_CONNECTIONS, &options->connections);
    case 'W':
        return parse_size(text, MAX_WINDOW, &options->window);
    case 't':
        return parse_seconds(text, &options->seconds);
    case OPTION_WARMUP:
        return parse_seconds(text, &options->warmup);
    case 'n':
        return parse_size(text, MAX_ITEMS, &options->items);
    case OPTION_SEED:
        return parse_u64(text, &options->seed);
    case OPTION_REQUEST_BYTES:
        return parse_size(text, MAX_MESSAGE, &options->request_bytes);
    case OPTION_RESPONSE_BYTES:
        return parse_size(text, MAX_MESSAGE, &options->response_bytes);
    default:
        return 2; /* getopt has said why */
    }
}

static int parse_one(struct options *options, int option, const char *text)
{
    switch (option) {
    case 's':
        options->address = text;
        return -1;
    case 'w':
        return parse_workload(text, &options->workload);
    case OPTION_TOKEN:
        options->token = text;
        return -1;
    case OPTION_SETUP:
        options->setup_only = true;
        return -1;
    case OPTION_JSON:
        options->json = true;
        return -1;
    case 'h':
        fputs(help, stdout);
        return 0;
    case OPTION_VERSION:
        puts("stockbench " STOCKD_CLIENT_VERSION);
        return 0;
    default:
        return parse_amount(options, option, text);
    }
}

int options_parse(struct options *options, int argc, char **argv)
{
    int option;

    *options = (struct options){ .address = "127.0.0.1:7421",
                                 .connections = 32,
                                 .window = 128,
                                 .seconds = 5,
                                 .warmup = 1,
                                 .items = 100000,
                                 .request_bytes = 56,
                                 .response_bytes = 48 };
    (void)!getrandom(&options->seed, sizeof options->seed, GRND_NONBLOCK);
    options->seed >>= 12; /* exact in any JSON reader */
    while ((option = getopt_long(argc, argv, "s:w:c:W:t:n:h", long_options, NULL)) >= 0) {
        int rc = parse_one(options, option, optarg);

        if (rc >= 0)
            return rc;
    }
    if (optind < argc)
        return usage_error("unexpected argument", argv[optind]);
    if (options->workload == WORKLOAD_HOT)
        options->items = 1;
    return -1;
}
