/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/leaps.h"
#include "tests/support/contents_rig.h"

enum { EACH = 1000, GAP = 300 };

static struct leaps leaps;

/* The n-th, from 0: from 1000 (n + 1) - 300 to 1000 (n + 1). */
static void add(unsigned n)
{
    uint64_t to = (uint64_t)EACH * (n + 1);
    leaps_add(&leaps, &(struct leap){ to - GAP, to });
}

Test(leaps, only_what_lies_in_between_is_taken_back)
{
    cr_assert_eq(leaps_took_back(&leaps, 700), 0);
    for (unsigned i = 0; i < 3; i++)
        add(i);
    static const struct {
        uint64_t lsn, went_on;
    } lsns[] = { { 0, 0 },    { 1, 0 },       { 700, 0 },     { 701, 1000 },  { 999, 1000 },
                 { 1000, 0 }, { 1500, 0 },    { 1700, 0 },    { 1701, 2000 }, { 2000, 0 },
                 { 2700, 0 }, { 2701, 3000 }, { 2999, 3000 }, { 3000, 0 },    { UINT64_MAX, 0 } };
    for (size_t i = 0; i < sizeof lsns / sizeof *lsns; i++)
        cr_expect_eq(leaps_took_back(&leaps, lsns[i].lsn), lsns[i].went_on, "%lu", lsns[i].lsn);
}

Test(leaps, before_those_that_are_kept_any_may_be_taken_back)
{
    for (unsigned i = 0; i < LEAPS_MAX; i++)
        add(i);
    cr_assert_eq(leaps_took_back(&leaps, 500), 0);
    add(LEAPS_MAX);
    cr_assert_eq(leaps.count, LEAPS_MAX);
    cr_assert_eq(leaps_took_back(&leaps, 0), 0, "it knows nothing yet");
    cr_assert_eq(leaps_took_back(&leaps, 500), 1000);
    cr_assert_eq(leaps_took_back(&leaps, 1000), 0);
    cr_assert_eq(leaps_took_back(&leaps, 1701), 2000);
    add(LEAPS_MAX + 1);
    cr_assert_eq(leaps_took_back(&leaps, 1500), 2000);
}

Test(leaps, a_snapshot_has_them)
{
    static struct ledger_rig rig, copy;
    struct contents contents;
    char why[256] = "";
    const struct ledger_config config = {
        .items = 8, .pools = 8, .reservations = 256, .contexts = 1, .hash_seed = 3
    };
    ledger_rig_open(&rig, &config);
    for (unsigned i = 0; i < LEAPS_MAX + 3; i++)
        ledger_leap(rig.ledger, (uint64_t)EACH * (i + 1) - GAP, (uint64_t)EACH * (i + 1));
    cr_assert(contents_take(&contents, rig.ledger, why, sizeof why), "%s", why);
    ledger_rig_open(&copy, &rig.config);
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    contents_free(&contents);
    cr_assert_eq(copy.ledger->leaps.count, LEAPS_MAX);
    cr_assert_eq(copy.ledger->leaps.forgotten, rig.ledger->leaps.forgotten);
    for (unsigned i = 0; i < LEAPS_MAX; i++) {
        cr_assert_eq(copy.ledger->leaps.last[i].from, rig.ledger->leaps.last[i].from);
        cr_assert_eq(copy.ledger->leaps.last[i].to, rig.ledger->leaps.last[i].to);
    }
    cr_assert_eq(ledger_took_back(copy.ledger, 5), 3 * EACH);
    cr_assert_eq(ledger_took_back(copy.ledger, 4 * EACH - 1), 4 * EACH);
    ledger_rig_close(&copy);
    ledger_rig_close(&rig);
}
