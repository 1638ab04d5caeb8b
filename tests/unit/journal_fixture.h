/* SPDX-License-Identifier: Apache-2.0 */
/* One journal in a directory of its own, for each test of a program: .init = set_up, .fini =
 * tear_down. It lives as often as the test has it live. */
#ifndef STOCKD_TESTS_UNIT_JOURNAL_FIXTURE_H
#define STOCKD_TESTS_UNIT_JOURNAL_FIXTURE_H

#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/journal_rig.h"
#include "tests/support/scratch.h"

static struct scratch scratch;
static struct rig rig;

static void set_up(void)
{
    scratch_make(&scratch);
    rig = (struct rig){ .directory = scratch.path,
                        .segment_bytes = RIG_SEGMENT_BYTES,
                        .seed = 1,
                        .wall_ms = 1700000000000,
                        .longest = 400 };
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

static inline const char *in_journal(const char *name)
{
    static char text[2][PATH_MAX + 64];
    static int iteration;
    iteration = !iteration;
    snprintf(text[iteration], sizeof text[iteration], "%s/journal/%s", scratch.path, name);
    return text[iteration];
}

static void open_rig(void)
{
    int error = rig_open(&rig);
    cr_assert_eq(error, 0, "%s", rig.why.text);
    cr_assert_not(rig.wrong);
}

static void write_records(int count)
{
    for (int i = 0; i < count; i++) {
        cr_assert_neq(rig_append(&rig), 0);
        rig_drive(&rig);
    }
}

/* A life in which so many batches of one record are written. */
static void live(int records, bool clean)
{
    open_rig();
    write_records(records);
    if (clean)
        cr_assert_eq(rig_close(&rig), 0);
    else
        rig_abandon(&rig);
}

/* Opening is refused with that error, in those words, and changes nothing. */
static inline void expect_refusal(int error, const char *words)
{
    char directory[PATH_MAX + 16];
    snprintf(directory, sizeof directory, "%s/journal", scratch.path);
    uint64_t before = hash_tree(directory);
    int result = rig_open(&rig);
    cr_assert_eq(result, error, "%d: %s", result, rig.why.text);
    cr_assert(strstr(rig.why.text, words), "%s", rig.why.text);
    cr_assert_eq(hash_tree(directory), before, "something was changed");
}

#endif
