/* SPDX-License-Identifier: Apache-2.0 */
/* What is under way when the journal fails: files that are being closed, lines for the operator. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>

#include "persistence/journal_state.h"
#include "tests/support/journal_rig.h"
#include "tests/support/scratch.h"

static struct scratch scratch;
static struct rig rig;
static struct file_request request;
static struct file_request other;
static struct file_ops files;
static unsigned closed_twice;

static void set_up(void)
{
    scratch_make(&scratch);
    rig = (struct rig){ .directory = scratch.path,
                        .segment_bytes = RIG_SEGMENT_BYTES,
                        .durability = DURABILITY_ALWAYS,
                        .seed = 1,
                        .wall_ms = 1700000000000,
                        .steady_ms = 5000,
                        .longest = 400 };
}

static void tear_down(void)
{
    if (rig.journal)
        rig_abandon(&rig);
    scratch_remove(&scratch);
}

TestSuite(journal_failed, .init = set_up, .fini = tear_down);

static void close_what_is_open(void *context, int fd)
{
    if (fcntl(fd, F_GETFD) < 0)
        closed_twice++;
    else
        file_system.close(context, fd);
}

static void open_with_watched_closes(void)
{
    files = file_system;
    files.close = close_what_is_open;
    rig.files = &files;
    cr_assert_eq(rig_open(&rig), 0, "%s", rig.why.text);
}

static int refuse_allocation(void *context, int fd, uint64_t length)
{
    (void)context;
    (void)fd;
    (void)length;
    return -ENOSPC;
}

/* The line may go to a pipe that nobody empties: who is stuck there keeps nobody out. */
Test(journal_failed, it_says_so_outside_of_the_barriers)
{
    files = file_system;
    rig.files = &files;
    cr_assert_eq(rig_open(&rig), 0, "%s", rig.why.text);
    files.allocate = refuse_allocation;
    for (int i = 0; i < 1000 && !atomic_load(&rig.log.failed); i++) {
        rig_append(&rig);
        rig_drive(&rig);
    }
    cr_assert_eq(rig.lines, 2); /* once when it was seen, once when it came true */
    cr_assert_not(rig.said_inside);
}

static bool is_close(const struct file_request *asked, unsigned slot)
{
    return asked->kind == FILE_CLOSE && asked->slot == slot;
}

/* Performs all until `request` is the closing of a file by that slot. */
static void drive_to_close(unsigned slot)
{
    for (int i = 0; i < 1000; i++) {
        rig_append(&rig);
        bool more = journal_next(rig.journal, false, &request);
        while (more && !is_close(&request, slot))
            more = journal_done(rig.journal, &request, file_perform(&files, &request), &request);
        if (more)
            return;
    }
    cr_assert_fail("no file of stream %u was closed", slot);
}

/* The write of another worker fails while the file is being closed: nobody looks at what came of
 * that any more. */
static void expect_one_close(unsigned slot)
{
    open_with_watched_closes();
    drive_to_close(slot);
    rig_append(&rig);
    cr_assert(journal_next(rig.journal, true, &other));
    cr_assert_eq(other.kind, FILE_WRITE);
    cr_assert_not(journal_done(rig.journal, &other, -EIO, &other));
    cr_assert_not(journal_done(rig.journal, &request, file_perform(&files, &request), &other));
    rig_abandon(&rig);
    cr_assert_eq(closed_twice, 0);
}

Test(journal_failed, a_retired_segment_is_closed_once_after_a_failure)
{
    expect_one_close(SLOT_SYNC);
}

Test(journal_failed, a_segment_in_the_making_is_closed_once_after_a_failure)
{
    expect_one_close(SLOT_PREALLOCATION);
}
