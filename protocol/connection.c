/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_FIRST = 1024, INPUT_KEPT = 16 << 10 };

void connection_init(struct connection *connection, struct chunk_pool *pool)
{
    memset(connection, 0, sizeof *connection);
    connection->link.fd = -1;
    out_init(&connection->out, pool);
    wire_walk_start(&connection->walk);
}

void connection_destroy(struct connection *connection)
{
    for (int i = 0; i < LISTS; i++)
        assert(!connection->listed[i]);
    principal_end(&connection->principal);
    checking_end(connection->checking);
    slicing_end(connection->slicing);
    held_free(&connection->held);
    out_destroy(&connection->out);
    input_drop(&connection->input);
}

/* ---- states ---- */

#define STATE(name) (1u << CONNECTION_##name)

static const unsigned next_states[CONNECTION_STATES] = {
    [CONNECTION_OPEN] = STATE(HALF_CLOSED) | STATE(CLOSING) | STATE(BROKEN),
    [CONNECTION_HALF_CLOSED] = STATE(DRAINING) | STATE(BROKEN),
    [CONNECTION_CLOSING] = STATE(DRAINING) | STATE(LINGERING) | STATE(BROKEN),
    [CONNECTION_DRAINING] = STATE(BROKEN),
    [CONNECTION_LINGERING] = STATE(DRAINING) | STATE(BROKEN),
    [CONNECTION_BROKEN] = 0,
};

bool connection_may_become(enum connection_state from, enum connection_state to)
{
    assert(from < CONNECTION_STATES && to < CONNECTION_STATES);
    return next_states[from] & (1u << to);
}

void connection_become(struct connection *connection, enum connection_state state)
{
    assert(connection_may_become(connection->state, state));
    connection->state = state;
}

void connection_end_input(struct connection *connection)
{
    if (connection->state == CONNECTION_OPEN)
        connection_become(connection, CONNECTION_HALF_CLOSED);
    else if (connection->state == CONNECTION_CLOSING || connection->state == CONNECTION_LINGERING)
        connection_become(connection, CONNECTION_DRAINING);
}

void connection_end_requests(struct connection *connection)
{
    bool ended = connection_input_ended(connection);
    connection_become(connection, ended ? CONNECTION_DRAINING : CONNECTION_CLOSING);
}

/* ---- input ---- */

/* It may have been a token, and could be read in a core or from a block that is used again. */
static void forget(struct input *input, uint32_t from, uint32_t to)
{
    if (from < to)
        explicit_bzero(input->bytes + from, to - from);
}

static uint64_t capacity_for(const struct input *input, uint64_t needed)
{
    uint64_t capacity = input->capacity ? input->capacity : INPUT_FIRST;
    while (capacity < needed)
        capacity *= 2;
    return capacity;
}

uint64_t input_capacity_with(const struct input *input, size_t length)
{
    return capacity_for(input, input_length(input) + length);
}

static bool input_grow(struct input *input, size_t needed)
{
    size_t capacity = capacity_for(input, needed);
    if (capacity > UINT32_MAX / 2)
        return false;
    unsigned char *bytes = malloc(capacity); /* realloc would leave a copy behind */
    if (!bytes)
        return false;
    if (input->end > 0)
        memcpy(bytes, input->bytes, input->end);
    forget(input, 0, input->end);
    free(input->bytes);
    input->bytes = bytes;
    input->capacity = (uint32_t)capacity;
    return true;
}

bool input_append(struct input *input, const unsigned char *bytes, size_t length)
{
    if (length == 0)
        return true;
    if (length > input->capacity - input->end) {
        uint32_t held = input_length(input);
        if (input->start > 0) {
            memmove(input->bytes, input->bytes + input->start, held);
            forget(input, held, input->end);
        }
        input->start = 0;
        input->end = held;
        if (length > input->capacity - held && !input_grow(input, held + length))
            return false;
    }
    memcpy(input->bytes + input->end, bytes, length);
    input->end += (uint32_t)length;
    return true;
}

void input_consume(struct input *input, size_t length)
{
    assert(length <= input_length(input));
    forget(input, input->start, input->start + (uint32_t)length);
    input->start += (uint32_t)length;
    if (input->start < input->end)
        return;
    input->start = input->end = 0;
    if (input->capacity > INPUT_KEPT)
        input_drop(input);
}

void input_drop(struct input *input)
{
    forget(input, input->start, input->end);
    free(input->bytes);
    *input = (struct input){ 0 };
}

/* ---- reply barriers ---- */

void connection_barrier(struct connection *connection, uint64_t from, uint64_t lsn,
                        uint64_t iteration, uint64_t now_ms)
{
    unsigned count = connection->barrier_count;
    struct reply_barrier *last = count > 0 ? &connection->barriers[count - 1] : NULL;
    if (last && lsn <= last->lsn)
        return; /* C2: the last reply barrier opens no sooner */
    assert(!last || last->from <= from);
    if (last && (connection->barrier_iteration == iteration || count == BARRIERS_MAX)) {
        /* The changes of one iteration become durable together. And when there is no room for
         * another reply barrier, the last one waits longer than it must, which is never wrong. */
        last->lsn = lsn;
        return;
    }
    connection->barriers[count] =
        (struct reply_barrier){ .from = from, .lsn = lsn, .since_ms = now_ms };
    connection->barrier_count = count + 1;
    connection->barrier_iteration = iteration;
}

uint64_t connection_open_barriers(struct connection *connection, uint64_t acknowledged)
{
    unsigned open = 0;
    while (open < connection->barrier_count && connection->barriers[open].lsn <= acknowledged)
        open++;
    if (open > 0) {
        connection->barrier_count -= open;
        memmove(connection->barriers, connection->barriers + open,
                connection->barrier_count * sizeof *connection->barriers);
    }
    if (connection->barrier_count == 0) {
        held_clear(&connection->held);
        return out_end(&connection->out);
    }
    held_forget(&connection->held, connection->barriers[0].from);
    return connection->barriers[0].from;
}

void connection_hold(struct connection *connection, const struct held_message *message)
{
    if (connection->barrier_count > 0 && !held_add(&connection->held, message))
        connection->out.failed = true;
}

bool connection_refuse_held(struct connection *connection, uint64_t acknowledged,
                            const char *reason)
{
    uint64_t from = connection_open_barriers(connection, acknowledged);
    bool done = connection->barrier_count == 0 ||
                held_rewrite(&connection->held, &connection->out, from, acknowledged, reason);
    connection->barrier_count = 0;
    held_clear(&connection->held);
    return done;
}

/* ---- lists ---- */

void list_add(struct connection_lists *lists, enum connection_list list,
              struct connection *connection)
{
    if (connection->listed[list])
        return;
    struct connection *last = lists->tail[list];
    connection->links[list] = (struct connection_link){ .previous = last };
    if (last)
        last->links[list].next = connection;
    else
        lists->head[list] = connection;
    lists->tail[list] = connection;
    lists->count[list]++;
    connection->listed[list] = true;
}

void list_remove(struct connection_lists *lists, enum connection_list list,
                 struct connection *connection)
{
    if (!connection->listed[list])
        return;
    struct connection_link *link = &connection->links[list];
    if (link->previous)
        link->previous->links[list].next = link->next;
    else
        lists->head[list] = link->next;
    if (link->next)
        link->next->links[list].previous = link->previous;
    else
        lists->tail[list] = link->previous;
    assert(lists->count[list] > 0);
    lists->count[list]--;
    connection->listed[list] = false;
}
