/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One life of a journal: opened fresh, written over several segments, closed; then opened again and
 * written some more. For every n the nth call to the operating system fails, comes out short, or is
 * the moment of a power cut. Afterwards:
 *   - a failure is final: nothing more is acknowledged, until the journal is opened again
 *   - it opens again; it never says that it is corrupt
 *   - what it gives back is a prefix of what was written, and holds all that durability promises
 *   - it can be written again, closed, and read once more
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "persistence/format.h"
#include "tests/support/fault_file.h"
#include "tests/support/journal_rig.h"
#include "tests/support/scratch.h"

#if defined __SANITIZE_THREAD__
enum { STEP = 13 };
#elif defined __SANITIZE_ADDRESS__
enum { STEP = 5 };
#else
enum { STEP = 1 };
#endif

struct attempt {
    struct scratch scratch;
    char data[PATH_MAX + 8];
    char attic[PATH_MAX + 8];
    struct fault_disk *disk;
    struct rig rig;
    const char *title;
    uint64_t n;
    bool failed;
};

static void expect(struct attempt *attempt, bool holds, const char *what)
{
    if (holds || attempt->failed)
        return;
    printf("FAIL %s, call %" PRIu64 ": %s (%s)\n", attempt->title, attempt->n, what,
           attempt->rig.why.text);
    attempt->failed = true;
}

/* What must be there again: records [0, kept). */
struct promise {
    uint64_t acknowledged;
    uint64_t durable;
};

static void take_promise(const struct rig *rig, struct promise *promise)
{
    struct journal_metrics metrics;
    journal_metrics(rig->journal, &metrics);
    promise->durable = rig_records_up_to(rig, metrics.durable_lsn);
    promise->acknowledged = rig_acknowledged(rig);
    if (rig->durability == DURABILITY_NONE) /* replies do not wait: nothing is promised by them */
        promise->acknowledged = promise->durable;
}

static void write_some(struct attempt *attempt, int records, struct promise *promise)
{
    struct rig *rig = &attempt->rig;
    for (int i = 0; i < records; i++) {
        rig_append(rig);
        rig->steady_ms += 90;
        rig->wall_ms += 90;
        if (i % 3 != 0)
            continue;
        rig_drive(rig);
        take_promise(rig, promise);
    }
}

/* Final: another append and drive moves nothing. */
static void expect_final(struct attempt *attempt)
{
    struct rig *rig = &attempt->rig;
    uint64_t acknowledged = log_acknowledged(&rig->log);
    struct file_request request;
    rig_append(rig);
    rig->steady_ms += 2 * 1000;
    expect(attempt, !journal_next(rig->journal, false, &request), "it goes on after a failure");
    expect(attempt, log_acknowledged(&rig->log) == acknowledged, "acknowledged after a failure");
    expect(attempt, journal_failure(rig->journal)[0] != '\0', "no reason for the failure");
    expect(attempt, journal_next_sync_ms(rig->journal) == UINT64_MAX, "a sync is tried again");
}

/* Opens, writes, closes or is killed. Keeps up what has been promised so far. */
static void live(struct attempt *attempt, int records, bool clean, struct promise *promise)
{
    struct rig *rig = &attempt->rig;
    int error = rig_open(rig);
    if (error) {
        expect(attempt, error != -EILSEQ, "the fault was taken for corruption");
        return;
    }
    expect(attempt, !rig->wrong, "wrong records");
    take_promise(rig, promise);
    write_some(attempt, records, promise);
    if (atomic_load(&rig->log.failed))
        expect_final(attempt);
    if (!clean) {
        rig_abandon(rig);
    } else if (rig_close(rig) == 0) {
        promise->acknowledged = promise->durable = rig->appended;
    }
}

/* Opens, checks what is there, writes some, and loses power. *kept: records that must be there,
 * then those that must be there next time. */
static void live_until_power_cut(struct attempt *attempt, int records, uint64_t *kept)
{
    struct rig *rig = &attempt->rig;
    struct promise promise;
    int error = rig_open(rig);
    expect(attempt, error == 0, "it does not open again");
    if (error)
        return;
    expect(attempt, !rig->wrong, "wrong records");
    expect(attempt, rig->found >= *kept, "what was promised is gone");
    expect(attempt, rig->opened.last_time_ms <= rig->wall_ms, "time went ahead");
    for (int i = 0; i < records; i++) {
        rig_append(rig);
        rig_drive(rig);
    }
    expect(attempt, !atomic_load(&rig->log.failed), "it cannot be written again");
    take_promise(rig, &promise);
    expect(attempt, promise.durable >= rig->found, "what was given back is not durable");
    *kept = rig->durability == DURABILITY_ALWAYS ? promise.acknowledged : promise.durable;
    rig_abandon(rig);
    fault_disk_power_cut(attempt->disk);
}

static void live_again(struct attempt *attempt, enum fault_kind kind, const struct promise *promise)
{
    struct rig *rig = &attempt->rig;
    bool lost = kind == FAULT_POWER_CUT || fault_disk_lost(attempt->disk);
    bool only_durable = lost && rig->durability != DURABILITY_ALWAYS;
    uint64_t kept = only_durable ? promise->durable : promise->acknowledged;
    live_until_power_cut(attempt, 3, &kept);
    live_until_power_cut(attempt, 40, &kept);
    if (attempt->failed)
        return;
    expect(attempt, rig_open(rig) == 0, "it does not open after another power cut");
    if (attempt->failed)
        return;
    expect(attempt, !rig->wrong && rig->found >= kept, "what was promised is gone");
    expect(attempt, rig_close(rig) == 0, "it cannot be closed");
}

/* Returns false once n is beyond the last call. */
static bool try_nth(const char *title, enum durability durability, struct fault_plan plan,
                    bool *failed)
{
    static struct attempt attempt;
    struct promise promise = { 0 };
    attempt = (struct attempt){ .title = title, .n = plan.at };
    scratch_make(&attempt.scratch);
    snprintf(attempt.data, sizeof attempt.data, "%s/data", attempt.scratch.path);
    snprintf(attempt.attic, sizeof attempt.attic, "%s/attic", attempt.scratch.path);
    mkdir(attempt.attic, 0700);
    attempt.disk = fault_disk_make(attempt.attic, plan.at * 7919 + (uint64_t)plan.kind);
    attempt.rig = (struct rig){ .directory = attempt.data,
                                .durability = durability,
                                .segment_bytes = SEGMENT_BYTES_MIN,
                                .files = fault_disk_ops(attempt.disk),
                                .seed = plan.at,
                                .longest = 900,
                                .wall_ms = 1000 };

    fault_disk_plan(attempt.disk, plan);
    live(&attempt, 75, true, &promise);
    if (!fault_disk_struck(attempt.disk))
        live(&attempt, 30, false, &promise);
    bool struck = fault_disk_struck(attempt.disk);
    if (struck) {
        if (plan.kind == FAULT_POWER_CUT)
            fault_disk_power_cut(attempt.disk);
        fault_disk_plan(attempt.disk, (struct fault_plan){ 0 });
        live_again(&attempt, plan.kind, &promise);
    }
    *failed = *failed || attempt.failed;
    fault_disk_free(attempt.disk);
    scratch_remove(&attempt.scratch);
    return struck;
}

static const struct {
    const char *title;
    struct fault_plan plan;
} kinds[] = {
    { "EIO once", { .kind = FAULT_ERROR, .error = -EIO } },
    { "EIO from then on", { .kind = FAULT_ERROR, .error = -EIO, .stays = true } },
    { "disk full from then on", { .kind = FAULT_ERROR, .error = -ENOSPC, .stays = true } },
    { "short write", { .kind = FAULT_SHORT } },
    { "power cut", { .kind = FAULT_POWER_CUT } },
};

int main(void)
{
    bool failed = false;
    for (unsigned d = DURABILITY_ALWAYS; d <= DURABILITY_NONE; d++) {
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            char title[64];
            struct fault_plan plan = kinds[k].plan;
            snprintf(title, sizeof title, "%s, %s", durability_name((enum durability)d),
                     kinds[k].title);
            for (plan.at = 1; try_nth(title, (enum durability)d, plan, &failed);)
                plan.at += STEP;
            printf("%-36s at each of %" PRIu64 " calls\n", title, plan.at - 1);
        }
    }
    return failed ? 1 : 0;
}
