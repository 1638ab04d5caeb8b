/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/worker.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/ledger/shortages.h"
#include "engine/replay/follow.h"
#include "protocol/worker_access.h"
#include "protocol/worker_feed.h"
#include "protocol/worker_greet.h"
#include "protocol/worker_half.h"
#include "protocol/worker_io.h"
#include "protocol/worker_memory.h"
#include "protocol/worker_watch.h"

enum {
    COMPLETIONS = 256,    /* taken at once */
    EXPIRE_BUDGET = 1024, /* holds looked at in one iteration, at most */
    EXPIRE_AT_ONCE = 16,  /* between two checks of the work done */
    CHUNKS_KEPT = 256,    /* 4 MiB per worker for the next replies */
    STUCK_MS = 5,         /* before a hold that could not be expired is retried */
    STOP_MS = 2000,       /* for peers to read their last replies */
    /* Units of ctx_work: a quantum is 0.1 to 0.3 ms; and the work of an iteration. */
    QUANTUM = 64 << 10,
    ITERATION_WORK = 8 * QUANTUM,
    TAKE_UP_CHUNKS = 64, /* of 64 ids, in one iteration: some 0.1 ms */
};

#define NS_PER_MS INT64_C(1000000)

/* Context 0 is the applying thread's as long as the ledger follows. */
static struct ctx *ctx_of(const struct shared *shared, unsigned index)
{
    bool follows = service_role(&shared->service) == ROLE_STANDBY;
    return ledger_ctx(shared->service.ledger, follows && index == 0 ? shared->standby_ctx : index);
}

int worker_init(struct worker *worker, struct shared *shared, unsigned index)
{
    const struct service *service = &shared->service;
    struct scratch *scratch = calloc(1, sizeof *scratch);
    *worker = (struct worker){
        .index = index,
        .shared = shared,
        .inbox = &shared->inboxes[index],
        .executor = { .service = service,
                      .scratch = scratch,
                      .ctx = ctx_of(shared, index),
                      .refuses_changes = service_role(service) != ROLE_PRIMARY,
                      .metrics = &service->metrics[index],
                      .box = &shared->inboxes[index].answers,
                      .quantum = QUANTUM },
        .acknowledged = log_acknowledged(service->log),
    };
    chunk_pool_init(&worker->chunks, CHUNKS_KEPT);
    chunk_pool_limit(&worker->chunks, service->limits.client_bytes / service->workers);
    out_init(&worker->feed.slice.out, &worker->chunks);
    if (!scratch)
        return -ENOMEM;
    scratch->skus = calloc(service->limits.skus, sizeof *scratch->skus);
    scratch->available = calloc(service->limits.skus, sizeof *scratch->available);
    return scratch->skus && scratch->available ? 0 : -ENOMEM;
}

void worker_destroy(struct worker *worker)
{
    struct scratch *scratch = worker->executor.scratch;
    if (scratch) {
        free(scratch->skus);
        free(scratch->available);
        free(scratch);
    }
    chunk_pool_destroy(&worker->chunks);
    if (worker->ring)
        uring_destroy(worker->ring);
}

/* ---- the journal ---- */

static void submit_storage(struct worker *worker, const struct storage_request *request)
{
    unsigned slot = 0;
    while (slot < STORAGE_SLOTS && worker->storage_used[slot])
        slot++;
    assert(slot < STORAGE_SLOTS);
    worker->storage[slot] = *request;
    worker->storage_used[slot] = true;
    atomic_store_explicit(&worker->inbox->storage_state[slot],
                          storage_state_of(request->kind, worker->now.steady_ms),
                          memory_order_relaxed);
    worker->storage_began_ns[slot] = clock_ns(CLOCK_MONOTONIC);
    metric_add(&worker->executor.metrics->storage_requests, 1);
    uint64_t tag = tag_of(TAG_STORAGE, slot);
    switch (request->kind) {
    case STORAGE_WRITE:
        uring_write(worker->ring, request->fd, request->buffer, request->length, request->offset,
                    tag);
        break;
    case STORAGE_SYNC_DATA:
    case STORAGE_SYNC_ALL:
        uring_sync(worker->ring, request->fd, request->kind == STORAGE_SYNC_DATA, tag);
        break;
    case STORAGE_OPEN:
        uring_open(worker->ring, request->path, request->flags, tag);
        break;
    case STORAGE_ALLOCATE:
        uring_allocate(worker->ring, request->fd, request->offset, tag);
        break;
    case STORAGE_CLOSE:
        uring_close(worker->ring, request->fd, tag);
        break;
    case STORAGE_RENAME:
        uring_rename(worker->ring, request->path, request->to, tag);
        break;
    case STORAGE_REMOVE:
        uring_remove(worker->ring, request->path, tag);
        break;
    }
}

static void wake_waiting(struct worker *worker)
{
    shared_wake_waiting(worker->shared, worker->ring, worker->index);
}

static void ask_storage(struct worker *worker, bool idle)
{
    const struct storage_port *storage = worker->shared->service.storage;
    struct storage_request request;
    while (storage->next(storage->self, idle, &request))
        submit_storage(worker, &request);
    /* The log may have failed just now, with nothing under way. Wake them once: each worker woken
     * gets here as well. */
    if (!worker->failed && atomic_load_explicit(&worker_log(worker)->failed, memory_order_acquire))
        wake_waiting(worker);
}

static void note_storage(struct worker *worker, unsigned slot, enum storage_kind kind)
{
    struct worker_metrics *metrics = worker->executor.metrics;
    uint64_t ns = clock_ns(CLOCK_MONOTONIC) - worker->storage_began_ns[slot];
    if (kind == STORAGE_WRITE)
        latency_note(&metrics->journal_writes, ns, 1);
    else if (kind == STORAGE_SYNC_DATA)
        latency_note(&metrics->journal_syncs, ns, 1);
}

static void on_storage(struct worker *worker, unsigned slot, int result)
{
    const struct storage_port *storage = worker->shared->service.storage;
    assert(slot < STORAGE_SLOTS);
    assert(worker->storage_used[slot]);
    struct storage_request done = worker->storage[slot];
    note_storage(worker, slot, done.kind);
    struct storage_request next;
    worker->storage_used[slot] = false;
    atomic_store_explicit(&worker->inbox->storage_state[slot], 0, memory_order_relaxed);
    if (storage->done(storage->self, &done, result, &next)) {
        submit_storage(worker, &next);
        ask_storage(worker, false);
    }
    wake_waiting(worker);
}

static bool storage_under_way(const struct worker *worker)
{
    for (unsigned i = 0; i < STORAGE_SLOTS; i++)
        if (worker->storage_used[i])
            return true;
    return false;
}

/* Every worker watches for the next sync: only the one that ended the last write is sure to be
 * awake then; the others may sleep for ever. */
static uint64_t next_sync_ms(const struct worker *worker)
{
    const struct storage_port *storage = worker->shared->service.storage;
    return storage->next_sync_ms(storage->self);
}

/* ---- completions ---- */

static void begin_stop(struct worker *worker)
{
    if (worker->stopping)
        return;
    worker->stopping = true;
    worker->stop_until_ms = worker->now.steady_ms + STOP_MS;
    worker_look_at_all(worker, false);
    if (worker->index != 0)
        return;
    for (unsigned i = 1; i < worker->shared->service.workers; i++)
        shared_stop(worker->shared, worker->ring, i);
}

static void on_completion(struct worker *worker, const struct completion *c)
{
    uint64_t rest = tag_rest(c->tag);
    struct connection *connection = (struct connection *)(uintptr_t)rest;
    switch (tag_kind(c->tag)) {
    case TAG_ACCEPT:
        worker_on_accept(worker, (unsigned)rest, c);
        break;
    case TAG_RECEIVE:
        worker_on_receive(worker, connection, c);
        break;
    case TAG_SEND:
        worker_on_send(worker, connection, c->result);
        break;
    case TAG_STORAGE:
        on_storage(worker, (unsigned)rest, c->result);
        break;
    case TAG_ADOPT:
        worker_adopt(worker, (unsigned)rest, c->result);
        break;
    case TAG_ADOPT_FAILED:
        close((int)rest);
        atomic_fetch_sub_explicit(&worker->shared->connections, 1, memory_order_relaxed);
        break;
    case TAG_SIGNAL:
        shared_note_signal(worker->shared);
        begin_stop(worker);
        break;
    case TAG_STOP:
        begin_stop(worker);
        break;
    case TAG_ANSWER:
        worker_on_answers(worker);
        if (atomic_load_explicit(&worker->shared->broken, memory_order_relaxed))
            begin_stop(worker); /* see shared_break */
        break;
    case TAG_WAKE:
    case TAG_TELL_FAILED:
        break;
    }
}

static void take_completions(struct worker *worker)
{
    struct completion completions[COMPLETIONS];
    unsigned taken;
    do {
        taken = uring_take(worker->ring, completions, COMPLETIONS);
        for (unsigned i = 0; i < taken; i++)
            on_completion(worker, &completions[i]);
    } while (taken == COMPLETIONS);
}

/* ---- an iteration ---- */

static void pass_wakeups_on(struct worker *worker)
{
    uint64_t wakeups = ctx_take_wakeups(worker->executor.ctx);
    for (unsigned i = 0; wakeups != 0; i++, wakeups >>= 1)
        if ((wakeups & 1) && i != worker->index)
            shared_wake(worker->shared, worker->ring, i);
}

/* True: more holds are due. The work is bounded, too: a hold may have a thousand draws. */
static bool expire(struct worker *worker)
{
    struct ctx *ctx = worker->executor.ctx;
    uint64_t begun = ctx_work(ctx);
    for (unsigned done = 0; done < EXPIRE_BUDGET; done += EXPIRE_AT_ONCE)
        if (ledger_expire(ctx, EXPIRE_AT_ONCE) < EXPIRE_AT_ONCE)
            return false;
        else if (ctx_work(ctx) - begun > ITERATION_WORK)
            break;
    return true;
}

/* Before the iteration begins: its clock and its context depend on it. */
static void mind_role(struct worker *worker)
{
    struct executor *executor = &worker->executor;
    bool refuses = service_role(&worker->shared->service) != ROLE_PRIMARY;
    if (refuses == executor->refuses_changes)
        return;
    executor->refuses_changes = refuses;
    worker->takes_up = !refuses;
    executor->ctx = ctx_of(worker->shared, worker->index);
}

/* What a primary does by itself. True: there is more to do at once. */
static bool live(struct worker *worker)
{
    struct ctx *ctx = worker->executor.ctx;
    if (worker->executor.refuses_changes)
        return false;
    bool more = expire(worker);
    ledger_tell_crossings(ctx);
    ledger_tell_shortages(ctx);
    return more || worker->takes_up;
}

/* Returns true if there is more to do at once. */
static bool run_iteration(struct worker *worker)
{
    struct executor *executor = &worker->executor;
    mind_role(worker);
    worker->now = clock_now(worker->shared->clock);
    executor->engine_ms = worker->now.engine_ms;
    executor->steady_ms = worker->now.steady_ms;
    executor->steady_ns = worker->now.steady_ns;
    executor->iteration++;
    metric_add(&executor->metrics->iterations, 1);

    ledger_begin(executor->ctx, worker->now.engine_ms, worker->now.wall_ms);
    if (worker->takes_up)
        worker->takes_up = !ledger_take_up(executor->ctx, TAKE_UP_CHUNKS);
    worker_mind_access(worker);
    worker->great_done = false;
    worker->crowded_at = executor_work(executor) + ITERATION_WORK;
    bool more = worker_retry(worker); /* waiting requests come before new ones */
    take_completions(worker);
    more |= live(worker);
    more |= worker_run_heavy(worker);
    more |= worker_greet(worker);
    bool due = worker->now.steady_ms >= next_sync_ms(worker);
    if (log_has_claims(worker_log(worker)) || due) /* @write */
        ask_storage(worker, false);
    pass_wakeups_on(worker);
    worker_feed(worker);
    worker_mind_halves(worker);
    worker_mind_readers(worker);
    worker_mind_memory(worker);
    worker_mind_strangers(worker);
    worker_flush(worker);
    worker_watch(worker);
    ledger_end(executor->ctx);
    return more || worker->lists.count[LIST_HEAVY] > 0;
}

/* ---- between iterations ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Until something comes up by itself. */
static uint64_t live_sleep_ms(const struct worker *worker)
{
    const struct moment *now = &worker->now;
    uint64_t due = ledger_next_deadline(worker->executor.ctx);
    uint64_t ms = UINT64_MAX;
    if (due != UINT64_MAX)
        ms = due > now->engine_ms ? due - now->engine_ms : STUCK_MS;
    uint64_t looks = sooner(ledger_crossings_due(worker->executor.ctx),
                            ledger_shortages_due(worker->executor.ctx));
    return looks == UINT64_MAX ? ms : sooner(ms, looks - now->engine_ms);
}

/* Until the first question has waited long enough for its LSN. */
static uint64_t lsn_sleep_ms(const struct worker *worker)
{
    uint64_t ms = UINT64_MAX, now_ms = worker->now.steady_ms;
    const struct connection *c = worker->lists.head[LIST_LSN];
    for (; c; c = c->links[LIST_LSN].next)
        ms = sooner(ms, c->lsn_until_ms > now_ms ? c->lsn_until_ms - now_ms : 0);
    return ms;
}

/* Milliseconds that it may sleep if nothing comes; UINT64_MAX: no limit. */
static uint64_t sleep_ms(const struct worker *worker)
{
    const struct moment *now = &worker->now;
    uint64_t ms = worker->executor.refuses_changes ? UINT64_MAX : live_sleep_ms(worker);
    uint64_t sync = next_sync_ms(worker);
    if (sync != UINT64_MAX)
        ms = sooner(ms, sync > now->steady_ms ? sync - now->steady_ms : 1);
    if (worker->accept_again_ms != 0 || worker->lists.count[LIST_LINGER] > 0)
        ms = sooner(ms, 100);
    if (worker->lists.count[LIST_LATER] > 0)
        ms = sooner(ms, 1);
    ms = sooner(ms, lsn_sleep_ms(worker));
    ms = sooner(ms, worker_feed_sleep_ms(worker));
    ms = sooner(ms, worker_half_sleep_ms(worker));
    ms = sooner(ms, worker_access_sleep_ms(worker));
    ms = sooner(ms, worker_greet_sleep_ms(worker));
    ms = sooner(ms, worker_watch_sleep_ms(worker));
    if (worker->stopping)
        ms = sooner(ms, 20);
    return ms;
}

static bool any_lsn_has_come(const struct worker *worker)
{
    const struct connection *c = worker->lists.head[LIST_LSN];
    while (c && !worker_lsn_has_come(worker, c))
        c = c->links[LIST_LSN].next;
    return c != NULL;
}

/* True: it must not sleep, because what it waits for has happened. */
static bool wait_is_over(const struct worker *worker)
{
    const struct log *log = worker_log(worker);
    bool moved = log_acknowledged(log) != worker->acknowledged;
    bool failed = atomic_load_explicit(&log->failed, memory_order_acquire);
    if (worker->lists.count[LIST_RETRY] > 0 && (log_has_room(log) || failed))
        return true;
    if (worker->lists.count[LIST_SUBSCRIBED] > 0 && moved)
        return true;
    if (any_lsn_has_come(worker))
        return true;
    return worker->lists.count[LIST_WAITING] > 0 && (moved || failed);
}

static int64_t in_ns(uint64_t ms)
{
    return ms == UINT64_MAX ? -1 : (int64_t)ms * NS_PER_MS;
}

static int wait_for_more(struct worker *worker, bool more)
{
    if (more)
        return uring_wait(worker->ring, 0);
    if (log_has_claims(worker_log(worker))) { /* they may wait for writes under way */
        int error = uring_wait(worker->ring, 0);
        if (error || uring_has_completions(worker->ring))
            return error;
        ask_storage(worker, true);
    }
    const unsigned *count = worker->lists.count;
    if (count[LIST_WAITING] == 0 && count[LIST_RETRY] == 0 && count[LIST_SUBSCRIBED] == 0 &&
        count[LIST_LSN] == 0)
        return uring_wait(worker->ring, in_ns(sleep_ms(worker)));
    atomic_exchange_explicit(&worker->inbox->waiting, true, memory_order_acq_rel);
    /* Only now: subscribers wait for the log's head, and if nothing waits for the disk, only the
     * head moves. */
    int64_t ns = in_ns(sleep_ms(worker));
    int error = uring_wait(worker->ring, wait_is_over(worker) ? 0 : ns);
    atomic_exchange_explicit(&worker->inbox->waiting, false, memory_order_acq_rel);
    return error;
}

static bool finished(struct worker *worker)
{
    if (!worker->stopping)
        return false;
    if (worker->now.steady_ms >= worker->stop_until_ms)
        worker_look_at_all(worker, true);
    return worker->lists.count[LIST_ALL] == 0 && !storage_under_way(worker);
}

int worker_run(struct worker *worker)
{
    struct shared *shared = worker->shared;
    worker->now = clock_now(shared->clock);
    if (worker->index == 0) {
        worker_begin_accepting(worker);
        uring_read(worker->ring, shared->signal_fd, &shared->signal, sizeof shared->signal,
                   tag_of(TAG_SIGNAL, 0));
    }
    worker_on_answers(worker);
    bool more = true;
    while (!finished(worker)) {
        int error = wait_for_more(worker, more);
        if (error)
            return error;
        more = run_iteration(worker);
    }
    return uring_wait(worker->ring, 0); /* submits the last messages to other workers, too */
}
