/* SPDX-License-Identifier: Apache-2.0 */
/* Internal to the engine: the fields of the ledger and of a context, and what the operations
 * share. */
#ifndef STOCKD_ENGINE_LEDGER_CTX_H
#define STOCKD_ENGINE_LEDGER_CTX_H

#include "engine/events/events.h"
#include "engine/ledger/crossing_watch.h"
#include "engine/ledger/id_gauge.h"
#include "engine/ledger/leaps.h"
#include "engine/ledger/ledger.h"
#include "engine/ledger/shortage_watch.h"
#include "engine/log/record.h"
#include "engine/store/barcodes.h"
#include "engine/store/id_table.h"
#include "engine/store/item.h"
#include "engine/store/item_map.h"
#include "engine/store/recent.h"
#include "engine/store/refusals.h"
#include "engine/store/returns.h"
#include "engine/store/slots.h"
#include "engine/store/wheel.h"

/* Counters of one context: only its thread writes them and any may read, so relaxed is enough. */
struct counters {
#define X(name) _Atomic uint64_t name;
    LEDGER_COUNTERS(X)
#undef X
};

#define COUNT(ctx, name)                                                                           \
    atomic_store_explicit(&(ctx)->counters.name,                                                   \
                          atomic_load_explicit(&(ctx)->counters.name, memory_order_relaxed) + 1,   \
                          memory_order_relaxed)

/* Pools of expected units that are to be swept later, see engine/ledger/sweeps.h. */
enum { SWEEPS_MAX = 2 * DRAWS_MAX };

/* A reservation to look at: what was sent for it may all have come, see engine/ops/sent_come.h. */
enum { SENT_COME_MAX = 256 };

struct sent_come {
    uint8_t id_len;
    char id[ID_MAX];
};

/* What a step settles of one draw. */
struct step_part {
    struct draw *draw;
    uint64_t mark; /* of its pool of expected units, as planned; else 0 */
    uint32_t qty;
    uint16_t index; /* of the draw, in its reservation */
    bool expected;  /* fulfil, reject: from a pool of expected units */
    /* Of qty, if a place rejects it: */
    uint32_t off;       /* units taken off what is on hand there */
    uint32_t cancelled; /* units that nothing else is drawn for */
};

/* The draws of the current reservation; for a step with lines, chained by item. */
struct draw_list {
    struct item_map map; /* the first draw of each item: index + 1 */
    uint32_t count;
    struct draw *draws[DRAWS_MAX];
    uint16_t next[DRAWS_MAX]; /* of the same item: index + 1 */
    uint16_t part[DRAWS_MAX]; /* the step part that settles it: index + 1 */
    uint32_t done[DRAWS_MAX]; /* amend: units that were fulfilled and that no line accounts for */
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

struct figures;
struct following;
struct sale_work;
struct refused_work;
struct supply_work;
struct candidates;
struct locating;
struct promise_walks;
struct short_places;
struct order_plan;
struct postings;
struct send_work;

struct ctx {
    struct ledger *ledger;
    uint8_t index;
    uint16_t client;
    uint64_t engine_ms, wall_ms;
    uint64_t happened_ms; /* of what is being changed, if a till says when; else 0 */
    struct id_cursor cursor;
    uint32_t spare_item;                    /* see items_create */
    const struct catalogue *catalogue;      /* the version that the current operation sees; see
                                               catalogue_pin */
    uint64_t preclaimed_at, preclaimed_end; /* of the log; see ctx_claim_give */
    unsigned expected;                      /* cancels that are likely to follow now */
    uint64_t claimed; /* bytes of the log since the last check for room; see log_has_room_for */
    uint64_t wakeups;
    uint64_t work;       /* see ctx_work */
    bool needs_evidence; /* see ledger_needs_evidence */
    bool takes_up;       /* see ledger_take_up */
    uint32_t take_up_at; /* likewise: the next chunk of ids, or item */
    _Atomic bool taking; /* see takes_begin; this thread writes */
    struct counters counters;
    _Atomic uint64_t *blocks; /* one per block of items, see change_index.h; this thread writes */
    /* Of the iteration; 0 between iterations. This thread writes it; sequentially consistent with
     * the catalogue's swap, see retire(). */
    _Alignas(64) _Atomic uint64_t epoch;
    _Atomic uint64_t iterations; /* odd: in an iteration. This thread writes it; release when an
                                    iteration ends, see engine/check/check.h */
    struct wheel wheel;
    struct recent recent;
    struct failure failure;
    struct failure kept_failure;   /* of the operation, while what it brought about is done */
    struct postings *postings;     /* of the current transaction; empty between transactions */
    struct order_plan *order_plan; /* of the current order */
    struct send_work *send;        /* of what it is sent */
    struct candidates *candidates; /* of the current query */
    struct locating *locating;     /* likewise */
    struct supply_work *supply;    /* of the current supply, or the step of one */
    struct refused_work *refused;  /* see engine/ops/refused.h */
    struct sale_work *sale;        /* of the step that is noted for the figures */
    uint32_t sweep_count;          /* see engine/ledger/sweeps.h */
    uint32_t sweeps[SWEEPS_MAX];   /* units of pools */
    uint32_t sweeping[SWEEPS_MAX]; /* those that are being swept */
    uint32_t come_count;           /* of what is sent, see engine/ops/sent_come.h */
    struct sent_come come[SENT_COME_MAX];
    struct short_places *short_places;   /* of the current item */
    struct promise_walks *promise_walks; /* see engine/ops/precedence.h */
    struct draw_list draw_list;
    struct step_part parts[DRAWS_MAX];
    struct order_line new_lines[LINES_MAX]; /* what a reservation is to draw anew */
    struct draw_view draw_views[DRAWS_MAX];
    struct part_view part_views[DRAWS_MAX];
    uint16_t part_at[LOCATIONS_MAX]; /* while parts are listed: the location's part + 1; else 0 */
    char ref[NAME_MAX_BYTES];        /* of the reservation in view */
    struct pool_view pool_views[STOCK_POOLS];
    _Alignas(8) unsigned char record[RECORD_MAX];
};

struct ledger {
    struct log *log;
    unsigned worker_count; /* the first contexts: those that may change the ledger */
    unsigned context_count;
    struct ctx *contexts[CONTEXTS_MAX];
    struct items items;
    struct barcodes barcodes;
    struct id_table ids;
    uint64_t born_ms;  /* engine time of the first id done here, or of the first start; const while
                          threads run */
    uint64_t batch_ms; /* of the record being applied; 0: unknown */
    struct following *following; /* of the applying thread; NULL: nothing is applied beside readers,
                                    see engine/replay/follow.h */
    _Atomic bool follows;        /* likewise; the applying thread writes it, release */
    _Atomic unsigned taking_up;  /* contexts that are taking up their shares: ledger_take_up; each
                                    counts itself off, release */
    struct id_gauge id_gauge;
    struct returns returns;
    struct events events;
    struct leaps leaps;
    struct crossing_watch crossings;
    struct shortage_watch shortages;
    struct refusals refusals;
    struct figures *figures;         /* NULL: none are kept */
    const struct zone_source *zones; /* const; NULL: nothing is laid out */
    _Atomic uint64_t laid_out; /* the day since 1970, + 1, for which calendars are; written by the
                                  holder of catalogue_busy; relaxed, a hint */
    uint32_t block_count;      /* blocks of the change index; const */
    _Atomic(struct catalogue *) catalogue; /* written by the holder of catalogue_busy; see
                                              retire() */
    _Atomic uint64_t catalogue_lsn;        /* of its last change; written by the holder of
                                              catalogue_busy, see engine/ledger/change_index.h */
    _Atomic bool catalogue_busy;           /* taken by exchange: one writer of catalogue, details
                                              and clients at a time; others are deferred */
    _Atomic uint64_t epoch;                /* counts retirements; the holder of catalogue_busy */
    struct retired *retired;               /* the holder of catalogue_busy */
    struct client_name *clients;           /* the holder of catalogue_busy */
    _Atomic uint16_t client_count; /* the holder of catalogue_busy, release after the name is
                                      written; a thread that reads names acquires */

    /* Wall clock: the latest time at which a supply came up. Any context raises it, with release,
     * before it raises the versions of the supply's items. A reader acquires it after it has read
     * such a version. */
    _Atomic uint64_t came_up_ms;
};

enum { DRAW_WORK = 16 }; /* a scattered draw and its pool, compared with pools in a row */

/* Notes what is wrong, and returns the code. */
enum code fail(struct ctx *ctx, enum code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same of a parameter: static, or a literal of the caller's. */
enum code fail_param(struct ctx *ctx, enum code code, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * A context is in an iteration from here on: it keeps the versions that it sees alive, and
 * engine/check waits for its end. Sequentially consistent: see retire().
 */
static inline void ctx_enter(struct ctx *ctx)
{
    uint64_t iterations = atomic_load_explicit(&ctx->iterations, memory_order_relaxed);
    atomic_store_explicit(&ctx->iterations, (iterations + 1) | 1, memory_order_release);
    uint64_t epoch = atomic_load_explicit(&ctx->ledger->epoch, memory_order_seq_cst);
    atomic_store_explicit(&ctx->epoch, epoch, memory_order_seq_cst);
}

static inline void ctx_leave(struct ctx *ctx)
{
    atomic_store_explicit(&ctx->epoch, 0, memory_order_seq_cst);
    uint64_t iterations = atomic_load_explicit(&ctx->iterations, memory_order_relaxed);
    atomic_store_explicit(&ctx->iterations, (iterations | 1) + 1, memory_order_release);
}

/* Nothing is changed by the ledger itself, nor expires: see engine/replay/follow.h. */
static inline bool ctx_follows(const struct ctx *ctx)
{
    return atomic_load_explicit(&ctx->ledger->follows, memory_order_acquire);
}

static inline struct catalogue *catalogue_now(const struct ctx *ctx)
{
    return atomic_load_explicit(&ctx->ledger->catalogue, memory_order_seq_cst);
}

/* Call at the start of an operation that looks up more than one thing in the catalogue: it uses
 * this version throughout, because pointers and indexes of one version mean nothing in another. For
 * a location or channel that an object names, look in catalogue_now(): the pinned version may be
 * older than the object. */
static inline const struct catalogue *catalogue_pin(struct ctx *ctx)
{
    return ctx->catalogue = catalogue_now(ctx);
}

/* False: another writer holds it. */
bool catalogue_take(struct ledger *ledger);
void catalogue_put(struct ledger *ledger);
/* Frees `what` when no context can hold it any more. The caller holds catalogue_busy. */
void retire(struct ledger *ledger, void *what, void (*destroy)(void *));
/* Swaps in a new catalogue and retires the old one. The caller holds catalogue_busy. */
void catalogue_swap(struct ledger *ledger, struct catalogue *next);

/* Frees every version, old and current, when the ledger is destroyed. */
void free_all_versions(struct ledger *ledger);

/* ---- change index: raised between a change's claim and its publication, see
 * engine/ledger/change_index.h ---- */

int change_index_init(struct ledger *ledger);
void change_index_destroy(struct ledger *ledger);
void item_version_raise(struct ctx *ctx, uint32_t item, uint64_t lsn);
/* The same, for the item that owns the pool. */
void item_version_raise_of_pool(struct ctx *ctx, uint32_t unit, uint64_t lsn);
void catalogue_lsn_raise(struct ledger *ledger, uint64_t lsn);

void details_apply(struct item_details *details, const struct item_setting *s);
/* Sets the item's own safety in its stocking, if the details have one. */
void details_apply_safety(struct items *items, uint32_t item, const struct item_details *details);
/* Shows new details, finds the item by their barcode from now on, and retires the old ones. The
 * caller holds catalogue_busy. */
void details_show(struct ledger *ledger, uint32_t item, struct item_details *details);
void client_remember(struct ledger *ledger, uint16_t index, struct text name);

/* Build records of settings in a buffer of RECORD_MAX bytes; the head needs only flags and client.
 * Return the length. */
uint32_t location_record_make(void *buffer, struct record_head head, const struct location *l,
                              uint16_t index);
uint32_t channel_record_make(void *buffer, struct record_head head, const struct channel *c,
                             uint16_t index);
uint32_t calendar_record_make(void *buffer, struct record_head head, const struct calendar *c,
                              uint16_t index);
uint32_t client_record_make(void *buffer, struct record_head head, uint16_t index,
                            struct text name);

/* ---- movements ---- */

/* The first result of a remembered movement. */
struct movement_result first_movement(const struct id_entry *entry);
/* Fills a fresh entry with the completed movement, and puts it. */
void remember_movement(struct ctx *ctx, struct id_entry *entry, uint64_t content,
                       const struct movement_result *r, uint32_t id_len);

static inline uint64_t wall_of(const struct ctx *ctx, uint64_t engine_ms)
{
    return engine_ms - ctx->engine_ms + ctx->wall_ms;
}

#endif
