/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/histories.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Between the first seeds of two runs of the test that begin in the same second. */
enum { SEEDS_A_SECOND = 1000000 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool take_own(const struct histories_option *own, const char *value)
{
    *own->value = own->most == 0 ? 1 : (int)strtol(value, NULL, 10);
    if (own->most == 0 || (*own->value >= 0 && *own->value <= own->most))
        return true;
    fprintf(stderr, "--%s: must be a number from 0 to %d\n", own->name, own->most);
    return false;
}

bool histories_begin(struct histories *h, int argc, char **argv, int seconds,
                     const struct histories_option *own)
{
    enum { SEED = 1, SECONDS, OWN };
    struct option options[HISTORIES_OPTIONS_MAX + 3] = {
        { "seed", required_argument, NULL, SEED },
        { "seconds", required_argument, NULL, SECONDS },
    };
    for (int i = 0; own && own[i].name; i++) {
        assert(i < HISTORIES_OPTIONS_MAX);
        options[i + 2] =
            (struct option){ .name = own[i].name,
                             .has_arg = own[i].most > 0 ? required_argument : no_argument,
                             .val = OWN + i };
    }
    *h = (struct histories){ .seed = (uint64_t)time(NULL) * SEEDS_A_SECOND, .least = 1 };
    double lasts = seconds;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?' || (option >= OWN && !take_own(&own[option - OWN], optarg)))
            return false;
        if (option == SEED) {
            h->seed = strtoull(optarg, NULL, 10);
            h->one = true;
        }
        if (option == SECONDS)
            lasts = strtod(optarg, NULL);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("seed %llu\n", (unsigned long long)h->seed);
    h->end_ms = now_ms() + (int64_t)(lasts * 1000);
    return true;
}

bool histories_next(struct histories *h)
{
    if (h->runs > 0 && (h->one || (h->runs >= h->least && now_ms() >= h->end_ms)))
        return false;
    h->seed += h->runs > 0;
    h->runs++;
    return true;
}

void histories_end(const struct histories *h)
{
    printf("%llu histories\n", (unsigned long long)h->runs);
}
