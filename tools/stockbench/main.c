/* SPDX-License-Identifier: Apache-2.0 */
/* stockbench: the load generator. See stockbench --help, and load.h for what it measures. */
#include <stdio.h>

#include <stockd/client.h>

#include "tools/stockbench/load.h"
#include "tools/stockbench/options.h"
#include "tools/stockbench/reply.h"
#include "tools/stockbench/report.h"
#include "tools/stockbench/stock.h"
#include "tools/stockbench/traffic.h"

enum { EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_UNREACHABLE = 3 };

/* Opens all connections, with `hello` unless the other end is the echo server. */
static bool connect_all(const struct options *options, stockd_client **clients)
{
    const stockd_options how = {
        .client_name = options->workload == WORKLOAD_ECHO ? NULL : "stockbench",
        .token = options->token,
    };

    for (size_t i = 0; i < options->connections; i++) {
        if (stockd_connect(&clients[i], options->address, &how) != STOCKD_OK) {
            fprintf(stderr, "stockbench: %s\n", stockd_error_message(clients[i]));
            return false;
        }
    }
    return true;
}

static bool set_up(const struct options *options, stockd_client *client)
{
    size_t received;

    if (options->workload == WORKLOAD_ECHO)
        return true;
    if (!stock_items(client, options->items, &received))
        return false;
    if (received > 0 || options->setup_only)
        fprintf(stderr, "stockbench: %zu of %zu items were stocked\n", received, options->items);
    return true;
}

static int run(const struct options *options, stockd_client **clients)
{
    static struct load_result result;

    if (!connect_all(options, clients) || !set_up(options, clients[0]))
        return EXIT_UNREACHABLE;
    if (options->setup_only)
        return EXIT_OK;
    if (!load_run(options, clients, &result))
        return EXIT_UNREACHABLE;
    report(options, &result);
    return result.errors > 0 ? EXIT_REFUSED : EXIT_OK;
}

int main(int argc, char **argv)
{
    static stockd_client *clients[MAX_CONNECTIONS];
    struct options options;
    int rc = options_parse(&options, argc, argv);

    if (rc >= 0)
        return rc;
    traffic_init();
    reply_init();
    rc = run(&options, clients);
    for (size_t i = 0; i < options.connections; i++)
        stockd_close(clients[i]);
    return rc;
}
