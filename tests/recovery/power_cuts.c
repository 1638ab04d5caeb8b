/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many short lives of one journal, each ended by a power cut, a kill or a clean close at a moment
 * of chance: within a write, a sync, a renaming, also within the recovery from the cut before.
 * Several writes are under way at once and reach the disk in any order. What was promised must be
 * there each time, and no cut may look like corruption.
 *
 * Some journals are told each time: chance alone rarely finds what they found.
 *
 * power_cuts [SEED [JOURNALS]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "persistence/format.h"
#include "tests/support/fault_file.h"
#include "tests/support/journal_rig.h"
#include "tests/support/random.h"
#include "tests/support/scratch.h"

#ifdef __SANITIZE_THREAD__
enum { JOURNALS = 10, LIVES = 25 };
#else
enum { JOURNALS = 200, LIVES = 25 };
#endif

/* A tail that was zeroed, and not synced, comes back. */
static const uint64_t pinned[] = { UINT64_C(1795893592) };

struct story {
    struct random random;
    struct fault_disk *disk;
    struct rig rig;
    struct file_request pending[JOURNAL_SLOTS];
    unsigned count;
    uint64_t acknowledged; /* records that survive a kill */
    uint64_t durable;      /* records that survive a power cut */
    unsigned cuts, kills, closes;
    uint64_t lost; /* acknowledged records that a power cut took, where that is allowed */
};

static uint64_t draw(struct story *story, uint64_t below)
{
    return random_next(&story->random) % below;
}

static void note_promises(struct story *story)
{
    const struct rig *rig = &story->rig;
    struct journal_metrics metrics;
    journal_metrics(rig->journal, &metrics);
    story->durable = rig_records_up_to(rig, metrics.durable_lsn);
    story->acknowledged =
        rig_records_up_to(rig, rig->durability == DURABILITY_NONE ? metrics.written_lsn
                                                                  : log_acknowledged(&rig->log));
    if (rig->durability == DURABILITY_ALWAYS)
        story->durable = story->acknowledged;
}

static void take_requests(struct story *story)
{
    struct file_request *next = &story->pending[story->count];
    while (story->count < JOURNAL_SLOTS &&
           journal_next(story->rig.journal, draw(story, 2) != 0, next)) {
        story->count++;
        next++;
    }
}

static void complete_any(struct story *story)
{
    struct file_request *any = &story->pending[draw(story, story->count)];
    struct file_request request = *any;
    *any = story->pending[--story->count];
    int result = file_perform(story->rig.files, &request);
    if (journal_done(story->rig.journal, &request, result, &story->pending[story->count]))
        story->count++;
    take_requests(story);
}

static void write_some(struct story *story)
{
    struct rig *rig = &story->rig;
    uint64_t records = draw(story, 60);
    uint64_t together = 1 + draw(story, 4);
    for (uint64_t i = 0; i < records; i++) {
        rig_append(rig);
        rig->steady_ms += draw(story, 200);
        rig->wall_ms += draw(story, 3) ? 40 : 0;
        if (i % together == 0)
            take_requests(story);
        while (story->count > draw(story, JOURNAL_SLOTS))
            complete_any(story);
    }
    while (story->count > 0 && !fault_disk_struck(story->disk))
        complete_any(story);
    story->count = 0;
    note_promises(story);
}

static bool check_opened(struct story *story, int error, uint64_t kept)
{
    const struct rig *rig = &story->rig;
    if (error)
        printf("FAIL: does not open: %s\n", rig->why.text);
    else if (rig->wrong)
        printf("FAIL: wrong records\n");
    else if (rig->found < kept)
        printf("FAIL: %" PRIu64 " records of %" PRIu64 " promised\n", rig->found, kept);
    else
        return true;
    return false;
}

/* One life. The cut may already strike while opening: then the promises of before still hold. */
static bool live(struct story *story)
{
    struct rig *rig = &story->rig;
    bool cut = draw(story, 4) != 0;
    struct fault_plan plan = { .at = 1 + draw(story, 120), .kind = FAULT_POWER_CUT };
    fault_disk_plan(story->disk, cut ? plan : (struct fault_plan){ 0 });
    uint64_t kept = story->acknowledged;
    int error = rig_open(rig);
    bool struck = fault_disk_struck(story->disk);
    if (!struck && !check_opened(story, error, kept))
        return false;
    if (!error) {
        note_promises(story);
        write_some(story);
        struck = fault_disk_struck(story->disk);
        bool clean = !struck && draw(story, 2) == 0;
        if (!clean)
            rig_abandon(rig);
        else if (rig_close(rig) == 0)
            story->durable = story->acknowledged = rig->appended;
        story->closes += clean;
        struck = fault_disk_struck(story->disk);
    }
    story->kills += !struck;
    if (struck || draw(story, 3) == 0) { /* power may also go while nobody writes */
        fault_disk_power_cut(story->disk);
        story->lost += story->acknowledged - story->durable;
        story->acknowledged = story->durable;
        story->cuts++;
    }
    return true;
}

static bool tell(uint64_t seed, struct story *sum)
{
    struct scratch scratch;
    char data[PATH_MAX + 8];
    char attic[PATH_MAX + 8];
    struct story story = { .random = { seed } };
    scratch_make(&scratch);
    snprintf(data, sizeof data, "%s/data", scratch.path);
    snprintf(attic, sizeof attic, "%s/attic", scratch.path);
    mkdir(attic, 0700);
    story.disk = fault_disk_make(attic, seed);
    story.rig = (struct rig){
        .directory = data,
        .durability = (enum durability)(seed % 3),
        .segment_bytes = SEGMENT_BYTES_MIN << draw(&story, 2),
        .files = fault_disk_ops(story.disk),
        .seed = seed,
        .longest = draw(&story, 2) ? 128 : 4000,
    };
    bool good = true;
    for (int life = 0; life < LIVES && good; life++) {
        if (draw(&story, 5) == 0) /* the operator may change his mind */
            story.rig.durability = (enum durability)draw(&story, 3);
        good = live(&story);
        if (!good)
            printf("seed %" PRIu64 ", life %d, %s\n", seed, life,
                   durability_name(story.rig.durability));
    }
    sum->cuts += story.cuts;
    sum->kills += story.kills;
    sum->closes += story.closes;
    sum->lost += story.lost;
    fault_disk_free(story.disk);
    scratch_remove(&scratch);
    return good;
}

int main(int count, char **arguments)
{
    uint64_t seed = count > 1 ? strtoull(arguments[1], NULL, 0) : (uint64_t)time(NULL);
    uint64_t journals = count > 2 ? strtoull(arguments[2], NULL, 0) : JOURNALS;
    struct story sum = { 0 };
    bool good = true;
    printf("seed %" PRIu64 "\n", seed);
    for (size_t i = 0; i < sizeof pinned / sizeof *pinned && good; i++)
        good = tell(pinned[i], &sum);
    for (uint64_t i = 0; i < journals && good; i++)
        good = tell(seed + i, &sum);
    printf("%u power cuts, %u kills, %u clean closes; %" PRIu64
           " unsynced records lost as allowed\n",
           sum.cuts, sum.kills, sum.closes, sum.lost);
    return good ? 0 : 1;
}
