/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/worker_io.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/probe.h"
#include "protocol/worker_access.h"
#include "protocol/worker_end.h"
#include "protocol/worker_feed.h"
#include "protocol/worker_greet.h"
#include "protocol/worker_half.h"
#include "protocol/worker_memory.h"

enum {
    INPUT_HIGH = 64 << 10,   /* bytes that may gather behind a request that waits */
    OUTPUT_LOW = 64 << 10,   /* unsent bytes below which a stalled connection continues */
    LINGER_BYTES = 16 << 20, /* input discarded while lingering, at most */
    ACCEPT_PAUSE_MS = 100,   /* after the system has run out of descriptors or memory */
    HEAVY_NS = 2000000,      /* for LIST_HEAVY in an iteration, at most, plus one quantum */
    HEAVY_PART = 4,          /* a connection that did 1/4 of a quantum is heavy */
    GREAT_QUANTA = 2,        /* more work than this ends an iteration's long work */
    PAUSE_MOST = 8,          /* milliseconds before a long request is retried */
};

static uint64_t tag_connection(enum tag tag, const struct connection *connection)
{
    uint64_t address = (uint64_t)(uintptr_t)connection;
    assert(address >> 56 == 0);
    return tag_of(tag, address);
}

/* ---- accepting ---- */

void worker_begin_accepting(struct worker *worker)
{
    struct shared *shared = worker->shared;
    worker->accept_again_ms = 0;
    for (unsigned i = 0; i < shared->listener_count; i++) {
        const struct listener *listener = &shared->listeners[i];
        if (worker->accepting[i])
            continue;
        listener->transport->accept(listener, worker->ring, tag_of(TAG_ACCEPT, i));
        worker->accepting[i] = true;
    }
}

/* Closes the descriptor, with a reply that says why if the peer takes it at once. */
static void turn_away(struct worker *worker, const struct listener *listener, int fd)
{
    struct out out;
    struct iovec piece = { 0 };
    struct refusal refusal = { .code = CODE_OK };
    metric_add(&worker->executor.metrics->turned_away, 1);
    refuse(&refusal, CODE_OVERLOADED, NULL, "%s",
           worker->stopping ? "the engine is stopping"
                            : "the engine has as many connections as it allows (max-connections)");
    out_init(&out, &worker->chunks);
    reply_bad_message(&out, 0, &refusal);
    unsigned pieces = out_pieces(&out, out_end(&out), &piece, 1);
    listener->transport->turn_away(fd, piece.iov_base, pieces == 1 ? piece.iov_len : 0);
    out_destroy(&out);
}

/* Hands new connections to the workers round-robin. */
static void hand_over(struct worker *worker, unsigned listener, int fd)
{
    struct shared *shared = worker->shared;
    uint32_t before = atomic_fetch_add_explicit(&shared->connections, 1, memory_order_relaxed);
    if (before >= shared->service.limits.connections || worker->stopping) {
        atomic_fetch_sub_explicit(&shared->connections, 1, memory_order_relaxed);
        turn_away(worker, &shared->listeners[listener], fd);
        return;
    }
    unsigned to = worker->next_worker;
    worker->next_worker = (to + 1) % shared->service.workers;
    if (to == worker->index)
        worker_adopt(worker, listener, fd);
    else
        uring_tell(worker->ring, shared->inboxes[to].ring, fd, tag_of(TAG_ADOPT, listener),
                   tag_of(TAG_ADOPT_FAILED, (uint64_t)fd));
}

void worker_on_accept(struct worker *worker, unsigned listener, const struct completion *c)
{
    if (c->result >= 0) {
        metric_add(&worker->executor.metrics->accepted, 1);
        hand_over(worker, listener, c->result);
    }
    if (c->more)
        return;
    worker->accepting[listener] = false;
    bool exhausted = c->result == -EMFILE || c->result == -ENFILE || c->result == -ENOBUFS ||
                     c->result == -ENOMEM;
    if (worker->stopping)
        return;
    if (exhausted)
        worker->accept_again_ms = worker->now.steady_ms + ACCEPT_PAUSE_MS;
    else
        worker_begin_accepting(worker);
}

void worker_adopt(struct worker *worker, unsigned listener, int fd)
{
    struct shared *shared = worker->shared;
    assert(listener < shared->listener_count);
    struct connection *connection = malloc(sizeof *connection);
    if (!connection) {
        atomic_fetch_sub_explicit(&shared->connections, 1, memory_order_relaxed);
        turn_away(worker, &shared->listeners[listener], fd);
        return;
    }
    connection_init(connection, &worker->chunks);
    connection->link.fd = fd;
    connection->link.listener = &shared->listeners[listener];
    if (!link_transport(&connection->link)->open(&connection->link, &worker->chunks)) {
        connection_destroy(connection);
        free(connection);
        atomic_fetch_sub_explicit(&shared->connections, 1, memory_order_relaxed);
        turn_away(worker, &shared->listeners[listener], fd);
        return;
    }
    worker_begin_greeting(worker, connection);
    list_add(&worker->lists, LIST_ALL, connection);
    metric_add(&worker->executor.metrics->connections, 1);
    worker_meet(worker, connection);
    worker_look_at(worker, connection);
}

/* ---- releasing ---- */

static void release(struct worker *worker, struct connection *connection)
{
    assert(connection_is_broken(connection) && link_is_idle(&connection->link));
    worker_forget_subscriber(worker, connection);
    worker_part(worker, connection);
    for (enum connection_list list = 0; list < LISTS; list++)
        list_remove(&worker->lists, list, connection);
    awaited_drop(&connection->awaited);
    link_transport(&connection->link)->close(&connection->link);
    worker->half_bytes -= connection->half_counted;
    worker->stalled_bytes -= connection->stalled_counted;
    worker_note_memory(worker);
    connection_destroy(connection);
    free(connection);
    atomic_fetch_sub_explicit(&worker->shared->connections, 1, memory_order_relaxed);
    metric_add(&worker->executor.metrics->connections, (uint64_t)-1);
    metric_add(&worker->executor.metrics->closed, 1);
}

void worker_look_at_all(struct worker *worker, bool cut)
{
    for (struct connection *c = worker->lists.head[LIST_ALL]; c; c = c->links[LIST_ALL].next) {
        if (cut)
            worker_cut(worker, c);
        worker_look_at(worker, c);
    }
}

/* ---- receiving ---- */

static void list_if(struct worker *worker, enum connection_list list, struct connection *connection,
                    bool condition)
{
    if (condition)
        list_add(&worker->lists, list, connection);
    else
        list_remove(&worker->lists, list, connection);
}

/* A deferred heavy request may take as long again: others go first, for longer each time. */
static void pause_heavy(struct worker *worker, struct connection *connection)
{
    uint32_t pause_ms = connection->pause_ms ? 2 * connection->pause_ms : 1;
    connection->pause_ms = pause_ms < PAUSE_MOST ? pause_ms : PAUSE_MOST;
    connection->paused_until_ms = worker->now.steady_ms + connection->pause_ms;
}

/* Puts the connection in the list that retries it. */
static void note_stall(struct worker *worker, struct connection *connection)
{
    enum stall stall = connection->stall;
    bool deferred = stall == STALL_DEFERRED;
    bool paused = deferred && connection->heavy;
    if (paused)
        pause_heavy(worker, connection);
    list_if(worker, LIST_RETRY, connection, stall == STALL_NO_ROOM || (deferred && !paused));
    list_if(worker, LIST_LATER, connection, stall == STALL_LATER || paused);
    list_if(worker, LIST_LSN, connection, stall == STALL_LSN);
    list_if(worker, LIST_HEAVY, connection, stall == STALL_QUANTUM);
    list_if(worker, LIST_ASKED, connection, stall == STALL_ANSWER);
    if (stall == STALL_QUANTUM)
        metric_add(&worker->executor.metrics->put_off, 1);
}

/* This iteration has done its share of long work, or others wait for theirs. */
static bool is_crowded(const struct worker *worker)
{
    return worker->lists.count[LIST_HEAVY] > 0 || worker->great_done ||
           executor_work(&worker->executor) >= worker->crowded_at;
}

/* Runs the bytes, for at most a quantum. Returns how many are done. */
static size_t run_bytes(struct worker *worker, struct connection *connection,
                        const unsigned char *bytes, size_t length)
{
    struct executor *executor = &worker->executor;
    uint64_t before = executor_work(executor);
    bool stalled = connection->stall != STALL_NONE;
    executor->crowded = !worker->on_heavy && is_crowded(worker);
    size_t through = session_run(executor, connection, bytes, length);
    uint64_t done = executor_work(executor) - before;
    if (through > 0 || !stalled) /* another request is at the head */
        connection->stalled_ms = worker->now.steady_ms;
    connection->heavy = done >= executor->quantum / HEAVY_PART ||
                        (connection->heavy && connection->stall == STALL_QUANTUM);
    worker->great_done |= done > GREAT_QUANTA * executor->quantum;
    if (through > 0)
        connection->pause_ms = 0;
    note_stall(worker, connection);
    return through;
}

/* Runs as much of the gathered input as possible. */
static void run_input(struct worker *worker, struct connection *connection)
{
    struct input *input = &connection->input;
    size_t through =
        run_bytes(worker, connection, input->bytes + input->start, input_length(input));
    input_consume(input, connection_takes_requests(connection) ? through : input_length(input));
    if (through > 0)
        worker_note_message(worker, connection);
    else
        worker_note_input(worker, connection);
    worker_look_at(worker, connection);
}

/* Runs its next bytes; those of a heavy connection wait in LIST_HEAVY if the worker is crowded. */
static void run_in_turn(struct worker *worker, struct connection *connection)
{
    if (!connection->heavy || !is_crowded(worker)) {
        run_input(worker, connection);
        return;
    }
    if (connection->stall == STALL_NONE)
        connection->stalled_ms = worker->now.steady_ms;
    connection->stall = STALL_QUANTUM;
    note_stall(worker, connection);
    worker_note_input(worker, connection);
}

/* One request that is long in one piece is enough for an iteration, even if it did not come from
 * LIST_HEAVY. While LIST_HEAVY is not empty, no great request starts elsewhere, so its connections
 * get their iterations. */
bool worker_run_heavy(struct worker *worker)
{
    if (worker->lists.count[LIST_HEAVY] == 0 || worker->great_done)
        return worker->lists.count[LIST_HEAVY] > 0;
    uint64_t until = clock_ns(CLOCK_MONOTONIC) + HEAVY_NS;
    worker->on_heavy = true;
    for (unsigned left = worker->lists.count[LIST_HEAVY]; left > 0; left--) {
        struct connection *connection = worker->lists.head[LIST_HEAVY];
        assert(connection); /* running a connection adds or removes only that one */
        list_remove(&worker->lists, LIST_HEAVY, connection);
        run_input(worker, connection);
        if (worker->great_done || clock_ns(CLOCK_MONOTONIC) >= until)
            break;
    }
    worker->on_heavy = false;
    return worker->lists.count[LIST_HEAVY] > 0;
}

/* False: there is no memory, or none that may be used for clients. */
static bool keep_input(struct worker *worker, struct connection *connection,
                       const unsigned char *bytes, size_t length)
{
    struct input *input = &connection->input;
    uint64_t counted = connection->half_counted + connection->stalled_counted;
    uint64_t capacity = input_capacity_with(input, length);
    bool moves = capacity > input->capacity; /* and is there twice meanwhile */
    if (worker_may_grow(worker, moves ? capacity : capacity - counted))
        return input_append(input, bytes, length);
    metric_add(&worker->executor.metrics->cut_for_memory, 1);
    return false;
}

static void take_bytes(struct worker *worker, struct connection *connection,
                       const unsigned char *bytes, size_t length)
{
    metric_add(&worker->executor.metrics->bytes_in, length);
    if (connection_is_broken(connection) || worker->stopping)
        return;
    if (!connection_takes_requests(connection)) {
        connection->thrown_away += length;
        if (connection->thrown_away > LINGER_BYTES)
            worker_cut(worker, connection);
        return;
    }
    bool at_once = input_length(&connection->input) == 0 && connection->stall == STALL_NONE &&
                   !(connection->heavy && is_crowded(worker));
    size_t through = 0;
    if (at_once) {
        through = run_bytes(worker, connection, bytes, length);
        if (!connection_takes_requests(connection))
            return;
    }
    if (length > through && !keep_input(worker, connection, bytes + through, length - through))
        worker_cut(worker, connection);
    else if (!at_once && connection->stall == STALL_NONE)
        run_in_turn(worker, connection);
    else if (length > through)
        worker_note_input(worker, connection);
}

void worker_take(struct worker *worker, struct connection *connection,
                 const struct received *received)
{
    PROBE(receive, connection, received->length);
    if (received->length > 0)
        take_bytes(worker, connection, received->bytes, received->length);
    if (received->length > 0 && worker->shared->service.access)
        explicit_bzero(received->bytes, received->length); /* perhaps a token */
    if (received->ended)
        connection_end_input(connection);
    if (received->failed)
        worker_cut(worker, connection);
    worker_look_at(worker, connection);
}

void worker_on_receive(struct worker *worker, struct connection *connection,
                       const struct completion *c)
{
    struct link *link = &connection->link;
    struct received received = link_transport(link)->received(link, c);
    if (received.failed && link->greeting != GREETING_DONE && !connection_is_broken(connection))
        worker_greeting_failed(worker, connection);
    worker_take(worker, connection, &received);
    if (c->has_buffer)
        uring_return_buffer(worker->ring, c->buffer);
    if (link->greeting == GREETING_READY && !connection_is_broken(connection))
        worker_greeting_ready(worker, connection);
}

/* ---- answered history queries ---- */

static void take_answer(struct worker *worker, struct history_query *query)
{
    if (!query->asker) { /* the connection has gone */
        history_query_free(query);
        return;
    }
    struct connection *connection = connection_of(query->asker);
    assert(connection->awaited.query == query);
    connection->awaited.answered = true;
    if (!connection_is_broken(connection))
        run_input(worker, connection);
}

void worker_on_answers(struct worker *worker)
{
    struct answer_box *box = &worker->inbox->answers;
    struct history_query *next;
    uring_read(worker->ring, box->bell, &box->rung, sizeof box->rung, tag_of(TAG_ANSWER, 0));
    for (struct history_query *query = answer_box_take(box); query; query = next) {
        next = query->next_query;
        take_answer(worker, query);
    }
}

/* Moves a connection whose pause is over to LIST_HEAVY. */
static void resume_heavy(struct worker *worker, struct connection *connection)
{
    if (worker->now.steady_ms < connection->paused_until_ms)
        return;
    list_remove(&worker->lists, LIST_LATER, connection);
    list_add(&worker->lists, LIST_HEAVY, connection);
}

/* Retries those that wait for other workers, at most once per millisecond. */
static bool retry_later_ones(struct worker *worker)
{
    bool deferred = false;
    struct connection *next;
    if (worker->now.steady_ms == worker->later_ms)
        return false;
    worker->later_ms = worker->now.steady_ms;
    for (struct connection *c = worker->lists.head[LIST_LATER]; c; c = next) {
        next = c->links[LIST_LATER].next;
        if (c->stall == STALL_DEFERRED) {
            resume_heavy(worker, c);
            continue;
        }
        run_input(worker, c);
        deferred |= c->stall == STALL_DEFERRED;
    }
    return deferred;
}

/* Runs those whose LSN has come, or whose time is up. */
static void retry_lsns(struct worker *worker)
{
    struct connection *next;
    for (struct connection *c = worker->lists.head[LIST_LSN]; c; c = next) {
        next = c->links[LIST_LSN].next;
        if (worker_lsn_has_come(worker, c) || worker->now.steady_ms >= c->lsn_until_ms)
            run_input(worker, c);
    }
}

/* Retries each once. A connection that still is not done goes to the end, so scarce room goes
 * round. */
bool worker_retry(struct worker *worker)
{
    const struct log *log = worker_log(worker);
    bool deferred = retry_later_ones(worker);
    retry_lsns(worker);
    struct connection *c = worker->lists.head[LIST_RETRY], *next;
    for (unsigned left = worker->lists.count[LIST_RETRY]; left > 0; left--, c = next) {
        next = c->links[LIST_RETRY].next;
        bool failed = atomic_load_explicit(&log->failed, memory_order_acquire);
        if (c->stall == STALL_NO_ROOM && !failed && !log_has_room(log))
            continue;
        list_remove(&worker->lists, LIST_RETRY, c);
        run_input(worker, c);
        deferred |= c->stall == STALL_DEFERRED;
    }
    return deferred;
}

/* ---- sending ---- */

void worker_on_send(struct worker *worker, struct connection *connection, int result)
{
    struct link *link = &connection->link;
    int sent = link_transport(link)->sent(link, result);
    list_remove(&worker->lists, LIST_SENDING, connection);
    if (sent > 0) {
        out_consume(&connection->out, (size_t)sent);
        worker_note_room(worker, connection);
        metric_add(&worker->executor.metrics->bytes_out, (uint64_t)sent);
    } else if (sent < 0) {
        worker_cut(worker, connection);
    }
    if (connection->stall == STALL_OUTPUT && !connection_is_broken(connection) &&
        out_unsent(&connection->out) < OUTPUT_LOW)
        run_in_turn(worker, connection);
    worker_look_at(worker, connection);
}

static uint64_t flush_ns(struct worker *worker)
{
    if (worker->flush_ns == 0)
        worker->flush_ns = clock_ns(CLOCK_MONOTONIC);
    return worker->flush_ns;
}

/* Of the replies behind barriers that open now. */
static void note_latencies(struct worker *worker, const struct connection *connection)
{
    struct worker_metrics *metrics = worker->executor.metrics;
    for (unsigned i = 0; i < connection->barrier_count; i++) {
        const struct reply_barrier *barrier = &connection->barriers[i];
        if (barrier->lsn > worker->acknowledged)
            break;
        for (enum request_kind kind = 0; kind < REQUEST_KINDS; kind++)
            if (barrier->replies[kind] > 0)
                latency_note(&metrics->latency[kind], flush_ns(worker) - barrier->asked_ns,
                             barrier->replies[kind]);
    }
}

/* Of the replies that no barrier has held back. */
static void note_free_latencies(struct worker *worker)
{
    struct executor *executor = &worker->executor;
    for (enum request_kind kind = 0; kind < REQUEST_KINDS; kind++) {
        uint64_t count = executor->free_replies[kind];
        if (count > 0)
            latency_note(&executor->metrics->latency[kind], flush_ns(worker) - executor->steady_ns,
                         count);
        executor->free_replies[kind] = 0;
    }
}

/* Sends the bytes that no reply barrier holds back. */
static void send_what_may_go(struct worker *worker, struct connection *connection)
{
    note_latencies(worker, connection);
    uint64_t to = connection_open_barriers(connection, worker->acknowledged);
    struct link *link = &connection->link;
    if (!link->in_flight.send && (connection->out.sent < to || link->has_more)) {
        PROBE(reply, connection, to - connection->out.sent, worker->acknowledged);
        link_transport(link)->send(link, worker->ring, &connection->out, to,
                                   tag_connection(TAG_SEND, connection));
        connection->sending_since_ms = worker->now.steady_ms;
        connection->queued = 0;
        list_add(&worker->lists, LIST_SENDING, connection);
        metric_add(&worker->executor.metrics->sends, 1);
    }
    if (connection->barrier_count > 0)
        list_add(&worker->lists, LIST_WAITING, connection);
    else
        list_remove(&worker->lists, LIST_WAITING, connection);
}

/* ---- the end of an iteration ---- */

/* Receives, or stops when too much input has gathered behind a request that waits, on this
 * connection or on all. Room again needs no notice: once that request is done, the connection is
 * looked at in any case. */
static void update_receive(struct worker *worker, struct connection *connection)
{
    bool full = connection->stall != STALL_NONE &&
                (input_length(&connection->input) > INPUT_HIGH || worker_stalled_is_full(worker));
    struct link *link = &connection->link;
    bool wanted = !connection_input_ended(connection) && !worker->stopping && !full &&
                  link->greeting != GREETING_READY;
    uint64_t tag = tag_connection(TAG_RECEIVE, connection);
    if (wanted && !link->in_flight.receive) {
        link_transport(link)->receive(link, worker->ring, tag);
    } else if (!wanted && link->in_flight.receive && !link->in_flight.cancel) {
        metric_add(&worker->executor.metrics->stalled_reads, 1);
        link_transport(link)->stop_receiving(link, worker->ring, tag);
    }
}

/* True if nothing is left to do for it. */
static bool is_over(const struct worker *worker, const struct connection *connection)
{
    bool all_sent = out_unsent(&connection->out) == 0 && !connection->link.in_flight.send;
    bool all_done = connection->stall == STALL_NONE || worker->stopping;
    return all_sent && all_done && (connection_input_ended(connection) || worker->stopping);
}

/* The journal has failed: replies that wait for it become read_only. */
static void rewrite_held(struct worker *worker, struct connection *connection)
{
    const struct storage_port *storage = worker->shared->service.storage;
    if (connection->barrier_count == 0 || connection_is_broken(connection))
        return;
    if (!connection_refuse_held(connection, worker->acknowledged, storage->failure(storage->self)))
        worker_cut(worker, connection);
    /* Held bytes may be gone without a send, whose completion would have resumed the input. */
    if (connection->stall == STALL_OUTPUT && !connection_is_broken(connection) &&
        out_unsent(&connection->out) < OUTPUT_LOW)
        run_in_turn(worker, connection);
}

static void flush_connection(struct worker *worker, struct connection *connection)
{
    worker_note_subscriber(worker, connection);
    worker_note_known(worker, connection);
    if (connection->out.failed)
        worker_cut(worker, connection);
    if (worker->failed)
        rewrite_held(worker, connection);
    if (!connection_is_broken(connection))
        send_what_may_go(worker, connection);
    if (!connection_is_broken(connection) && is_over(worker, connection))
        worker_cut(worker, connection);
    if (connection->state == CONNECTION_CLOSING && out_unsent(&connection->out) == 0)
        worker_begin_linger(worker, connection);
    if (!connection_is_broken(connection))
        update_receive(worker, connection);
    if (connection_is_broken(connection) && link_is_idle(&connection->link))
        release(worker, connection);
}

void worker_flush(struct worker *worker)
{
    const struct log *log = worker_log(worker);
    /* In this order: what was acknowledged before the failure is answered so. A batch that
     * completes just now may be acknowledged after this look; its replies then say read_only, which
     * is allowed. */
    worker->failed = atomic_load_explicit(&log->failed, memory_order_acquire);
    uint64_t acknowledged = log_acknowledged(log);
    if (acknowledged != worker->acknowledged || worker->failed) {
        worker->acknowledged = acknowledged;
        struct connection *c = worker->lists.head[LIST_WAITING];
        for (; c; c = c->links[LIST_WAITING].next)
            worker_look_at(worker, c);
    }
    if (worker->accept_again_ms != 0 && worker->now.steady_ms >= worker->accept_again_ms)
        worker_begin_accepting(worker);
    worker_end_lingering(worker);
    while (worker->lists.head[LIST_FRESH]) {
        struct connection *connection = worker->lists.head[LIST_FRESH];
        list_remove(&worker->lists, LIST_FRESH, connection);
        flush_connection(worker, connection);
    }
    note_free_latencies(worker);
    worker->flush_ns = 0;
}
