/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stock-gateway: an engine over HTTP, in JSON.
 *
 * The main thread starts the others and then waits for a signal to stop.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tools/gateway/listening.h"
#include "tools/gateway/openapi.h"
#include "tools/gateway/worker.h"
#include "tools/service/manager.h"
#include "tools/service/notice.h"

enum { EXIT_STOPPED = 0, EXIT_NOT_STARTED = 2 };

/* As many descriptors as the system allows: a connection of a client takes one, and so does one to
 * the engine. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* The signals that stop it are taken by sigwait, so no thread may have them delivered. */
static sigset_t block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    return set;
}

/* An address that is none would look like an engine that is away, for ever. */
static bool is_address(const struct engine *engine)
{
    stockd_client *client;
    int status = engine_connect(engine, &client, (stockd_options){ .connect_timeout_ms = 1 });
    if (status == STOCKD_E_ARGUMENT)
        notice(LOG_ERR, "start", "--engine %s: %s", engine->address, stockd_error_message(client));
    stockd_close(client);
    return status != STOCKD_E_ARGUMENT;
}

/* It keeps its clients' tokens, to use them again: it leaves no core, and no other process of its
 * user may read its memory. A sanitizer's look for leaks does. */
static void guard_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

static void say_serving(const char *engine, const char *bound)
{
    const struct notice_field fields[] = {
        { .name = "engine", .text = engine },
        { .name = "address", .text = bound },
        { .name = NULL },
    };
    notice_with(LOG_INFO, "gateway", fields, "serves %s at http://%s/", engine, bound);
    manager_ready("serving");
}

static int serve(struct gateway *gateway, struct worker *workers, const char *bound,
                 const sigset_t *set)
{
    const struct options *options = &gateway->options;
    int started = 0, status = EXIT_STOPPED, taken;
    while (started < options->threads && worker_start(&workers[started], gateway))
        started++;
    close(gateway->listen_fd); /* each thread has its own copy, and closes it when it drains */
    if (started < options->threads ||
        (options->ready_file && write_ready_file(options->ready_file, bound) < 0)) {
        status = EXIT_NOT_STARTED;
    } else {
        say_serving(options->engine.address, bound);
        sigwait(set, &taken);
        manager_stopping();
        if (options->ready_file)
            (void)unlink(options->ready_file);
    }
    dialer_refuse(gateway->dialer);
    for (int i = 0; i < started; i++)
        worker_stop(&workers[i]);
    for (int i = 0; i < started; i++)
        worker_join(&workers[i]);
    if (status == EXIT_STOPPED)
        notice(LOG_INFO, "gateway", "stopped");
    return status;
}

int main(int count, char **arguments)
{
    struct gateway gateway = { .listen_fd = -1 };
    char bound[300];
    notice_begin("stock-gateway");
    int status = options_read(&gateway.options, count, arguments);
    if (status >= 0)
        return status;
    if (!is_address(&gateway.options.engine))
        return EXIT_NOT_STARTED;
    if (gateway.options.ops && !ops_is_address(gateway.options.ops)) {
        notice(LOG_ERR, "start", "--ops: %s is not HOST:PORT", gateway.options.ops);
        return EXIT_NOT_STARTED;
    }
    guard_memory();
    manager_find();
    sigset_t set = block_signals();
    methods_read();
    raise_descriptors();
    char *openapi = openapi_document();
    struct worker *workers = calloc((size_t)gateway.options.threads, sizeof *workers);
    gateway.openapi = openapi;
    gateway.listen_fd = listen_at(gateway.options.listen, bound, sizeof bound);
    if (gateway.listen_fd >= 0)
        gateway.dialer = dialer_start(&gateway.options.engine);
    if (gateway.options.ops)
        gateway.ops = ops_start(gateway.options.ops, gateway.options.call_s);
    status = EXIT_NOT_STARTED;
    if (openapi && workers && gateway.dialer && (gateway.ops || !gateway.options.ops))
        status = serve(&gateway, workers, bound, &set);
    else if (gateway.listen_fd >= 0)
        notice(LOG_ERR, "start", "out of memory");
    dialer_stop(gateway.dialer);
    ops_stop(gateway.ops);
    free(workers);
    free(openapi);
    return status;
}
