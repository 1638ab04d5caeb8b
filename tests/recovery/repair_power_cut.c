/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A damaged journal is repaired, and the power goes at each call of it in turn. Afterwards of each
 * segment that was changed there is the original, to the byte, in the directory aside (R1); and the
 * journal can be repaired again, and opens with a prefix of the records. Once it was said to be
 * repaired, it is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persistence/repair.h"
#include "persistence/scrub.h"
#include "persistence/segment.h"
#include "tests/support/fault_file.h"
#include "tests/support/journal_rig.h"
#include "tests/support/scratch.h"

/* AFTERWARDS: power cuts after the whole; each sector that was not synced is there or not. */
enum { RECORDS = 150, AFTERWARDS = 12 };

#ifdef __SANITIZE_THREAD__
enum { STEP = 5 };
#else
enum { STEP = 1 };
#endif

struct bench {
    struct scratch scratch;
    char original[PATH_MAX + 32], copy[PATH_MAX + 32], attic[PATH_MAX + 32];
    uint64_t segments;
};

static struct rig rig_of(const char *directory)
{
    return (struct rig){ .directory = directory,
                         .durability = DURABILITY_ALWAYS,
                         .segment_bytes = SEGMENT_BYTES_MIN,
                         .seed = 99,
                         .longest = 600 };
}

static bool complain(uint64_t n, const char *what, const char *more)
{
    printf("FAIL power cut at call %" PRIu64 ": %s %s\n", n, what, more);
    return false;
}

static void flip(const char *directory, uint64_t sequence, size_t at)
{
    char path[PATH_MAX + 96];
    size_t length;
    snprintf(path, sizeof path, "%s/journal/%s", directory, segment_name(sequence).text);
    unsigned char *bytes = read_file(path, &length);
    bytes[at] ^= 1;
    write_file(path, bytes, length);
    free(bytes);
}

/* A header, which is made anew, and a batch, before which it is cut. */
static void write_damaged(struct bench *bench)
{
    struct journal_metrics metrics;
    struct rig rig = rig_of(bench->original);
    if (rig_open(&rig) != 0) {
        printf("cannot open: %s\n", rig.why.text);
        exit(1);
    }
    for (int i = 0; i < RECORDS; i++) {
        rig_append(&rig);
        if (i % 3 == 0)
            rig_drive(&rig);
    }
    rig_drive(&rig);
    journal_metrics(rig.journal, &metrics);
    bench->segments = metrics.segments;
    rig_close(&rig);
    flip(bench->original, 1, 100);
    flip(bench->original, 3, 5 * BLOCK_BYTES + 80);
}

/* Repairs with these files; aside is made first, by the system. */
static int repair(const char *directory, const char *name, const struct file_ops *files,
                  struct error *why)
{
    struct scrub scrub;
    char journal[PATH_MAX + 64], aside[PATH_MAX + 64];
    snprintf(journal, sizeof journal, "%s/journal", directory);
    snprintf(aside, sizeof aside, "%s/%s", directory, name);
    struct scrub_options options = { .files = &file_system, .directory = journal };
    mkdir(aside, 0700);
    int error = scrub_journal(&options, &scrub, why);
    if (!error && scrub.count > 0)
        error = journal_repair(files, journal, aside, &scrub, 1, why);
    scrub_free(&scrub);
    return error;
}

static bool is_same(const char *a, const char *b)
{
    size_t length, other_length;
    if (access(b, F_OK) != 0)
        return false;
    unsigned char *bytes = read_file(a, &length);
    unsigned char *other = read_file(b, &other_length);
    bool same = length == other_length && memcmp(bytes, other, length) == 0;
    free(bytes);
    free(other);
    return same;
}

/* R1 */
static bool kept_all(const struct bench *bench, uint64_t n)
{
    for (uint64_t s = 1; s <= bench->segments; s++) {
        char was[PATH_MAX + 96], is[PATH_MAX + 96], aside[PATH_MAX + 96];
        const char *name = segment_name(s).text;
        snprintf(was, sizeof was, "%s/journal/%s", bench->original, name);
        snprintf(is, sizeof is, "%s/journal/%s", bench->copy, name);
        snprintf(aside, sizeof aside, "%s/aside/%s", bench->copy, name);
        if (!is_same(was, is) && !is_same(was, aside))
            return complain(n, "neither there nor aside:", name);
    }
    return true;
}

static bool opens(const struct bench *bench, uint64_t n)
{
    struct rig rig = rig_of(bench->copy);
    if (rig_open(&rig) != 0)
        return complain(n, "repaired, but refused:", rig.why.text);
    bool good = !rig.wrong && rig.found > 0;
    rig_abandon(&rig);
    return good || complain(n, "wrong records", "");
}

static bool repairs_again(const struct bench *bench, uint64_t n)
{
    struct error why = { "" };
    if (repair(bench->copy, "again", &file_system, &why) != 0)
        return complain(n, "cannot be repaired again:", why.text);
    return opens(bench, n);
}

/* *struck: the call was reached. */
static bool cut_at(const struct bench *bench, uint64_t n, uint64_t seed, bool *struck)
{
    struct error why = { "" };
    copy_tree(bench->original, bench->copy);
    mkdir(bench->attic, 0700);
    struct fault_disk *disk = fault_disk_make(bench->attic, seed);
    fault_disk_plan(disk, (struct fault_plan){ .at = n, .kind = FAULT_POWER_CUT });
    int error = repair(bench->copy, "aside", fault_disk_ops(disk), &why);
    *struck = fault_disk_struck(disk);
    fault_disk_power_cut(disk);
    bool good = kept_all(bench, n);
    if (good && error && !*struck)
        good = complain(n, "cannot be repaired:", why.text);
    /* What was said to be repaired is, also if the power goes right then. */
    good = good && (error ? repairs_again(bench, n) : opens(bench, n));
    fault_disk_free(disk);
    remove_tree(bench->copy);
    remove_tree(bench->attic);
    return good;
}

int main(void)
{
    static struct bench bench;
    bool good = true, struck = true;
    uint64_t n = 1;
    scratch_make(&bench.scratch);
    snprintf(bench.original, sizeof bench.original, "%s/original", bench.scratch.path);
    snprintf(bench.copy, sizeof bench.copy, "%s/copy", bench.scratch.path);
    snprintf(bench.attic, sizeof bench.attic, "%s/attic", bench.scratch.path);
    write_damaged(&bench);
    while (good && struck) {
        good = cut_at(&bench, n, n, &struck);
        n += STEP;
    }
    for (uint64_t seed = 0; good && seed < AFTERWARDS; seed++)
        good = cut_at(&bench, UINT64_MAX, seed, &struck);
    scratch_remove(&bench.scratch);
    printf("power cut at each of %" PRIu64 " calls\n", n - 1);
    return good ? 0 : 1;
}
