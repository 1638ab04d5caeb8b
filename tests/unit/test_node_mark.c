/* SPDX-License-Identifier: Apache-2.0 */
/* DIR/node: which node of a cluster a data directory is. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persistence/node_mark.h"
#include "tests/support/fault_file.h"
#include "tests/support/scratch.h"

static struct scratch scratch;
static char path[PATH_MAX + 8];
static struct node_mark mark;
static struct error why;
static const struct node_mark first = { .id = 7, .log_id = UINT64_MAX, .name = "store-a" };

static void set_up(void)
{
    scratch_make(&scratch);
    snprintf(path, sizeof path, "%s/%s", scratch.path, NODE_MARK_NAME);
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

TestSuite(node_mark, .init = set_up, .fini = tear_down);

static void expect(const struct node_mark *expected)
{
    cr_assert_eq(node_mark_read(&mark, &file_system, scratch.path, &why), 0, "%s", why.text);
    cr_assert_eq(mark.id, expected->id);
    cr_assert_eq(mark.log_id, expected->log_id);
    cr_assert_str_eq(mark.name, expected->name);
}

Test(node_mark, there_is_none)
{
    cr_assert_eq(node_mark_read(&mark, &file_system, scratch.path, &why), 0);
    cr_assert_eq(mark.id, 0);
}

Test(node_mark, what_is_written_is_read)
{
    const struct node_mark second = { .id = 7, .log_id = 3, .name = "b" };
    cr_assert_eq(node_mark_write(&first, &file_system, scratch.path, &why), 0, "%s", why.text);
    expect(&first);
    cr_assert_eq(node_mark_write(&second, &file_system, scratch.path, &why), 0, "%s", why.text);
    expect(&second);
}

Test(node_mark, each_byte_counts)
{
    size_t length;
    cr_assert_eq(node_mark_write(&first, &file_system, scratch.path, &why), 0);
    unsigned char *bytes = read_file(path, &length);
    cr_assert_eq(length, sizeof(struct node_mark));
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 4;
        write_file(path, bytes, length);
        cr_assert_eq(node_mark_read(&mark, &file_system, scratch.path, &why), -EILSEQ);
        cr_assert_eq(mark.id, 0);
        bytes[i] ^= 4;
    }
    write_file(path, bytes, length - 1);
    cr_assert_eq(node_mark_read(&mark, &file_system, scratch.path, &why), -EILSEQ);
    free(bytes);
}

/* At each call of the writer: afterwards there is the old one, or the new one. */
Test(node_mark, a_power_cut_leaves_the_old_one_or_the_new_one)
{
    const struct node_mark second = { .id = 8, .log_id = 3, .name = "b" };
    struct scratch attic;
    scratch_make(&attic);
    unsigned old = 0, renewed = 0;
    bool struck = true;
    for (uint64_t at = 1; struck; at++) {
        struct fault_disk *disk = fault_disk_make(attic.path, at);
        const struct file_ops *files = fault_disk_ops(disk);
        cr_assert_eq(node_mark_write(&first, files, scratch.path, &why), 0, "%s", why.text);
        fault_disk_plan(disk, (struct fault_plan){ .at = at, .kind = FAULT_POWER_CUT });
        int error = node_mark_write(&second, files, scratch.path, &why);
        struck = fault_disk_struck(disk);
        cr_assert_eq(error != 0, struck);
        if (struck)
            fault_disk_power_cut(disk);
        cr_assert_eq(node_mark_read(&mark, &file_system, scratch.path, &why), 0, "%s", why.text);
        cr_assert(mark.id == first.id || mark.id == second.id);
        cr_assert(struck || mark.id == second.id);
        *(mark.id == first.id ? &old : &renewed) += 1;
        fault_disk_free(disk);
    }
    cr_assert_gt(old, 0);
    cr_assert_gt(renewed, 0);
    scratch_remove(&attic);
}
