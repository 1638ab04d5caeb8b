/* SPDX-License-Identifier: Apache-2.0 */
/* The mirror's thread: connects, serves, and begins again after each failure. */
#include "mirror/mirror.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mirror/clock.h"
#include "mirror/inside.h"

enum {
    PATIENCE_MS = 5000,
    LIVED_US = 1000000, /* a connection that lived so long was a good one */
    NICENESS = 10,      /* where there is too little processor for all, stock goes before showing */
};

/* Once a second: what takes a walk over the marks, or two looks. */
void mirror_tick(struct mirror *m)
{
    uint64_t now = steady_us();
    uint64_t passed = now - m->second_us;
    if (passed < 1000000)
        return;
    uint64_t commands = atomic_load_explicit(&m->metrics.commands, memory_order_relaxed);
    metric_set(&m->metrics.commands_per_s, (commands - m->second_commands) * 1000000 / passed);
    metric_set(&m->metrics.dirty, follow_dirty(&m->follow, &m->confirmed));
    m->second_us = now;
    m->second_commands = commands;
}

/* ---- the thread ---- */

/* What had been read and sent without being confirmed is to be read again. */
static void go_back(struct mirror *m)
{
    bool suspicious = m->batches[0]->suspicious || m->batches[1]->suspicious;
    m->follow.at = m->confirmed;
    batch_clear(m->batches[0]);
    batch_clear(m->batches[1]);
    if (suspicious) {
        follow_doubt(&m->follow);
        m->confirmed = m->follow.at;
    }
}

/* xorshift64: so that many engines do not all come back at once. */
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
    mirror_tick(m);
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
        mirror_tick(m);
    }
    m->asked = !is_fenced(m);
}

static enum taken connect_and_serve(struct mirror *m)
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
    enum taken taken = redis_open(&m->redis, &access) ? take_fence(m) : TAKE_FAILED;
    if (taken == TAKEN)
        serve(m);
    if (steady_us() - start > LIVED_US && taken == TAKEN)
        m->back_off_ms = BACK_OFF_LEAST_MS;
    if (!m->redis.context) {
        metric_add(&m->metrics.failures, 1);
        report_error(&m->report, "%s", m->redis.why);
    }
    redis_close(&m->redis);
    return taken;
}

static void *thread_main(void *argument)
{
    struct mirror *m = argument;
    id_t thread = (id_t)syscall(SYS_gettid); /* of this thread alone */
    setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + NICENESS);
    while (!wake_stopping(&m->wake)) {
        enum taken taken = connect_and_serve(m);
        if (wake_stopping(&m->wake))
            break;
        go_back(m);
        if (taken == TAKE_FENCED)
            wait_fenced(m);
        else
            back_off(m);
    }
    return NULL;
}

/* ---- life ---- */

static void make_keys(struct mirror *m)
{
    const char *prefix = m->config.prefix;
    char *to = m->scan_pattern;
    snprintf(m->item_key, KEY_MAX, "%sitem:", prefix);
    snprintf(m->channel_key, KEY_MAX, "%schanged:", prefix);
    snprintf(m->stream_key, KEY_MAX, "%schanges", prefix);
    snprintf(m->mirror_key, KEY_MAX, "%smirror", prefix);
    snprintf(m->fence_key, KEY_MAX, "%sfence", prefix);
    snprintf(m->engine, sizeof m->engine, "%016llx", (unsigned long long)m->config.run);
    for (const char *from = m->item_key; *from; from++) { /* it is no pattern, but may look so */
        if (strchr("*?[]\\^-", *from))
            *to++ = '\\';
        *to++ = *from;
    }
    *to++ = '*';
    *to = '\0';
}

struct mirror *mirror_create(const struct mirror_config *config)
{
    struct mirror *m = aligned_alloc(64, sizeof *m);
    if (!m)
        return NULL;
    memset(m, 0, sizeof *m);
    m->config = *config;
    make_keys(m);
    m->report = (struct report){ .say = config->say,
                                 .context = config->context,
                                 .address = config->address,
                                 .metrics = &m->metrics };
    m->fence = (struct fence){ .start_ms = config->start_ms, .run = config->run };
    m->jitter = config->run | 1;
    m->back_off_ms = BACK_OFF_LEAST_MS;
    m->follow = (struct follow){ .ledger = config->ledger,
                                 .log = config->log,
                                 .seat = config->seat,
                                 .engine_ms = config->engine_ms };
    m->batches[0] = calloc(1, sizeof *m->batches[0]);
    m->batches[1] = calloc(1, sizeof *m->batches[1]);
    int error = wake_init(&m->wake);
    redis_init(&m->redis, &m->wake, config->patience_ms ? config->patience_ms : PATIENCE_MS);
    if (!error && m->batches[0] && m->batches[1])
        return m;
    mirror_destroy(m);
    return NULL;
}

int mirror_start(struct mirror *m)
{
    follow_start(&m->follow, wall_ms());
    m->confirmed = m->follow.at;
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
    transaction_free(&m->next);
    transaction_free(&m->nothing);
    free(m->batches[0]);
    free(m->batches[1]);
    free(m);
}

/* ---- for others ---- */

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
