/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/worker_feed.h"

#include <assert.h>

#include "protocol/worker_end.h"

enum {
    PASS_MS = 2,            /* from one pass to the next, at least */
    PASS_ROWS = 1024,       /* rows packed in one pass */
    PASS_BYTES = 1 << 20,   /* copied to subscribers in one pass */
    UNSENT_HIGH = 64 << 10, /* a subscriber with more unsent bytes gets no more rows */
    LOOK_AFTER_MS = 100,    /* at subscribers without room */
};

struct budget {
    uint32_t rows;
    uint64_t bytes;
};

static bool spent(const struct budget *budget)
{
    return budget->rows >= PASS_ROWS || budget->bytes >= PASS_BYTES;
}

void worker_note_subscriber(struct worker *worker, struct connection *connection)
{
    struct subscription *s = &connection->feed.subscription;
    bool on = s->on || connection->feed.events.on;
    if (!on || connection_is_broken(connection) || connection->listed[LIST_SUBSCRIBED])
        return;
    list_add(&worker->lists, LIST_SUBSCRIBED, connection);
    metric_add(&worker->executor.metrics->subscribers, 1);
    s->moved_ms = worker->now.steady_ms;
    worker->feed.unfinished = true;
}

void worker_note_room(struct worker *worker, const struct connection *connection)
{
    const struct subscription *s = &connection->feed.subscription;
    bool behind =
        (s->on && (s->target != 0 || s->since < worker->feed.head)) || connection->feed.events.on;
    if (behind && connection->listed[LIST_SUBSCRIBED])
        worker->feed.unfinished = true;
}

void worker_forget_subscriber(struct worker *worker, struct connection *connection)
{
    if (!connection->listed[LIST_SUBSCRIBED])
        return;
    if (worker->feed.resume == connection)
        worker->feed.resume = connection->links[LIST_SUBSCRIBED].next;
    list_remove(&worker->lists, LIST_SUBSCRIBED, connection);
    metric_add(&worker->executor.metrics->subscribers, (uint64_t)-1);
}

/* Only a send that does not end is the peer's fault; waiting for the journal is not. */
static void check_progress(struct worker *worker, struct connection *connection)
{
    struct subscription *s = &connection->feed.subscription;
    uint64_t now = worker->now.steady_ms;
    if (!connection->link.in_flight.send || connection->out.sent != s->sent) {
        s->sent = connection->out.sent;
        s->moved_ms = now;
        return;
    }
    worker->feed.blocked = true;
    if (now - s->moved_ms < worker->shared->service.limits.subscriber_ms)
        return;
    metric_add(&worker->executor.metrics->cut_off, 1);
    worker_cut(worker, connection);
    list_add(&worker->lists, LIST_FRESH, connection);
}

static bool can_be_told(const struct connection *connection)
{
    return connection_takes_requests(connection) && out_unsent(&connection->out) <= UNSENT_HIGH;
}

/* Tells the subscriber the next events that a crash cannot take back. False: there are none, or it
 * has no room. */
static bool tell_events(struct worker *worker, struct connection *connection, struct budget *budget)
{
    struct event_subscription *s = &connection->feed.events;
    struct worker_metrics *metrics = worker->executor.metrics;
    struct out *out = &connection->out;
    if (!s->on || !can_be_told(connection))
        return false;
    s->filter.scope = connection->principal.scope;
    if (connection->principal.scope)
        scope_look(connection->principal.scope, ledger_catalogue(worker->executor.ctx));
    uint64_t from = out_end(out);
    struct signals_view view = { worker->shared->service.ledger, worker->executor.ctx,
                                 worker->feed.shown };
    struct signals_told told = signals_tell(&view, s, out);
    budget->rows += told.rows;
    budget->bytes += out_end(out) - from;
    metric_add(&metrics->notifications, told.rows);
    metric_add(&metrics->resyncs, told.missed);
    if (out_end(out) == from)
        return told.more;
    connection_hold(connection, &(struct held_message){ .offset = from, .notification = true });
    list_add(&worker->lists, LIST_FRESH, connection);
    return true;
}

/* Gives the subscriber the next part of its walk. False: there is none, or it has no room. */
static bool tell(struct worker *worker, struct connection *connection, uint64_t head,
                 struct budget *budget)
{
    struct worker_feed *feed = &worker->feed;
    struct subscription *s = &connection->feed.subscription;
    struct out *out = &connection->out;
    if (!s->on || !can_be_told(connection) || !feed_begin_walk(s, head))
        return false;
    struct feed_view view =
        feed_look(worker->shared->service.ledger, worker->executor.ctx, s->channel);
    if (!feed_make_slice(&feed->slice, &view, s)) {
        feed->postponed = true;
        return false;
    }
    struct worker_metrics *metrics = worker->executor.metrics;
    uint64_t from = out_end(out);
    feed_give_slice(s, out, &feed->slice);
    budget->rows += feed->slice.given ? 0 : feed->slice.rows + 1;
    budget->bytes += out_end(out) - from + 64;
    feed->slice.given = true;
    metric_add(&metrics->notifications, feed->slice.rows);
    metric_add(&metrics->walks, s->target == 0);
    if (out_end(out) == from)
        return true;
    if (feed->slice.shown_until > worker->acknowledged)
        connection_barrier(connection, from, feed->slice.shown_until, worker->executor.iteration,
                           worker->now.steady_ms);
    connection_hold(connection, &(struct held_message){ .offset = from, .notification = true });
    list_add(&worker->lists, LIST_FRESH, connection);
    return true;
}

/* Visits each subscriber once, from where the last pass stopped. True: one was told something. */
static bool tell_all(struct worker *worker, uint64_t head, struct budget *budget)
{
    struct worker_feed *feed = &worker->feed;
    struct connection *first = feed->resume ? feed->resume : worker->lists.head[LIST_SUBSCRIBED];
    struct connection *c = first;
    bool told = false;
    assert(first); /* otherwise there is no pass */
    do {
        struct connection *next = c->links[LIST_SUBSCRIBED].next;
        next = next ? next : worker->lists.head[LIST_SUBSCRIBED];
        assert(next); /* the list has at least c */
        feed->resume = c;
        if (spent(budget) || feed->postponed)
            return told;
        told |= tell_events(worker, c, budget);
        told |= tell(worker, c, head, budget);
        c = next;
    } while (c != first);
    feed->resume = NULL;
    return told;
}

void worker_feed(struct worker *worker)
{
    struct worker_feed *feed = &worker->feed;
    const struct log *log = worker_log(worker);
    uint64_t now = worker->now.steady_ms;
    if (worker->lists.count[LIST_SUBSCRIBED] == 0 || now < feed->next_ms || worker->stopping)
        return;
    feed->blocked = feed->postponed = feed->unfinished = feed->has_events = false;
    feed->next_ms = now + PASS_MS;
    for (struct connection *c = worker->lists.head[LIST_SUBSCRIBED]; c;
         c = c->links[LIST_SUBSCRIBED].next) {
        check_progress(worker, c);
        feed->has_events |= c->feed.events.on;
    }
    /* Nothing more becomes durable once the journal has failed. */
    if (atomic_load_explicit(&log->failed, memory_order_acquire))
        return;
    struct budget budget = { 0, 0 };
    feed->head = log_head(log);
    feed->shown = log_final(log);
    while (tell_all(worker, feed->head, &budget) && !spent(&budget) && !feed->postponed) {
    }
    feed_drop_slice(&feed->slice);
    feed->unfinished = spent(&budget) || feed->postponed;
}

uint64_t worker_feed_sleep_ms(const struct worker *worker)
{
    const struct worker_feed *feed = &worker->feed;
    const struct log *log = worker_log(worker);
    uint64_t now = worker->now.steady_ms;
    if (worker->lists.count[LIST_SUBSCRIBED] == 0 || worker->stopping)
        return UINT64_MAX;
    if (feed->unfinished || log_head(log) != feed->head ||
        (feed->has_events && log_final(log) != feed->shown))
        return feed->next_ms > now ? feed->next_ms - now : 1;
    return feed->blocked ? LOOK_AFTER_MS : UINT64_MAX;
}
