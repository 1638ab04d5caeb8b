/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/worker_end.h"

#include "protocol/worker_access.h"
#include "protocol/worker_half.h"

enum { LINGER_MS = 1000 }; /* for a peer to read its last replies and close */

void worker_cut(struct worker *worker, struct connection *connection)
{
    if (connection_is_broken(connection))
        return;
    connection_become(connection, CONNECTION_BROKEN);
    list_remove(&worker->lists, LIST_RETRY, connection);
    list_remove(&worker->lists, LIST_LATER, connection);
    list_remove(&worker->lists, LIST_LSN, connection);
    list_remove(&worker->lists, LIST_HEAVY, connection);
    list_remove(&worker->lists, LIST_ASKED, connection);
    list_remove(&worker->lists, LIST_WAITING, connection);
    list_remove(&worker->lists, LIST_LINGER, connection);
    worker_note_known(worker, connection);
    list_remove(&worker->lists, LIST_GREETING, connection);
    list_remove(&worker->lists, LIST_GREET_READY, connection);
    list_remove(&worker->lists, LIST_GREET_HALF, connection);
    worker_note_input(worker, connection);
    link_transport(&connection->link)->abort(&connection->link);
}

/* Shuts our side first, so the peer reads its last replies before it notices anything else. */
void worker_begin_linger(struct worker *worker, struct connection *connection)
{
    if (!link_transport(&connection->link)->finish(&connection->link)) {
        worker_cut(worker, connection);
        return;
    }
    connection_become(connection, CONNECTION_LINGERING);
    connection->linger_until_ms = worker->now.steady_ms + LINGER_MS;
    list_add(&worker->lists, LIST_LINGER, connection);
}

void worker_end_lingering(struct worker *worker)
{
    struct connection *next;
    for (struct connection *c = worker->lists.head[LIST_LINGER]; c; c = next) {
        next = c->links[LIST_LINGER].next;
        if (worker->now.steady_ms < c->linger_until_ms)
            continue;
        worker_cut(worker, c);
        worker_look_at(worker, c);
    }
}
