/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/node.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cluster/node_parts.h"
#include "cluster/steady.h"

uint64_t node_now_ms(void)
{
    return cluster_now_us() / 1000;
}

const char *node_role_name(enum node_role role)
{
    static const char *const names[] = { "joins", "follows", "stands", "primary", "ended" };
    return names[role];
}

void node_say(struct node *node, const char *format, ...)
{
    char line[NODE_WHY_MAX + 64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    node->journal.say(node->journal.context, line);
}

/* ---- waiting ---- */

/* Relaxed: a flag; what is to be done lies behind the lock, or is to end. */
static bool is_set(const _Atomic bool *flag)
{
    return atomic_load_explicit(flag, memory_order_relaxed);
}

bool node_must_go(const struct node *node)
{
    return is_set(&node->stopping) || (node->role == NODE_PRIMARY && node->appender.refused);
}

static void wake(struct node *node)
{
    const uint64_t one = 1;
    ssize_t written = write(node->wake, &one, sizeof one);
    assert(written == sizeof one || errno == EAGAIN);
}

static void sleep_until(struct node *node, uint64_t until_ms)
{
    struct pollfd polls[2] = { [1] = { .fd = node->wake, .events = POLLIN } };
    uint64_t until, count, now = node_now_ms();
    etcd_waits_for(node->etcd, &polls[0], &until);
    if (until_ms < until)
        until = until_ms;
    if (node->role == NODE_PRIMARY && node_primary_due_ms(node) < until)
        until = node_primary_due_ms(node);
    uint64_t wait = until > now ? until - now : 0;
    if (poll(polls, 2, wait < 1000 ? (int)wait : 1000) > 0 && polls[1].revents)
        (void)!read(node->wake, &count, sizeof count);
}

/* There is something to do before the time for which it pauses. */
static bool is_called(const struct node *node)
{
    if (node->role == NODE_FOLLOWS)
        return is_set(&node->asked) || is_set(&node->suspected);
    return node->role == NODE_PRIMARY && is_set(&node->asked) && !node->does_request;
}

/* For the reply with that tag; or, tag 0, until that time. NULL: it has not come. */
static const struct etcd_reply *wait_for(struct node *node, uint64_t tag, uint64_t until_ms)
{
    for (;;) {
        const struct etcd_reply *reply;
        bool some = false;
        uint64_t now = node_now_ms();
        if (node->role == NODE_PRIMARY)
            node_primary_turn(node, now);
        etcd_run(node->etcd, now);
        while ((reply = etcd_take(node->etcd))) {
            if (reply->tag == tag)
                return reply;
            if (node->role == NODE_PRIMARY)
                node_primary_takes(node, reply);
            some = true;
        }
        if (node_must_go(node))
            return NULL;
        if (!tag && (now >= until_ms || is_called(node)))
            return NULL;
        if (!some)
            sleep_until(node, tag ? UINT64_MAX : until_ms);
    }
}

struct cluster_call node_call(struct node *node)
{
    return (struct cluster_call){ ++node->tags, node_now_ms() + node->limits.call_ms };
}

const struct etcd_reply *node_reply(struct node *node, int submitted)
{
    static const struct etcd_reply none = { .outcome = ETCD_REFUSED, .error = ETCD_OTHER };
    if (submitted)
        return &none;
    return wait_for(node, node->tags, UINT64_MAX);
}

void node_pause(struct node *node, uint64_t ms)
{
    wait_for(node, 0, node_now_ms() + ms);
}

/* ---- reading ---- */

enum node_read node_read_value(struct node *node, const char *folder, const char *name,
                               enum cluster_kind kind, void *value, struct term_held *at)
{
    const struct etcd_reply *reply =
        node_reply(node, cluster_get(&node->cluster, folder, name, node_call(node)));
    struct etcd_pair pair;
    if (!reply || reply->outcome != ETCD_ANSWERED)
        return NODE_UNREAD;
    bool there = cluster_pair(reply, &pair);
    if (at)
        *at = there ? (struct term_held){ pair.modified, pair.version } : (struct term_held){ 0 };
    if (!there)
        return NODE_ABSENT;
    if (cluster_read_value(kind, pair.value, value))
        return NODE_READ;
    node_say(node, "etcd's %s%s holds what this version does not read", folder, name);
    return NODE_UNREAD;
}

bool node_read_term(struct node *node)
{
    struct cluster_term term;
    struct term_held at;
    if (node_read_value(node, "", "term", CLUSTER_TERM, &term, &at) != NODE_READ)
        return false;
    node->term = term;
    node->term_at = at;
    return true;
}

bool node_read_trimmed(struct node *node)
{
    struct cluster_trimmed trimmed;
    struct term_held at;
    if (node_read_value(node, "", "trimmed", CLUSTER_TRIMMED, &trimmed, &at) != NODE_READ)
        return false;
    node->trimmed = trimmed;
    node->trimmed_at = at.revision;
    return true;
}

/* ---- the thread ---- */

enum node_role node_ends(struct node *node, enum node_end end, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(node->why, sizeof node->why, format, arguments);
    va_end(arguments);
    node->end = end;
    return NODE_ENDED;
}

struct role {
    enum node_role (*run)(struct node *node);
    bool next[NODE_ENDED + 1]; /* may come after it */
};

static const struct role roles[NODE_ENDED] = {
    [NODE_JOINS] = { node_joins, { [NODE_FOLLOWS] = true, [NODE_STANDS] = true } },
    [NODE_FOLLOWS] = { node_follows, { [NODE_STANDS] = true } },
    [NODE_STANDS] = { node_stands, { [NODE_FOLLOWS] = true, [NODE_PRIMARY] = true } },
    [NODE_PRIMARY] = { node_is_primary, { [NODE_ENDED] = true } },
};

static void *run(void *argument)
{
    struct node *node = argument;
    while (node->role != NODE_ENDED) {
        bool was_primary = node->role == NODE_PRIMARY;
        enum node_role next = roles[node->role].run(node);
        if (next != NODE_ENDED && is_set(&node->stopping))
            next = node_ends(node, NODE_STOPPED, "stopped");
        assert(next == NODE_ENDED || roles[node->role].next[next]);
        node->role = next;
        if (was_primary) /* long ago: what it still answers is stale */
            atomic_store_explicit(&node->answered_ms, 1, memory_order_relaxed);
        node_publish(node);
    }
    if (atomic_load_explicit(&node->asked, memory_order_relaxed))
        node->journal.replied(node->journal.context, false, "the node has ended");
    node->journal.ended(node->journal.context, node->end, node->why);
    return NULL;
}

/* ---- the life of a node ---- */

#define DEFAULT(limits, name, usual)                                                               \
    if (!(limits)->name)                                                                           \
    (limits)->name = (usual)

static void set_limits(struct node_limits *limits)
{
    DEFAULT(limits, beat_ms, 250);
    DEFAULT(limits, suspect_ms, 1500);
    DEFAULT(limits, poll_ms, 10);
    DEFAULT(limits, watch_ms, 50);
    DEFAULT(limits, call_ms, 1200);
    DEFAULT(limits, stale_ms, 2000);
    DEFAULT(limits, chores_ms, 1000);
    DEFAULT(limits, stagger_ms, 200);
    DEFAULT(limits, handover_ms, 200);
    DEFAULT(limits, under_way, 1);
    DEFAULT(limits, keep_bytes, UINT64_C(64) << 20);
    DEFAULT(limits, kept_bytes, UINT64_C(8) << 20);
    DEFAULT(limits, quota_bytes, UINT64_C(2) << 30);
}

/* The config's texts are the node's from now on. False: one is too long. */
static bool take_texts(struct node *node)
{
    const char **const texts[] = { &node->config.name, &node->config.address,
                                   &node->config.version };
    static const size_t sizes[] = { NODE_NAME_MAX, NODE_ADDRESS_MAX, NODE_VERSION_MAX };
    for (unsigned i = 0; i < 3; i++) {
        if (strlen(*texts[i]) >= sizes[i])
            return false;
        memcpy(node->texts[i], *texts[i], strlen(*texts[i]) + 1);
        *texts[i] = node->texts[i];
    }
    return text_is_code(text_of(node->config.name));
}

static uint32_t count_members(const char *endpoints)
{
    uint32_t count = 1;
    for (; *endpoints; endpoints++)
        count += *endpoints == ',';
    return count;
}

static bool set_up(struct node *node, char *why, size_t size)
{
    struct etcd_config etcd = node->config.etcd;
    const char *cluster = node->config.cluster ? node->config.cluster : "stockd";
    etcd.request_max = CLUSTER_REQUEST_MAX;
    etcd.reply_max = CLUSTER_REPLY_MAX;
    set_limits(&node->limits);
    node->members = count_members(etcd.endpoints);
    node->appender.under_way_max = node->limits.under_way;
    node->appender.call_ms = node->limits.call_ms;
    node->appender.times = &node->times;
    if (!take_texts(node)) {
        snprintf(why, size, "a node's name has 1 to 32 letters, digits, '.', '_' and '-'");
        return false;
    }
    node->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (node->wake < 0) {
        snprintf(why, size, "eventfd: %s", strerror(errno));
        return false;
    }
    node->etcd = etcd_create(&etcd, why, size);
    if (!node->etcd)
        return false;
    if (cluster_init(&node->cluster, node->etcd, cluster))
        return true;
    snprintf(why, size, "a cluster's name has 1 to 32 letters, digits, '.', '_' and '-'");
    return false;
}

struct node *node_create(const struct node_config *config, char *why, size_t size)
{
    struct node *node = calloc(1, sizeof *node);
    if (!node) {
        snprintf(why, size, "out of memory");
        return NULL;
    }
    node->config = *config;
    node->limits = config->limits;
    node->journal = config->journal;
    node->wake = -1;
    pthread_mutex_init(&node->lock, NULL);
    if (set_up(node, why, size))
        return node;
    node_destroy(node);
    return NULL;
}

int node_start(struct node *node)
{
    assert(!node->started);
    int error = pthread_create(&node->thread, NULL, run, node);
    node->started = error == 0;
    return error;
}

void node_stop(struct node *node)
{
    if (!node->started)
        return;
    atomic_store_explicit(&node->stopping, true, memory_order_relaxed);
    wake(node);
    pthread_join(node->thread, NULL);
    node->started = false;
}

void node_destroy(struct node *node)
{
    assert(!node->started);
    etcd_destroy(node->etcd);
    if (node->wake >= 0)
        close(node->wake);
    pthread_mutex_destroy(&node->lock);
    free(node);
}

/* ---- other threads ---- */

void node_append(struct node *node, uint64_t number, struct text batch)
{
    appender_hand(&node->appender, number, batch);
    wake(node);
}

void node_suspect(struct node *node)
{
    atomic_store_explicit(&node->suspected, true, memory_order_relaxed);
    wake(node);
}

bool node_ask(struct node *node, enum node_request request, const char *name)
{
    pthread_mutex_lock(&node->lock);
    bool free_now = !is_set(&node->asked) && strlen(name) < NODE_NAME_MAX;
    if (free_now) {
        node->ask.request = request;
        snprintf(node->ask.name, sizeof node->ask.name, "%s", name);
        atomic_store_explicit(&node->asked, true, memory_order_relaxed);
    }
    pthread_mutex_unlock(&node->lock);
    wake(node);
    return free_now;
}

bool node_is_stale(const struct node *node, uint64_t now_ms)
{
    uint64_t answered = atomic_load_explicit(&node->answered_ms, memory_order_relaxed);
    return answered && now_ms > answered + node->limits.stale_ms;
}

void node_get_status(struct node *node, struct node_status *status)
{
    pthread_mutex_lock(&node->lock);
    *status = node->status;
    pthread_mutex_unlock(&node->lock);
    status->commit_p50_us = commit_times_percentile(&node->times, 50);
    status->commit_p99_us = commit_times_percentile(&node->times, 99);
}

const struct commit_times *node_commit_times(const struct node *node)
{
    return &node->times;
}

void node_publish(struct node *node)
{
    uint64_t now = node_now_ms();
    struct node_status *status = &node->status;
    pthread_mutex_lock(&node->lock);
    status->role = node->role;
    status->hindrance = node->hindrance;
    status->term = node->term;
    status->last = node->last;
    status->trimmed = node->trimmed.number;
    status->etcd_quota = node->limits.quota_bytes;
    status->behind_ms =
        node->role == NODE_PRIMARY || !node->saw_end_ms ? 0 : now - node->saw_end_ms;
    snprintf(status->problem, sizeof status->problem, "%s", etcd_problem(node->etcd));
    pthread_mutex_unlock(&node->lock);
}
