/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the engine: the ledger's and a context's fields, and what its operations share. */
#ifndef STOCKD_ENGINE_LEDGER_CTX_H
#define STOCKD_ENGINE_LEDGER_CTX_H

#include "engine/ledger/id_gauge.h"
#include "engine/ledger/ledger.h"
#include "engine/log/record.h"
#include "engine/store/id_table.h"
#include "engine/store/item.h"
#include "engine/store/item_map.h"
#include "engine/store/recent.h"
#include "engine/store/returns.h"
#include "engine/store/slots.h"
#include "engine/store/wheel.h"

/* A counter of one context: written by its thread only, read by any; so relaxed is enough. */
struct counters {
#define X(name) _Atomic uint64_t name;
    LEDGER_COUNTERS(X)
#undef X
};

#define COUNT(ctx, name)                                                                           \
    atomic_store_explicit(&(ctx)->counters.name,                                                   \
                          atomic_load_explicit(&(ctx)->counters.name, memory_order_relaxed) + 1,   \
                          memory_order_relaxed)

/* What a step settles of one draw. */
struct step_part {
    struct draw *draw;
    uint32_t qty;
    uint16_t index; /* of the draw, in its reservation */
};

/* The draws of the reservation at hand; for a step with lines, chained by their items. */
struct draw_list {
    struct item_map map; /* the first draw of each item: index + 1 */
    uint32_t count;
    struct draw *draws[DRAWS_MAX];
    uint16_t next[DRAWS_MAX]; /* of the same item: index + 1 */
    uint16_t part[DRAWS_MAX]; /* of the step that settles it: index + 1 */
};

struct client_name {
    uint8_t len;
    char at[NAME_MAX_BYTES];
};

/* Freed once every context has begun an iteration after it was retired. */
struct retired {
    struct retired *next;
    uint64_t epoch;
    void (*destroy)(void *);
    void *what;
};

struct candidates;
struct order_plan;
struct postings;

struct ctx {
    struct ledger *ledger;
    uint8_t index;
    uint16_t client;
    uint64_t engine_ms, wall_ms;
    struct id_cursor cursor;
    uint32_t spare_item;               /* see items_create */
    const struct catalogue *catalogue; /* what the operation under way sees, see catalogue_pin */
    uint64_t preclaimed_at,
        preclaimed_end; /* of the log: claimed, and not used yet, see journal_claim_give */
    unsigned expected;  /* cancels that are likely to come now */
    uint64_t claimed;   /* bytes of the log since it looked at the room, see log_has_room_for */
    uint64_t wakeups;
    uint64_t work;       /* see ctx_work */
    bool needs_evidence; /* see ledger_needs_evidence */
    _Atomic bool taking; /* see takes_begin; this thread */
    struct counters counters;
    _Atomic uint64_t
        *blocks; /* per block of items, see engine/ledger/change_index.h; this thread */
    _Alignas(64) _Atomic uint64_t
        epoch; /* of the iteration; 0 between iterations. This thread; sequentially
                                            consistent with the catalogue's swap, see retire() */
    _Atomic uint64_t iterations; /* odd: in an iteration. This thread; release when an iteration
                                    ends, see engine/check/check.h */
    struct wheel wheel;
    struct recent recent;
    struct failure failure;
    struct postings *postings;     /* of the transaction under way; empty between transactions */
    struct order_plan *order_plan; /* of the order under way */
    struct candidates *candidates; /* of the question under way */
    struct draw_list draw_list;
    struct step_part parts[DRAWS_MAX];
    struct draw_view draw_views[DRAWS_MAX];
    struct pool_view pool_views[STOCK_POOLS];
    _Alignas(8) unsigned char record[RECORD_MAX];
};

struct ledger {
    struct log *log;
    unsigned worker_count; /* of the contexts, the first ones: those that change things */
    unsigned context_count;
    struct ctx *contexts[CONTEXTS_MAX];
    struct items items;
    struct id_table ids;
    uint64_t born_ms;  /* engine time of the first id that was done here, or of
                                              the first start; const while there are threads */
    uint64_t batch_ms; /* of the record that is applied; 0: not known */
    struct id_gauge id_gauge;
    struct returns returns;
    uint32_t block_count;                  /* of marks; const */
    _Atomic(struct catalogue *) catalogue; /* the holder of catalogue_busy; see retire() */
    _Atomic uint64_t catalogue_lsn;        /* of its last change; the holder of catalogue_busy, see
                                              engine/ledger/change_index.h */
    _Atomic bool catalogue_busy;           /* taken by exchange: one writer of catalogue, details
                                              and clients at a time; others are deferred */
    _Atomic uint64_t epoch;                /* counts retirements; the holder of catalogue_busy */
    struct retired *retired;               /* the holder of catalogue_busy */
    struct client_name *clients;           /* the holder of catalogue_busy */
    _Atomic uint16_t client_count; /* the holder of catalogue_busy, release after the name was
                                              written; a thread that reads names acquires */
};

enum { DRAW_WORK = 16 }; /* a draw and its pool, wherever they lie, beside pools in a row */

/* Says what was wrong, and returns the code. */
enum code fail(struct ctx *ctx, enum code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline struct catalogue *catalogue_now(const struct ctx *ctx)
{
    return atomic_load_explicit(&ctx->ledger->catalogue, memory_order_seq_cst);
}

/* At the start of an operation that looks at more than one thing of the catalogue: all its looks
 * are at this version, for pointers and indexes of one mean nothing in another. Where an object
 * that it has found names a location or a channel, catalogue_now() is the version to look in: the
 * pinned one may be older than the object. */
static inline const struct catalogue *catalogue_pin(struct ctx *ctx)
{
    return ctx->catalogue = catalogue_now(ctx);
}

/* False: another writer is at it. */
bool catalogue_take(struct ledger *ledger);
void catalogue_put(struct ledger *ledger);
/* Frees `what` when no context can hold it any more. The caller holds catalogue_busy. */
void retire(struct ledger *ledger, void *what, void (*destroy)(void *));
/* Swaps in a new catalogue and retires the old one. The caller holds catalogue_busy. */
void catalogue_swap(struct ledger *ledger, struct catalogue *next);

/* At the end: every version, old and current. */
void free_all_versions(struct ledger *ledger);

/* ---- marks: between the claim of a change and its publication, see engine/ledger/change_index.h
 * ---- */

int change_index_init(struct ledger *ledger);
void change_index_destroy(struct ledger *ledger);
void item_version_raise(struct ctx *ctx, uint32_t item, uint64_t lsn);
/* The item that the pool belongs to. */
void item_version_raise_of_pool(struct ctx *ctx, uint32_t unit, uint64_t lsn);
void catalogue_version_raise(struct ledger *ledger, uint64_t lsn);

void details_apply(struct item_details *details, const struct item_setting *s);
/* Shows new details and retires the old ones. The caller holds catalogue_busy. */
void details_show(struct ledger *ledger, uint32_t item, struct item_details *details);
void client_remember(struct ledger *ledger, uint16_t index, struct text name);

/* Records of settings, into a buffer of RECORD_MAX bytes; the head needs only flags and client.
 * Their length. */
uint32_t location_record_make(void *buffer, struct record_head head, const struct location *l,
                              uint16_t index);
uint32_t channel_record_make(void *buffer, struct record_head head, const struct channel *c,
                             uint16_t index);
uint32_t client_record_make(void *buffer, struct record_head head, uint16_t index,
                            struct text name);

/* ---- movements ---- */

/* The first result of a movement that was done. */
struct movement_result first_movement(const struct id_entry *entry);
/* Fills a fresh entry with a done operation, and puts it. */
void remember_movement(struct ctx *ctx, struct id_entry *entry, uint64_t content,
                       const struct movement_result *r, uint32_t id_len);

static inline uint64_t wall_of(const struct ctx *ctx, uint64_t engine_ms)
{
    return engine_ms - ctx->engine_ms + ctx->wall_ms;
}

#endif
