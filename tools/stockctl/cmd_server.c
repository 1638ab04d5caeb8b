/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_server.c - commands about the engine itself. */
#include "tools/stockctl/ctl.h"

#include <time.h>

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int run_ping(struct ctl *ctl, const struct args *args)
{
    stockd_reply reply;
    int failed = ctl_connect(ctl);

    (void)args;
    if (failed != CTL_DONE)
        return failed;
    double start = now_ms();
    failed = ctl_call(ctl, "ping", NULL, STOCKD_RETRY_SAFE, &reply);
    if (failed != CTL_DONE)
        return failed;
    if (ctl->json)
        show_json(reply.result, NULL);
    else
        printf("pong from %s in %.2f ms\n", ctl->server, now_ms() - start);
    return CTL_DONE;
}

/* `check` has no time limit of its own: it takes as long as the ledger is large. */
static int run_check(struct ctl *ctl)
{
    stockd_reply reply;
    uint64_t broken = 0;

    ctl->patient = true;
    int failed = ctl_call(ctl, "check", NULL, 0, &reply);
    if (failed != CTL_DONE)
        return failed;
    show_result(ctl, reply.result, NULL);
    stockd_map_u64(reply.result, "broken", &broken);
    return broken > 0 ? CTL_REFUSED : CTL_DONE;
}

static int run_info(struct ctl *ctl, const struct args *args)
{
    stockd_pack pack;
    stockd_reply reply;

    if (args_option(args, "check") != NULL)
        return args->count == 0 ? run_check(ctl)
                                : usage_error(args, "--check looks at everything: no SECTION");
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, args->count);
    for (size_t i = 0; i < args->count; i++)
        stockd_pack_str(&pack, args->positional[i]);
    int failed = ctl_call(ctl, "info", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE)
        show_result(ctl, reply.result, NULL);
    return failed;
}

static const struct option info_options[] = {
    { .name = "check",
      .help = "check the live ledger: do all promises add up? exit status 1 if not",
      .type = OPTION_FLAG },
    { .name = NULL },
};

const struct command server_commands[] = {
    {
        .name = "ping",
        .summary = "Ask whether the engine is there, and how long an answer takes",
        .usage = "",
        .example = "stockctl ping",
        .run = run_ping,
    },
    {
        .name = "info",
        .summary = "Show the engine's figures",
        .usage = "[SECTION]",
        .details = "Without a SECTION it shows all of them.",
        .example = "stockctl info",
        .options = info_options,
        .most = 1,
        .run = run_info,
    },
    { .name = NULL },
};
