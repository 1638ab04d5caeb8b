/* SPDX-License-Identifier: Apache-2.0 */
/* The checks come in the order in which a start makes them, and say what it would say. */
#include "tools/stockd/check_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/log/log.h"
#include "persistence/journal.h"
#include "telemetry/telemetry.h"
#include "tools/service/notice.h"
#include "tools/stockd/encryption.h"
#include "tools/stockd/options.h"
#include "tools/stockd/tokens.h"

enum { GOOD = 0, BAD = 2 };

static bool bad(const char *option, const char *value, const char *reason, char *why, size_t size)
{
    snprintf(why, size, "%s %s: %s", option, value, reason);
    return false;
}

static bool ops_port_good(const struct options *options, char *why, size_t size)
{
    struct telemetry_config config = { .address = options->http, .exposed = options->insecure };
    return !options->http[0] || telemetry_check(&config, why, size);
}

static bool log_good(const struct options *options, char *why, size_t size)
{
    struct log log;
    char value[24];
    int error = log_init(&log, options->log_bytes, (unsigned)options->workers, 0);
    if (!error) {
        log_destroy(&log);
        return true;
    }
    snprintf(value, sizeof value, "%" PRIu64, options->log_bytes);
    return bad("log-bytes", value,
               error == -EINVAL ? "too small for so many workers" : strerror(-error), why, size);
}

static bool segments_good(const struct options *options, char *why, size_t size)
{
    struct error error = { "" };
    if (journal_check_segment_bytes(options->segment_bytes, &error) == 0)
        return true;
    snprintf(why, size, "%s", error.text);
    return false;
}

/* Where the data directory is, or is to be made. */
static bool data_good(const struct options *options, char *why, size_t size)
{
    struct stat status;
    if (stat(options->data, &status) == 0)
        return S_ISDIR(status.st_mode) || bad("data", options->data, "not a directory", why, size);
    return errno == ENOENT || bad("data", options->data, strerror(errno), why, size);
}

static bool redis_password_good(const struct options *options, char *why, size_t size)
{
    const char *path = options->redis_password_file;
    return !*path || access(path, R_OK) == 0 ||
           bad("redis-password-file", path, strerror(errno), why, size);
}

int check_config(const struct options *options)
{
    static bool (*const checks[])(const struct options *options, char *why, size_t size) = {
        ops_port_good, tokens_check,        log_good,         segments_good,
        data_good,     redis_password_good, encryption_check, exposure_check,
    };
    char why[1024];
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (!checks[i](options, why, sizeof why)) {
            notice(LOG_ERR, "start", "%s", why);
            return BAD;
        }
    printf("stockd: the configuration is good: data %s, %" PRIu64 " workers, durability %s\n",
           options->data, options->workers, options->durability);
    return GOOD;
}
