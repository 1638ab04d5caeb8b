/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A movement's id stands for every field of it, also for those that the protocol cannot vary alone.
 * (tests/integration/test_contract_fingerprints.py varies every field of every method.)
 */
#include <criterion/criterion.h>

#include "engine/ledger/ledger.h"
#include "tests/support/ledger_rig.h"

typedef enum code (*mover)(struct ctx *ctx, const struct movement *m, struct movement_result *r);

static struct ledger_rig rig;
static struct ctx *ctx;

static void set_up(void)
{
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 4, .pools = 16, .reservations = 64, .contexts = 1, .hash_seed = 1 });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, 1000000, 1000000);
}

static void tear_down(void)
{
    ledger_end(ctx);
    ledger_rig_close(&rig);
}

TestSuite(ledger_fingerprints, .init = set_up, .fini = tear_down);

static void expect(mover move, const struct movement *m, enum code wanted, const char *what)
{
    struct movement_result result;
    enum code code = move(ctx, m, &result);
    cr_expect_eq(code, wanted, "%s: %s, not %s", what, code_name(code), code_name(wanted));
}

Test(ledger_fingerprints, every_field_of_a_movement_counts)
{
    static const mover movers[] = { ledger_receive, ledger_adjust, ledger_count };
    static const char *const ids[] = { "receive", "adjust", "count" };
    for (unsigned i = 0; i < 3; i++) {
        const struct movement first = { .id = text_of(ids[i]),
                                        .sku = text_of("tea"),
                                        .location = text_of("main"),
                                        .qty = 5,
                                        .ref = text_of("ref"),
                                        .reason = text_of("reason") };
        expect(movers[i], &first, CODE_OK, ids[i]);
        struct movement others[9];
        for (unsigned n = 0; n < 9; n++)
            others[n] = first;
        others[0].sku = text_of("cup");
        others[1].location = text_of("elsewhere");
        others[2].qty = 6;
        others[3].ref = text_of("other");
        others[4].reason = text_of("other");
        others[5].damaged = true;
        others[6].has_as_of = true; /* as of 0 */
        others[7].ref = first.reason;
        others[7].reason = first.ref;
        others[8].has_if_on_hand = true; /* 0 */
        for (unsigned n = 0; n < 9; n++)
            expect(movers[i], &others[n], CODE_CONFLICT, ids[i]);
        for (unsigned n = 0; n < 3; n++)
            expect(movers[n], &first, n == i ? CODE_OK : CODE_CONFLICT, "another kind");
    }
}
