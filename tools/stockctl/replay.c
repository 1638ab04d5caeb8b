/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - `replay`: runs a file of past orders through the engine, and counts the outcomes. */
#include "tools/stockctl/replay.h"

#include <string.h>

#define CONNECTIONS_MAX 256
#define PIPELINE_MAX 1024
#define PATIENCE_MS 10000

const char *const outcome_names[OUTCOME_COUNT] = {
    [OUTCOME_NONE] = "none",
    [OUTCOME_FULFILLED] = "fulfilled",
    [OUTCOME_REFUSED] = "refused",
    [OUTCOME_RETURNED] = "returned",
};

static void count_code(struct tally *tally, const char *code)
{
    size_t i = 0;

    while (i < tally->codes && strcmp(tally->code[i], code) != 0)
        i++;
    if (i == CODES_MAX)
        return;
    if (i == tally->codes)
        snprintf(tally->code[tally->codes++], CODE_SIZE, "%s", code);
    tally->times[i]++;
}

void replay_count(struct replay *replay, size_t number, enum outcome outcome, const char *code)
{
    const struct replay_order *order = &replay->order[number];
    struct tally *tally = &replay->tally;
    int64_t units = 0;

    for (size_t i = 0; i < order->lines; i++)
        units += replay->line[order->first + i].qty;
    tally->orders[outcome]++;
    if (outcome == OUTCOME_FULFILLED)
        tally->units += units;
    else if (outcome == OUTCOME_RETURNED)
        tally->units_returned += units;
    else
        count_code(tally, code);
}

int replay_finish(struct replay *replay, size_t number, enum outcome outcome, const char *code)
{
    replay_count(replay, number, outcome, code);
    return replay->log != NULL ? replay_log_add(replay, number, outcome, code) : CTL_DONE;
}

static void summary_json(const struct replay *replay, double seconds, double rate)
{
    const struct tally *tally = &replay->tally;
    json_t *refusals = json_object();

    for (size_t i = 0; i < tally->codes; i++)
        json_object_set_new(refusals, tally->code[i], json_integer((json_int_t)tally->times[i]));
    show_json_value(json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o}", "orders", (json_int_t)replay->orders,
        "fulfilled", (json_int_t)tally->orders[OUTCOME_FULFILLED], "refused",
        (json_int_t)tally->orders[OUTCOME_REFUSED], "returns",
        (json_int_t)tally->orders[OUTCOME_RETURNED], "units", (json_int_t)tally->units,
        "units_returned", (json_int_t)tally->units_returned, "resumed", (json_int_t)tally->resumed,
        "seconds", seconds, "orders/s", rate, "refusals", refusals));
}

static void add_metric(struct table *table, const char *name, size_t value)
{
    table_add(table, name);
    table_add_format(table, "%zu", value);
}

static void summary_table(const struct replay *replay, double seconds, double rate)
{
    static const char *const titles[] = { "<", ">", NULL };
    const struct tally *tally = &replay->tally;
    struct table *table = table_untitled(titles);

    add_metric(table, "orders", replay->orders);
    add_metric(table, "fulfilled", tally->orders[OUTCOME_FULFILLED]);
    add_metric(table, "refused", tally->orders[OUTCOME_REFUSED]);
    for (size_t i = 0; i < tally->codes; i++) {
        table_add_format(table, "  %s", tally->code[i]);
        table_add_format(table, "%zu", tally->times[i]);
    }
    add_metric(table, "returns", tally->orders[OUTCOME_RETURNED]);
    add_metric(table, "units", (size_t)tally->units);
    add_metric(table, "units returned", (size_t)tally->units_returned);
    if (tally->resumed > 0)
        add_metric(table, "done before, according to the log", tally->resumed);
    table_add(table, "seconds");
    table_add_format(table, "%.2f", seconds);
    table_add(table, "orders/s");
    table_add_format(table, "%.0f", rate);
    table_print(table, stdout, "");
}

static int read_and_run(struct replay *replay, const struct args *args)
{
    const char *log = args_option(args, "log");
    int failed = replay_read(replay);

    if (failed == CTL_DONE && log != NULL)
        failed = replay_log_open(replay, log);
    if (failed != CTL_DONE)
        return failed;
    uint64_t start = clock_ms();
    failed = replay_run(replay);
    double seconds = (double)(clock_ms() - start) / 1000;
    size_t asked = replay->orders - replay->tally.resumed;
    double rate = seconds > 0 ? (double)asked / seconds : 0;
    if (failed != CTL_DONE)
        fprintf(stderr, "stockctl: %s: stopped; so far %zu fulfilled, %zu refused, %zu returns\n",
                replay->path, replay->tally.orders[OUTCOME_FULFILLED],
                replay->tally.orders[OUTCOME_REFUSED], replay->tally.orders[OUTCOME_RETURNED]);
    else if (replay->ctl->json)
        summary_json(replay, seconds, rate);
    else
        summary_table(replay, seconds, rate);
    return failed;
}

/* An option that is a number, or its default. */
static int number_option(const struct args *args, const char *name, int64_t most, size_t *out)
{
    const char *text = args_option(args, name);
    int64_t number = 1;

    if (text != NULL) {
        int failed = args_int(args, name, text, 1, most, &number);
        if (failed != CTL_DONE)
            return failed;
    }
    *out = (size_t)number;
    return CTL_DONE;
}

int run_replay(struct ctl *ctl, const struct args *args)
{
    struct replay replay = { .ctl = ctl, .path = args->positional[0] };
    const char *patience = args_option(args, "patience");
    int failed = number_option(args, "connections", CONNECTIONS_MAX, &replay.connections);

    if (failed == CTL_DONE)
        failed = number_option(args, "pipeline", PIPELINE_MAX, &replay.pipeline);
    replay.patience_ms = PATIENCE_MS;
    if (failed == CTL_DONE && patience != NULL && !parse_duration(patience, &replay.patience_ms))
        failed = usage_error(args, "--patience: '%s' is not a duration like 30s", patience);
    if (failed == CTL_DONE)
        failed = read_and_run(&replay, args);
    replay_log_close(&replay);
    replay_free(&replay);
    return failed;
}
