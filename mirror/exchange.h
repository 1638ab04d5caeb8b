/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction to Redis and its replies: MULTI, the commands, the heartbeat, the fence, EXEC;
 * and WATCH and GET of the fence for the next transaction. Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_EXCHANGE_H
#define STOCKD_MIRROR_EXCHANGE_H

#include "mirror/fence.h"
#include "mirror/follow.h"
#include "mirror/keys.h"
#include "mirror/metrics.h"
#include "mirror/redis.h"
#include "mirror/transaction.h"

enum { HEARTBEAT_MS = 250 }; /* how often, at least, stock:mirror changes and the fence is read */

struct exchange {
    struct redis *redis;
    struct follow *follow; /* collects items whose key has another type */
    struct mirror_metrics *metrics;
    const struct mirror_keys *keys;
    char engine[20];    /* the run, in hexadecimal */
    struct fence fence; /* the last one that Redis has applied */
    uint64_t sent;      /* number of the last batch that was sent; fence.batch or the next */
    uint64_t sent_us;   /* steady time of the last send, and so of the last heartbeat */
};

void exchange_init(struct exchange *e, uint64_t start_ms, uint64_t run);

/* Adds the heartbeat: the LSN of Redis at that position, and how fresh it is. */
void exchange_heartbeat(const struct exchange *e, struct commands *c,
                        const struct position *position);

/* The three steps of an exchange. Commands added to redis->commands between append and send are
 * answered after receive. Send and receive return false if the connection failed. */
void exchange_append(struct exchange *e, const struct transaction *t,
                     const struct position *position);
bool exchange_send(struct exchange *e);
bool exchange_receive(struct exchange *e, const struct transaction *t);

/* All three. */
bool exchange_run(struct exchange *e, const struct transaction *t, const struct position *position);

/* Reads the replies to WATCH and GET of the fence, in this order; *found is false if there is no
 * fence. False: the connection failed. */
bool exchange_receive_fence(struct exchange *e, struct fence *fence, bool *found);

#endif
