/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second backup into the directory of a first one, and a restore: for every n the nth call to the
 * operating system fails, comes out short, or is the moment of a power cut. Afterwards:
 *   - the backup is whole: it is the first one, or the second, if that had come so far
 *   - a backup that said it was made is there after a power cut, too
 *   - the next backup is made as if nothing had been
 *   - a restored directory exists only if it holds all that it should
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persistence/backup.h"
#include "persistence/restore.h"
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

enum { FIRST = 60, SECOND = 75 }; /* records */

struct place {
    char path[PATH_MAX + 16];
};

static struct scratch base;
static struct place before, after, first_backup; /* data directories; the backup of the first */
static uint64_t first_lsn, second_lsn;
static bool failed;

static struct place in(const struct scratch *scratch, const char *name)
{
    struct place place;
    snprintf(place.path, sizeof place.path, "%s/%s", scratch->path, name);
    return place;
}

static void expect(bool holds, const char *what, const char *title, uint64_t n,
                   const struct error *why)
{
    if (holds)
        return;
    printf("FAIL %s, call %" PRIu64 ": %s (%s)\n", title, n, what, why->text);
    failed = true;
}

/* ---- what all attempts begin with ---- */

static struct rig rig_of(const char *directory)
{
    return (struct rig){ .directory = directory,
                         .segment_bytes = SEGMENT_BYTES_MIN,
                         .seed = 4711,
                         .longest = 900,
                         .wall_ms = 1000 };
}

static uint64_t live(const char *directory, int records)
{
    struct rig rig = rig_of(directory);
    uint64_t lsn = 0;
    if (rig_open(&rig) != 0)
        exit(2);
    for (int i = 0; i < records; i++) {
        lsn = rig_append(&rig);
        rig.steady_ms += 90;
        rig.wall_ms += 90;
        rig_drive(&rig);
    }
    return rig_close(&rig) == 0 ? lsn : 0;
}

static int back_up(const struct file_ops *files, const char *data, const char *backup,
                   struct backup_made *made, struct error *why)
{
    struct backup_options options = { .files = files, .directory = data, .backup = backup };
    return backup_make(&options, made, why);
}

static void prepare(void)
{
    struct backup_made made;
    struct error why = { "" };
    scratch_make(&base);
    before = in(&base, "before");
    after = in(&base, "after");
    first_backup = in(&base, "backup");
    first_lsn = live(before.path, FIRST);
    if (back_up(&file_system, before.path, first_backup.path, &made, &why) != 0 ||
        made.mark.end.lsn != first_lsn || made.mark.sealed.sequence < 2) {
        printf("FAIL no backup to begin with: %s\n", why.text);
        exit(1);
    }
    copy_tree(before.path, after.path);
    second_lsn = live(after.path, SECOND);
}

/* ---- one attempt ---- */

struct attempt {
    struct scratch scratch;
    struct place backup, attic, restored;
    struct fault_disk *disk;
};

static void begin(struct attempt *a, const struct fault_plan *plan)
{
    scratch_make(&a->scratch);
    a->backup = in(&a->scratch, "backup");
    a->attic = in(&a->scratch, "attic");
    a->restored = in(&a->scratch, "restored");
    copy_tree(first_backup.path, a->backup.path);
    mkdir(a->attic.path, 0700);
    a->disk = fault_disk_make(a->attic.path, plan->at * 7919 + (uint64_t)plan->kind);
}

static void end(struct attempt *a)
{
    fault_disk_free(a->disk);
    scratch_remove(&a->scratch);
}

/* The LSN that the backup holds, read back; 0: it is not whole. */
static uint64_t whole_up_to(const struct attempt *a, struct error *why)
{
    struct restored restored;
    struct restore_options options = { .files = &file_system, .backup = a->backup.path };
    return backup_restore(&options, &restored, why) == 0 ? restored.end.lsn : 0;
}

/* Returns false if the plan's call was never made. */
static bool try_backup(const char *title, struct fault_plan plan)
{
    struct attempt a;
    struct backup_made made;
    struct error why = { "" };
    begin(&a, &plan);
    fault_disk_plan(a.disk, plan);
    int error = back_up(fault_disk_ops(a.disk), after.path, a.backup.path, &made, &why);
    bool struck = fault_disk_struck(a.disk);
    if (struck && plan.kind == FAULT_POWER_CUT)
        fault_disk_power_cut(a.disk);
    expect(error != -EILSEQ, "the fault was taken for damage", title, plan.at, &why);
    uint64_t lsn = whole_up_to(&a, &why);
    expect(lsn == second_lsn || (error && lsn == first_lsn), "the backup is not whole", title,
           plan.at, &why);
    error = back_up(&file_system, after.path, a.backup.path, &made, &why);
    expect(error == 0 && whole_up_to(&a, &why) == second_lsn, "the next backup is not made", title,
           plan.at, &why);
    end(&a);
    return struck;
}

/* The data directory opens, and gives all records back. */
static bool holds_all(const char *directory)
{
    struct rig rig = rig_of(directory);
    rig.wall_ms = 1000000;
    if (rig_open(&rig) != 0)
        return false;
    bool all = !rig.wrong && rig.found == FIRST;
    return rig_close(&rig) == 0 && all;
}

static bool try_restore(const char *title, struct fault_plan plan)
{
    struct attempt a;
    struct restored restored;
    struct error why = { "" };
    begin(&a, &plan);
    fault_disk_plan(a.disk, plan);
    struct restore_options options = { .files = fault_disk_ops(a.disk),
                                       .backup = a.backup.path,
                                       .directory = a.restored.path };
    int error = backup_restore(&options, &restored, &why);
    bool struck = fault_disk_struck(a.disk);
    if (struck && plan.kind == FAULT_POWER_CUT)
        fault_disk_power_cut(a.disk);
    expect(error != -EILSEQ, "the fault was taken for damage", title, plan.at, &why);
    bool there = access(a.restored.path, F_OK) == 0;
    expect(there || error, "what was restored is not there", title, plan.at, &why);
    expect(!there || holds_all(a.restored.path), "only a part was restored", title, plan.at, &why);
    end(&a);
    return struck;
}

/* ---- all of them ---- */

static const struct {
    const char *title;
    struct fault_plan plan;
} kinds[] = {
    { "EIO once", { .kind = FAULT_ERROR, .error = -EIO } },
    { "disk full from then on", { .kind = FAULT_ERROR, .error = -ENOSPC, .stays = true } },
    { "short write", { .kind = FAULT_SHORT } },
    { "power cut", { .kind = FAULT_POWER_CUT } },
};

static void try_all(const char *what, bool (*attempt)(const char *title, struct fault_plan plan))
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char title[64];
        struct fault_plan plan = kinds[k].plan;
        snprintf(title, sizeof title, "%s, %s", what, kinds[k].title);
        for (plan.at = 1; attempt(title, plan);)
            plan.at += STEP;
        printf("%-36s at each of %" PRIu64 " calls\n", title, plan.at - 1);
    }
}

int main(void)
{
    prepare();
    try_all("backup", try_backup);
    try_all("restore", try_restore);
    scratch_remove(&base);
    return failed ? 1 : 0;
}
