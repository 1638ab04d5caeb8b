/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair: shows where a damaged journal can be cut, and what that gives up; cuts it with --yes.
 */
#include "persistence/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/log/record.h"
#include "tools/stock-journal/findings.h"
#include "tools/stock-journal/job.h"
#include "tools/stock-journal/show.h"

enum { TYPES_MAX = 256, SHOWN_MAX = 40 };

struct mending {
    struct job *job;
    struct shower shower;
    struct scrub scrub;
    FILE *nowhere; /* for records that only teach names */
    FILE *list;    /* each record given up; NULL: they are not listed */
    uint64_t shown_max;
    uint64_t given_up;
    uint64_t count_of[TYPES_MAX];
    uint64_t first_ms, last_ms; /* of what is given up */
};

static int take_record(void *context, const struct record_head *record, uint64_t lsn,
                       uint64_t time_ms, bool beyond)
{
    struct mending *m = context;
    bool show = beyond && m->list && m->given_up < m->shown_max;
    if (beyond) {
        m->given_up++;
        m->count_of[record->type]++;
        m->first_ms = m->first_ms ? m->first_ms : time_ms;
        m->last_ms = time_ms;
    }
    m->shower.sink.file = show ? m->list : m->nowhere;
    if (show || teaches_names(record->type))
        show_record(&m->shower, record, lsn, time_ms);
    return 0;
}

/* Walks the journal; each record that would be given up goes to the list. */
static int scrub_to(struct mending *m, FILE *list, bool json, uint64_t shown_max)
{
    struct error why = { "" };
    struct scrub_options options = {
        .files = &file_system,
        .directory = m->job->segments.text,
        .start = &m->job->base.position,
        .context = m,
        .on_record = take_record,
    };
    scrub_free(&m->scrub);
    shower_free(&m->shower);
    m->list = list;
    m->shown_max = shown_max;
    m->given_up = m->first_ms = m->last_ms = 0;
    memset(m->count_of, 0, sizeof m->count_of);
    if (!shower_init(&m->shower, json))
        return -ENOMEM;
    int error = scrub_journal(&options, &m->scrub, &why);
    if (error)
        fprintf(stderr, "stock-journal: %s\n", why.text);
    return error;
}

/* ---- showing the plan ---- */

static void print_lost(FILE *file, const struct mending *m)
{
    for (size_t i = 0; i < m->scrub.count; i++) {
        const struct finding *f = &m->scrub.findings[i];
        if (f->end_lsn > f->first_lsn)
            fprintf(file, "gone      lsn %" PRIu64 " to %" PRIu64 ": unreadable\n", f->first_lsn,
                    f->end_lsn);
    }
}

static void print_given_up(FILE *file, const struct mending *m)
{
    print_lost(file, m);
    if (m->given_up == 0)
        return;
    fprintf(file, "given up  %" PRIu64 " records that are still readable, written from %s to %s:\n",
            m->given_up, time_text(m->first_ms).text, time_text(m->last_ms).text);
    for (unsigned type = 0; type < TYPES_MAX; type++) {
        const char *name = record_type_name(type);
        if (m->count_of[type] > 0)
            fprintf(file, "          %10" PRIu64 " %s\n", m->count_of[type],
                    name ? name : "unknown");
    }
}

static void print_plan(FILE *file, const struct mending *m)
{
    const struct scrub *scrub = &m->scrub;
    const struct scrub_cut *cut = &scrub->cut;
    for (size_t i = 0; i < scrub->count; i++) {
        const struct finding *f = &scrub->findings[i];
        if (f->kind == FINDING_MARK)
            fputs("mark      of the clean stop is removed; this loses nothing\n", file);
        if (f->kind == FINDING_HEADER && f->whole && !(cut->needed && f->sequence > cut->sequence))
            fprintf(file, "header    of %s is rewritten; this loses nothing\n",
                    segment_name(f->sequence).text);
    }
    if (!cut->needed)
        return;
    fprintf(file, "cut       at %s: offset %" PRIu64 ", after batch %" PRIu64 " of %s\n",
            segment_name(cut->sequence).text, cut->offset, cut->number,
            time_text(cut->time_ms).text);
    if (m->job->base.found)
        fprintf(file, "kept      the snapshot of lsn %" PRIu64 "; after it,\n",
                m->job->base.position.lsn);
    fprintf(file, "kept      lsn %" PRIu64 " to %" PRIu64 ": %" PRIu64 " records\n",
            m->job->base.position.lsn, cut->lsn, scrub->kept_records);
    print_given_up(file, m);
}

static void print_summary_json(const struct mending *m, const char *aside)
{
    const struct scrub_cut *cut = &m->scrub.cut;
    printf("{\"repaired\":%s,\"cut\":%s,\"segment\":%" PRIu64 ",\"offset\":%" PRIu64
           ",\"lsn\":%" PRIu64 ",\"end_lsn\":%" PRIu64 ",\"kept_records\":%" PRIu64
           ",\"given_up_records\":%" PRIu64 ",\"aside\":",
           aside ? "true" : "false", cut->needed ? "true" : "false", cut->sequence, cut->offset,
           cut->lsn, m->scrub.end_lsn, m->scrub.kept_records, m->given_up);
    printf(aside ? "\"%s\"" : "null%s", aside ? aside : "");
    printf(",\"damage\":");
    findings_print_json(stdout, &m->scrub);
    puts("}");
}

/* ---- doing it ---- */

struct aside {
    struct path path;
    struct path list, report;
};

/* Creates DIR/damaged-20250301T140500Z. */
static int make_aside(const struct job *job, struct aside *aside)
{
    char name[64];
    struct tm utc;
    time_t now = time(NULL);
    gmtime_r(&now, &utc);
    int error = -EEXIST;
    for (unsigned n = 0; error == -EEXIST && n < 100; n++) {
        size_t length = strftime(name, sizeof name, "damaged-%Y%m%dT%H%M%SZ", &utc);
        if (n > 0)
            snprintf(name + length, sizeof name - length, "-%u", n);
        error = path_join(&aside->path, job->directory, name);
        if (!error)
            error = file_system.make_directory(NULL, aside->path.text);
    }
    if (!error)
        error = path_join(&aside->list, aside->path.text, "given-up.jsonl");
    if (!error)
        error = path_join(&aside->report, aside->path.text, "report.txt");
    if (!error)
        error = file_sync_directory_at(&file_system, job->directory);
    if (error)
        fprintf(stderr, "stock-journal: cannot create %s: %s\n", aside->path.text,
                strerror(-error));
    return error;
}

static int close_durably(FILE *file, const char *path, int error)
{
    if (!error && (fflush(file) != 0 || fsync(fileno(file)) != 0))
        error = -errno;
    if (fclose(file) != 0 && !error)
        error = -errno;
    if (error)
        fprintf(stderr, "stock-journal: cannot write %s: %s\n", path, strerror(-error));
    return error;
}

/* Before anything is changed: the list of all that is given up, and the findings. */
static int write_lists(struct mending *m, const struct aside *aside)
{
    FILE *list = fopen(aside->list.text, "wex");
    int error = list ? scrub_to(m, list, true, UINT64_MAX) : -errno;
    if (!list) {
        fprintf(stderr, "stock-journal: cannot create %s: %s\n", aside->list.text,
                strerror(-error));
        return error;
    }
    m->list = NULL;
    error = close_durably(list, aside->list.text, error);
    FILE *report = error ? NULL : fopen(aside->report.text, "wex");
    if (!report)
        return error ? error : -errno;
    findings_print(report, &m->scrub);
    print_plan(report, m);
    return close_durably(report, aside->report.text, 0);
}

static int follow_again(const struct job *job)
{
    struct replay_result result;
    struct error why = { "" };
    struct replay_options options = {
        .files = &file_system,
        .directory = job->segments.text,
        .start = &job->base.position,
    };
    int error = replay_files(&options, &result, &why);
    if (error)
        fprintf(stderr, "stock-journal: the journal is still damaged: %s\n", why.text);
    return error;
}

static int do_it(struct mending *m)
{
    struct aside aside;
    struct error why = { "" };
    struct job *job = m->job;
    if (make_aside(job, &aside) != 0 || write_lists(m, &aside) != 0)
        return EXIT_USAGE;
    uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    int error =
        journal_repair(&file_system, job->segments.text, aside.path.text, &m->scrub, now_ms, &why);
    if (error) {
        fprintf(stderr, "stock-journal: not repaired: %s\n", why.text);
        return EXIT_USAGE;
    }
    if (follow_again(job) != 0)
        return EXIT_DAMAGED;
    if (job->json)
        print_summary_json(m, aside.path.text);
    else
        printf("repaired  the originals are in %s,\n"
               "          the records given up in given-up.jsonl there, one per line\n",
               aside.path.text);
    return EXIT_GOOD;
}

/* ---- the whole ---- */

/* The snapshot is not this journal's (S8): to keep it would give up the journal for it. */
static bool is_of_another_history(const struct scrub *scrub)
{
    for (size_t i = 0; i < scrub->count; i++)
        if (scrub->findings[i].kind == FINDING_SNAPSHOT)
            return true;
    return false;
}

/* For people: some of what is given up, as a dump would show it. */
static int print_all(struct mending *m)
{
    findings_print(stdout, &m->scrub);
    print_plan(stdout, m);
    if (m->given_up == 0)
        return 0;
    int error = scrub_to(m, stdout, false, SHOWN_MAX);
    if (!error && m->given_up > SHOWN_MAX)
        printf("          and %" PRIu64 " more; --json lists them all\n", m->given_up - SHOWN_MAX);
    return error;
}

static int run(struct mending *m)
{
    struct job *job = m->job;
    struct replay_result result;
    struct error why = { "" };
    struct replay_options options = {
        .files = &file_system,
        .directory = job->segments.text,
        .start = &job->base.position,
    };
    int error = job_find_base(job, &why);
    if (!error)
        error = replay_files(&options, &result, &why);
    if (!error) {
        puts(job->json ? "{\"repaired\":false,\"damage\":[]}"
                       : "There is nothing to repair: a start will succeed.");
        return EXIT_GOOD;
    }
    if (error != -EILSEQ) {
        fprintf(stderr, "stock-journal: %s\n", why.text);
        return EXIT_USAGE;
    }
    if (scrub_to(m, stdout, job->json, job->json ? UINT64_MAX : 0) != 0)
        return EXIT_USAGE;
    if (is_of_another_history(&m->scrub)) {
        fprintf(stderr,
                "stock-journal: %s; cutting the journal would not repair this: move that snapshot "
                "out of %s/snapshot, and a start takes the one before\n",
                why.text, job->directory);
        return EXIT_DAMAGED;
    }
    if (m->scrub.count == 0 || m->scrub.cut.number == 0) {
        fprintf(stderr, "stock-journal: %s; %s\n", why.text,
                m->scrub.count == 0 ? "cutting the journal would not repair this"
                                    : "nothing before it is whole: restore a copy");
        return EXIT_DAMAGED;
    }
    if (!job->json && print_all(m) != 0)
        return EXIT_USAGE;
    if (job->yes)
        return do_it(m);
    if (job->json)
        print_summary_json(m, NULL);
    else
        printf("Nothing was changed. To cut it: stock-journal repair %s --yes\n", job->directory);
    return EXIT_DAMAGED;
}

int repair_journal_of(struct job *job)
{
    static struct mending mending;
    mending.job = job;
    mending.nowhere = fopen("/dev/null", "we");
    int status = mending.nowhere ? job_open(job, FILE_LOCK_EXCLUSIVE) : EXIT_USAGE;
    if (status == EXIT_GOOD)
        status = run(&mending);
    shower_free(&mending.shower);
    scrub_free(&mending.scrub);
    if (mending.nowhere)
        fclose(mending.nowhere);
    job_close(job);
    return status;
}
