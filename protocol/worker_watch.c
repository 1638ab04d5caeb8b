/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/worker_watch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

enum { LOOK_EVERY_MS = 250, SLOW_MS = 1000, TELL_EVERY_MS = 10000 };

/* The oldest waiting request or reply. */
struct wait {
    const struct connection *connection; /* NULL: nothing waits */
    uint64_t since_ms;
    const struct reply_barrier *barrier; /* NULL: the request itself waits */
};

struct line {
    char text[768];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    va_list values;
    size_t room = sizeof line->text - line->length;
    va_start(values, format);
    int length = vsnprintf(line->text + line->length, room, format, values);
    va_end(values);
    if (length > 0)
        line->length += (size_t)length < room ? (size_t)length : room - 1;
}

/* ---- looking ---- */

/* Lists of connections whose request at the head waits. */
static const enum connection_list stalled_lists[] = { LIST_RETRY, LIST_LATER, LIST_HEAVY,
                                                      LIST_ASKED };

enum { STALLED_LISTS = sizeof stalled_lists / sizeof *stalled_lists };

static bool anything_waits(const struct worker *worker)
{
    unsigned count = worker->lists.count[LIST_WAITING];
    for (unsigned i = 0; i < STALLED_LISTS; i++)
        count += worker->lists.count[stalled_lists[i]];
    return count > 0;
}

static void note_older(struct wait *oldest, const struct connection *connection, uint64_t since_ms,
                       const struct reply_barrier *barrier)
{
    if (!oldest->connection || since_ms < oldest->since_ms)
        *oldest = (struct wait){ connection, since_ms, barrier };
}

static struct wait find_oldest(const struct worker *worker)
{
    struct wait oldest = { 0 };
    const struct connection *c = worker->lists.head[LIST_WAITING];
    for (; c; c = c->links[LIST_WAITING].next)
        if (c->barrier_count > 0)
            note_older(&oldest, c, c->barriers[0].since_ms, &c->barriers[0]);
    for (unsigned i = 0; i < STALLED_LISTS; i++)
        for (c = worker->lists.head[stalled_lists[i]]; c; c = c->links[stalled_lists[i]].next)
            if (!c->checking) /* a check takes long; info shows it */
                note_older(&oldest, c, c->stalled_ms, NULL);
    return oldest;
}

/* ---- reporting ---- */

static const char *reason_of(const struct connection *connection)
{
    switch (connection->stall) {
    case STALL_NO_ROOM:
        return "for room in the log";
    case STALL_LATER:
        return "for other workers";
    case STALL_QUANTUM:
        return "for its turn among long requests";
    case STALL_ANSWER:
        return "for history to be read from the journal";
    case STALL_LSN: /* for two seconds at most, as it asked */
    case STALL_DEFERRED:
    case STALL_OUTPUT:
    case STALL_NONE:
        break;
    }
    return "for changes under way to what it needs";
}

static const char *name_of(enum storage_kind kind)
{
    static const char *const names[] = {
        [STORAGE_WRITE] = "write",       [STORAGE_SYNC_DATA] = "fdatasync",
        [STORAGE_SYNC_ALL] = "fsync",    [STORAGE_OPEN] = "open",
        [STORAGE_ALLOCATE] = "allocate", [STORAGE_CLOSE] = "close",
        [STORAGE_RENAME] = "rename",     [STORAGE_REMOVE] = "remove",
    };
    assert((unsigned)kind < sizeof names / sizeof *names);
    return names[kind];
}

/* The disk requests of all workers: they share one journal. */
static void add_storage(struct line *line, const struct worker *worker)
{
    const struct shared *shared = worker->shared;
    const char *before = "; on the disk: ";
    for (unsigned i = 0; i < shared->service.workers; i++)
        for (unsigned slot = 0; slot < STORAGE_SLOTS; slot++) {
            uint64_t word =
                atomic_load_explicit(&shared->inboxes[i].storage_state[slot], memory_order_relaxed);
            if (word == 0)
                continue;
            uint64_t since_ms = storage_state_since(word), now_ms = worker->now.steady_ms;
            add(line, "%s%s for %" PRIu64 " ms", before, name_of(storage_state_kind(word)),
                now_ms > since_ms ? now_ms - since_ms : 0);
            before = ", ";
        }
    if (*before == ';')
        add(line, "; nothing on the disk");
}

static void tell(const struct worker *worker, const struct line *line)
{
    const struct shared *shared = worker->shared;
    if (shared->say)
        shared->say(shared->context, LOG_WARNING, line->text);
}

static void tell_wait(const struct worker *worker, const struct wait *wait, uint64_t age_ms)
{
    const struct log *log = worker_log(worker);
    const unsigned *count = worker->lists.count;
    struct line line = { .length = 0 };
    const struct link *link = &wait->connection->link;
    char peer[128];
    link_transport(link)->name_peer(link, peer, sizeof peer);
    add(&line, "worker %u: a %s %s has waited for %" PRIu64 " ms ", worker->index,
        wait->barrier ? "reply to" : "request of", peer, age_ms);
    if (wait->barrier)
        add(&line, "for the journal to acknowledge LSN %" PRIu64, wait->barrier->lsn);
    else
        add(&line, "%s", reason_of(wait->connection));
    add(&line, "; acknowledged %" PRIu64 ", handed to the journal %" PRIu64 ", claimed %" PRIu64,
        log_acknowledged(log), log_head(log),
        atomic_load_explicit(&log->tail, memory_order_relaxed));
    add_storage(&line, worker);
    add(&line,
        "; connections with held replies %u, to retry %u, for other workers %u, long %u, "
        "asking history %u",
        count[LIST_WAITING], count[LIST_RETRY], count[LIST_LATER], count[LIST_HEAVY],
        count[LIST_ASKED]);
    tell(worker, &line);
}

static void tell_end(const struct worker *worker)
{
    struct line line = { .length = 0 };
    add(&line,
        "worker %u: no reply waits longer than %d ms now; the oldest waited for %" PRIu64 " ms",
        worker->index, SLOW_MS, worker->watch.longest_ms);
    tell(worker, &line);
}

void worker_watch(struct worker *worker)
{
    struct worker_watch *watch = &worker->watch;
    uint64_t now_ms = worker->now.steady_ms;
    if (now_ms < watch->next_ms || (!watch->slow && !anything_waits(worker)))
        return;
    watch->next_ms = now_ms + LOOK_EVERY_MS;
    struct wait oldest = find_oldest(worker);
    uint64_t age_ms = oldest.connection ? now_ms - oldest.since_ms : 0;
    bool was_slow = watch->slow;
    watch->slow = age_ms >= SLOW_MS;
    if (watch->slow) {
        metric_add(&worker->executor.metrics->slow_replies, !was_slow);
        watch->longest_ms = was_slow && watch->longest_ms > age_ms ? watch->longest_ms : age_ms;
        if (now_ms >= watch->tell_ms) {
            tell_wait(worker, &oldest, age_ms);
            watch->told = true;
            watch->tell_ms = now_ms + TELL_EVERY_MS;
        }
    } else if (watch->told) {
        tell_end(worker);
        watch->told = false;
    }
}

uint64_t worker_watch_sleep_ms(const struct worker *worker)
{
    uint64_t now_ms = worker->now.steady_ms, next_ms = worker->watch.next_ms;
    if (!worker->watch.slow && !anything_waits(worker))
        return UINT64_MAX;
    return next_ms > now_ms ? next_ms - now_ms : LOOK_EVERY_MS;
}
