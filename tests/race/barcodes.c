/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items change their barcodes while others look them up, in a table that is as full as it can be.
 *
 * Each item has barcodes of its own that no other ever has: who looks one up finds that item or
 * nobody. The barcode "shared" is always on one of two items at least, and is handed over from one
 * to the other and back: who looks it up finds one of them, never nobody. "steady" is always on one
 * item, and now and then on others after it: who looks it up finds the first, always.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, CHANGERS = 2, PER_CHANGER = 8, MILLISECONDS = 2500, LEAST = 500 };
enum { STEADY, FIRST_SHARED, SECOND_SHARED, OTHERS }; /* numbers of items, in order of creation */
enum { ITEMS = OTHERS + CHANGERS * PER_CHANGER, OWN = 4 /* barcodes of each item */ };

enum tally { CHANGES, LOOKUPS, UNKNOWN };

static struct text sku_of(struct race_name *name, int item)
{
    return race_name(name, 'S', (uint64_t)item);
}

static struct text own_code(struct race_name *name, int item, int which)
{
    return race_name(name, 'C', (uint64_t)item * OWN + (uint64_t)which);
}

static void set_barcode(struct racer *racer, int item, struct text barcode)
{
    struct race_name sku;
    struct item_setting s = { .sku = sku_of(&sku, item), .has_barcode = true, .barcode = barcode };
    uint64_t lsn;
    enum code code;
    while ((code = ledger_set_item(racer->ctx, &s, &lsn)) == CODE_DEFERRED)
        racer_turn(racer);
    RACE_MUST(code == CODE_OK, "item_set: %s", ctx_failure(racer->ctx)->message);
    racer->tally[CHANGES]++;
}

/* The number of the item that has the barcode; -1: none. */
static int look_up(struct racer *racer, struct text barcode)
{
    struct details_view view;
    struct race_name sku;
    enum code code;
    while ((code = ledger_lookup(racer->ctx, barcode, &view)) == CODE_DEFERRED)
        racer_turn(racer);
    racer->tally[LOOKUPS]++;
    if (code == CODE_UNKNOWN_SKU)
        return racer->tally[UNKNOWN]++, -1;
    RACE_MUST(code == CODE_OK, "lookup: %s", ctx_failure(racer->ctx)->message);
    RACE_MUST(text_equal(view.barcode, barcode), "%.*s was found for %.*s", (int)view.barcode.len,
              view.barcode.at, (int)barcode.len, barcode.at);
    for (int i = 0; i < ITEMS; i++)
        if (text_equal(view.sku, sku_of(&sku, i)))
            return i;
    race_fail("lookup found \"%.*s\"", (int)view.sku.len, view.sku.at);
}

/* The first changer hands the shared barcode over: it is set here before it is taken there. */
static void hand_over(struct racer *racer, int step)
{
    struct race_name name;
    int from = step % 2 == 0 ? FIRST_SHARED : SECOND_SHARED;
    int to = FIRST_SHARED + SECOND_SHARED - from;
    set_barcode(racer, to, text_of("shared"));
    set_barcode(racer, from, own_code(&name, from, step % OWN));
}

static void change(struct racer *racer, int step)
{
    struct race_name name;
    struct random *r = &racer->random;
    int item = OTHERS + (int)racer->index * PER_CHANGER + random_below(r, PER_CHANGER);
    int what = random_below(r, OWN + 2);
    if (racer->index == 0 && step % 2 == 0)
        hand_over(racer, step / 2);
    else if (what == OWN)
        set_barcode(racer, item, text_of("steady"));
    else
        set_barcode(racer, item, what < OWN ? own_code(&name, item, what) : text_of(""));
}

static void look(struct racer *racer)
{
    struct race_name name;
    struct random *r = &racer->random;
    /* The shared one most often: it is in between for moments only. */
    int item = random_chance(r, 60) ? FIRST_SHARED : random_below(r, ITEMS), found;
    if (item == STEADY) {
        found = look_up(racer, text_of("steady"));
        RACE_MUST(found == STEADY, "item %d was found for the barcode of the first", found);
    } else if (item <= SECOND_SHARED) {
        found = look_up(racer, text_of("shared"));
        RACE_MUST(found == FIRST_SHARED || found == SECOND_SHARED,
                  "item %d was found for a barcode that two others share", found);
    } else {
        found = look_up(racer, own_code(&name, item, random_below(r, OWN)));
        RACE_MUST(found == item || found == -1, "item %d was found for a barcode of item %d", found,
                  item);
    }
}

static void play_part(struct racer *racer)
{
    unsigned counted = racer->index < CHANGERS ? CHANGES : LOOKUPS;
    for (int i = 0; !racer_has_done(racer, MILLISECONDS, counted, LEAST); i++) {
        if (racer->index < CHANGERS)
            change(racer, i);
        else
            look(racer);
        if (i % 8 == 0)
            racer_turn(racer);
    }
}

/* Before the race, on one context: the items, in order, and the barcodes that never go away. */
static void create_items(struct racer *racer)
{
    for (int i = 0; i < ITEMS; i++)
        set_barcode(racer, i, text_of(i == STEADY ? "steady" : i == FIRST_SHARED ? "shared" : ""));
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ .items = ITEMS }, argc, argv);
    race_run(&race, 1, create_items, racers);
    race_run(&race, CONTEXTS, play_part, racers);
    for (unsigned i = CHANGERS; i < CONTEXTS; i++)
        RACE_MUST(racers[i].tally[UNKNOWN] > 0, "every barcode was always there");
    race_close(&race, "barcodes");
    return 0;
}
