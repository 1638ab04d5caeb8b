/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/worker_memory.h"

#include "protocol/worker_end.h"

void worker_note_memory(struct worker *worker)
{
    chunk_pool_note_other(&worker->chunks, worker->half_bytes + worker->stalled_bytes);
}

bool worker_may_grow(const struct worker *worker, uint64_t bytes)
{
    return chunk_pool_allows(&worker->chunks, bytes);
}

static uint64_t held_by(const struct connection *connection)
{
    return out_unsent(&connection->out) + connection->input.capacity;
}

/* Of those to which a send is under way. One that was cut holds its memory until the kernel has let
 * go of it: `going`. */
static struct connection *greatest_reader(const struct worker *worker, uint64_t *going)
{
    struct connection *greatest = NULL;
    *going = 0;
    for (struct connection *c = worker->lists.head[LIST_SENDING]; c;
         c = c->links[LIST_SENDING].next) {
        if (connection_is_broken(c))
            *going += held_by(c);
        else if (!greatest || held_by(c) > held_by(greatest))
            greatest = c;
    }
    return greatest;
}

static void make_room(struct worker *worker, uint64_t bytes)
{
    uint64_t going;
    struct connection *greatest;
    while ((greatest = greatest_reader(worker, &going)) &&
           chunk_pool_bytes(&worker->chunks) >= bytes + going) {
        metric_add(&worker->executor.metrics->cut_for_memory, 1);
        worker_cut(worker, greatest);
        worker_look_at(worker, greatest);
    }
}

void worker_mind_memory(struct worker *worker)
{
    struct worker_metrics *metrics = worker->executor.metrics;
    const struct chunk_pool *pool = &worker->chunks;
    uint64_t bytes = chunk_pool_bytes(pool), enough = pool->bytes_max / 8 * 7;
    metric_set(&metrics->client_bytes, bytes);
    metric_set(&metrics->client_bytes_peak, pool->bytes_peak);
    if (pool->bytes_max > 0 && bytes >= enough)
        make_room(worker, enough);
}
