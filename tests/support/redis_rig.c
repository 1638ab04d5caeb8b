/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/redis_rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/scratch.h"
#include "tests/support/watchdog.h"

enum { SKIPPED = 77, PATIENCE_S = 60 };

static struct scratch scratch;
static char socket_path[PATH_MAX + 8];
static char address[PATH_MAX + 16];
static pid_t server;
static redisContext *connection;

static void end_redis(void)
{
    if (connection)
        redisFree(connection);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    scratch_remove(&scratch);
}

void redis_start(void)
{
    const char *const arguments[] = { "redis-server", "--port",    "0",         "--unixsocket",
                                      socket_path,    "--save",    "",          "--loglevel",
                                      "warning",      "--logfile", "/dev/null", NULL };
    scratch_make(&scratch);
    snprintf(socket_path, sizeof socket_path, "%s/socket", scratch.path);
    snprintf(address, sizeof address, "unix:%s", socket_path);
    server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* however this program ends */
        execvp(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    atexit(end_redis);
    for (int tries = 0; tries < (int)patient_ms(1000 * PATIENCE_S); tries += 10) {
        connection = redisConnectUnix(socket_path);
        if (connection && !connection->err)
            return;
        redisFree(connection);
        connection = NULL;
        if (waitpid(server, NULL, WNOHANG) != 0) {
            printf("skipped: no redis-server\n");
            scratch_remove(&scratch);
            _exit(SKIPPED);
        }
        usleep(10000);
    }
    race_fail("redis-server does not answer");
}

redisReply *redis_ask(const char *format, struct text text)
{
    redisReply *reply = redisCommand(connection, format, text.at, (size_t)text.len);
    RACE_MUST(reply, "Redis: %s", connection->errstr);
    return reply;
}

struct mirror *redis_mirror(struct race *race, unsigned ctx)
{
    struct mirror *mirror =
        mirror_create(&(struct mirror_config){ .ledger = race->ledger,
                                               .log = &race->log,
                                               .ctx = ledger_ctx(race->ledger, ctx),
                                               .engine_ms = 1,
                                               .start_ms = 1,
                                               .run = 1,
                                               .address = address,
                                               .prefix = "stock:",
                                               .patience_ms = 1000 * PATIENCE_S,
                                               .stream_length = 10000000 });
    RACE_MUST(mirror && mirror_start(mirror) == 0, "no mirror");
    race->contexts =
        ctx; /* race_run takes the iterations of idle contexts, and this one is the mirror's */
    return mirror;
}
