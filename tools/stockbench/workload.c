/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/workload.h"

#include <string.h>

const struct workload workloads[] = {
    {
        .name = "reserve-cancel",
        .help = "one unit of a random item, then cancel (default)",
        .steps = { ASK_RESERVE, ASK_CANCEL },
        .lines_max = 1,
    },
    {
        .name = "hot",
        .help = "the same, all on one item",
        .steps = { ASK_RESERVE, ASK_CANCEL },
        .lines_max = 1,
        .items = 1,
    },
    {
        .name = "zipf",
        .help = "the same, items by Zipf's law (exponent 0.99)",
        .steps = { ASK_RESERVE, ASK_CANCEL },
        .lines_max = 1,
        .zipf = 0.99,
    },
    {
        .name = "order",
        .help = "reserve, confirm, fulfil: one unit of a random item",
        .steps = { ASK_RESERVE, ASK_CONFIRM, ASK_FULFIL },
        .lines_max = 1,
    },
    {
        .name = "hold",
        .help = "reserve only: holds pile up until they expire",
        .steps = { ASK_RESERVE },
        .lines_max = 1,
    },
    {
        .name = "multi-line",
        .help = "reserve of 1 to 10 lines, then cancel",
        .steps = { ASK_RESERVE, ASK_CANCEL },
        .lines_max = 10,
    },
    {
        .name = "availability",
        .help = "ask for one random SKU",
        .steps = { ASK_AVAILABILITY },
        .skus = 1,
    },
    {
        .name = "availability-100",
        .help = "ask for 100 random SKUs in one message",
        .steps = { ASK_AVAILABILITY },
        .skus = 100,
    },
    {
        .name = "mixed",
        .help = "95 % availability of one SKU, 5 % reserves and their cancels",
        .steps = { ASK_RESERVE, ASK_CANCEL },
        .reads = 95,
        .lines_max = 1,
        .skus = 1,
    },
    {
        .name = "locate",
        .help = "where baskets of 1 to 3 random items could be had, by distance (500 places)",
        .steps = { ASK_LOCATE },
        .lines_max = 3,
        .network = true,
    },
    {
        .name = "transfer",
        .help =
            "transfer a unit between two of 20 places; it arrives after a reserve and its cancel",
        .steps = { ASK_TRANSFER, ASK_RESERVE, ASK_CANCEL, ASK_ARRIVE },
        .lines_max = 1,
        .network = true,
        .incoming = true,
    },
    {
        .name = "flash-sale",
        .help = "all on 100 items with --units each, fulfilled when granted; then refusals",
        .steps = { ASK_RESERVE_CONFIRMED },
        .lines_max = 1,
        .items = 100,
        .flash = true,
    },
    {
        .name = "connect",
        .help = "connect, ping, close: a storm of connections",
        .driver = DRIVER_CONNECT,
    },
    {
        .name = "replay",
        .help = "the orders of --orders FILE: reserve, confirm, fulfil, or return",
        .driver = DRIVER_REPLAY,
    },
    {
        .name = "echo",
        .help = "fixed-size messages to bench-echo_server",
        .steps = { ASK_ECHO },
    },
    { .name = NULL },
};

const struct workload *workload_find(const char *name)
{
    for (const struct workload *workload = workloads; workload->name; workload++) {
        if (strcmp(workload->name, name) == 0)
            return workload;
    }
    return NULL;
}

const char *ask_name(enum ask ask)
{
    static const char *const names[ASK_KINDS] = {
        [ASK_NONE] = "",
        [ASK_RESERVE] = "reserve",
        [ASK_RESERVE_CONFIRMED] = "reserve",
        [ASK_CONFIRM] = "confirm",
        [ASK_FULFIL] = "fulfil",
        [ASK_CANCEL] = "cancel",
        [ASK_AVAILABILITY] = "availability",
        [ASK_LOCATE] = "locate",
        [ASK_TRANSFER] = "transfer",
        [ASK_ARRIVE] = "arrive",
        [ASK_RETURN] = "return",
        [ASK_ECHO] = "echo",
    };

    return names[ask];
}
