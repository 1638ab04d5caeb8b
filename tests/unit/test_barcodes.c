/* SPDX-License-Identifier: Apache-2.0 */
/* Which item has a barcode. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/barcodes.h"
#include "tests/support/random.h"

enum { ITEMS = 64, CODES = 24 };

static struct items items;
static struct barcodes barcodes;

static void open_tables(uint32_t max)
{
    cr_assert_eq(items_init(&items, max, 8, 99), 0);
    cr_assert_eq(barcodes_init(&barcodes, max), 0);
    atomic_store(&items.count, max);
}

static void close_tables(void)
{
    for (uint32_t i = 0; i < atomic_load(&items.count); i++)
        free(atomic_load(&items.details[i]));
    barcodes_destroy(&barcodes);
    items_destroy(&items);
}

static struct item_details *details_with(const char *barcode)
{
    struct item_details *details = calloc(1, sizeof *details);
    cr_assert_not_null(details);
    details->barcode_len = (uint8_t)strlen(barcode);
    memcpy(details->barcode, barcode, details->barcode_len);
    return details;
}

static void set(uint32_t item, const char *barcode)
{
    struct item_details *old = atomic_load(&items.details[item]);
    barcodes_show(&barcodes, &items, item, details_with(barcode));
    free(old);
}

static int64_t find(const char *barcode)
{
    const struct item_details *details;
    int64_t found = barcodes_find(&barcodes, &items, text_of(barcode), &details);
    cr_assert_eq(details, found >= 0 ? atomic_load(&items.details[found]) : NULL);
    return found;
}

Test(barcodes, lead_to_the_item_that_has_them_now)
{
    open_tables(8);
    cr_assert_eq(find("4006381333931"), ITEM_NONE);
    set(3, "4006381333931");
    cr_assert_eq(find("4006381333931"), 3);
    cr_assert_eq(find("400638133393"), ITEM_NONE, "not by the beginning of one");
    set(3, "72527273070");
    cr_assert_eq(find("4006381333931"), ITEM_NONE);
    cr_assert_eq(find("72527273070"), 3);
    set(3, "");
    cr_assert_eq(find("72527273070"), ITEM_NONE);
    cr_assert_eq(find(""), ITEM_NONE, "no barcode is not a barcode");
    close_tables();
}

Test(barcodes, of_several_items_lead_to_the_lowest)
{
    open_tables(8);
    set(5, "x");
    set(2, "x");
    set(7, "x");
    cr_assert_eq(find("x"), 2);
    set(2, "y");
    cr_assert_eq(find("x"), 5);
    set(7, "");
    cr_assert_eq(find("x"), 5);
    set(0, "x");
    cr_assert_eq(find("x"), 0);
    close_tables();
}

Test(barcodes, may_be_as_long_as_a_name_and_no_longer)
{
    char longest[NAME_MAX_BYTES + 2] = { 0 };
    memset(longest, '9', NAME_MAX_BYTES);
    open_tables(8);
    set(1, longest);
    cr_assert_eq(find(longest), 1);
    longest[NAME_MAX_BYTES] = '9';
    cr_assert_eq(find(longest), ITEM_NONE);
    close_tables();
}

/* What the index must say, found the long way. */
static int64_t lowest(const char *barcode)
{
    for (uint32_t i = 0; i < atomic_load(&items.count); i++) {
        const struct item_details *details = atomic_load(&items.details[i]);
        if (barcode[0] != '\0' && text_equal(details_barcode(details), text_of(barcode)))
            return i;
    }
    return ITEM_NONE;
}

static const char *some_code(char buffer[16], struct random *random, int kinds)
{
    int number = random_below(random, kinds + 1);
    snprintf(buffer, 16, "%d", number);
    return number == kinds ? "" : buffer;
}

static void assert_finds_all(int kinds)
{
    char code[16];
    for (int c = 0; c < kinds; c++) {
        snprintf(code, sizeof code, "%d", c);
        cr_assert_eq(find(code), lowest(code), "barcode %s", code);
    }
}

/* From one barcode that all items share to more barcodes than items. */
Test(barcodes, are_found_after_any_changes)
{
    static const int kinds[] = { 1, 2, 7, CODES, 10 * ITEMS };
    struct random random = { 1 };
    char code[16];
    for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        open_tables(ITEMS);
        for (int i = 0; i < 4000; i++) {
            set((uint32_t)random_below(&random, ITEMS), some_code(code, &random, kinds[k]));
            if (i % 16 == 0)
                assert_finds_all(kinds[k]);
        }
        close_tables();
    }
}

/* The index that is built at once is the one that was made step by step. */
Test(barcodes, are_found_after_loading)
{
    struct random random = { 2 };
    char code[16];
    open_tables(ITEMS);
    for (uint32_t i = 0; i < ITEMS; i += 2)
        atomic_store(&items.details[i], details_with(some_code(code, &random, CODES)));
    barcodes_build(&barcodes, &items);
    assert_finds_all(CODES);
    for (uint32_t i = 0; i < ITEMS; i++)
        set(i, some_code(code, &random, CODES));
    assert_finds_all(CODES);
    close_tables();
}

Test(barcodes, fill_the_table_and_leave_it)
{
    enum { MANY = 5000 };
    char code[16];
    open_tables(MANY);
    for (int turn = 0; turn < 3; turn++) {
        for (uint32_t i = 0; i < MANY; i++) {
            snprintf(code, sizeof code, "%d-%u", turn, i);
            set(i, code);
        }
        for (uint32_t i = 0; i < MANY; i++) {
            snprintf(code, sizeof code, "%d-%u", turn, i);
            cr_assert_eq(find(code), i);
        }
    }
    for (uint32_t i = 0; i < MANY; i++)
        set(i, "");
    for (uint32_t i = 0; i <= barcodes.mask; i++)
        cr_assert_eq(atomic_load(&barcodes.slots[i]), 0, "no trace is left");
    close_tables();
}

/* 50,000 items that were all given the barcode "none", and are then put right one by one, the
 * lowest first: what is quadratic takes minutes. */
Test(barcodes, that_many_items_share_cost_little)
{
    enum { MANY = 50000 };
    char code[16];
    open_tables(MANY);
    for (uint32_t i = MANY; i-- > 0;)
        set(i, "none");
    for (uint32_t i = 0; i < MANY; i++) {
        cr_assert_eq(find("none"), i);
        snprintf(code, sizeof code, "%u", i);
        set(i, code);
    }
    cr_assert_eq(find("none"), ITEM_NONE);
    close_tables();
}

Test(barcodes, are_busy_while_one_changes)
{
    open_tables(8);
    set(1, "x");
    atomic_fetch_add(&barcodes.version, 1);
    cr_assert_eq(find("x"), ITEM_BUSY);
    cr_assert_eq(find("y"), ITEM_BUSY);
    atomic_fetch_add(&barcodes.version, 1);
    cr_assert_eq(find("x"), 1);
    close_tables();
}
