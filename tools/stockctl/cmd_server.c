/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_server.c - commands about the engine itself. */
#include "tools/stockctl/ctl.h"

#include <stdlib.h>
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
        printf("pong from %s in %.2f ms\n", stockd_address(ctl->client), now_ms() - start);
    return CTL_DONE;
}

/* ---- health --------------------------------------------------------------------------------- */

static char *text_of_key(stockd_value map, const char *key)
{
    stockd_value value = { 0 };
    const char *bytes;
    size_t len;

    if (!stockd_map_find(map, key, &value) || !stockd_value_str(value, &bytes, &len))
        return NULL;
    return text_clean(bytes, len);
}

static void show_health_json(stockd_value result, bool read_only, const char *reason,
                             const char *mirror, const char *trouble)
{
    uint64_t lsn = 0;

    stockd_map_u64(result, "lsn", &lsn);
    show_json_value(json_pack("{s:I, s:b, s:b, s:s?, s:{s:s?, s:s?}}", "lsn", (json_int_t)lsn,
                              "healthy", !read_only, "read_only", read_only, "reason", reason,
                              "mirror", "state", mirror, "error", trouble));
}

/* An unreachable mirror delays no order: its state is shown but does not count. */
static void show_health(bool read_only, const char *reason, const char *mirror, const char *trouble)
{
    if (read_only)
        fprintf(stderr, "stockctl: read_only: the engine accepts no changes: %s\n",
                reason != NULL ? reason : "the journal cannot be written");
    else
        puts("the engine accepts changes");
    fprintf(read_only ? stderr : stdout, "%smirror %s%s%s\n", read_only ? "stockctl: " : "",
            mirror != NULL ? mirror : "unknown", trouble != NULL ? ": " : "",
            trouble != NULL ? trouble : "");
}

static int run_health(struct ctl *ctl, const struct args *args)
{
    stockd_reply reply;
    stockd_value journal = { 0 };
    stockd_value mirror = { 0 };
    stockd_value failed = { 0 };
    bool read_only;
    int code = ctl_call(ctl, "info", NULL, STOCKD_RETRY_SAFE, &reply);

    (void)args;
    if (code != CTL_DONE)
        return code;
    stockd_map_find(reply.result, "journal", &journal);
    stockd_map_find(reply.result, "mirror", &mirror);
    if (!stockd_map_find(journal, "failed", &failed) || !stockd_value_bool(failed, &read_only))
        return ctl_error(ctl, CTL_UNREACHABLE, "unreachable",
                         "%s: the engine does not say whether its journal can be written",
                         ctl->server);
    char *reason = text_of_key(journal, "failure");
    char *state = text_of_key(mirror, "state");
    char *trouble = text_of_key(mirror, "error");
    if (ctl->json)
        show_health_json(reply.result, read_only, reason, state, trouble);
    else
        show_health(read_only, reason, state, trouble);
    free(reason);
    free(state);
    free(trouble);
    return read_only ? CTL_REFUSED : CTL_DONE;
}

/* ---- info ----------------------------------------------------------------------------------- */

/* `check` has no time limit: it takes longer the larger the ledger is. */
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
        return args->count == 0
                   ? run_check(ctl)
                   : usage_error(args, "--check checks everything: it takes no SECTION");
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
      .help = "check the ledger; exit status 1 if an invariant fails",
      .type = OPTION_FLAG },
    { .name = NULL },
};

const struct command server_commands[] = {
    {
        .name = "ping",
        .summary = "Check whether the engine responds, and how fast",
        .usage = "",
        .example = "stockctl ping",
        .run = run_ping,
    },
    {
        .name = "health",
        .summary = "Check whether the engine accepts changes",
        .usage = "",
        .details =
            "Exit status 0: it does; 1: it does not, with the reason; 3: it is unreachable.\n"
            "The state of the Redis mirror is shown but does not count.",
        .example = "stockctl health",
        .run = run_health,
    },
    {
        .name = "info",
        .summary = "Show the engine's metrics",
        .usage = "[SECTION]",
        .details = "Without a SECTION it shows all of them.",
        .example = "stockctl info",
        .options = info_options,
        .most = 1,
        .run = run_info,
    },
    {
        .name = "doctor",
        .summary = "Check a set-up: the machine, the data, the engine",
        .usage = "",
        .details =
            "Looks at the kernel, io_uring, limits, memory, the clock, the data directory and its\n"
            "disk, tokens and certificates, and asks the engine; says what to do about each\n"
            "finding, and changes nothing. Run it on the engine's machine as the engine's user,\n"
            "or as root: what it may not see it says. Exit status: 0 well, or warnings only;\n"
            "1 something must be mended.",
        .example = "stockctl doctor --config /etc/stockd/stockd.conf",
        .options = doctor_options,
        .list = "checks: check state found advice",
        .apart = true,
        .run = run_doctor,
    },
    {
        .name = "top",
        .summary = "Watch what the engine does, live",
        .usage = "",
        .details =
            "Requests and refusals a second, latency, the journal, tables and the mirror, of the\n"
            "time since the last look; the first is of the time since the engine's start. On a\n"
            "terminal: q quits, any other key looks at once. Without one, or with --json: a line\n"
            "for each look. The engine counts by method, not by item.",
        .example = "stockctl top -d 1",
        .options = top_options,
        .letters = "dn",
        .formats = "table json ndjson",
        .apart = true,
        .run = run_top,
    },
    {
        .name = "backup",
        .summary = "Back up the engine's data, while it runs",
        .usage = "DIR",
        .details =
            "DIR gets the state at one LSN, with everything acknowledged by now. If it holds an\n"
            "earlier backup of this engine, only what is new is copied; an interrupted backup\n"
            "leaves the earlier one as it was. One of other files, of another engine, or of what\n"
            "this one lacks (it was restored to an earlier moment, or repaired) is refused.\n"
            "It reads the engine's files, so it runs on the engine's machine, as a user that may\n"
            "read them. `stock-journal restore` restores.\n"
            "Exit status: 0 done; 1 the journal or the backup is damaged; 2 anything else; 3 the\n"
            "engine is unreachable.",
        .example = "stockctl backup /backup/stockd",
        .least = 1,
        .most = 1,
        .formats = "table json",
        .apart = true,
        .run = run_backup,
    },
    { .name = NULL },
};
