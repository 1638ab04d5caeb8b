/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers on the journal of a cluster's primary, and a thread that commits what they append: late,
 * in groups, before a batch is written or after. For ThreadSanitizer, and for what it cannot see:
 *   - nothing is acknowledged that is not committed
 *   - no wake-up is lost: a worker looks for requests when it has claimed or completed something,
 *     and otherwise only when the commit says that one must; yet all becomes acknowledged. A lost
 *     one is seen as a hang
 *   - bytes that were appended stay as they are until their commit
 *   - what is read back is every record of every worker, each worker's in its order
 *
 * commits [SEED]
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/log/record.h"
#include "persistence/journal_node.h"
#include "tests/support/random.h"
#include "tests/support/scratch.h"

#ifdef __SANITIZE_THREAD__
enum { ROUNDS = 1000 };
#else
enum { ROUNDS = 2000 };
#endif
enum { SECONDS_MOST = 20, WORKERS = 3, LOG_BYTES = 1 << 20, RECORD_WORDS = 24, UNCOMMITTED = 8 };

struct appended {
    uint64_t number, end_lsn, sum;
    const void *bytes;
    uint32_t length;
};

struct world {
    struct log log;
    struct journal *journal;
    struct replication_port port;
    _Atomic unsigned failures;

    pthread_mutex_t lock; /* of the queue */
    pthread_cond_t to_commit;
    struct appended queue[UNCOMMITTED];
    uint64_t head, tail;
    bool stopping;
    _Atomic uint64_t committed_lsn; /* as the committer says before it reports it */

    pthread_mutex_t bell_lock; /* of what workers sleep on */
    pthread_cond_t bell;
    uint64_t rings;
    bool must_look; /* a worker, any */

    pthread_barrier_t round; /* nobody begins another one: that would hide a lost wake-up */
    _Atomic unsigned last_round;
    time_t end_s; /* a busy machine would take minutes */

    uint64_t next[WORKERS]; /* reading back */
};

struct worker {
    struct world *world;
    unsigned index;
    struct random random;
    struct file_request pending[JOURNAL_SLOTS];
    unsigned count;
    uint64_t written;
};

static void fail(struct world *world, const char *what)
{
    printf("FAIL: %s\n", what);
    atomic_fetch_add(&world->failures, 1);
}

static uint64_t sum_of(const void *bytes, uint32_t length)
{
    uint64_t sum = 0, word;
    for (uint32_t at = 0; at < length; at += 8) {
        memcpy(&word, (const char *)bytes + at, 8);
        sum = sum * UINT64_C(0x9e3779b97f4a7c15) + word;
    }
    return sum;
}

/* ---- the cluster ---- */

/* Must not wait: the queue's lock is held for some instructions. */
static void append(void *context, uint64_t number, const void *batch, uint32_t length)
{
    struct world *world = context;
    const struct batch_header *header = batch;
    pthread_mutex_lock(&world->lock);
    if (world->tail - world->head == UNCOMMITTED || header->number != number)
        fail(world, "more batches than there are slots");
    world->queue[world->tail++ % UNCOMMITTED] =
        (struct appended){ number, batch_end_lsn(header), sum_of(batch, length), batch, length };
    pthread_cond_signal(&world->to_commit);
    pthread_mutex_unlock(&world->lock);
}

static int keep_all(void *context, const struct replication_tail *tail, uint64_t *keep,
                    struct error *why)
{
    (void)context;
    (void)why;
    *keep = tail->number;
    return 0;
}

static void ring(struct world *world, bool look)
{
    pthread_mutex_lock(&world->bell_lock);
    world->rings++;
    world->must_look |= look;
    pthread_cond_broadcast(&world->bell);
    pthread_mutex_unlock(&world->bell_lock);
}

/* Takes some of what is appended; false: it is the end. */
static bool take_appended(struct world *world, struct random *random, struct appended *last)
{
    pthread_mutex_lock(&world->lock);
    while (world->head == world->tail && !world->stopping)
        pthread_cond_wait(&world->to_commit, &world->lock);
    uint64_t count = world->tail - world->head;
    bool more = count > 0;
    for (uint64_t n = more ? 1 + random_next(random) % count : 0; n > 0; n--) {
        *last = world->queue[world->head++ % UNCOMMITTED];
        if (sum_of(last->bytes, last->length) != last->sum)
            fail(world, "bytes changed before the commit");
    }
    pthread_mutex_unlock(&world->lock);
    return more;
}

static void *commit(void *argument)
{
    struct world *world = argument;
    struct random random = { 77 };
    struct appended last;
    while (take_appended(world, &random, &last)) {
        for (uint64_t i = random_next(&random) % 4; i > 0; i--)
            sched_yield();
        atomic_store(&world->committed_lsn, last.end_lsn);
        bool look = journal_committed(world->journal, last.number);
        ring(world, look);
    }
    return NULL;
}

/* ---- workers ---- */

static uint64_t look_at_acknowledged(struct world *world)
{
    uint64_t acknowledged = log_acknowledged(&world->log);
    if (acknowledged > atomic_load(&world->committed_lsn))
        fail(world, "acknowledged before it was committed");
    return acknowledged;
}

static void take_requests(struct worker *worker)
{
    bool idle = random_next(&worker->random) % 2;
    while (worker->count < JOURNAL_SLOTS &&
           journal_next(worker->world->journal, idle, &worker->pending[worker->count]))
        worker->count++;
}

static void complete_one(struct worker *worker)
{
    struct world *world = worker->world;
    struct file_request *any = &worker->pending[random_next(&worker->random) % worker->count];
    struct file_request request = *any;
    int result = file_perform(&file_system, &request);
    *any = worker->pending[--worker->count];
    if (journal_done(world->journal, &request, result, &worker->pending[worker->count])) {
        worker->count++;
        take_requests(worker);
    }
    look_at_acknowledged(world);
    ring(world, false);
}

static uint64_t write_record(struct worker *worker)
{
    struct log *log = &worker->world->log;
    uint64_t words[RECORD_WORDS];
    uint32_t length = (uint32_t)(16 + 8 * (random_next(&worker->random) % (RECORD_WORDS - 2)));
    struct record_head head = { .length = length,
                                .type = RECORD_VOID,
                                .client = (uint16_t)worker->index };
    memcpy(words, &head, sizeof head);
    for (unsigned i = 1; i < RECORD_WORDS; i++)
        words[i] = worker->written;
    uint64_t position = log_claim(log, length);
    log_publish(log, position, (const struct record_head *)(const void *)words);
    worker->written++;
    return position + length;
}

/* Sleeps until its record is acknowledged. It looks only if a commit says that somebody must. */
static void await(struct worker *worker, uint64_t lsn)
{
    struct world *world = worker->world;
    while (look_at_acknowledged(world) < lsn) {
        if (worker->count > 0) {
            complete_one(worker);
            continue;
        }
        pthread_mutex_lock(&world->bell_lock);
        uint64_t rings = world->rings;
        while (!world->must_look && rings == world->rings && log_acknowledged(&world->log) < lsn)
            pthread_cond_wait(&world->bell, &world->bell_lock);
        bool look = world->must_look;
        world->must_look = false;
        pthread_mutex_unlock(&world->bell_lock);
        if (look)
            take_requests(worker);
    }
}

static time_t seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    for (unsigned round = 0; round <= atomic_load(&worker->world->last_round); round++) {
        uint64_t lsn = 0;
        for (uint64_t n = 1 + random_next(&worker->random) % LOG_RECORDS_PER_CHECK; n > 0; n--) {
            lsn = write_record(worker);
            take_requests(worker);
        }
        await(worker, lsn);
        while (worker->count > 0)
            complete_one(worker);
        if (worker->index == 0 && round + 1 < atomic_load(&worker->world->last_round) &&
            seconds_now() >= worker->world->end_s)
            atomic_store(&worker->world->last_round, round + 1); /* nobody is beyond that one */
        pthread_barrier_wait(&worker->world->round);
    }
    return NULL;
}

/* ---- a life ---- */

static int read_back(void *context, const struct record_head *head, uint64_t lsn, uint64_t time_ms)
{
    struct world *world = context;
    const uint64_t *words = (const uint64_t *)(const void *)head;
    (void)lsn;
    (void)time_ms;
    if (head->client >= WORKERS)
        return -1;
    for (uint32_t i = 1; i < head->length / 8; i++)
        if (words[i] != world->next[head->client])
            return -1;
    world->next[head->client]++;
    return 0;
}

static int open_world(struct world *world, const char *directory)
{
    struct error why;
    struct journal_opened opened;
    struct journal_options options = { .directory = directory,
                                       .segment_bytes = UINT64_C(512) << 10,
                                       .log = &world->log,
                                       .replication = &world->port,
                                       .context = world,
                                       .apply = read_back };
    memset(world, 0, sizeof *world);
    world->port =
        (struct replication_port){ .context = world, .append = append, .compare = keep_all };
    pthread_mutex_init(&world->lock, NULL);
    pthread_mutex_init(&world->bell_lock, NULL);
    pthread_cond_init(&world->to_commit, NULL);
    pthread_cond_init(&world->bell, NULL);
    pthread_barrier_init(&world->round, NULL, WORKERS);
    atomic_store(&world->last_round, ROUNDS - 1);
    world->end_s = seconds_now() + SECONDS_MOST;
    int error = log_init(&world->log, LOG_BYTES, WORKERS, 0);
    if (!error)
        error = journal_open(&world->journal, &options, &opened, &why);
    if (error)
        printf("FAIL: cannot open: %s\n", why.text);
    return error;
}

static bool run(struct world *world, uint64_t seed, uint64_t *written)
{
    pthread_t threads[WORKERS], committer;
    static struct worker workers[WORKERS];
    struct journal_lead lead;
    struct error why;
    if (journal_lead(world->journal, &lead, &why) != 0)
        return false;
    pthread_create(&committer, NULL, commit, world);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){ .world = world, .index = i, .random = { seed + i } };
        pthread_create(&threads[i], NULL, work, &workers[i]);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_lock(&world->lock);
    world->stopping = true;
    pthread_cond_signal(&world->to_commit);
    pthread_mutex_unlock(&world->lock);
    pthread_join(committer, NULL);
    for (unsigned i = 0; i < WORKERS; i++)
        written[i] = workers[i].written;
    return true;
}

int main(int count, char **arguments)
{
    static struct world world;
    struct scratch scratch;
    struct journal_metrics metrics;
    struct error why;
    uint64_t written[WORKERS];
    uint64_t seed = count > 1 ? strtoull(arguments[1], NULL, 0) : (uint64_t)time(NULL);
    printf("seed %" PRIu64 "\n", seed);
    scratch_make(&scratch);
    if (open_world(&world, scratch.path) != 0 || !run(&world, seed, written))
        return 1;
    journal_metrics(world.journal, &metrics);
    if (log_acknowledged(&world.log) != atomic_load(&world.log.tail))
        fail(&world, "not all is acknowledged");
    printf("%" PRIu64 " records in %" PRIu64 " batches, %" PRIu64 " segments\n", metrics.records,
           metrics.batches, metrics.segments);
    unsigned failures = atomic_load(&world.failures);
    journal_abandon(world.journal);
    log_destroy(&world.log);
    if (open_world(&world, scratch.path) != 0)
        return 1;
    for (unsigned i = 0; i < WORKERS; i++)
        failures += world.next[i] != written[i];
    failures += journal_close(world.journal, &why) != 0;
    log_destroy(&world.log);
    scratch_remove(&scratch);
    return failures == 0 ? 0 : 1;
}
