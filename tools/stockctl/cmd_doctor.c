/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_doctor.c - `doctor`: runs the checks of doctor.h, and shows what they found. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* vasprintf */
#endif
#include "tools/stockctl/doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const verdict_names[VERDICTS] = {
    [VERDICT_WELL] = "ok",
    [VERDICT_SKIPPED] = "skipped",
    [VERDICT_WARNING] = "warning",
    [VERDICT_BAD] = "bad",
};

void doctor_found(struct doctor *doctor, enum verdict verdict, const char *check,
                  const char *advice, const char *format, ...)
{
    struct finding finding = { .verdict = verdict, .check = check };
    va_list list;

    va_start(list, format);
    if (vasprintf(&finding.found, format, list) < 0)
        finding.found = text_format("?");
    va_end(list);
    if (advice != NULL)
        finding.advice = text_format("%s", advice);
    if (doctor->count == doctor->capacity) {
        doctor->capacity = doctor->capacity > 0 ? 2 * doctor->capacity : 32;
        doctor->finding = must_grow(doctor->finding, doctor->capacity, sizeof *doctor->finding);
    }
    doctor->finding[doctor->count++] = finding;
}

static size_t count_of(const struct doctor *doctor, enum verdict verdict)
{
    size_t count = 0;
    for (size_t i = 0; i < doctor->count; i++)
        count += doctor->finding[i].verdict == verdict;
    return count;
}

/* ---- showing -------------------------------------------------------------------------------- */

static void show_findings_json(const struct doctor *doctor)
{
    json_t *checks = json_array();

    for (size_t i = 0; i < doctor->count; i++) {
        const struct finding *finding = &doctor->finding[i];
        char *found = text_clean(finding->found, strlen(finding->found));
        json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:s?}", "check", finding->check,
                                                "state", verdict_names[finding->verdict], "found",
                                                found, "advice", finding->advice));
        free(found);
    }
    show_json_value(json_pack("{s:b, s:I, s:I, s:o}", "healthy", count_of(doctor, VERDICT_BAD) == 0,
                              "bad", (json_int_t)count_of(doctor, VERDICT_BAD), "warnings",
                              (json_int_t)count_of(doctor, VERDICT_WARNING), "checks", checks));
}

/* The advice stands below, because a table cuts long texts. */
static void show_findings(const struct doctor *doctor)
{
    static const char *const titles[] = { "<STATE", "<CHECK", "<FOUND", NULL };
    struct table *table = table_new(titles);
    bool titled = false;

    for (size_t i = 0; i < doctor->count; i++) {
        table_add(table, verdict_names[doctor->finding[i].verdict]);
        table_add(table, doctor->finding[i].check);
        table_add(table, doctor->finding[i].found);
    }
    table_print(table, stdout, "");
    for (size_t i = 0; i < doctor->count; i++) {
        const struct finding *finding = &doctor->finding[i];
        if (finding->advice == NULL)
            continue;
        fputs(titled ? "" : "\nTo do:\n", stdout);
        titled = true;
        printf("  %s: %s\n    %s\n", finding->check, finding->found, finding->advice);
    }
    printf("\n%zu to mend, %zu warning%s\n", count_of(doctor, VERDICT_BAD),
           count_of(doctor, VERDICT_WARNING), count_of(doctor, VERDICT_WARNING) == 1 ? "" : "s");
}

/* ---- the command ---------------------------------------------------------------------------- */

static char *copy_of(const char *text)
{
    return text != NULL ? text_format("%s", text) : NULL;
}

static int take_setup(struct doctor *doctor, const struct args *args)
{
    struct setup *setup = &doctor->setup;
    const char *config = args_option(args, "config");

    setup->data = copy_of(args_option(args, "data"));
    setup->tokens = copy_of(args_option(args, "tokens"));
    setup->tls_cert = copy_of(args_option(args, "tls-cert"));
    return config != NULL ? setup_read_config(setup, doctor->ctl, config) : CTL_DONE;
}

static void look_at_all(struct doctor *doctor, bool offline)
{
    struct clock_look clock = clock_look();

    if (!offline)
        check_engine(doctor);
    find_engine_process(doctor);
    check_kernel(doctor);
    check_rings(doctor);
    check_limits(doctor);
    check_memory(doctor);
    check_data(doctor);
    check_tokens(doctor);
    check_certificate(doctor);
    check_clock(doctor, clock); /* the checks between were the time in which it could be set */
}

int run_doctor(struct ctl *ctl, const struct args *args)
{
    struct doctor doctor = { .ctl = ctl };
    int code = take_setup(&doctor, args);

    if (code == CTL_DONE) {
        look_at_all(&doctor, args_option(args, "offline") != NULL);
        if (ctl->json)
            show_findings_json(&doctor);
        else
            show_findings(&doctor);
        code = count_of(&doctor, VERDICT_BAD) > 0 ? CTL_REFUSED : CTL_DONE;
    }
    for (size_t i = 0; i < doctor.count; i++) {
        free(doctor.finding[i].found);
        free(doctor.finding[i].advice);
    }
    free(doctor.finding);
    setup_free(&doctor.setup);
    return code;
}

const struct option doctor_options[] = {
    { .name = "data",
      .value = "DIR",
      .help = "the engine's data directory; else where the engine says",
      .type = OPTION_TEXT },
    { .name = "config",
      .value = "FILE",
      .help = "stockd's config file: data, tokens, tls-cert, tls-key, workers",
      .type = OPTION_TEXT },
    { .name = "tokens", .value = "FILE", .help = "the tokens file", .type = OPTION_TEXT },
    { .name = "tls-cert",
      .value = "FILE",
      .help = "the certificate of tls:// addresses",
      .type = OPTION_TEXT },
    { .name = "offline",
      .help = "do not ask the engine: before its first start",
      .type = OPTION_FLAG },
    { .name = NULL },
};
