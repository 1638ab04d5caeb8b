/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same damage as in every_byte, at places of chance, but to real files and with the whole way
 * of opening, after a kill and after a clean stop: if it refuses, not one byte of the journal is
 * changed; if it opens, what it gave back is a prefix that lacks at most the last batch, and only
 * after a kill, and only if no file was cut off; and the journal can be written and read again.
 * What was refused is scrubbed and repaired, and then opens with a prefix of the records.
 *
 * Then the last segment alone, from some block on: cut off, a bit flipped, blocks zeroed, two
 * blocks swapped; after a clean stop, after a kill, and after a kill with as many batches in flight
 * as there can be. After a clean stop all damage to what was written is refused. After a kill it is
 * refused if any header that is left promises what was damaged; else all before it is there, and a
 * flip takes no more than the last batch, or what was in flight.
 *
 * reopen_damaged [SEED [TIMES]]; without a seed: two that found something once, and one of chance
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "persistence/repair.h"
#include "persistence/replay_files.h"
#include "persistence/scrub.h"
#include "persistence/segment.h"
#include "tests/support/journal_rig.h"
#include "tests/support/random.h"
#include "tests/support/scratch.h"

#ifdef __SANITIZE_THREAD__
enum { TIMES = 12 };
#else
enum { TIMES = 60 };
#endif

/* The second leaves more batches in the last segment. */
enum { RECORDS = 200, RECORDS_OF_TAIL = 228, BATCHES_MAX = SEGMENT_BYTES_MIN / BLOCK_BYTES };

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

enum ending { KILLED, STOPPED, IN_FLIGHT, ENDINGS };

static const char *const ending_words[] = {
    [KILLED] = "killed",
    [STOPPED] = "stopped",
    [IN_FLIGHT] = "killed with batches in flight",
};

/* A batch of the last segment. */
struct extent {
    size_t offset, end;
    uint64_t number;
    uint64_t records; /* of the journal, before it */
};

struct original {
    char directory[PATH_MAX + 16];
    enum ending ending;
    uint64_t segments;
    uint64_t records;
    uint64_t before_last; /* without those of the last batch, if it may be torn */

    /* The last segment that was written to. */
    uint64_t last;
    unsigned char bytes[SEGMENT_BYTES_MIN];
    uint64_t directory_id;
    struct extent batches[BATCHES_MAX];
    int count;
};

/* As many batches as can be: the kernel has them, the engine was not told yet. */
static void leave_in_flight(struct rig *rig)
{
    struct file_request request;
    for (int i = 0; i < JOURNAL_BATCHES; i++) {
        rig_append(rig);
        while (journal_next(rig->journal, true, &request))
            file_perform(&file_system, &request);
    }
}

/* A killed engine's journal, or one that was stopped: then nothing of it may be cut off. */
static void write_journal(struct original *original, int records)
{
    bool clean = original->ending == STOPPED;
    struct journal_metrics metrics;
    struct rig rig = rig_of(original->directory);
    if (rig_open(&rig) != 0) {
        printf("cannot open: %s\n", rig.why.text);
        exit(1);
    }
    for (int i = 0; i < records; i++) {
        rig_append(&rig);
        if (i % 9 == 0)
            rig_drive(&rig);
    }
    rig_drive(&rig);
    original->before_last = rig.appended;
    rig_append(&rig);
    rig_drive(&rig);
    journal_metrics(rig.journal, &metrics);
    original->segments = metrics.segments;
    if (original->ending == IN_FLIGHT) {
        original->before_last = rig_acknowledged(&rig);
        leave_in_flight(&rig);
    }
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
        return complain(place, "cannot close:", rig->why.text);
    if (rig_open(rig) != 0)
        return complain(place, "cannot open again:", rig->why.text);
    bool good = !rig->wrong && rig->found == there && rig->lines == 0;
    rig_abandon(rig);
    return good || complain(place, "not the records that were written since", "");
}

/* True unless it could be repaired and then was not what it should be. */
static bool repairs(const struct place *place, const char *directory, const char *journal)
{
    struct scrub scrub;
    struct error why = { "" };
    char aside[PATH_MAX + 64];
    struct scrub_options options = { .files = &file_system, .directory = journal };
    snprintf(aside, sizeof aside, "%s/aside", directory);
    int error = scrub_journal(&options, &scrub, &why);
    bool nothing_whole = !error && scrub.cut.number == 0;
    bool found = scrub.count > 0;
    uint64_t cut = scrub.cut.lsn;
    if (!error && !nothing_whole && found) {
        file_system.make_directory(NULL, aside);
        error = journal_repair(&file_system, journal, aside, &scrub, 0, &why);
    }
    scrub_free(&scrub);
    if (error)
        return complain(place, "cannot be repaired:", why.text);
    if (!found)
        return complain(place, "refused, but the survey found nothing", "");
    if (nothing_whole)
        return true;
    struct rig rig = rig_of(directory);
    if (rig_open(&rig) != 0)
        return complain(place, "repaired, but refused:", rig.why.text);
    if (rig.opened.lsn != cut) {
        rig_abandon(&rig);
        return complain(place, "repaired, but cut elsewhere", "");
    }
    return goes_on(place, &rig, 0);
}

/* What a refusal must name. */
static bool names_a_place(const char *why)
{
    unsigned long long sequence, offset;
    return strncmp(why, "stopped: offset 0: ", 19) == 0 ||
           sscanf(why, "%10llu.seg: offset %llu: ", &sequence, &offset) == 2;
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
        return complain(place, "not refused as corrupt:", rig.why.text);
    if (!names_a_place(rig.why.text))
        return complain(place, "refused without a place:", rig.why.text);
    if (hash_tree(journal) != before)
        return complain(place, "refused, but changed", "");
    return repairs(place, directory, journal);
}

/* ---- the last segment alone ---- */

struct listing {
    struct original *original;
    uint64_t records;
};

static int list_batch(void *context, const struct batch_header *header, uint64_t sequence,
                      uint64_t offset)
{
    const struct listing *listing = context;
    struct original *original = listing->original;
    if (sequence != original->last) {
        original->last = sequence;
        original->count = 0;
    }
    original->batches[original->count++] =
        (struct extent){ .offset = (size_t)offset,
                         .end = (size_t)offset + batch_span(header->length),
                         .number = header->number,
                         .records = listing->records };
    return 0;
}

static int count_record(void *context, const struct record_head *record, uint64_t lsn,
                        uint64_t time_ms)
{
    (void)record;
    (void)lsn;
    (void)time_ms;
    ((struct listing *)context)->records++;
    return 0;
}

static void list_batches(struct original *original)
{
    char journal[PATH_MAX + 64];
    size_t length;
    struct error why = { "" };
    struct replay_result result = { 0 };
    struct listing listing = { original, 0 };
    snprintf(journal, sizeof journal, "%s/journal", original->directory);
    struct replay_options options = { .files = &file_system,
                                      .directory = journal,
                                      .context = &listing,
                                      .on_batch = list_batch,
                                      .on_record = count_record };
    int error = replay_files(&options, &result, &why);
    struct place place = { .sequence = original->last };
    snprintf(place.path, sizeof place.path, "%s/journal/%s", original->directory,
             segment_name(place.sequence).text);
    unsigned char *bytes = read_file(place.path, &length);
    int least = original->ending == IN_FLIGHT ? JOURNAL_BATCHES : 1;
    if (error || original->count < least || length != sizeof original->bytes) {
        printf("the journal to damage: %d batches in segment %" PRIu64 "; %s\n", original->count,
               original->last, why.text);
        exit(1);
    }
    original->records = listing.records; /* what was in flight may not have got out all */
    memcpy(original->bytes, bytes, length);
    original->directory_id = result.directory_id;
    free(bytes);
}

/* What is left of a segment; bytes that the file lacks are zeroes here. */
struct remains {
    unsigned char bytes[SEGMENT_BYTES_MIN];
    size_t length;
    bool flipped; /* one bit alone */
};

static void flip_bit(struct remains *remains, size_t from, size_t end)
{
    size_t at = from + draw(end - from);
    remains->bytes[at] ^= (unsigned char)(1 << draw(8));
    remains->flipped = true;
}

static void zero_blocks(struct remains *remains, size_t from, size_t end)
{
    size_t first = from / BLOCK_BYTES + draw((end - from) / BLOCK_BYTES);
    size_t count = 1 + draw(end / BLOCK_BYTES - first);
    memset(remains->bytes + first * BLOCK_BYTES, 0, count * BLOCK_BYTES);
}

/* The second may be one of those that nothing was written to yet. */
static void swap_blocks(struct remains *remains, size_t from, size_t end)
{
    unsigned char block[BLOCK_BYTES];
    unsigned char *one = remains->bytes + from + draw((end - from) / BLOCK_BYTES) * BLOCK_BYTES;
    unsigned char *other =
        remains->bytes + from + draw((SEGMENT_BYTES_MIN - from) / BLOCK_BYTES) * BLOCK_BYTES;
    memcpy(block, one, sizeof block);
    memmove(one, other, sizeof block);
    memcpy(other, block, sizeof block);
}

static void cut_off(struct remains *remains, size_t from)
{
    remains->length = from + draw(SEGMENT_BYTES_MIN - from);
    memset(remains->bytes + remains->length, 0, SEGMENT_BYTES_MIN - remains->length);
}

/* As often the last few batches as all of them. */
static void damage_tail(struct remains *remains, const struct original *original)
{
    int first = (int)draw((uint64_t)original->count);
    if (draw(2) == 0 && original->count > JOURNAL_BATCHES)
        first = original->count - 1 - (int)draw(JOURNAL_BATCHES);
    size_t from = original->batches[first].offset;
    size_t end = original->batches[original->count - 1].end;
    memcpy(remains->bytes, original->bytes, sizeof remains->bytes);
    remains->length = sizeof remains->bytes;
    remains->flipped = false;
    switch (draw(4)) {
    case 0:
        cut_off(remains, from);
        break;
    case 1:
        flip_bit(remains, from, end);
        break;
    case 2:
        zero_blocks(remains, from, end);
        break;
    default:
        swap_blocks(remains, from, end);
    }
}

/* The first batch that is not what it was; count: none. */
static int first_touched(const struct remains *remains, const struct original *original)
{
    int i = 0;
    while (i < original->count &&
           memcmp(remains->bytes + original->batches[i].offset,
                  original->bytes + original->batches[i].offset,
                  original->batches[i].end - original->batches[i].offset) == 0)
        i++;
    return i;
}

/* F8, F9, F16: something that is left tells that the batch was there, or cannot be there itself. */
static bool is_told_of(const struct remains *remains, const struct original *original, int touched)
{
    const struct extent *batch = &original->batches[touched];
    struct batch_header header;
    uint64_t id = original->directory_id;
    for (size_t at = batch->offset; at < SEGMENT_BYTES_MIN; at += BLOCK_BYTES) {
        size_t left = SEGMENT_BYTES_MIN - at;
        if (batch_header_check(remains->bytes + at, left, id, &header) &&
            header.promised >= batch->number)
            return true;
        if (at == batch->offset && batch_check(remains->bytes + at, left, id) == BATCH_VALID)
            return true;
    }
    return false;
}

struct verdict {
    bool refused;   /* it must be */
    bool may_be;    /* it may be */
    uint64_t least; /* records that must be there otherwise */
};

static struct verdict judge(const struct remains *remains, const struct original *original)
{
    int touched = first_touched(remains, original);
    bool cut = remains->length < SEGMENT_BYTES_MIN;
    if (touched == original->count)
        return (struct verdict){ .may_be = cut && original->ending != STOPPED,
                                 .least = original->records };
    if (cut || original->ending == STOPPED)
        return (struct verdict){ .refused = true };
    if (is_told_of(remains, original, touched))
        return (struct verdict){ .refused = true };
    return (struct verdict){ .least = remains->flipped ? original->before_last
                                                       : original->batches[touched].records };
}

static bool try_tail(const struct original *original, const char *copy, unsigned *refused)
{
    static struct remains remains;
    struct place place = { .sequence = original->last };
    unsigned before = *refused;
    snprintf(place.path, sizeof place.path, "%s/journal/%s", copy,
             segment_name(place.sequence).text);
    damage_tail(&remains, original);
    struct verdict verdict = judge(&remains, original);
    while (remains.bytes[place.at] == original->bytes[place.at] && place.at + 1 < SEGMENT_BYTES_MIN)
        place.at++; /* to be told */
    copy_tree(original->directory, copy);
    write_file(place.path, remains.bytes, remains.length);
    bool good = reopen(&place, copy, verdict.least, refused);
    remove_tree(copy);
    if (good && verdict.refused && *refused == before)
        good = complain(&place, "was not refused:", ending_words[original->ending]);
    if (good && !verdict.refused && !verdict.may_be && *refused > before)
        good = complain(&place, "was refused:", ending_words[original->ending]);
    return good;
}

/* ---- all of it ---- */

static bool try_anywhere(const struct original *original, const char *copy, unsigned *refused)
{
    struct place place;
    copy_tree(original->directory, copy);
    choose_place(&place, copy, original->segments);
    bool cut = damage(&place); /* no crash cuts a file off: then all is there, or refused */
    bool good = reopen(&place, copy, cut ? original->records : original->before_last, refused);
    remove_tree(copy);
    return good;
}

static void make_original(struct original *original, enum ending ending, const char *path, int n)
{
    *original = (struct original){ .ending = ending };
    snprintf(original->directory, sizeof original->directory, "%.4000s/original%d", path, n);
    write_journal(original, n < ENDINGS ? RECORDS_OF_TAIL : RECORDS);
    list_batches(original);
}

static bool try_seed(uint64_t seed, uint64_t times)
{
    static struct original tails[ENDINGS], wholes[2];
    struct scratch scratch;
    char copy[PATH_MAX + 16];
    unsigned refused = 0, tail_refused = 0;
    bool good = true;
    chance.state = seed;
    printf("seed %" PRIu64 "\n", seed);
    scratch_make(&scratch);
    snprintf(copy, sizeof copy, "%s/copy", scratch.path);
    for (int i = 0; i < ENDINGS; i++)
        make_original(&tails[i], (enum ending)i, scratch.path, i);
    for (int i = 0; i < 2; i++)
        make_original(&wholes[i], (enum ending)i, scratch.path, ENDINGS + i);
    for (uint64_t i = 0; i < times && good; i++)
        good = try_anywhere(&wholes[i % 2], copy, &refused);
    for (uint64_t i = 0; i < times && good; i++)
        good = try_tail(&tails[i % ENDINGS], copy, &tail_refused);
    scratch_remove(&scratch);
    printf("%" PRIu64 " segments, damaged %" PRIu64 " times, refused %u times; "
           "the last one as often, refused %u times\n",
           wholes[0].segments, times, refused, tail_refused);
    return good;
}

int main(int count, char **arguments)
{
    const uint64_t seeds[] = { 1795893451, 3000010, (uint64_t)time(NULL) };
    uint64_t times = count > 2 ? strtoull(arguments[2], NULL, 0) : TIMES;
    bool good = true;
    if (count > 1)
        return try_seed(strtoull(arguments[1], NULL, 0), times) ? 0 : 1;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds && good; i++)
        good = try_seed(seeds[i], times);
    return good ? 0 : 1;
}
