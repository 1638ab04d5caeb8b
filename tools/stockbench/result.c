/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/result.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static struct refusals *place_of(struct result *result, const char *code)
{
    struct refusals *place = result->refusals;
    struct refusals *last = place + RESULT_CODES - 1;

    while (place < last && place->count > 0 && strcmp(place->code, code) != 0)
        place++;
    if (place->count == 0)
        snprintf(place->code, sizeof place->code, "%s", place == last ? "(other)" : code);
    return place;
}

void result_note_error(struct result *result, enum ask kind, stockd_value error, bool may_refuse)
{
    char code[sizeof result->refusals->code] = "(no code)";
    stockd_value part;

    if (stockd_array_at(error, 0, &part))
        (void)stockd_value_copy_str(part, code, sizeof code);
    struct refusals *place = place_of(result, code);
    if (place->count++ == 0 && stockd_array_at(error, 1, &part))
        (void)stockd_value_copy_str(part, place->message, sizeof place->message);
    result->denied[kind]++;
    if (may_refuse && strcmp(code, "insufficient_stock") == 0)
        result->refused++;
    else
        result->errors++;
}

void result_add_refusals(struct result *result, const struct result *other)
{
    for (const struct refusals *r = other->refusals; r < other->refusals + RESULT_CODES; r++) {
        if (r->count == 0)
            continue;
        struct refusals *place = place_of(result, r->code);

        if (place->count == 0)
            memcpy(place->message, r->message, sizeof place->message);
        place->count += r->count;
    }
    result->refused += other->refused;
    result->errors += other->errors;
}

/*
 * It has used up a core; or (open loop) its own lateness is half of what was measured, and more
 * than waking up costs on any machine.
 */
bool result_limited(const struct result *result)
{
    uint64_t slip = histogram_at(&result->slip, 0.99);

    if (result->seconds > 0 && result->cpu_seconds / result->seconds >= 0.95)
        return true;
    return slip > 200000 && slip > histogram_at(&result->latency, 0.99) / 2;
}

uint64_t result_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

double result_cpu(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
