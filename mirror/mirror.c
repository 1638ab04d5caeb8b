/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/mirror.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mirror/acquire.h"
#include "mirror/clock.h"
#include "mirror/sync_loop.h"

enum {
    PATIENCE_MS = 5000,
    LIVED_US = 1000000, /* a connection that lasted this long resets the back-off */
    BACK_OFF_LEAST_MS = 50,
    BACK_OFF_MOST_MS = 2000,
    NICENESS = 10, /* if processors are short, selling comes before showing */
};

/* The parts; each uses only those above it. Other threads see `wake` and `metrics`, whose headers
 * say who writes what; the rest is constant or the mirror's thread's own. */
struct mirror {
    struct mirror_config config;
    struct mirror_keys keys;
    struct wake wake;
    struct mirror_metrics metrics;
    struct report report;
    struct redis redis;
    struct follow follow;
    struct publisher publisher;
    struct teller teller;
    struct exchange exchange;
    struct reconciler reconciler;
    struct acquirer acquirer;
    struct sync_loop sync_loop;

    pthread_t thread;
    bool started;
    uint64_t back_off_ms;
    uint64_t jitter; /* state of the generator */
};

/* ---- the thread ---- */

/* xorshift64: spreads the reconnects of many engines. */
static uint64_t jitter(struct mirror *m)
{
    m->jitter ^= m->jitter << 13;
    m->jitter ^= m->jitter >> 7;
    m->jitter ^= m->jitter << 17;
    return m->jitter;
}

static void back_off(struct mirror *m)
{
    uint64_t wait_us = m->back_off_ms * 500 + jitter(m) % (m->back_off_ms * 1000);
    uint64_t until = steady_us() + wait_us;
    while (!wake_stopping(&m->wake) && steady_us() < until)
        wake_pause(&m->wake, until);
    m->back_off_ms = m->back_off_ms * 2 < BACK_OFF_MOST_MS ? m->back_off_ms * 2 : BACK_OFF_MOST_MS;
    sync_loop_tick(&m->sync_loop);
}

static bool is_fenced(const struct mirror *m)
{
    return atomic_load_explicit(&m->metrics.state, memory_order_relaxed) == MIRROR_FENCED;
}

/* Fenced: waits for mirror_take. */
static void wait_fenced(struct mirror *m)
{
    metric_set(&m->metrics.state, MIRROR_FENCED);
    while (!wake_stopping(&m->wake) && is_fenced(m)) {
        wake_pause(&m->wake, steady_us() + 1000000);
        sync_loop_tick(&m->sync_loop);
    }
    m->acquirer.forced = !is_fenced(m);
}

static enum acquired connect_and_run(struct mirror *m)
{
    uint64_t start = steady_us();
    struct redis_access access = {
        .address = m->config.address,
        .user = m->config.user,
        .password_file = m->config.password_file,
        .database = m->config.database,
    };
    metric_set(&m->metrics.state, MIRROR_CONNECTING);
    metric_add(&m->metrics.connections, 1);
    enum acquired acquired =
        redis_open(&m->redis, &access) ? acquire_fence(&m->acquirer) : ACQUIRE_FAILED;
    if (acquired == ACQUIRED)
        sync_loop_run(&m->sync_loop);
    if (steady_us() - start > LIVED_US && acquired == ACQUIRED)
        m->back_off_ms = BACK_OFF_LEAST_MS;
    if (!m->redis.context) {
        metric_add(&m->metrics.failures, 1);
        report_error(&m->report, "%s", m->redis.why);
    }
    redis_close(&m->redis);
    return acquired;
}

static void *thread_main(void *argument)
{
    struct mirror *m = argument;
    id_t thread = (id_t)syscall(SYS_gettid); /* of this thread alone */
    setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + NICENESS);
    while (!wake_stopping(&m->wake)) {
        enum acquired acquired = connect_and_run(m);
        if (wake_stopping(&m->wake))
            break;
        sync_loop_rewind(&m->sync_loop);
        if (acquired == ACQUIRE_FENCED)
            wait_fenced(m);
        else
            back_off(m);
    }
    return NULL;
}

/* ---- life ---- */

/* Gives each part the parts that it uses. */
static void connect_parts(struct mirror *m)
{
    const struct mirror_config *config = &m->config;
    m->report = (struct report){ .say = config->say,
                                 .context = config->context,
                                 .address = config->address,
                                 .metrics = &m->metrics };
    m->follow = (struct follow){ .ledger = config->ledger,
                                 .log = config->log,
                                 .ctx = config->ctx,
                                 .engine_ms = config->engine_ms,
                                 .steady_ms = config->steady_ms };
    m->publisher = (struct publisher){ .keys = &m->keys, .stream_length = config->stream_length };
    m->teller = (struct teller){ .follow = &m->follow,
                                 .keys = &m->keys,
                                 .report = &m->report,
                                 .metrics = &m->metrics,
                                 .stream_length = config->stream_length };
    m->exchange = (struct exchange){
        .redis = &m->redis, .follow = &m->follow, .metrics = &m->metrics, .keys = &m->keys
    };
    m->reconciler = (struct reconciler){ .redis = &m->redis,
                                         .follow = &m->follow,
                                         .publisher = &m->publisher,
                                         .report = &m->report,
                                         .metrics = &m->metrics,
                                         .keys = &m->keys };
    m->acquirer = (struct acquirer){ .exchange = &m->exchange,
                                     .publisher = &m->publisher,
                                     .teller = &m->teller,
                                     .report = &m->report };
    m->sync_loop = (struct sync_loop){
        .exchange = &m->exchange,
        .reconciler = &m->reconciler,
        .publisher = &m->publisher,
        .teller = &m->teller,
        .follow = &m->follow,
        .metrics = &m->metrics,
        .wake = &m->wake,
        .pace = { .wake = &m->wake, .log = config->log, .rate = config->rate },
    };
}

struct mirror *mirror_create(const struct mirror_config *config)
{
    struct mirror *m = aligned_alloc(64, sizeof *m);
    if (!m)
        return NULL;
    memset(m, 0, sizeof *m);
    m->config = *config;
    m->jitter = config->run | 1;
    m->back_off_ms = BACK_OFF_LEAST_MS;
    keys_init(&m->keys, config->prefix);
    connect_parts(m);
    exchange_init(&m->exchange, config->start_ms, config->run);
    redis_init(&m->redis, &m->wake, config->patience_ms ? config->patience_ms : PATIENCE_MS);
    int error = wake_init(&m->wake);
    if (sync_loop_init(&m->sync_loop) && !error)
        return m;
    mirror_destroy(m);
    return NULL;
}

int mirror_start(struct mirror *m)
{
    follow_start(&m->follow, wall_ms());
    int error = pthread_create(&m->thread, NULL, thread_main, m);
    m->started = error == 0;
    if (m->started)
        pthread_setname_np(m->thread, "mirror");
    return -error;
}

void mirror_destroy(struct mirror *m)
{
    if (!m)
        return;
    if (m->started) {
        wake_stop(&m->wake);
        pthread_join(m->thread, NULL);
    }
    redis_destroy(&m->redis);
    wake_destroy(&m->wake);
    sync_loop_destroy(&m->sync_loop);
    free(m);
}

/* ---- any thread ---- */

void mirror_take(struct mirror *m)
{
    uint64_t fenced = MIRROR_FENCED;
    if (atomic_compare_exchange_strong_explicit(&m->metrics.state, &fenced, MIRROR_CONNECTING,
                                                memory_order_relaxed, memory_order_relaxed))
        wake_tell(&m->wake);
}

const char *mirror_state_name(enum mirror_state state)
{
    static const char *const names[] = { "connecting", "syncing", "live", "fenced" };
    return names[state];
}

void mirror_status(const struct mirror *m, struct mirror_status *status)
{
    metrics_read(&m->metrics, status);
    status->run = m->config.run;
    uint64_t head = log_head(m->config.log);
    uint64_t now = wall_ms();
    uint64_t as_of = atomic_load_explicit(&m->metrics.as_of_ms, memory_order_relaxed);
    status->lag_lsn = head > status->lsn ? head - status->lsn : 0;
    bool even = status->lag_lsn == 0 && status->state == MIRROR_LIVE;
    status->lag_ms = even || now < as_of ? 0 : now - as_of;
}
