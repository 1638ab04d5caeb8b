/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "persistence/file.h"
#include "persistence/segment.h"
#include "tests/support/fault_file.h"
#include "tests/support/scratch.h"

static struct scratch scratch;
static struct path path;

static void set_up(void)
{
    scratch_make(&scratch);
    cr_assert_eq(path_join(&path, scratch.path, "file"), 0);
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

TestSuite(file, .init = set_up, .fini = tear_down);

static const struct file_ops *files = &file_system;

static int open_file(void)
{
    int fd = files->open(files->context, path.text, O_RDWR | O_CREAT);
    cr_assert_geq(fd, 0);
    return fd;
}

Test(file, what_is_written_is_read)
{
    char back[16] = "";
    int fd = open_file();
    cr_assert_eq(file_write_all(files, fd, "hello", 5, 100), 0);
    cr_assert_eq(file_read_all(files, fd, back, sizeof back, 100), 5);
    cr_assert_str_eq(back, "hello");
    uint64_t size;
    cr_assert_eq(files->size(files->context, fd, &size), 0);
    cr_assert_eq(size, 105);
    files->close(files->context, fd);
}

Test(file, errors_are_negative_errno)
{
    char byte;
    cr_assert_eq(files->open(files->context, "/nowhere/at/all", O_RDONLY), -ENOENT);
    cr_assert_eq(files->read(files->context, -1, &byte, 1, 0), -EBADF);
    cr_assert_eq(files->write(files->context, -1, "x", 1, 0), -EBADF);
    cr_assert_eq(files->sync(files->context, -1), -EBADF);
    cr_assert_eq(files->unlink(files->context, path.text), -ENOENT);
    cr_assert_eq(files->rename(files->context, path.text, "x"), -ENOENT);
    cr_assert_eq(files->make_directory(files->context, scratch.path), -EEXIST);
    cr_assert_eq(file_sync_directory_at(files, path.text), -ENOENT);
}

Test(file, a_request_is_performed_through_the_table)
{
    int fd = open_file();
    struct file_request write = {
        .kind = FILE_WRITE, .fd = fd, .buffer = "abcd", .length = 4, .offset = 8
    };
    struct file_request sync = { .kind = FILE_SYNC, .fd = fd };
    cr_assert_eq(file_perform(files, &write), 4);
    cr_assert_eq(file_perform(files, &sync), 0);
    files->close(files->context, fd);
    fd = files->open(files->context, scratch.path, O_RDONLY | O_DIRECTORY);
    struct file_request directory = { .kind = FILE_SYNC_DIRECTORY, .fd = fd };
    cr_assert_eq(file_perform(files, &directory), 0);
    files->close(files->context, fd);
}

Test(file, one_owner_or_many_readers)
{
    int first = open_file();
    int second = open_file();
    cr_assert_eq(files->lock(files->context, first, FILE_LOCK_SHARED), 0);
    cr_assert_eq(files->lock(files->context, second, FILE_LOCK_SHARED), 0);
    cr_assert_eq(files->lock(files->context, second, FILE_LOCK_EXCLUSIVE), -EWOULDBLOCK);
    files->close(files->context, first);
    cr_assert_eq(files->lock(files->context, second, FILE_LOCK_EXCLUSIVE), 0);
    first = open_file();
    cr_assert_eq(files->lock(files->context, first, FILE_LOCK_SHARED), -EWOULDBLOCK);
    files->close(files->context, first);
    files->close(files->context, second);
}

static int stop_at_first(void *argument, const char *name)
{
    cr_assert_str_eq(name, "file");
    ++*(int *)argument;
    return 7;
}

Test(file, a_listing_can_be_stopped)
{
    int count = 0;
    files->close(files->context, open_file());
    cr_assert_eq(files->list(files->context, scratch.path, stop_at_first, &count), 7);
    cr_assert_eq(count, 1);
    cr_assert_eq(files->list(files->context, path.text, stop_at_first, &count), -ENOTDIR);
}

Test(file, reasons_are_cut_short_rather_than_overrun)
{
    struct error why;
    char word[1000];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    cr_assert_eq(error_set(&why, -EILSEQ, "%s", word), -EILSEQ);
    cr_assert_eq(strlen(why.text), sizeof why.text - 1);
    cr_assert_eq(error_system(&why, -EIO, "%s", word), -EIO);
    cr_assert_eq(error_system(&why, -ENOENT, "cannot open %s", "x"), -ENOENT);
    cr_assert_str_eq(why.text, "cannot open x: No such file or directory");
}

Test(file, only_a_segments_name_is_one)
{
    struct segment_list list;
    struct error why;
    const char *names[] = { "0000000001.seg",  "0000000002.seg", "1.seg",    "0000000003.seg.bak",
                            "00000000004.seg", "x000000005.seg", "next.tmp", "0000000000.seg" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_assert_eq(path_join(&path, scratch.path, names[i]), 0);
        files->close(files->context, open_file());
    }
    cr_assert_eq(segment_list_read(&list, files, scratch.path, &why), 0);
    cr_assert_eq(list.count, 2);
    cr_assert_eq(list.sequences[0], 1);
    cr_assert_eq(list.sequences[1], 2);
    cr_assert(list.unfinished);
    segment_list_free(&list);
}

/* ---- the disk that fails, itself tested ---- */

static unsigned char byte_at(uint64_t offset)
{
    unsigned char byte = 0;
    int fd = open_file();
    file_read_all(files, fd, &byte, 1, offset);
    files->close(files->context, fd);
    return byte;
}

static struct fault_disk *faulty_disk(uint64_t seed)
{
    return fault_disk_make(scratch.path, seed);
}

Test(file, a_power_cut_takes_what_was_not_synced)
{
    char sector[512];
    int kept = 0;
    memset(sector, 'a', sizeof sector);
    struct fault_disk *disk = faulty_disk(1);
    const struct file_ops *ops = fault_disk_ops(disk);
    int directory = ops->open(ops->context, scratch.path, O_RDONLY | O_DIRECTORY);
    int fd = ops->open(ops->context, path.text, O_RDWR | O_CREAT);
    cr_assert_eq(file_write_all(ops, fd, sector, sizeof sector, 0), 0);
    cr_assert_eq(ops->sync(ops->context, fd), 0);
    cr_assert_eq(ops->sync_directory(ops->context, directory), 0);
    for (uint64_t i = 1; i <= 64; i++)
        cr_assert_eq(file_write_all(ops, fd, sector, sizeof sector, i * 512), 0);
    ops->close(ops->context, fd);
    ops->close(ops->context, directory);
    fault_disk_power_cut(disk);
    cr_assert_eq(byte_at(0), 'a');
    for (uint64_t i = 1; i <= 64; i++)
        kept += byte_at(i * 512) == 'a';
    cr_assert(kept > 10 && kept < 54, "%d of 64", kept);
    fault_disk_free(disk);
}

Test(file, a_failed_sync_loses_and_the_next_one_lies)
{
    struct fault_disk *disk = faulty_disk(2);
    const struct file_ops *ops = fault_disk_ops(disk);
    int fd = ops->open(ops->context, path.text, O_RDWR | O_CREAT);
    fault_disk_plan(disk, (struct fault_plan){ .at = 2, .kind = FAULT_ERROR, .error = -EIO });
    cr_assert_eq(file_write_all(ops, fd, "x", 1, 0), 0);
    cr_assert_eq(ops->sync(ops->context, fd), -EIO);
    cr_assert_eq(ops->sync(ops->context, fd), 0);
    cr_assert_eq(byte_at(0), 'x');
    cr_assert_eq(ops->drop_cache(ops->context, fd), 0);
    cr_assert_eq(byte_at(0), 0);
    cr_assert(fault_disk_lost(disk));
    ops->close(ops->context, fd);
    fault_disk_free(disk);
}

Test(file, a_short_write_is_an_error)
{
    char block[4096] = { 0 };
    struct fault_disk *disk = faulty_disk(3);
    const struct file_ops *ops = fault_disk_ops(disk);
    int fd = ops->open(ops->context, path.text, O_RDWR | O_CREAT);
    fault_disk_plan(disk, (struct fault_plan){ .at = 1, .kind = FAULT_SHORT });
    cr_assert_eq(file_write_all(ops, fd, block, sizeof block, 0), -ENOSPC);
    ops->close(ops->context, fd);
    fault_disk_free(disk);
}
