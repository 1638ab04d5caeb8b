/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/answers.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int answer_box_init(struct answer_box *box)
{
    atomic_init(&box->first, NULL);
    box->bell = eventfd(0, EFD_CLOEXEC);
    return box->bell < 0 ? -errno : 0;
}

void answer_box_destroy(struct answer_box *box)
{
    struct history_query *next;
    for (struct history_query *query = answer_box_take(box); query; query = next) {
        next = query->next_query;
        history_query_free(query);
    }
    if (box->bell >= 0)
        close(box->bell);
    box->bell = -1;
}

void answer_box_put(struct answer_box *box, struct history_query *query)
{
    struct history_query *first = atomic_load_explicit(&box->first, memory_order_relaxed);
    do {
        query->next_query = first;
    } while (!atomic_compare_exchange_weak_explicit(&box->first, &first, query,
                                                    memory_order_release, memory_order_relaxed));
    answer_box_ring(box);
}

void answer_box_ring(struct answer_box *box)
{
    uint64_t one = 1;
    if (write(box->bell, &one, sizeof one) < 0) {
        /* It fails only if the counter is full, and then the bell is ringing. */
    }
}

struct history_query *answer_box_take(struct answer_box *box)
{
    return atomic_exchange_explicit(&box->first, NULL, memory_order_acquire);
}
