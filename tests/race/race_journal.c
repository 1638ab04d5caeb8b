/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several workers on one journal: each claims, publishes, takes requests, performs them late, and
 * reports. For ThreadSanitizer, and for what it cannot see:
 *   - nothing is left lying: when the last worker has nothing more to do, all is written
 *   - what is acknowledged only grows
 *   - what is read back is every record of every worker, each worker's in its order
 *
 * race_journal [SEED]
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/log/record.h"
#include "persistence/format.h"
#include "persistence/journal.h"
#include "tests/support/random.h"
#include "tests/support/scratch.h"

enum { WORKERS = 4, RECORDS = 12000, LOG_BYTES = 2 << 20 };

struct note_record {
    struct record_head head; /* client: the worker */
    uint64_t number;         /* 0, 1, 2, ... per worker */
    unsigned char rest[240];
};

struct world {
    struct log log;
    struct journal *journal;
    bool durable; /* acknowledged has a meaning */
    _Atomic unsigned failures;

    uint64_t next[WORKERS]; /* reading back */
};

struct worker {
    struct world *world;
    unsigned index;
    struct random random;
    struct file_request pending[JOURNAL_SLOTS];
    unsigned count;
    uint64_t acknowledged;
    uint64_t claimed; /* since it looked at the room */
};

static uint64_t draw(struct worker *worker, uint64_t below)
{
    return random_next(&worker->random) % below;
}

static void fail(struct world *world, const char *what)
{
    printf("FAIL: %s\n", what);
    atomic_fetch_add(&world->failures, 1);
}

static void look_at_acknowledged(struct worker *worker)
{
    uint64_t now = log_acknowledged(&worker->world->log);
    if (now < worker->acknowledged)
        fail(worker->world, "acknowledged went back");
    worker->acknowledged = now;
}

static void take_requests(struct worker *worker)
{
    bool idle = draw(worker, 2) != 0;
    while (worker->count < JOURNAL_SLOTS &&
           journal_next(worker->world->journal, idle, &worker->pending[worker->count]))
        worker->count++;
}

/* Performs any request, as completions on a ring may come in any order. */
static void complete_one(struct worker *worker)
{
    struct file_request *any = &worker->pending[draw(worker, worker->count)];
    struct file_request request = *any;
    int result = file_perform(&file_system, &request);
    *any = worker->pending[--worker->count];
    if (journal_done(worker->world->journal, &request, result, &worker->pending[worker->count]))
        worker->count++;
    look_at_acknowledged(worker);
    take_requests(worker);
}

static void write_record(struct worker *worker, uint64_t number)
{
    struct log *log = &worker->world->log;
    uint32_t length = (uint32_t)(16 + 8 * draw(worker, 30));
    struct note_record record = {
        .head = { .length = length, .type = RECORD_VOID, .client = (uint16_t)worker->index },
        .number = number
    };
    memset(record.rest, (int)number, sizeof record.rest);
    worker->claimed += length;
    uint64_t position = log_claim(log, length);
    if (draw(worker, 50) == 0)
        sched_yield(); /* others publish behind the gap */
    log_publish(log, position, &record.head);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct log *log = &worker->world->log;
    uint64_t written = 0;
    while (written < RECORDS) {
        uint64_t iteration = 1 + draw(worker, LOG_RECORDS_PER_CHECK);
        if (log_has_room_for(log, &worker->claimed)) {
            for (; iteration > 0 && written < RECORDS; iteration--)
                write_record(worker, written++);
        }
        if (log_has_claims(log))
            take_requests(worker);
        if (worker->count > 0 && (draw(worker, 3) == 0 || !log_has_room(log)))
            complete_one(worker);
    }
    take_requests(worker);
    while (worker->count > 0)
        complete_one(worker);
    return NULL;
}

/* ---- reading back ---- */

static int read_back(void *context, const struct record_head *head, uint64_t lsn, uint64_t time_ms)
{
    struct world *world = context;
    struct note_record record;
    memcpy(&record, head, 16);
    (void)lsn;
    (void)time_ms;
    if (head->client >= WORKERS || record.number != world->next[head->client])
        return -1;
    const unsigned char *rest = (const unsigned char *)head + 16;
    for (uint32_t i = 0; i < head->length - 16; i++) {
        if (rest[i] != (unsigned char)record.number)
            return -1;
    }
    world->next[head->client]++;
    return 0;
}

static int open_world(struct world *world, const char *directory, enum durability durability)
{
    struct error why;
    struct journal_opened opened;
    struct journal_options options = { .directory = directory,
                                       .durability = durability,
                                       .segment_bytes = UINT64_C(512) << 10,
                                       .log = &world->log,
                                       .context = world,
                                       .apply = read_back };
    memset(world, 0, sizeof *world);
    world->durable = durability != DURABILITY_NONE;
    int error = log_init(&world->log, LOG_BYTES, WORKERS, 0);
    if (!error)
        error = journal_open(&world->journal, &options, &opened, &why);
    if (error)
        printf("FAIL: cannot open: %s\n", why.text);
    return error;
}

static void run_workers(struct world *world, uint64_t seed)
{
    pthread_t threads[WORKERS];
    static struct worker workers[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){ .world = world, .index = i, .random = { seed + i } };
        pthread_create(&threads[i], NULL, work, &workers[i]);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
}

static bool race(enum durability durability, uint64_t seed)
{
    static struct world world;
    struct scratch scratch;
    struct journal_metrics metrics;
    struct error why;
    scratch_make(&scratch);
    if (open_world(&world, scratch.path, durability) != 0)
        return false;
    run_workers(&world, seed);
    uint64_t tail = atomic_load(&world.log.tail);
    journal_metrics(world.journal, &metrics);
    if (log_has_claims(&world.log) || metrics.written_lsn != tail)
        fail(&world, "records were left lying");
    if (world.durable && log_acknowledged(&world.log) != tail)
        fail(&world, "not all is acknowledged");
    if (metrics.records != (uint64_t)WORKERS * RECORDS)
        fail(&world, "not all records were counted");
    printf("%-8s %" PRIu64 " records in %" PRIu64 " batches, %" PRIu64 " segments, %" PRIu64
           " syncs, %" PRIu64 " waits\n",
           durability_name(durability), metrics.records, metrics.batches, metrics.segments,
           metrics.syncs, metrics.waits);
    unsigned failures = atomic_load(&world.failures);
    if (durability == DURABILITY_ALWAYS)
        journal_abandon(world.journal);
    else if (journal_close(world.journal, &why) != 0)
        failures++;
    log_destroy(&world.log);

    if (open_world(&world, scratch.path, durability) != 0)
        return false;
    for (unsigned i = 0; i < WORKERS; i++)
        failures += world.next[i] != RECORDS;
    journal_close(world.journal, &why);
    log_destroy(&world.log);
    scratch_remove(&scratch);
    return failures == 0;
}

int main(int count, char **arguments)
{
    uint64_t seed = count > 1 ? strtoull(arguments[1], NULL, 0) : (uint64_t)time(NULL);
    bool good = true;
    printf("seed %" PRIu64 "\n", seed);
    for (unsigned d = DURABILITY_ALWAYS; d <= DURABILITY_NONE; d++)
        good = race((enum durability)d, seed + d) && good;
    return good ? 0 : 1;
}
