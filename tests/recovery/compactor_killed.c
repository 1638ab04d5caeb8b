/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compaction that has a snapshot to load, segments to follow and others to remove, or to archive.
 * For every few n its nth call to the operating system fails, comes out short, or is the moment of
 * a power cut. Afterwards:
 *   - a start makes the very same ledger; nothing that counts is gone
 *   - the next compaction succeeds, and a start after it makes the same ledger again
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "engine/ledger/ctx.h"
#include "tests/support/fault_file.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/scratch.h"
#include "tests/support/store_rig.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { STEP = 13 };
#else
enum { STEP = 2 };
#endif

static char why[1024];
static const char *title;
static uint64_t call;

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    printf("FAIL %s, call %" PRIu64 ": %s: %s\n", title, call, what, why);
    exit(1);
}

static struct store store_at(const char *directory, const struct file_ops *files)
{
    return (struct store){
        .directory = directory,
        .files = files,
        .random = { 4711 },
        .config = { .items = 100, .pools = 1000, .reservations = 20000, .contexts = 1 }
    };
}

/* A directory with two snapshots' worth of segments, and one that is to come; the ledger that it
 * makes stays in the store. */
static void make_template(struct store *store)
{
    struct compact_result result;
    struct error reason;
    title = "the template";
    must(store_open(store) == 0, store->why.text);
    for (int i = 0; i < 2; i++) {
        store_trade(store, 1500);
        must(store_compact(store, false, &result, &reason) == 0, reason.text);
        must(result.written, "too few segments");
    }
    store_trade(store, 1500);
    must(store_close(store) == 0, "close");
}

static void start_is_equal(const struct store *template, const char *directory,
                           const struct file_ops *files, const char *when)
{
    struct store store = store_at(directory, files);
    int error = store_open(&store);
    snprintf(why, sizeof why, "%s: %s", when, store.why.text);
    must(error == 0, "it does not start");
    must(ledgers_equal(template->ledger, store.ledger, false, why, sizeof why), when);
    store_abandon(&store);
    store_forget_ledger(&store);
}

/* Returns false once n is beyond the last call. */
static bool try_nth(const struct store *template, struct fault_plan plan, bool archive)
{
    struct scratch scratch;
    char data[PATH_MAX + 8], attic[PATH_MAX + 8];
    struct compact_result result;
    struct error reason;
    scratch_make(&scratch);
    snprintf(data, sizeof data, "%s/data", scratch.path);
    snprintf(attic, sizeof attic, "%s/attic", scratch.path);
    mkdir(attic, 0700);
    copy_tree(template->directory, data);
    struct fault_disk *disk = fault_disk_make(attic, plan.at * 7919);
    struct store store = store_at(data, fault_disk_ops(disk));

    fault_disk_plan(disk, plan);
    int error = store_compact(&store, archive, &result, &reason);
    bool struck = fault_disk_struck(disk);
    snprintf(why, sizeof why, "%s", reason.text);
    must(error != -EILSEQ, "the fault was taken for corruption");
    must(struck || error == 0, "it fails without a fault");
    if (plan.kind == FAULT_POWER_CUT)
        fault_disk_power_cut(disk);
    fault_disk_plan(disk, (struct fault_plan){ 0 });
    start_is_equal(template, data, store.files, "after the fault");

    error = store_compact(&store, archive, &result, &reason);
    snprintf(why, sizeof why, "%s", reason.text);
    must(error == 0, "the next compaction fails");
    start_is_equal(template, data, store.files, "after the next compaction");
    fault_disk_free(disk);
    scratch_remove(&scratch);
    return struck;
}

static const struct {
    const char *title;
    struct fault_plan plan;
    bool archive;
} kinds[] = {
    { "EIO once", { .kind = FAULT_ERROR, .error = -EIO }, false },
    { "disk full from then on", { .kind = FAULT_ERROR, .error = -ENOSPC, .stays = true }, false },
    { "short write", { .kind = FAULT_SHORT }, true },
    { "power cut", { .kind = FAULT_POWER_CUT }, false },
    { "power cut, archive", { .kind = FAULT_POWER_CUT }, true },
};

int main(void)
{
    struct scratch scratch;
    char data[PATH_MAX + 8];
    scratch_make(&scratch);
    snprintf(data, sizeof data, "%s/data", scratch.path);
    struct store template = store_at(data, &file_system);
    make_template(&template);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct fault_plan plan = kinds[k].plan;
        title = kinds[k].title;
        call = 0;
        for (plan.at = 1 + k % 2; call = plan.at, try_nth(&template, plan, kinds[k].archive);)
            plan.at += kinds[k].archive ? 3 * STEP : STEP;
        printf("%-26s of %" PRIu64 " calls\n", title, plan.at - 1);
    }
    store_forget_ledger(&template);
    scratch_remove(&scratch);
    return 0;
}
