/* SPDX-License-Identifier: Apache-2.0 */
/* What is on disk before what: each call to the files is written down, and looked at. The tests in
 * recovery/ cut the power at moments of chance; here the order is what is tested. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "persistence/repair.h"
#include "persistence/segment.h"
#include "persistence/snapshot.h"
#include "tests/support/journal_rig.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/scratch.h"

enum { EVENTS_MAX = 4096, FILES_MAX = 256, NAME_BYTES = 64 };

static struct scratch scratch;
static struct rig rig;
static struct file_ops watched;
static char names[FILES_MAX][NAME_BYTES]; /* of open files, by descriptor */
static char events[EVENTS_MAX][NAME_BYTES + 32];
static int count;
static int calls_until_failure; /* of write and sync; 0: none fails */
static int failed_event;

static const char *base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What is repeated at once is one event. */
static void note(const char *what, const char *name)
{
    char event[sizeof *events];
    snprintf(event, sizeof event, "%s %s", what, name);
    if (count > 0 && strcmp(events[count - 1], event) == 0)
        return;
    cr_assert_lt(count, EVENTS_MAX);
    memcpy(events[count++], event, sizeof event);
}

static bool fails_now(void)
{
    failed_event = count - 1;
    return calls_until_failure > 0 && --calls_until_failure == 0;
}

static int watch_open(void *context, const char *path, int flags)
{
    int fd = file_system.open(context, path, flags);
    cr_assert_lt(fd, FILES_MAX);
    if (fd >= 0)
        snprintf(names[fd], NAME_BYTES, "%s", base(path));
    return fd;
}

static ssize_t watch_write(void *context, int fd, const void *buffer, size_t length,
                           uint64_t offset)
{
    note("write", names[fd]);
    return fails_now() ? -EIO : file_system.write(context, fd, buffer, length, offset);
}

static int watch_sync(void *context, int fd)
{
    note("sync", names[fd]);
    return fails_now() ? -EIO : file_system.sync(context, fd);
}

static int watch_sync_directory(void *context, int fd)
{
    note("sync names of", names[fd]);
    return fails_now() ? -EIO : file_system.sync_directory(context, fd);
}

static int watch_rename(void *context, const char *from, const char *to)
{
    note("name", base(to));
    return file_system.rename(context, from, to);
}

static int watch_unlink(void *context, const char *path)
{
    note("remove", base(path));
    return file_system.unlink(context, path);
}

static void set_up(void)
{
    scratch_make(&scratch);
    watched = file_system;
    watched.open = watch_open;
    watched.write = watch_write;
    watched.sync = watch_sync;
    watched.sync_directory = watch_sync_directory;
    watched.rename = watch_rename;
    watched.unlink = watch_unlink;
    rig = (struct rig){ .directory = scratch.path,
                        .segment_bytes = RIG_SEGMENT_BYTES,
                        .files = &watched,
                        .seed = 1,
                        .wall_ms = 1700000000000,
                        .longest = 400 };
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

TestSuite(file_order, .init = set_up, .fini = tear_down);

/* These events come one after the other, with others between them perhaps; the first one is the
 * first of its kind. NULL ends. */
static void must_come(const char *event, ...)
{
    va_list rest;
    int at = 0;
    va_start(rest, event);
    for (const char *before = "the beginning"; event; event = va_arg(rest, const char *)) {
        while (at < count && strcmp(events[at], event) != 0)
            at++;
        cr_assert_lt(at, count, "there is no \"%s\" after \"%s\"", event, before);
        before = events[at++];
    }
    va_end(rest);
}

/* The event is nowhere between those two, the first of their kinds. */
static void must_not_come_between(const char *from, const char *event, const char *to)
{
    int at = 0;
    while (at < count && strcmp(events[at], from) != 0)
        at++;
    for (; at < count && strcmp(events[at], to) != 0; at++)
        cr_assert_neq(strcmp(events[at], event), 0, "\"%s\" is before \"%s\"", event, to);
}

static void open_rig(void)
{
    int error = rig_open(&rig);
    cr_assert_eq(error, 0, "%s", rig.why.text);
    cr_assert_not(rig.wrong);
}

static void write_records(int records)
{
    for (int i = 0; i < records; i++) {
        cr_assert_neq(rig_append(&rig), 0);
        rig_drive(&rig);
    }
}

/* ---- the journal ---- */

Test(file_order, a_segment_is_on_disk_before_it_is_named_and_named_before_it_is_used) /* F1 */
{
    open_rig();
    count = 0;
    write_records(30);
    must_come("write next.tmp", "sync next.tmp", "name 0000000002.seg", "sync names of journal",
              "write 0000000002.seg", NULL);
    must_not_come_between("sync next.tmp", "write next.tmp", "name 0000000002.seg");
    rig_abandon(&rig);
}

Test(file_order, what_a_killed_process_wrote_is_synced_before_it_is_built_on) /* F13 */
{
    open_rig();
    write_records(3);
    rig_abandon(&rig);
    count = 0;
    open_rig();
    must_come("sync 0000000001.seg", "write 0000000001.seg", NULL);
    must_not_come_between(events[0], "write 0000000001.seg", "sync 0000000001.seg");
    rig_abandon(&rig);
}

static char *in_journal(const char *name)
{
    static char text[PATH_MAX + 64];
    snprintf(text, sizeof text, "%s/journal/%s", scratch.path, name);
    return text;
}

/* A segment that no batch was written to, but something else. */
static void add_segment(uint64_t sequence, bool garbage)
{
    struct segment_header header;
    size_t length;
    unsigned char *bytes = read_file(in_journal("0000000001.seg"), &length);
    cr_assert_eq(segment_header_check(bytes, &header), SEGMENT_VALID);
    memset(bytes, 0, length);
    segment_header_make(bytes, sequence, length, header.directory_id, header.created_ms);
    memset(bytes + 2 * BLOCK_BYTES, garbage ? 0x5a : 0, BLOCK_BYTES);
    write_file(in_journal(segment_name(sequence).text), bytes, length);
    free(bytes);
}

Test(file_order, segments_are_removed_one_by_one_the_last_one_first) /* F10 */
{
    open_rig();
    write_records(1);
    rig_abandon(&rig);
    add_segment(2, true);
    add_segment(3, false);
    count = 0;
    open_rig();
    must_come("remove 0000000003.seg", "sync names of journal", "remove 0000000002.seg",
              "sync names of journal", "write 0000000001.seg", NULL);
    rig_abandon(&rig);
}

Test(file_order, a_torn_tail_is_zero_on_disk_before_anything_is_written) /* F10 */
{
    open_rig();
    write_records(1);
    rig_abandon(&rig);
    size_t length;
    unsigned char *bytes = read_file(in_journal("0000000001.seg"), &length);
    memset(bytes + 2 * BLOCK_BYTES, 0x5a, 512); /* over the only record */
    write_file(in_journal("0000000001.seg"), bytes, length);
    free(bytes);
    count = 0;
    open_rig();
    cr_assert_eq(rig.found, 0);
    must_come("write 0000000001.seg", "sync 0000000001.seg", "write 0000000001.seg", NULL);
    rig_abandon(&rig);
}

static void damage_first_record(void)
{
    size_t length;
    unsigned char *bytes = read_file(in_journal("0000000001.seg"), &length);
    bytes[2 * BLOCK_BYTES + BATCH_HEADER_BYTES + 1] ^= 1;
    write_file(in_journal("0000000001.seg"), bytes, length);
    free(bytes);
}

Test(file_order, what_a_repair_moves_aside_is_there_before_the_rest_is_zeroed) /* R2 */
{
    char journal[PATH_MAX + 16], aside[PATH_MAX + 16];
    struct scrub scrub;
    struct error why;
    open_rig();
    write_records(12);
    rig_abandon(&rig);
    damage_first_record();
    snprintf(journal, sizeof journal, "%s/journal", scratch.path);
    snprintf(aside, sizeof aside, "%s/aside", scratch.path);
    cr_assert_eq(mkdir(aside, 0700), 0);
    struct scrub_options options = { .files = &file_system, .directory = journal };
    cr_assert_eq(scrub_journal(&options, &scrub, &why), 0, "%s", why.text);
    count = 0;
    int error = journal_repair(&watched, journal, aside, &scrub, 1, &why);
    cr_assert_eq(error, 0, "%s", why.text);
    must_come("name 0000000002.seg", "sync names of aside", "sync names of journal",
              "write 0000000001.seg", "sync 0000000001.seg", NULL);
    scrub_free(&scrub);
}

/* ---- snapshots ---- */

static const struct journal_position position = {
    .directory_id = 7, .lsn = 4096, .number = 3, .checksum = 5, .time_ms = 1000, .sequence = 1
};

static const struct ledger_config small = {
    .items = 16, .pools = 64, .reservations = 64, .contexts = 1, .hash_seed = 1
};

static int write_snapshot(const struct ledger_rig *ledger)
{
    uint64_t bytes;
    struct error why;
    return snapshot_write(&watched, scratch.path, &position, 1000, ledger->ledger, &bytes, &why);
}

static bool is_named(void)
{
    char path[PATH_MAX + 64];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", scratch.path, snapshot_name(position.lsn).text);
    return stat(path, &status) == 0;
}

Test(file_order, a_snapshot_is_on_disk_before_it_is_named_and_its_name_before_it_counts) /* S2 */
{
    char name[NAME_BYTES], names_synced[PATH_MAX + NAME_BYTES];
    struct ledger_rig ledger;
    ledger_rig_open(&ledger, &small);
    cr_assert_eq(write_snapshot(&ledger), 0);
    snprintf(name, sizeof name, "name %s", snapshot_name(position.lsn).text);
    snprintf(names_synced, sizeof names_synced, "sync names of %s", base(scratch.path));
    must_come("write " SNAPSHOT_UNFINISHED, "sync " SNAPSHOT_UNFINISHED, name, names_synced, NULL);
    must_not_come_between("sync " SNAPSHOT_UNFINISHED, "write " SNAPSHOT_UNFINISHED, name);
    ledger_rig_close(&ledger);
}

Test(file_order, a_snapshot_of_which_any_part_could_not_be_written_gets_no_name) /* S2 */
{
    enum { LONG_AGO = 1000 };
    struct ledger_rig ledger;
    int failed = 0;
    ledger_rig_open(&ledger, &small);
    for (int at = 1; at < LONG_AGO; at++) {
        calls_until_failure = at;
        int error = write_snapshot(&ledger);
        if (calls_until_failure > 0) /* there are fewer calls than that */
            break;
        cr_assert_eq(error, -EIO, "call %d failed, and it says %d", at, error);
        failed++;
        if (strncmp(events[failed_event], "sync names of", 13) != 0)
            cr_assert_not(is_named(), "call %d failed", at);
    }
    cr_assert_geq(failed, 5, "header, index, footer, file and names");
    cr_assert(is_named());
    ledger_rig_close(&ledger);
}
