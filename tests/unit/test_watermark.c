/* SPDX-License-Identifier: Apache-2.0 */
/* What is acknowledged, as a policy over watermarks. */
#include <criterion/criterion.h>

#include "persistence/durability.h"
#include "persistence/watermark.h"

static struct watermarks watermarks;
static struct log ring;

static void set_up(void)
{
    cr_assert_eq(log_init(&ring, 1 << 20, 1, 0), 0);
}

static void tear_down(void)
{
    log_destroy(&ring);
}

TestSuite(watermark, .init = set_up, .fini = tear_down);

static void reach(enum watermark which, uint64_t lsn)
{
    watermark_raise(&watermarks, which, (struct log_position){ lsn, lsn / 64 });
}

static uint64_t acknowledged(void)
{
    watermarks_acknowledge(&watermarks, &ring);
    return log_acknowledged(&ring);
}

Test(watermark, is_read_as_it_was_raised)
{
    reach(WATERMARK_KERNEL, 128);
    cr_assert_eq(watermark_read(&watermarks, WATERMARK_KERNEL).lsn, 128);
    cr_assert_eq(watermark_read(&watermarks, WATERMARK_KERNEL).number, 2);
    cr_assert_eq(watermark_read(&watermarks, WATERMARK_DISK).lsn, 0);
}

Test(watermark, what_is_not_required_acknowledges_nothing) /* W2 */
{
    watermarks.required = durability_requires(DURABILITY_ALWAYS);
    reach(WATERMARK_KERNEL, 640);
    cr_assert_eq(acknowledged(), 0);
    reach(WATERMARK_DISK, 320);
    cr_assert_eq(acknowledged(), 320);
}

Test(watermark, everysec_waits_for_the_kernel_alone) /* W2 */
{
    watermarks.required = durability_requires(DURABILITY_EVERYSEC);
    reach(WATERMARK_DISK, 64);
    cr_assert_eq(acknowledged(), 0);
    reach(WATERMARK_KERNEL, 640);
    cr_assert_eq(acknowledged(), 640);
}

Test(watermark, if_none_is_required_no_reply_waits) /* W2 */
{
    watermarks.required = durability_requires(DURABILITY_NONE);
    cr_assert_eq(acknowledged(), UINT64_MAX);
}

Test(watermark, of_several_the_least_counts) /* W2 */
{
    watermarks.required = 1U << WATERMARK_KERNEL | 1U << WATERMARK_DISK;
    reach(WATERMARK_KERNEL, 640);
    cr_assert_eq(acknowledged(), 0);
    reach(WATERMARK_DISK, 128);
    cr_assert_eq(acknowledged(), 128);
    reach(WATERMARK_DISK, 704);
    cr_assert_eq(acknowledged(), 640);
}

Test(watermark, acknowledged_moves_only_when_it_is_told_to) /* W3 */
{
    watermarks.required = durability_requires(DURABILITY_EVERYSEC);
    reach(WATERMARK_KERNEL, 640);
    cr_assert_eq(log_acknowledged(&ring), 0);
}
