/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction to Redis and its answers: MULTI, the commands, the heartbeat, the fence, EXEC;
 * and WATCH and GET of the fence, for the transaction after this one. Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_EXCHANGE_H
#define STOCKD_MIRROR_EXCHANGE_H

#include "mirror/fence.h"
#include "mirror/follow.h"
#include "mirror/keys.h"
#include "mirror/metrics.h"
#include "mirror/redis.h"
#include "mirror/transaction.h"

enum { HEARTBEAT_MS = 250 }; /* stock:mirror moves, and the fence is looked at, that often */

struct exchange {
    struct redis *redis;
    struct follow *follow; /* told of items whose key is of another type */
    struct mirror_metrics *metrics;
    const struct mirror_keys *keys;
    char engine[20];    /* the run, as others read it */
    struct fence fence; /* what Redis has applied */
    uint64_t sent;      /* batch number of the last that was sent; fence.batch or the next */
    uint64_t sent_us;   /* steady time of the last heartbeat */
};

void exchange_init(struct exchange *e, uint64_t start_ms, uint64_t run);

/* The heartbeat of what Redis shows at that position. */
void exchange_heartbeat(const struct exchange *e, struct commands *c,
                        const struct position *position);

/* The three steps of an exchange. What is added to redis->commands between the first and the second
 * is answered after the third. The second and the third return false if the connection failed. */
void exchange_append(struct exchange *e, const struct transaction *t,
                     const struct position *position);
bool exchange_send(struct exchange *e);
bool exchange_receive(struct exchange *e, const struct transaction *t);

/* All three. */
bool exchange_run(struct exchange *e, const struct transaction *t, const struct position *position);

/* Reads the answers to a WATCH and a GET of the fence, in this order; *found is false if there is
 * none. False: the connection failed. */
bool exchange_receive_fence(struct exchange *e, struct fence *fence, bool *found);

#endif
