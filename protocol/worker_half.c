/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/worker_half.h"

#include <assert.h>
#include <inttypes.h>

#include "protocol/worker_end.h"
#include "protocol/worker_memory.h"

/* A worker's share of input_bytes; one message and what comes with it always find room. */
static uint64_t input_bound(const struct worker *worker)
{
    const struct service *service = &worker->shared->service;
    uint64_t share = service->limits.input_bytes / service->workers;
    uint64_t least = 4 * (uint64_t)service->limits.message.bytes;
    return share > least ? share : least;
}

/* Refuses the message, discards the input, and closes once the reply is read. */
static void refuse_half(struct worker *worker, struct connection *connection,
                        const struct refusal *refusal)
{
    struct input *input = &connection->input;
    metric_add(&worker->executor.metrics->halves_refused, 1);
    session_refuse(&worker->executor, connection, input->bytes + input->start, input_length(input),
                   refusal);
    input_drop(input);
    worker_note_input(worker, connection);
    list_add(&worker->lists, LIST_FRESH, connection);
}

/* The half message that holds most; NULL: there is none. */
static struct connection *greatest_half(const struct worker *worker)
{
    struct connection *greatest = NULL;
    for (struct connection *c = worker->lists.head[LIST_HALF]; c; c = c->links[LIST_HALF].next)
        if (!greatest || c->input.capacity > greatest->input.capacity)
            greatest = c;
    return greatest;
}

static void count_as(uint64_t *total, uint32_t *counted, uint32_t bytes)
{
    assert(*total >= *counted);
    *total += bytes;
    *total -= *counted;
    *counted = bytes;
}

void worker_note_input(struct worker *worker, struct connection *connection)
{
    uint32_t capacity = connection->input.capacity;
    bool stalled = connection->stall != STALL_NONE;
    bool half =
        !stalled && connection_takes_requests(connection) && input_length(&connection->input) > 0;
    count_as(&worker->half_bytes, &connection->half_counted, half ? capacity : 0);
    count_as(&worker->stalled_bytes, &connection->stalled_counted, stalled ? capacity : 0);
    worker_note_memory(worker);
    if (half && !connection->listed[LIST_HALF])
        connection->half_since_ms = worker->now.steady_ms;
    if (half)
        list_add(&worker->lists, LIST_HALF, connection);
    else
        list_remove(&worker->lists, LIST_HALF, connection);
}

/* The message at the head of its input is done, and another one begins. */
void worker_note_message(struct worker *worker, struct connection *connection)
{
    list_remove(&worker->lists, LIST_HALF, connection);
    worker_note_input(worker, connection);
}

bool worker_stalled_is_full(const struct worker *worker)
{
    return worker->stalled_bytes >= input_bound(worker);
}

static void refuse_most(struct worker *worker)
{
    struct connection *greatest;
    while (worker->half_bytes > input_bound(worker) && (greatest = greatest_half(worker))) {
        struct refusal refusal = { .code = CODE_OK };
        refuse(&refusal, CODE_OVERLOADED, NULL,
               "incomplete messages hold more than max-input-bytes, %" PRIu64
               ", and this one holds the most; the connection closes after this reply",
               worker->shared->service.limits.input_bytes);
        refuse_half(worker, greatest, &refusal);
    }
}

void worker_mind_halves(struct worker *worker)
{
    uint32_t most_ms = worker->shared->service.limits.message_ms;
    struct connection *oldest;
    refuse_most(worker);
    while ((oldest = worker->lists.head[LIST_HALF]) &&
           worker->now.steady_ms - oldest->half_since_ms >= most_ms) {
        struct refusal refusal = { .code = CODE_OK };
        refuse(&refusal, CODE_OVERLOADED, NULL,
               "the message was still incomplete after message-timeout-ms, %" PRIu32
               "; the connection closes after this reply",
               most_ms);
        refuse_half(worker, oldest, &refusal);
    }
}

/* The kernel completes a send only once there is much room again. So a peer that reads slowly is
 * known by what it has taken of the socket's bytes meanwhile; then it has that long again. */
static bool still_takes(struct worker *worker, struct connection *connection)
{
    int queued = link_queued(&connection->link);
    if (queued == connection->queued)
        return false;
    connection->queued = queued;
    connection->sending_since_ms = worker->now.steady_ms;
    list_add(&worker->lists, LIST_SENDING, connection);
    return true;
}

void worker_mind_readers(struct worker *worker)
{
    uint32_t most_ms = worker->shared->service.limits.reader_ms;
    struct connection *oldest;
    while ((oldest = worker->lists.head[LIST_SENDING]) &&
           worker->now.steady_ms - oldest->sending_since_ms >= most_ms) {
        list_remove(&worker->lists, LIST_SENDING, oldest);
        if (still_takes(worker, oldest))
            continue;
        metric_add(&worker->executor.metrics->unread, 1);
        worker_cut(worker, oldest);
        worker_look_at(worker, oldest);
    }
}

uint64_t worker_half_sleep_ms(const struct worker *worker)
{
    const struct service_limits *limits = &worker->shared->service.limits;
    const struct connection *half = worker->lists.head[LIST_HALF];
    const struct connection *sending = worker->lists.head[LIST_SENDING];
    uint64_t due = half ? half->half_since_ms + limits->message_ms : UINT64_MAX;
    if (sending && sending->sending_since_ms + limits->reader_ms < due)
        due = sending->sending_since_ms + limits->reader_ms;
    if (due == UINT64_MAX)
        return due;
    return due > worker->now.steady_ms ? due - worker->now.steady_ms : 1;
}
