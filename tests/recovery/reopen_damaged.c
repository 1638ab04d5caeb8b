/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same damage as in every_byte, at places of chance, but to real files and with the whole way
 * of opening, after a kill and after a clean stop: if it refuses, not one byte of the journal is
 * changed; if it opens, what it gave back is a prefix that lacks at most the last batch, and only
 * after a kill, and only if no file was cut off; and the journal can be written and read again.
 * What was refused is surveyed and repaired, and then opens with a prefix of the records.
 *
 * reopen_damaged [SEED [TIMES]]
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "persistence/repair.h"
#include "persistence/segment.h"
#include "persistence/survey.h"
#include "tests/support/journal_rig.h"
#include "tests/support/random.h"
#include "tests/support/scratch.h"

#ifdef __SANITIZE_THREAD__
enum { TIMES = 12 };
#else
enum { TIMES = 60 };
#endif

enum { RECORDS = 200 };

struct place {
    char path[PATH_MAX + 64];
    uint64_t sequence;
    size_t at;
};

static struct random chance;

static uint64_t draw(uint64_t below)
{
    return random_next(&chance) % below;
}

static bool complain(const struct place *place, const char *what, const char *more)
{
    printf("FAIL segment %" PRIu64 ", byte %zu: %s %s\n", place->sequence, place->at, what, more);
    return false;
}

static struct rig rig_of(const char *directory)
{
    return (struct rig){ .directory = directory,
                         .durability = DURABILITY_ALWAYS,
                         .segment_bytes = SEGMENT_BYTES_MIN,
                         .seed = 4711,
                         .longest = 500 };
}

struct original {
    char directory[PATH_MAX + 16];
    uint64_t segments;
    uint64_t records;
    uint64_t before_last; /* without those of the last batch, if it may be torn */
};

/* A killed engine's journal, or one that was stopped: then nothing of it may be cut off. */
static void write_journal(struct original *original, bool clean)
{
    struct journal_figures figures;
    struct rig rig = rig_of(original->directory);
    if (rig_open(&rig) != 0) {
        printf("cannot open: %s\n", rig.reason.text);
        exit(1);
    }
    for (int i = 0; i < RECORDS; i++) {
        rig_append(&rig);
        if (i % 9 == 0)
            rig_drive(&rig);
    }
    rig_drive(&rig);
    original->before_last = rig.appended;
    rig_append(&rig);
    rig_drive(&rig);
    journal_figures(rig.journal, &figures);
    original->segments = figures.segments;
    original->records = rig.appended;
    if (!clean) {
        rig_abandon(&rig);
        return;
    }
    original->before_last = rig.appended;
    rig_close(&rig);
}

static void choose_place(struct place *place, const char *directory, uint64_t segments)
{
    place->sequence = 1 + draw(segments);
    place->at = draw(SEGMENT_BYTES_MIN);
    if (draw(3) == 0) /* headers are few among so many bytes */
        place->at = place->at / BLOCK_BYTES * BLOCK_BYTES + draw(64);
    snprintf(place->path, sizeof place->path, "%s/journal/%s", directory,
             segment_name(place->sequence).text);
}

/* True if the file was cut off there, false if a byte was changed. */
static bool damage(const struct place *place)
{
    size_t length;
    if (draw(4) == 0) {
        if (truncate(place->path, (off_t)place->at) != 0)
            abort();
        return true;
    }
    unsigned char *bytes = read_file(place->path, &length);
    bytes[place->at] ^= (unsigned char)(1 + draw(255));
    write_file(place->path, bytes, length);
    free(bytes);
    return false;
}

static bool goes_on(const struct place *place, struct rig *rig, uint64_t least)
{
    if (rig->wrong || rig->found < least) {
        rig_abandon(rig);
        return complain(place, "wrong or missing records", "");
    }
    for (int i = 0; i < 60; i++) {
        rig_append(rig);
        rig_drive(rig);
    }
    uint64_t there = rig->appended;
    if (rig_close(rig) != 0)
        return complain(place, "cannot close:", rig->reason.text);
    if (rig_open(rig) != 0)
        return complain(place, "cannot open again:", rig->reason.text);
    bool good = !rig->wrong && rig->found == there && rig->lines == 0;
    rig_abandon(rig);
    return good || complain(place, "not the records that were written since", "");
}

/* True unless it could be repaired and then was not what it should be. */
static bool repairs(const struct place *place, const char *directory, const char *journal)
{
    struct survey survey;
    struct reason reason = { "" };
    char aside[PATH_MAX + 64];
    struct survey_options options = { .files = &file_system, .directory = journal };
    snprintf(aside, sizeof aside, "%s/aside", directory);
    int error = survey_journal(&options, &survey, &reason);
    bool nothing_whole = !error && survey.cut.number == 0;
    bool found = survey.count > 0;
    uint64_t cut = survey.cut.lsn;
    if (!error && !nothing_whole && found) {
        file_system.make_directory(NULL, aside);
        error = journal_repair(&file_system, journal, aside, &survey, 0, &reason);
    }
    survey_free(&survey);
    if (error)
        return complain(place, "cannot be repaired:", reason.text);
    if (!found)
        return complain(place, "refused, but the survey found nothing", "");
    if (nothing_whole)
        return true;
    struct rig rig = rig_of(directory);
    if (rig_open(&rig) != 0)
        return complain(place, "repaired, but refused:", rig.reason.text);
    if (rig.opened.lsn != cut) {
        rig_abandon(&rig);
        return complain(place, "repaired, but cut elsewhere", "");
    }
    return goes_on(place, &rig, 0);
}

static bool reopen(const struct place *place, const char *directory, uint64_t least,
                   unsigned *refused)
{
    char journal[PATH_MAX + 64];
    struct rig rig = rig_of(directory);
    snprintf(journal, sizeof journal, "%s/journal", directory);
    uint64_t before = hash_tree(journal);
    int error = rig_open(&rig);
    if (!error)
        return goes_on(place, &rig, least);
    ++*refused;
    if (error != -EILSEQ)
        return complain(place, "not refused as corrupt:", rig.reason.text);
    if (hash_tree(journal) != before)
        return complain(place, "refused, but changed", "");
    return repairs(place, directory, journal);
}

int main(int count, char **arguments)
{
    chance.state = count > 1 ? strtoull(arguments[1], NULL, 0) : (uint64_t)time(NULL);
    uint64_t times = count > 2 ? strtoull(arguments[2], NULL, 0) : TIMES;
    struct scratch scratch;
    static struct original originals[2];
    char copy[PATH_MAX + 16];
    unsigned refused = 0;
    bool good = true;
    printf("seed %" PRIu64 "\n", chance.state);
    scratch_make(&scratch);
    for (int i = 0; i < 2; i++) {
        struct original *original = &originals[i];
        snprintf(original->directory, sizeof original->directory, "%s/original%d", scratch.path, i);
        write_journal(original, i == 1);
    }
    snprintf(copy, sizeof copy, "%s/copy", scratch.path);
    for (uint64_t i = 0; i < times && good; i++) {
        struct place place;
        const struct original *original = &originals[i % 2];
        copy_tree(original->directory, copy);
        choose_place(&place, copy, original->segments);
        bool cut = damage(&place); /* no crash cuts a file off: then all is there, or refused */
        good = reopen(&place, copy, cut ? original->records : original->before_last, &refused);
        remove_tree(copy);
    }
    scratch_remove(&scratch);
    printf("%" PRIu64 " segments, damaged %" PRIu64 " times, refused %u times\n",
           originals[0].segments, times, refused);
    return good ? 0 : 1;
}
