/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The combining lock's promise: work that was there before an attempt to enter is never left lying.
 * In each round every thread posts some work and tries to enter once; when all are through, all
 * work must have been seen by somebody, although nobody waited.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#include "persistence/combining_lock.h"

#ifdef __SANITIZE_THREAD__
enum { THREADS = 3, ROUNDS = 20000 };
#else
enum { THREADS = 3, ROUNDS = 100000 };
#endif

static struct combining_lock lock;
static pthread_barrier_t barrier;
static _Atomic uint32_t posted[THREADS]; /* relaxed: the lock is to order it */
static uint32_t seen[THREADS];           /* plain: who is inside */
static unsigned inside;                  /* plain: who is inside */
static unsigned failures;                /* plain: thread 0, between two barriers */

static void look_for_work(void)
{
    failures += inside++ != 0;
    for (int i = 0; i < THREADS; i++)
        seen[i] = atomic_load_explicit(&posted[i], memory_order_relaxed);
    inside--;
}

static void judge_round(uint32_t round)
{
    for (int i = 0; i < THREADS; i++) {
        if (seen[i] == round)
            continue;
        if (failures++ == 0)
            printf("FAIL round %u: work of thread %d was left lying\n", round, i);
    }
}

static void *attempt(void *argument)
{
    unsigned index = (unsigned)(uintptr_t)argument;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        pthread_barrier_wait(&barrier);
        for (volatile uint32_t delay = (round * (index + 1) * 7) % 60; delay > 0;)
            delay--;
        atomic_store_explicit(&posted[index], round, memory_order_relaxed);
        if (combining_lock_enter(&lock)) {
            do
                look_for_work();
            while (!combining_lock_leave(&lock));
        }
        pthread_barrier_wait(&barrier);
        if (index == 0)
            judge_round(round);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, attempt, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    printf("%d rounds, %u failures\n", ROUNDS, failures);
    return failures ? 1 : 0;
}
