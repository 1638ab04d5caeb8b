/* SPDX-License-Identifier: Apache-2.0 */
/* stockbench: the load generator. See stockbench --help, and load.h for what it measures. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <stockd/client.h>

#include "tools/stockbench/check.h"
#include "tools/stockbench/load.h"
#include "tools/stockbench/options.h"
#include "tools/stockbench/orders.h"
#include "tools/stockbench/progress.h"
#include "tools/stockbench/replay.h"
#include "tools/stockbench/reply.h"
#include "tools/stockbench/report.h"
#include "tools/stockbench/stock.h"
#include "tools/stockbench/storm.h"
#include "tools/stockbench/traffic.h"

enum { EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

struct bench {
    struct options options;
    struct orders orders;                               /* replay */
    stockd_client *clients[MAX_CONNECTIONS + MAX_IDLE]; /* the idle ones last */
    struct result *results;                             /* of each run */
};

/* Opens all connections, with `hello` unless the server may not be stockd. */
static bool connect_all(struct bench *bench)
{
    const struct options *options = &bench->options;
    const stockd_options how = {
        .client_name = options->no_setup ? NULL : "stockbench",
        .token = options->token,
        .token_file = options->token_file,
        .ca_file = options->ca_file,
        .cert_file = options->cert_file,
        .key_file = options->key_file,
    };

    for (size_t i = 0; i < options->connections + options->idle; i++) {
        if (stockd_connect(&bench->clients[i], options->address, &how) != STOCKD_OK) {
            fprintf(stderr, "stockbench: %s\n", stockd_error_message(bench->clients[i]));
            return false;
        }
    }
    return true;
}

/* Before each run: a flash sale sells the stock of the run before. */
static bool set_up(const struct bench *bench)
{
    const struct options *options = &bench->options;
    size_t stocked;

    if (options->no_setup || options->workload->driver != DRIVER_LOAD)
        return true;
    if (!stock_items(options, bench->clients[0], &stocked))
        return false;
    if (options->setup_only || (stocked > 0 && !options->workload->flash))
        fprintf(stderr, "stockbench: %zu of %zu items were stocked\n", stocked, options->items);
    return true;
}

static void sku_of_item(const void *context, size_t index, char sku[STOCKD_SKU_MAX + 1])
{
    traffic_sku(context, (uint32_t)index, sku);
    sku[SKU_BYTES] = '\0';
}

static void sku_of_order(const void *context, size_t index, char sku[STOCKD_SKU_MAX + 1])
{
    const struct orders *orders = context;

    snprintf(sku, STOCKD_SKU_MAX + 1, "%s", orders->skus[index]);
}

static bool sum_units(const struct bench *bench, struct units *sum)
{
    const struct options *options = &bench->options;
    struct check_items items = { options->items, sku_of_item, options };

    if (!options->check)
        return true;
    if (options->workload->driver == DRIVER_REPLAY)
        items = (struct check_items){ bench->orders.sku_count, sku_of_order, &bench->orders };
    return check_sum(bench->clients[0], &items, sum);
}

static bool run_workload(const struct bench *bench, size_t number, struct result *result)
{
    const struct options *options = &bench->options;
    struct progress progress;
    bool done;

    progress_begin(&progress, number, options->runs);
    switch (options->workload->driver) {
    case DRIVER_CONNECT:
        done = storm_run(options, bench->clients[0], &progress, result);
        break;
    case DRIVER_REPLAY:
        done = replay_run(options, &bench->orders, bench->clients, &progress, result);
        break;
    case DRIVER_LOAD:
    default:
        done = load_run(options, bench->clients, &progress, result);
    }
    progress_end(&progress);
    return done;
}

static bool run_once(const struct bench *bench, size_t number, struct result *result)
{
    struct units before;
    struct units after;

    if (!set_up(bench) || !sum_units(bench, &before) || !run_workload(bench, number, result) ||
        !sum_units(bench, &after))
        return false;
    if (bench->options.check)
        check_compare(result, &before, &after);
    return true;
}

static int run_all(struct bench *bench)
{
    int code = EXIT_OK;

    if (!connect_all(bench))
        return EXIT_UNREACHABLE;
    if (bench->options.setup_only)
        return set_up(bench) ? EXIT_OK : EXIT_UNREACHABLE;
    for (size_t i = 0; i < bench->options.runs; i++) {
        struct result *result = &bench->results[i];

        if (!run_once(bench, i, result))
            return EXIT_UNREACHABLE;
        if (result->errors > 0 || (result->check.done && !result->check.good))
            code = EXIT_REFUSED;
    }
    report(&bench->options, bench->results);
    return code;
}

/* Files for all connections, and waits that end on time. */
static void ask_the_system(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    int rc = options_parse(&bench.options, argc, argv);

    if (rc >= 0)
        return rc;
    if (bench.options.orders && !orders_read(&bench.orders, bench.options.orders))
        return EXIT_USAGE;
    if (bench.options.speed > 0 && !bench.orders.has_times) {
        fprintf(stderr, "stockbench: --speed needs a file with a column time\n");
        return EXIT_USAGE;
    }
    bench.results = calloc(bench.options.runs, sizeof *bench.results);
    if (!bench.results) {
        fprintf(stderr, "stockbench: out of memory\n");
        return EXIT_UNREACHABLE;
    }
    ask_the_system();
    reply_init();
    rc = run_all(&bench);
    for (size_t i = 0; i < bench.options.connections + bench.options.idle; i++)
        stockd_close(bench.clients[i]);
    orders_free(&bench.orders);
    free(bench.results);
    return rc;
}
