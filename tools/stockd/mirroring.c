/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/mirroring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static void report(void *self, struct mirror_report *to)
{
    const struct mirroring *mirroring = self;
    struct mirror_status s;
    mirror_status(mirroring->mirror, &s);
    *to = (struct mirror_report){
        .state = mirror_state_name(s.state),
        .address = mirroring->options->redis,
        .prefix = mirroring->options->redis_prefix,
        .numbers = {
            { "lsn", s.lsn },
            { "lag_lsn", s.lag_lsn },
            { "lag_ms", s.lag_ms },
            { "dirty", s.dirty },
            { "commands", s.commands },
            { "commands_per_s", s.commands_per_s },
            { "batches", s.batches },
            { "batch_items", s.batch_items },
            { "round_trip_us", s.round_trip_us },
            { "items_sent", s.items_sent },
            { "resyncs", s.resyncs },
            { "repaired", s.repaired },
            { "strays", s.strays },
            { "events_sent", s.events_sent },
            { "events_missed", s.events_missed },
            { "connections", s.connections },
            { "failures", s.failures },
            { "fence_connection", s.fence_connection },
            { "fence_batch", s.fence_batch },
            { "error_ms", s.error_ms },
            { "database", mirroring->options->redis_database },
        },
    };
    while (to->count < MIRROR_NUMBERS_MAX && to->numbers[to->count].name)
        to->count++;
    snprintf(to->engine, sizeof to->engine, "%016" PRIx64, s.run);
    snprintf(to->error, sizeof to->error, "%s", s.error);
}

static void take(void *self)
{
    const struct mirroring *mirroring = self;
    mirror_take(mirroring->mirror);
}

/* It is read at each connection; if it is unreadable, the start reports it. */
static bool password_readable(const char *path, char *why, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(why, size, "redis-password-file %s: %s", path, strerror(errno));
        return false;
    }
    close(fd);
    return true;
}

static const char *given(const char *text)
{
    return text[0] ? text : NULL;
}

bool mirroring_create(struct mirroring *mirroring, const struct mirroring_parts *parts, char *why,
                      size_t size)
{
    const struct options *options = parts->options;
    const char *password_file = given(options->redis_password_file);
    if (password_file && !password_readable(password_file, why, size))
        return false;
    struct mirror_config config = {
        .ledger = parts->ledger,
        .log = parts->log,
        .ctx = ledger_ctx(parts->ledger, parts->ctx),
        .engine_ms = parts->engine_ms,
        .steady_ms = parts->steady_ms,
        .start_ms = parts->engine_ms,
        .address = options->redis,
        .prefix = options->redis_prefix,
        .user = given(options->redis_user),
        .password_file = password_file,
        .database = (unsigned)options->redis_database,
        .stream_length = options->redis_stream_length,
        .rate = options->redis_rate,
        .patience_ms = options->redis_timeout_ms,
        .say = parts->say,
    };
    bool random = getrandom(&config.run, sizeof config.run, 0) == sizeof config.run;
    mirroring->options = options;
    mirroring->mirror = random ? mirror_create(&config) : NULL;
    mirroring->port = (struct mirror_port){ mirroring, report, take };
    if (!mirroring->mirror)
        snprintf(why, size, "no memory for the Redis mirror");
    return mirroring->mirror != NULL;
}

int mirroring_start(struct mirroring *mirroring)
{
    return mirroring->mirror ? mirror_start(mirroring->mirror) : 0;
}

void mirroring_stop(struct mirroring *mirroring)
{
    mirror_destroy(mirroring->mirror);
    mirroring->mirror = NULL;
}
