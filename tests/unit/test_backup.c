/* SPDX-License-Identifier: Apache-2.0 */
/* Which journals a backup may go on from: those that hold all that it holds (B4). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "persistence/backup.h"
#include "persistence/restore.h"
#include "tests/support/fault_file.h"
#include "tests/support/journal_rig.h"
#include "tests/support/scratch.h"

enum { RECORDS = 6 };

static struct scratch scratch;
static struct rig rig;
static struct error why;
static char data[PATH_MAX + 16], copy[PATH_MAX + 16], backup[PATH_MAX + 16], attic[PATH_MAX + 16];
static uint64_t lsns[64]; /* after each record of the first history */
static size_t lsn_count;

static void set_up(void)
{
    scratch_make(&scratch);
    snprintf(data, sizeof data, "%s/data", scratch.path);
    snprintf(copy, sizeof copy, "%s/copy", scratch.path);
    snprintf(backup, sizeof backup, "%s/backup", scratch.path);
    snprintf(attic, sizeof attic, "%s/attic", scratch.path);
    mkdir(attic, 0700);
    lsn_count = 0;
    rig = (struct rig){ .directory = data,
                        .segment_bytes = 1 << 20,
                        .seed = 1,
                        .wall_ms = 1700000000000,
                        .longest = 400 };
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

TestSuite(backup, .init = set_up, .fini = tear_down);

static void open_rig(const char *directory)
{
    rig.directory = directory;
    cr_assert_eq(rig_open(&rig), 0, "%s", rig.why.text);
    cr_assert(!rig.wrong);
}

/* One batch each. */
static void append(int records)
{
    for (int i = 0; i < records; i++) {
        lsns[lsn_count % 64] = rig_append(&rig);
        cr_assert_neq(lsns[lsn_count++ % 64], 0);
        rig_drive(&rig);
    }
}

static void live(const char *directory, int records)
{
    open_rig(directory);
    append(records);
    cr_assert_eq(rig_close(&rig), 0);
}

static int back_up(const char *directory, struct backup_made *made)
{
    struct backup_options options = { .files = rig.files ? rig.files : &file_system,
                                      .directory = directory,
                                      .backup = backup };
    return backup_make(&options, made, &why);
}

static uint64_t must_back_up(const char *directory)
{
    struct backup_made made;
    int error = back_up(directory, &made);
    cr_assert_eq(error, 0, "%s", why.text);
    return made.mark.end.lsn;
}

static void restore(enum restore_to to, uint64_t at)
{
    struct restored restored;
    struct restore_options options = {
        .files = &file_system, .backup = backup, .directory = copy, .to = to, .at = at
    };
    cr_assert_eq(backup_restore(&options, &restored, &why), 0, "%s", why.text);
    cr_assert(to == RESTORE_END || restored.end.lsn == at);
}

static void expect_refused(const char *directory)
{
    struct backup_made made;
    uint64_t hash = hash_tree(backup);
    cr_assert_eq(back_up(directory, &made), -EXDEV);
    cr_assert(strstr(why.text, "another history"), "%s", why.text);
    cr_assert_eq(hash_tree(backup), hash, "the backup is not as it was");
}

Test(backup, refuses_what_was_restored_to_an_earlier_moment)
{
    live(data, RECORDS);
    uint64_t end = must_back_up(data);
    for (size_t kept = RECORDS - 1; kept > 0; kept--) {
        restore(RESTORE_LSN, lsns[kept - 1]);
        expect_refused(copy); /* it holds less */
        live(copy, 1);
        expect_refused(copy);
        live(copy, 2 * RECORDS);
        expect_refused(copy); /* it holds more, but other changes */
        remove_tree(copy);
    }
    cr_assert_eq(must_back_up(data), end);
}

Test(backup, goes_on_from_what_was_restored_to_its_end)
{
    live(data, RECORDS);
    uint64_t end = must_back_up(data);
    restore(RESTORE_END, 0);
    cr_assert_eq(must_back_up(copy), end);
    live(copy, 1);
    cr_assert_gt(must_back_up(copy), end);
    expect_refused(data);
    live(data, 2);
    expect_refused(data);
}

Test(backup, refuses_another_history_whose_segments_are_sealed)
{
    rig.segment_bytes = RIG_SEGMENT_BYTES;
    live(data, 5 * RECORDS);
    must_back_up(data);
    restore(RESTORE_LSN, lsns[5 * RECORDS - 2]);
    live(copy, 5 * RECORDS);
    expect_refused(copy);
    remove_tree(copy);
    live(data, 5 * RECORDS); /* the backup's end lies in a segment that is sealed now */
    must_back_up(data);
    restore(RESTORE_LSN, lsns[RECORDS]);
    expect_refused(copy);
    live(copy, 15 * RECORDS);
    expect_refused(copy);
}

Test(backup, is_not_ahead_of_the_engine_after_a_power_cut)
{
    static const enum durability durabilities[] = { DURABILITY_ALWAYS, DURABILITY_EVERYSEC,
                                                    DURABILITY_NONE };
    for (size_t i = 0; i < sizeof durabilities / sizeof *durabilities; i++) {
        struct fault_disk *disk = fault_disk_make(attic, i);
        rig.files = fault_disk_ops(disk);
        rig.durability = durabilities[i];
        open_rig(data);
        append(RECORDS);
        uint64_t end = must_back_up(data);
        append(RECORDS);
        rig_abandon(&rig);
        fault_disk_power_cut(disk);
        open_rig(data);
        cr_assert_geq(rig.opened.recovered_lsn, end);
        append(1);
        cr_assert_gt(must_back_up(data), end);
        rig_abandon(&rig);
        fault_disk_free(disk);
        remove_tree(data);
        remove_tree(backup);
    }
}

Test(backup, restored_to_any_moment_starts_and_is_refused_unless_it_is_the_end)
{
    rig.segment_bytes = RIG_SEGMENT_BYTES; /* some moments are the ends of segments (F18) */
    live(data, 4 * RECORDS);
    must_back_up(data);
    for (size_t kept = 1; kept <= 4 * RECORDS; kept++) {
        struct backup_made made;
        restore(RESTORE_LSN, lsns[kept - 1]);
        for (int i = 0; i < 2; i++) {
            open_rig(copy);
            cr_assert_eq(rig.opened.recovered_lsn, lsns[kept - 1]);
            cr_assert_eq(rig.found, kept);
            rig_abandon(&rig);
        }
        if (kept < 4 * RECORDS)
            expect_refused(copy);
        else
            cr_assert_eq(back_up(copy, &made), 0, "%s", why.text);
        remove_tree(copy);
    }
}
