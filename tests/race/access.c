/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread publishes sets of tokens and frees old ones; others, as workers do, keep grants of the
 * set that they know and look at them all again when an epoch begins. Nobody may use a set that is
 * freed (the sanitizers see it), and what a worker sees is never older than the epoch it was told.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "protocol/principal.h"
#include "tests/support/watchdog.h"

enum { WORKERS = 3, CLIENTS = 16, ROUNDS = 3000, KEPT = 4 };

static struct access *access_now;
static _Atomic bool done;
static _Atomic unsigned failures;

/* In round n the rate of each of the tokens is n. */
static struct grants grants_of(unsigned round)
{
    struct grants grants;
    char text[512], why[512];
    int length = snprintf(text, sizeof text,
                          "a uid:1 rate=%u channels=x\nb uid:2 rate=%u can=read\nc uid:3 rate=%u\n",
                          round, round, round);
    if (!grants_read(&grants, text, (size_t)length, why, sizeof why))
        atomic_fetch_add(&failures, 1);
    return grants;
}

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    atomic_fetch_add(&failures, 1);
}

/* Looks at all clients again, as worker_mind_access does. */
static void look_again(struct principal *clients, unsigned worker, uint64_t *epoch)
{
    uint64_t now = access_epoch(access_now);
    if (now == *epoch)
        return;
    if (now < *epoch)
        fail("an epoch came before the one that was seen");
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct known known = access_again(access_now, clients[i].grant, 0);
        if (!known.grant || known.use != clients[i].use)
            fail("a token was lost");
        else if (known.grant->rate < clients[i].grant->rate)
            fail("an older set was seen");
        else if (!principal_regrant(&clients[i], access_now, known.grant))
            fail("no memory");
    }
    *epoch = now;
    access_note_seen(access_now, worker, now);
}

static void *work(void *argument)
{
    unsigned worker = *(unsigned *)argument;
    struct principal clients[CLIENTS];
    uint64_t epoch = 0, sum = 0;
    memset(clients, 0, sizeof clients);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (principal_grant(&clients[i], access_now, access_by_uid(access_now, 1 + i % 3, 0)))
            fail("a client was not let in");
    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        look_again(clients, worker, &epoch);
        for (unsigned i = 0; i < CLIENTS; i++) {
            const struct grant *grant = clients[i].grant;
            sum += grant->rate + token_use_take(clients[i].use, grant->rate, 1, sum);
        }
        struct principal *again = &clients[sum % CLIENTS]; /* says hello once more */
        if (principal_grant(again, access_now, access_by_uid(access_now, again->grant->uid, 0)))
            fail("a client was not let in again");
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        principal_end(&clients[i]);
    return NULL;
}

static unsigned count_sets(void)
{
    unsigned count = 0;
    for (const struct token_set *set = access_set(access_now); set; set = set->older)
        count++;
    return count;
}

int main(void)
{
    static const struct access_limits limits;
    pthread_t threads[WORKERS];
    unsigned numbers[WORKERS], most = 0;
    struct grants grants = grants_of(1);
    watchdog_start(NULL, NULL);
    access_now = access_create(&limits, WORKERS, &grants, 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, work, &numbers[i]);
    }
    for (unsigned round = 2; round < ROUNDS; round++) {
        grants = grants_of(round);
        if (!access_publish(access_now, &grants, round))
            fail("no memory");
        access_look(access_now, round);
        while (count_sets() > KEPT && atomic_load(&failures) == 0) { /* else they all pile up */
            sched_yield();
            access_look(access_now, round);
        }
        most = count_sets() > most ? count_sets() : most;
    }
    while (count_sets() > 1 && atomic_load(&failures) == 0)
        access_look(access_now, ROUNDS);
    atomic_store(&done, true);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    for (const struct token_use *use = access_now->uses; use; use = use->next)
        if (atomic_load(&use->connections) != 0)
            fail("a connection is still counted");
    access_destroy(access_now);
    printf("%d sets, at most %u kept at once\n", ROUNDS, most);
    return atomic_load(&failures) > 0;
}
