/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the mirror: its fields, and what its files share. All of it is the mirror's thread's own
 * but for what says otherwise. */
#ifndef STOCKD_MIRROR_INSIDE_H
#define STOCKD_MIRROR_INSIDE_H

#include <pthread.h>

#include "mirror/fence.h"
#include "mirror/follow.h"
#include "mirror/metrics.h"
#include "mirror/mirror.h"
#include "mirror/redis.h"
#include "mirror/report.h"
#include "mirror/stream_id.h"
#include "mirror/wake.h"

enum {
    BEAT_MS = 250, /* stock:mirror moves, and the fence is looked at, that often */
    BACK_OFF_LEAST_MS = 50,
    BACK_OFF_MOST_MS = 2000,
    PREFIX_MAX = 64,
    KEY_MAX = PREFIX_MAX + 16,
};

/* Of a command in a transaction: the item whose hash it changes. */
enum { NO_ITEM = UINT32_MAX };

/* What is to be done in the next transaction, and for each command of it, whose it is. */
struct transaction {
    struct commands commands;
    uint32_t *items;
    uint32_t capacity;
};

struct mirror {
    struct mirror_config config; /* const */
    char item_key[KEY_MAX], channel_key[KEY_MAX], stream_key[KEY_MAX], mirror_key[KEY_MAX],
        fence_key[KEY_MAX], scan_pattern[2 * KEY_MAX]; /* const */
    char engine[20];                                   /* the run, as others read it; const */

    struct wake wake;              /* stopping: any thread */
    struct mirror_metrics metrics; /* read by any thread; its state says who writes it */
    struct report report;
    pthread_t thread;
    bool started;

    struct redis redis;
    struct follow follow;
    struct position confirmed; /* what Redis has applied */
    struct fence fence;        /* likewise */
    bool asked;                /* mirror_take ended FENCED: the fence is to be taken, once */
    uint64_t sent;             /* batch number of the last that was sent */
    struct stream_id last_id;
    struct transaction next;
    struct transaction nothing; /* for a heartbeat between */
    struct batch *batches[2];   /* one on its way, one being read */

    uint64_t beat_us;  /* steady time of the last heartbeat, */
    uint64_t audit_us; /* of the last looks at items that were not mandatory, */
    uint64_t read_us;  /* of the last reading of marks */
    uint64_t paid_us;  /* steady time up to which the rate's budget is used; 0: it is not counted */
    uint64_t busy_us, busy_head; /* when the log's growth was looked at, and its head then */
    bool busy;                   /* it was great */
    uint64_t second_us, second_commands; /* when commands per second were last worked out */
    uint64_t work_us;                    /* steady time at which there was last something to do */
    uint64_t back_off_ms;
    uint64_t jitter; /* state of its generator */
};

/* Works out, about once a second, what is not worth working out more often. */
void mirror_tick(struct mirror *m);

/* ---- show.c: what goes into a transaction ---- */

enum { SHOW_ERASE = 1, SHOW_NOTIFY = 2 };

void transaction_clear(struct transaction *t);
void transaction_free(struct transaction *t);
/* The last commands were for that item. */
void transaction_note(struct transaction *t, uint32_t item);

void show_item(struct mirror *m, const struct batch *batch, const struct change *change,
               unsigned how);
/* The heartbeat of what Redis shows at that position. */
void show_beat(struct mirror *m, struct commands *c, const struct position *position);
/* MULTI, the transaction, the beat, the fence, EXEC, and WATCH and GET for the one after. */
void show_transaction(struct mirror *m, const struct transaction *t,
                      const struct position *position);

/* ---- look.c: what Redis holds, compared ---- */

/* Asks for what the batch is to look at. */
void ask_looks(struct mirror *m, const struct batch *batch);
/* Takes the answers, and puts what must change into the next transaction. False: it failed. */
bool take_looks(struct mirror *m, const struct batch *batch);

/* ---- take.c: becoming the one who writes ---- */

enum taken { TAKEN, TAKE_FAILED, TAKE_FENCED };

/* On a connection just opened: judges the fence, and sets it to our own. */
enum taken take_fence(struct mirror *m);
/* Reads the answers to a WATCH and a GET of the fence, in this order; *found is false if there is
 * none. False: it failed. */
bool receive_fence(struct mirror *m, struct fence *fence, bool *found);

/* ---- serve.c ---- */

/* Sends the transaction, and awaits that it is applied. */
bool exchange_beat(struct mirror *m, const struct transaction *t, const struct position *position);

/* Keeps Redis up to date until the connection fails, the fence is lost, or it is to stop. */
void serve(struct mirror *m);

#endif
