/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <stockd/client.h>

#include "tools/stockbench/moving.h"
#include "tools/stockbench/summary.h"

static const char help[] =
    "usage: stockbench [-s HOST:PORT|tls://HOST:PORT|unix:PATH,...] [OPTION]...\n"
    "\n"
    "Loads a running stockd from one thread over many connections, and reports messages per\n"
    "second and latencies. Closed loop: each connection keeps a window of requests in flight.\n"
    "Open loop (--rate): requests go out at a fixed rate, and a latency counts from the moment at\n"
    "which its request was due, so that no stall hides.\n"
    "\n"
    "  -s, --server ADDRESS    the engine (default 127.0.0.1:7421). Of a cluster several, A,B,C: "
    "each\n"
    "                          connection goes to the primary, and when it is lost, or there is\n"
    "                          another primary, what it had in flight is sent again, and counted\n"
    "      --cacert FILE       who may vouch for an engine at tls://HOST:PORT\n"
    "      --cert FILE, --key FILE  a certificate to show it, and its key\n"
    "  -w, --workload NAME     one of those below (default reserve-cancel)\n"
    "  -c, --connections N     (default 32)\n"
    "  -W, --window N          messages in flight on each connection (default 128; 4096 with\n"
    "                          --rate, where it is only the most; 1 order with --workload replay)\n"
    "  -r, --rate N            open loop: messages per second, over all connections\n"
    "  -t, --seconds S         measured time of a run (default 5)\n"
    "      --warmup S          time before it (default 1)\n"
    "  -R, --runs N            report the median of N runs, with least and greatest (default 1)\n"
    "  -n, --items N           items to choose from (default 100000; 1000 with locate)\n"
    "      --places N          stock each item at N locations (default 1: main; 500 with locate,\n"
    "                            20 with transfer)\n"
    "      --units N           flash-sale: units of each item (default 10000)\n"
    "      --orders FILE       replay: CSV with order_id,channel,sku,qty[,location][,time]\n"
    "      --speed X           replay: X times as fast as the file's times (default: as fast\n"
    "                          as possible)\n"
    "      --idle N            further connections that stay open and idle (default 0)\n"
    "      --seed N            of the choice of items; printed (default random)\n"
    "      --request-bytes N   of the echo workload (default 56)\n"
    "      --response-bytes N  of the echo workload (default 48)\n"
    "      --check             add up the items' units before and after each run: the difference\n"
    "                          must be what the replies said\n"
    "      --setup             only make sure that the items exist and are in stock\n"
    "      --no-setup          skip that, and hello: the server may not be stockd\n"
    "      --token-file FILE   its first line is the access token; without it the environment's\n"
    "                          STOCKD_TOKEN, if the engine has tokens\n"
    "      --json              report as one JSON object\n"
    "      --csv               report as CSV: a line for each run, and one for all\n"
    "  -h, --help\n"
    "      --version\n"
    "\n"
    "workloads:\n";

static const char help_end[] =
    "\n"
    "Items that are missing or low are stocked before the load begins. Every reply is checked.\n"
    "Exit code 0: no reply was an error (refusals in a sold-out flash sale or a replay are not\n"
    "errors), 1: some were (counted by code), or --check failed, 2: usage, 3: the engine cannot\n"
    "be reached, or went away (of several: all of them, for 20 s).\n"
    "\n"
    "examples: stockbench --workload hot --connections 32 --window 16 --runs 5\n"
    "          stockbench --workload order --rate 200000 --check\n"
    "          stockbench --workload locate --places 300 --connections 8 --window 4\n";

static int print_help(void)
{
    fputs(help, stdout);
    for (const struct workload *workload = workloads; workload->name; workload++)
        printf("  %-17s  %s\n", workload->name, workload->help);
    fputs(help_end, stdout);
    return 0;
}

static int usage_error(const char *what, const char *text)
{
    fprintf(stderr, "stockbench: %s '%s' (see stockbench --help)\n", what, text);
    return 2;
}

static int parse_workload(const char *text, const struct workload **out)
{
    *out = workload_find(text);
    return *out ? -1 : usage_error("unknown workload", text);
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

static int parse_from(const char *text, size_t min, size_t max, size_t *out)
{
    uint64_t number;
    int rc = parse_u64(text, &number);

    if (rc >= 0)
        return rc;
    if (number < min || number > max) {
        fprintf(stderr, "stockbench: %s is not between %zu and %zu\n", text, min, max);
        return 2;
    }
    *out = (size_t)number;
    return -1;
}

static int parse_size(const char *text, size_t max, size_t *out)
{
    return parse_from(text, 1, max, out);
}

static int parse_positive(const char *what, const char *text, double *out)
{
    char *end;

    errno = 0;
    double number = strtod(text, &end);
    if (errno || end == text || *end || !(number > 0 && number <= 1e9))
        return usage_error(what, text);
    *out = number;
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
    OPTION_PLACES,
    OPTION_UNITS,
    OPTION_ORDERS,
    OPTION_SPEED,
    OPTION_IDLE,
    OPTION_CHECK,
    OPTION_NO_SETUP,
    OPTION_CSV,
    OPTION_SEED,
    OPTION_REQUEST_BYTES,
    OPTION_RESPONSE_BYTES,
    OPTION_TOKEN,
    OPTION_TOKEN_FILE,
    OPTION_CACERT,
    OPTION_CERT,
    OPTION_KEY,
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
    { "rate", required_argument, NULL, 'r' },
    { "runs", required_argument, NULL, 'R' },
    { "places", required_argument, NULL, OPTION_PLACES },
    { "units", required_argument, NULL, OPTION_UNITS },
    { "orders", required_argument, NULL, OPTION_ORDERS },
    { "speed", required_argument, NULL, OPTION_SPEED },
    { "idle", required_argument, NULL, OPTION_IDLE },
    { "check", no_argument, NULL, OPTION_CHECK },
    { "no-setup", no_argument, NULL, OPTION_NO_SETUP },
    { "csv", no_argument, NULL, OPTION_CSV },
    { "seed", required_argument, NULL, OPTION_SEED },
    { "request-bytes", required_argument, NULL, OPTION_REQUEST_BYTES },
    { "response-bytes", required_argument, NULL, OPTION_RESPONSE_BYTES },
    { "token", required_argument, NULL, OPTION_TOKEN },
    { "token-file", required_argument, NULL, OPTION_TOKEN_FILE },
    { "cacert", required_argument, NULL, OPTION_CACERT },
    { "cert", required_argument, NULL, OPTION_CERT },
    { "key", required_argument, NULL, OPTION_KEY },
    { "setup", no_argument, NULL, OPTION_SETUP },
    { "json", no_argument, NULL, OPTION_JSON },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, OPTION_VERSION },
    { NULL, 0, NULL, 0 },
};

/* The options with a number. */
static int parse_amount(struct options *options, int option, const char *text)
{
    switch (option) {
    case 'c':
        return parse_size(text, MAX_CONNECTIONS, &options->connections);
    case 'W':
        return parse_size(text, MAX_WINDOW, &options->window);
    case 'r':
        return parse_positive("not a rate:", text, &options->rate);
    case 'R':
        return parse_size(text, RUNS_MAX, &options->runs);
    case 't':
        return parse_seconds(text, &options->seconds);
    case OPTION_WARMUP:
        return parse_seconds(text, &options->warmup);
    case 'n':
        return parse_size(text, MAX_ITEMS, &options->items);
    case OPTION_PLACES:
        return parse_size(text, MAX_PLACES, &options->places);
    case OPTION_UNITS:
        return parse_size(text, MAX_UNITS, &options->units);
    case OPTION_SPEED:
        return parse_positive("not a multiple of time:", text, &options->speed);
    case OPTION_IDLE:
        return parse_from(text, 0, MAX_IDLE, &options->idle);
    case OPTION_SEED:
        return parse_u64(text, &options->seed);
    case OPTION_REQUEST_BYTES:
        return parse_size(text, MAX_MESSAGE, &options->request_bytes);
    case OPTION_RESPONSE_BYTES:
        return parse_size(text, MAX_MESSAGE, &options->response_bytes);
    default:
        return 2; /* getopt has reported why */
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
    case OPTION_TOKEN_FILE:
        options->token_file = text;
        return -1;
    case OPTION_CACERT:
        options->ca_file = text;
        return -1;
    case OPTION_CERT:
        options->cert_file = text;
        return -1;
    case OPTION_KEY:
        options->key_file = text;
        return -1;
    case OPTION_ORDERS:
        options->orders = text;
        return -1;
    case OPTION_CHECK:
        options->check = true;
        return -1;
    case OPTION_NO_SETUP:
        options->no_setup = true;
        return -1;
    case OPTION_CSV:
        options->format = FORMAT_CSV;
        return -1;
    case OPTION_SETUP:
        options->setup_only = true;
        return -1;
    case OPTION_JSON:
        options->format = FORMAT_JSON;
        return -1;
    case 'h':
        return print_help();
    case OPTION_VERSION:
        puts("stockbench " STOCKD_CLIENT_VERSION);
        return 0;
    default:
        return parse_amount(options, option, text);
    }
}

/* Checks that need all options. */
static int finish(struct options *options)
{
    const struct workload *workload = options->workload;
    bool replay = workload->driver == DRIVER_REPLAY;

    if (replay != (options->orders != NULL))
        return usage_error(replay ? "--orders FILE is needed for" : "--orders is only for replay:",
                           replay ? workload->name : options->orders);
    if (options->speed > 0 && !replay)
        return usage_error("--speed is only for replay, not for", workload->name);
    if (options->rate > 0 && workload->driver != DRIVER_LOAD)
        return usage_error("--rate is not for", workload->name);
    if (workload->driver == DRIVER_CONNECT && strncmp(options->address, "tls://", 6) == 0)
        return usage_error("an address without TLS is needed for", workload->name);
    if (moving_possible(options->address) &&
        (workload->driver == DRIVER_CONNECT || workload->steps[0] == ASK_ECHO))
        return usage_error("one address is needed for", workload->name);
    if (options->seconds <= 0)
        return usage_error("--seconds must be more than", "0");
    if (options->check && (workload->steps[0] == ASK_ECHO || options->no_setup))
        return usage_error("--check needs an engine, not", workload->name);
    if (options->window == 0)
        options->window = replay ? 1 : options->rate > 0 ? 4096 : 128;
    if (workload->items > 0)
        options->items = workload->items;
    if (options->items == 0)
        options->items = workload->network ? 1000 : 100000;
    if (options->places == 0)
        options->places = !workload->network ? 1 : workload->incoming ? 20 : 500;
    if (workload->incoming && options->places < 2)
        return usage_error("--places must be 2 or more for", workload->name);
    if (workload->steps[0] == ASK_ECHO)
        options->no_setup = true;
    return -1;
}

int options_parse(struct options *options, int argc, char **argv)
{
    int option;

    *options = (struct options){ .address = "127.0.0.1:7421",
                                 .workload = &workloads[0],
                                 .connections = 32,
                                 .runs = 1,
                                 .seconds = 5,
                                 .warmup = 1,
                                 .units = 10000,
                                 .request_bytes = 56,
                                 .response_bytes = 48 };
    (void)!getrandom(&options->seed, sizeof options->seed, GRND_NONBLOCK);
    options->seed >>= 12; /* exact in any JSON reader */
    while ((option = getopt_long(argc, argv, "s:w:c:W:r:R:t:n:h", long_options, NULL)) >= 0) {
        int rc = parse_one(options, option, optarg);

        if (rc >= 0)
            return rc;
    }
    if (optind < argc)
        return usage_error("unexpected argument", argv[optind]);
    return finish(options);
}
