/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/check_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/log/log.h"
#include "tools/service/notice.h"
#include "tools/stockd/options.h"

enum { GOOD = 0, BAD = 2 };

static int bad(const char *option, const char *value, const char *why)
{
    notice(LOG_ERR, "start", "%s %s: %s", option, value, why);
    return BAD;
}

static int check_log(const struct options *options)
{
    struct log log;
    char value[24];
    int error = log_init(&log, options->log_bytes, (unsigned)options->workers, 0);
    if (!error) {
        log_destroy(&log);
        return GOOD;
    }
    snprintf(value, sizeof value, "%" PRIu64, options->log_bytes);
    return bad("log-bytes", value,
               error == -EINVAL ? "too small for so many workers" : strerror(-error));
}

/* Where the data directory is, or is to be made. */
static int check_data(const struct options *options)
{
    struct stat status;
    if (stat(options->data, &status) == 0)
        return S_ISDIR(status.st_mode) ? GOOD : bad("data", options->data, "not a directory");
    return errno == ENOENT ? GOOD : bad("data", options->data, strerror(errno));
}

static int check_readable(const char *option, const char *path)
{
    return !*path || access(path, R_OK) == 0 ? GOOD : bad(option, path, strerror(errno));
}

int check_config(const struct options *options)
{
    int status = check_log(options);
    if (status == GOOD)
        status = check_data(options);
    if (status == GOOD)
        status = check_readable("redis-password-file", options->redis_password_file);
    if (status == GOOD)
        printf("stockd: the configuration is good: data %s, %" PRIu64 " workers, durability %s\n",
               options->data, options->workers, options->durability);
    return status;
}
