/* SPDX-License-Identifier: Apache-2.0 */
/* Where the log goes on after a run that acknowledged before the disk had it (F17). */
#include <criterion/criterion.h>

#include "persistence/format.h"
#include "tests/unit/journal_fixture.h"

TestSuite(journal_leap, .init = set_up, .fini = tear_down);

static void expect_leaps(unsigned leaps, bool now)
{
    open_rig();
    cr_assert_eq(rig.leaps, leaps);
    cr_assert_eq(rig.opened.lsn - rig.opened.recovered_lsn, now ? LSN_LEAP : 0);
    cr_assert_eq(log_head(&rig.log), rig.opened.lsn);
}

Test(journal_leap, no_lsn_that_a_lost_run_may_have_told_comes_again) /* F17 */
{
    static const struct {
        enum durability durability;
        bool close, leaps;
    } lives[] = { { DURABILITY_ALWAYS, false, false },  { DURABILITY_EVERYSEC, false, true },
                  { DURABILITY_EVERYSEC, true, false }, { DURABILITY_NONE, false, true },
                  { DURABILITY_NONE, true, false },     { DURABILITY_ALWAYS, false, false } };
    unsigned leaps = 0;
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        rig.durability = lives[i].durability;
        live(7, lives[i].close);
        rig.durability = DURABILITY_ALWAYS;
        leaps += lives[i].leaps;
        expect_leaps(leaps, lives[i].leaps);
        rig_abandon(&rig);
        expect_leaps(leaps, false); /* once is enough: the run that leapt was not early */
        cr_assert_eq(rig.found, 7 * (i + 1));
        rig_abandon(&rig);
    }
}

Test(journal_leap, a_run_that_wrote_nothing_may_have_been_early_too)
{
    rig.durability = DURABILITY_NONE;
    for (unsigned i = 0; i < 3; i++) {
        expect_leaps(i, i > 0);
        rig_abandon(&rig);
    }
}
