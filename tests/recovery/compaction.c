/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random lives of a store: business, clean ends and kills, compactions at random moments, beside
 * the open store and without it. After each start the ledger is what it was, and ids are
 * remembered alike; a damaged newest snapshot loses nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/ledger/ctx.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/scratch.h"
#include "tests/support/store_rig.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { LIVES = 5 };
#else
enum { LIVES = 10 };
#endif

static uint64_t seed;
static char why[512];

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    printf("FAIL seed %" PRIu64 ": %s: %s\n", seed, what, why);
    exit(1);
}

/* Opens again and compares; *live, which it replaces, is the ledger as it was. */
static void reopen(struct store *store)
{
    struct ledger *live = store->ledger;
    store->ledger = NULL;
    int error = store_open(store);
    snprintf(why, sizeof why, "%s", store->why.text);
    must(error == 0, "it does not open");
    must(ledger_check(store->ledger, why, sizeof why) == 0, "an invariant does not hold");
    must(ledgers_equal(live, store->ledger, false, why, sizeof why), "it is another ledger");
    ledger_destroy(live);
}

static void close_some_way(struct store *store)
{
    if (random_chance(&store->random, 50))
        must(store_close(store) == 0, "close");
    else
        store_abandon(store);
}

static uint64_t do_compact(struct store *store)
{
    struct compact_result result;
    struct error reason;
    int error = store_compact(store, random_chance(&store->random, 30), &result, &reason);
    snprintf(why, sizeof why, "%s", reason.text);
    must(error == 0, "it cannot be compacted");
    must(!result.readers, "nobody reads");
    return result.written ? result.lsn : 0;
}

static void snapshot_path(const struct store *store, uint64_t lsn, char *path, size_t size)
{
    snprintf(path, size, "%s/snapshot/%s", store->directory, snapshot_name(lsn).text);
}

/* A bit somewhere in the snapshot, in its last byte but one block, or all but its beginning. */
static void damage(struct store *store, uint64_t lsn)
{
    char path[PATH_MAX + 64];
    size_t length;
    snapshot_path(store, lsn, path, sizeof path);
    unsigned char *bytes = read_file(path, &length);
    int how = random_below(&store->random, 3);
    if (how == 0)
        bytes[BLOCK_BYTES + 8] ^= 1; /* the first block's records */
    else if (how == 1)
        bytes[length - BLOCK_BYTES] ^= 1;
    write_file(path, bytes, how == 2 ? length / 2 : length);
    free(bytes);
}

static uint64_t live(struct store *store)
{
    struct random *random = &store->random;
    uint64_t newest = 0, snapshots = 0;
    must(store_open(store) == 0, store->why.text);
    for (int i = random_between(random, 4, 12); i > 0; i--) {
        store_trade(store, random_between(random, 1, 1500));
        if (random_chance(random, 50)) { /* beside the open store */
            uint64_t lsn = do_compact(store);
            newest = lsn ? lsn : newest;
            snapshots += lsn != 0;
        }
        if (random_chance(random, 40))
            continue;
        close_some_way(store);
        if (random_chance(random, 30)) {
            uint64_t lsn = do_compact(store);
            newest = lsn ? lsn : newest;
            snapshots += lsn != 0;
        }
        bool damaged = newest && random_chance(random, 30);
        if (damaged)
            damage(store, newest);
        reopen(store);
        must(damaged == (store->opened.base.passed_over > 0), "what it says of damage");
        must(newest == 0 || damaged || store->opened.base.position.lsn == newest,
             "it does not begin with the newest");
        if (damaged)
            newest = 0; /* until the next one takes its place */
        if (damaged)
            break;
    }
    store_close(store);
    store_forget_ledger(store);
    return snapshots;
}

int main(void)
{
    uint64_t snapshots = 0, first = (uint64_t)time(NULL) * 1000;
    const char *given = getenv("STOCKD_TEST_SEED");
    if (given)
        first = strtoull(given, NULL, 10);
    printf("seed %" PRIu64 "\n", first);
    for (seed = first; seed < first + LIVES; seed++) {
        struct scratch scratch;
        char data[PATH_MAX + 8];
        scratch_make(&scratch);
        snprintf(data, sizeof data, "%s/data", scratch.path);
        struct store store = {
            .directory = data,
            .files = &file_system,
            .random = { seed },
            .config = { .items = 100, .pools = 1000, .reservations = 60000, .contexts = 2 }
        };
        store.durability = (enum durability)random_below(&store.random, 3);
        snapshots += live(&store);
        scratch_remove(&scratch);
    }
    printf("%d lives, %" PRIu64 " snapshots\n", LIVES, snapshots);
    snprintf(why, sizeof why, "%" PRIu64, snapshots);
    must(snapshots >= LIVES / 3, "too few snapshots to say anything");
    return 0;
}
