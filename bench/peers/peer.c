/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/peers/peer.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

_Noreturn void peer_die(const char *what, const char *why)
{
    fprintf(stderr, "bench peer: %s: %s\n", what, why);
    exit(3);
}

static double number(const char *text, double min, double max)
{
    char *end;

    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text || *end || !(value >= min && value <= max)) {
        fprintf(stderr, "bench peer: '%s' is not a number from %g to %g\n", text, min, max);
        exit(2);
    }
    return value;
}

void peer_parse(struct peer_options *options, const char *peer, int argc, char **argv)
{
    static const struct option known[] = { { "server", required_argument, NULL, 's' },
                                           { "connections", required_argument, NULL, 'c' },
                                           { "window", required_argument, NULL, 'W' },
                                           { "items", required_argument, NULL, 'n' },
                                           { "seconds", required_argument, NULL, 't' },
                                           { "warmup", required_argument, NULL, 'w' },
                                           { NULL, 0, NULL, 0 } };
    int option;

    *options = (struct peer_options){
        .peer = peer, .connections = 32, .window = 128, .items = 100000, .seconds = 4, .warmup = 1
    };
    while ((option = getopt_long(argc, argv, "s:c:W:n:t:", known, NULL)) >= 0) {
        if (option == 's')
            options->address = optarg;
        else if (option == 'c')
            options->connections = (unsigned)number(optarg, 1, PEER_MAX_CONNECTIONS);
        else if (option == 'W')
            options->window = (unsigned)number(optarg, 1, 65536);
        else if (option == 'n')
            options->items = (uint32_t)number(optarg, 1, 9999999);
        else if (option == 't')
            options->seconds = number(optarg, 0.1, 3600);
        else if (option == 'w')
            options->warmup = number(optarg, 0, 3600);
        else
            exit(2);
    }
    if (!options->address) {
        fprintf(stderr,
                "usage: bench-%s --server ADDRESS [--connections N] [--window N]"
                " [--items N] [--seconds S] [--warmup S]\n",
                peer);
        exit(2);
    }
}

void peer_script_start(struct peer_script *script, const struct peer_options *options,
                       unsigned connection)
{
    *script = (struct peer_script){ .number = connection, .serial = peer_now() };
    script->random = (script->serial + connection + options->items) * 0x9e3779b97f4a7c15u | 1;
}

bool peer_script_next(struct peer_script *script, const struct peer_options *options)
{
    bool reserve = !script->cancel_next;

    script->cancel_next = reserve;
    if (!reserve)
        return false;
    script->random ^= script->random << 13;
    script->random ^= script->random >> 7;
    script->random ^= script->random << 17;
    uint64_t item = (script->random >> 32) * options->items >> 32;

    snprintf(script->id, sizeof script->id, "%03x%012" PRIx64, script->number & 0xfffu,
             ++script->serial & UINT64_C(0xffffffffffff));
    snprintf(script->sku, sizeof script->sku, "SKU-%07u", (unsigned)(item % 10000000));
    return true;
}

uint64_t peer_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

double peer_cpu(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void peer_report(const struct peer_options *options, const struct peer_result *result)
{
    const struct histogram *latency = &result->latency;

    printf("{\"workload\":\"%s\",\"connections\":%u,\"window\":%u,\"items\":%u,\"seconds\":%.3f,"
           "\"messages\":%" PRIu64 ",\"messages_per_s\":%.1f,\"latency_us\":{\"p50\":%.1f,"
           "\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f,\"mean\":%.1f},"
           "\"generator_cpu\":%.3f,\"errors\":%" PRIu64 "}\n",
           options->items == 1 ? "hot" : "reserve-cancel", options->connections, options->window,
           options->items, result->seconds, result->messages,
           (double)result->messages / result->seconds, (double)histogram_at(latency, 0.5) / 1e3,
           (double)histogram_at(latency, 0.9) / 1e3, (double)histogram_at(latency, 0.99) / 1e3,
           (double)histogram_at(latency, 0.999) / 1e3, (double)latency->max / 1e3,
           histogram_mean(latency) / 1e3, result->cpu_seconds / result->seconds, result->errors);
}
