/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: what stock there is, where, and whom it was promised to. The only way to change it.
 *
 * Any number of threads (up to CONTEXTS_MAX) work on one ledger at once, each through a context of
 * its own. Nothing here blocks, spins, allocates on the path of a stock operation, or knows of
 * sockets and files: changes go to the log that it was given, time is told to it.
 *
 * Every operation returns a code:
 *   CODE_OK        done; the result says the LSN that its reply must wait for
 *   CODE_DEFERRED  nothing was changed; try the same call again soon
 *   any other      nothing was changed; ctx->failure says what was wrong, for people and programs
 *
 * Borrowed: a request's texts need to live only for the call; texts in results and failures live
 * until the context's next ledger_begin or operation.
 * docs/CONCURRENCY.md has the rules (T, G, O, A) that make this correct.
 */
#ifndef STOCKD_ENGINE_LEDGER_LEDGER_H
#define STOCKD_ENGINE_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "engine/base/memory.h"
#include "engine/base/text.h"
#include "engine/log/log.h"
#include "engine/store/catalogue.h"
#include "engine/store/item.h"
#include "engine/store/returns.h"

struct ledger;
struct ctx;

struct ledger_config {
    uint32_t items;        /* greatest number of items */
    uint32_t pools;        /* greatest number of pools */
    uint32_t reservations; /* greatest number of ids remembered, live reservations among them */
    uint64_t remember_ms;  /* an id is remembered for so long at least after what it did ended */
    unsigned contexts;     /* threads that work, at least 1 */
    unsigned readers; /* threads that only read; their contexts come after; together CONTEXTS_MAX */
    uint64_t hash_seed; /* random, so that nobody can choose colliding keys */
    struct log *log;    /* outlives the ledger */
};

/* NULL if there is not enough address space. */
struct ledger *ledger_create(const struct ledger_config *config);
void ledger_destroy(struct ledger *ledger);

/* A thread's place at the ledger; index below config.contexts + config.readers. One thread at a
 * time may use it. A reader's context asks questions only: it must change nothing, and no hold is
 * its.
 */
struct ctx *ledger_ctx(struct ledger *ledger, unsigned index);

/*
 * Brackets an iteration of work on a context. engine_ms never goes back (deadlines are measured in
 * it); wall_ms is what clients are told. While a context is not in an iteration it holds nothing of
 * the catalogue back from being freed. client: index from ledger_client, who the next changes are
 * by.
 */
void ledger_begin(struct ctx *ctx, uint64_t engine_ms, uint64_t wall_ms);
void ledger_end(struct ctx *ctx);

/* Is there room in the log for a change? If not, operations that change something are deferred. */
bool ledger_has_room(struct ctx *ctx);
void ctx_set_client(struct ctx *ctx, uint16_t client);

/*
 * How much the context has done that may be long, since its birth: about one unit for each pool
 * that it looked at, where there are more than a few, and several for a draw. A unit takes some
 * nanoseconds. A caller that shares a thread among many requests asks before and after each,
 * instead of a clock.
 */
uint64_t ctx_work(const struct ctx *ctx);

/* ---- what went wrong ---- */

struct shortfall {
    struct text sku;
    int64_t wanted;
    int64_t available;
};

struct failure {
    char message[256];    /* for people */
    const char *state;    /* wrong_state: the state it is in, static; else NULL */
    unsigned short_count; /* insufficient_stock: lines that fell short */
    struct shortfall shorts[LINES_MAX];
};

const struct failure *ctx_failure(const struct ctx *ctx);

/* ---- stock movements ---- */

struct movement {
    struct text id;
    struct text sku;
    struct text location;
    int64_t qty; /* receive, return: to add; adjust: signed delta; count: what was counted */
    struct text ref, reason; /* optional; return: the reservation, and the condition */
    bool damaged;            /* return: goes to the pool that is not sold */
    bool has_as_of;          /* count: it was taken at this time; what moved since is added */
    uint64_t as_of_ms;       /* wall clock */
    /* return that names a reservation: what the journal says of it; NULL: nobody has asked yet */
    const struct return_evidence *evidence;
};

struct movement_result {
    uint64_t lsn;
    int64_t delta;              /* of on hand */
    int64_t on_hand, available; /* at the location, over its pools that can be sold */
};

enum code ledger_receive(struct ctx *ctx, const struct movement *m, struct movement_result *r);
enum code ledger_adjust(struct ctx *ctx, const struct movement *m, struct movement_result *r);
enum code ledger_count(struct ctx *ctx, const struct movement *m, struct movement_result *r);
enum code ledger_return(struct ctx *ctx, const struct movement *m, struct movement_result *r);
/* A return that names a reservation needs evidence (store/returns.h). Was the context's last one
 * deferred because it had none, or because it was stale? Then gather it anew before the next try.
 */
bool ledger_needs_evidence(const struct ctx *ctx);

/* Moves units at one location from what is shared to a channel's own, or back (a negative qty).
 * Only units that nobody was promised move. */
struct allotment {
    struct text id;
    struct text sku;
    struct text location;
    struct text channel;
    int64_t qty;
};

struct allot_result {
    uint64_t lsn;
    int64_t allotted;  /* on hand in the channel's pool there, afterwards */
    int64_t available; /* at the location, over its pools that can be sold */
};

enum code ledger_allot(struct ctx *ctx, const struct allotment *a, struct allot_result *r);

/* ---- reservations ---- */

struct order_line {
    struct text sku;
    int64_t qty;
    struct text location; /* absent: sourced by the channel's rule */
};

struct order {
    struct text id;
    struct text channel;
    const struct order_line *lines;
    uint32_t line_count;
    bool has_ttl;
    uint64_t ttl_ms;
    struct text at; /* binds every line that names no location of its own */
    bool confirm;   /* confirmed at once, no deadline */
};

struct draw_view {
    struct text sku;
    struct text location;
    int64_t qty, fulfilled, cancelled;
    uint64_t ready_ms; /* wall clock */
};

struct reservation_view {
    uint64_t lsn;
    const char *state; /* static */
    struct text channel;
    uint64_t expires_ms; /* wall clock; 0: no deadline */
    uint32_t draw_count;
    const struct draw_view *draws; /* borrowed from the context */
};

/* Names at most some lines of a reservation; none: all that is left. */
struct step {
    struct text id;
    struct text op;                 /* optional: the step's own id */
    const struct order_line *lines; /* sku and qty; location is not used */
    uint32_t line_count;
};

enum code ledger_reserve(struct ctx *ctx, const struct order *order, struct reservation_view *r);
enum code ledger_extend(struct ctx *ctx, struct text id, uint64_t ttl_ms,
                        struct reservation_view *r);
enum code ledger_confirm(struct ctx *ctx, struct text id, struct text ref,
                         struct reservation_view *r);
enum code ledger_fulfil(struct ctx *ctx, const struct step *step, struct reservation_view *r);
enum code ledger_cancel(struct ctx *ctx, const struct step *step, struct reservation_view *r);
enum code ledger_reservation(struct ctx *ctx, struct text id, struct reservation_view *r);

/*
 * Says that so many cancels are likely to come now, one after the other: they then claim their
 * places in the log together, for the log's tail is what all contexts contend for. 0: there are no
 * more, and what was claimed and not used is given up. In between there is nothing to be waited
 * for: until it is used or given up, no change behind it becomes durable.
 */
void ledger_expect_cancels(struct ctx *ctx, unsigned count);

/* ---- questions ---- */

enum { NO_SUCH_SKU = -1 };

/* What one reserve on that channel could take now, per sku; NO_SUCH_SKU where there is none. */
enum code ledger_availability(struct ctx *ctx, struct text channel, const struct text *skus,
                              uint32_t count, int64_t *available, uint64_t *lsn);

/* The same for a part of a longer question: skus[from] up to, not including, skus[to]. */
enum code ledger_availability_of(struct ctx *ctx, struct text channel, const struct text *skus,
                                 uint32_t from, uint32_t to, int64_t *available, uint64_t *lsn);

/* What one reserve on the channel of that index could take of the item of that index now. In an
 * iteration of the context; both must exist. */
int64_t ledger_item_availability(struct ctx *ctx, uint32_t item, uint16_t channel);

/* Is there an item of that sku, or is one coming into being? Any thread. */
bool ledger_knows_sku(const struct ledger *ledger, struct text sku);

struct pool_view {
    struct text location;
    const char *kind;    /* "shared", "allotted", "expected", "damaged"; static */
    struct text channel; /* of an allotted pool; else absent */
    uint16_t place;      /* the location's index */
    bool active;         /* its location is: else no channel sells from it */
    bool sellable;
    int64_t on_hand, reserved;
};

/*
 * A look at all pools of an item, in parts: an item may have one for each location and channel.
 * A part is of its own moment; what a part has gone past is not looked at again.
 */
struct stock_look {
    uint32_t item;
    uint32_t pools;            /* gone past so far, empty ones too */
    int64_t on_hand, reserved; /* over those of them that can be sold */
    int64_t available;         /* likewise, but not at inactive locations */
    struct pool_place place;   /* where the next part begins */
};

enum { STOCK_POOLS = 512 }; /* in a part, at most */

/* lsn: what is up to there is in all parts. */
enum code ledger_stock_begin(struct ctx *ctx, struct text sku, struct stock_look *look,
                             uint64_t *lsn);
/* The next pools, in the order in which they were made, borrowed from the context; how many, 0 at
 * the end. */
uint32_t ledger_stock_next(struct ctx *ctx, struct stock_look *look,
                           const struct pool_view **pools);

struct stock_view {
    uint64_t lsn;
    int64_t on_hand, reserved; /* over all pools that can be sold */
    int64_t available;         /* likewise, but not at inactive locations */
    uint32_t pool_count;
    const struct pool_view *pools; /* borrowed from the context; none of an item with more than
                                      STOCK_POOLS */
};

/* The whole look at once. */
enum code ledger_stock(struct ctx *ctx, struct text sku, struct stock_view *view);

/* Walks the items: *cursor is 0 at first, then what the call before left. Begins a look at each;
 * one that has no pool yet has no sku. False at the end. */
bool ledger_next_item(struct ctx *ctx, uint32_t *cursor, struct text *sku, struct stock_look *look);

/* The catalogue as it is now; borrowed until ledger_end. */
const struct catalogue *ledger_catalogue(struct ctx *ctx);

/* ---- what the indexes in records stand for ---- */

/* CODE_OK, CODE_DEFERRED or CODE_UNKNOWN_SKU. */
enum code ledger_find_item(struct ctx *ctx, struct text sku, uint32_t *item);
/* Absent if nothing has that index. They live as long as the ledger. */
struct text ledger_sku(const struct ctx *ctx, uint32_t item);
struct text ledger_client_name(const struct ctx *ctx, uint16_t client);

/* ---- the catalogue ---- */

/* Setting what is already so changes nothing and returns the LSN of the earlier change. */
enum code ledger_set_location(struct ctx *ctx, const struct location_setting *s, uint64_t *lsn);
enum code ledger_set_channel(struct ctx *ctx, const struct channel_setting *s, uint64_t *lsn);

struct item_setting {
    struct text sku;
    bool has_name, has_barcode, has_low_stock, has_backorder_limit;
    struct text name, barcode;
    int64_t low_stock, backorder_limit;
};

enum code ledger_set_item(struct ctx *ctx, const struct item_setting *s, uint64_t *lsn);

/* An item as item_set left it. Texts that are not set are empty; all are borrowed until
 * ledger_end. */
struct details_view {
    struct text sku, name, barcode;
    bool has_low_stock, has_backorder_limit;
    int64_t low_stock, backorder_limit;
};

enum code ledger_details(struct ctx *ctx, struct text sku, struct details_view *view);

/* Walks the items, those without a pool too: *cursor is 0 at first, then what the call before left.
 * False at the end. */
bool ledger_next_details(struct ctx *ctx, uint32_t *cursor, struct details_view *view);

/* The index by which records name a client; 0 for an empty name or when all indexes are taken.
 * CODE_OK or CODE_DEFERRED. */
enum code ledger_client(struct ctx *ctx, struct text name, uint16_t *client);

/* ---- time ---- */

/* Expires at most `budget` holds of this context that are due; none any more once the journal has
 * failed. Returns how many it looked at; as long
 * as that is the budget, call again soon. */
unsigned ledger_expire(struct ctx *ctx, unsigned budget);

/* Engine time at which ledger_expire next has something to do; UINT64_MAX: never. */
uint64_t ledger_next_deadline(const struct ctx *ctx);

/* Seats whose inbox this context has filled since it asked last, as a bit set; their threads should
 * begin an iteration soon. */
uint64_t ctx_take_wakeups(struct ctx *ctx);

/* ---- fetching ahead: memory latency is the cost of this program ---- */

/* What a request will touch: the entry of an id, an item, or both. Both texts may be absent. */
struct prefetch_hint {
    struct text id, sku;
    uint64_t id_hash, sku_hash; /* from here on the ledger's, from stage to stage */
    uint32_t entry;             /* number + 1; 0: none is known */
};

/* Call all of stage 0 for a batch of requests, then all of stage 1, ..., then the operations.
 * Purely a hint. */
enum { PREFETCH_STAGES = 3 };
void ledger_prefetch(struct ctx *ctx, unsigned stage, struct prefetch_hint *hint);

/* ---- memory before it is needed ---- */

/* An operation that is the first to touch a page waits for the kernel to zero it: a huge one takes
 * up to some milliseconds. One step of having that done beforehand. One thread at a time, beside
 * the contexts'; after POPULATED_ENOUGH again soon. */
enum populated ledger_populate(struct ledger *ledger);

/* ---- replay's entrance ---- */

/* The engine's time of the batch that the next records lie in. Ids end by it; without it by the
 * times that records tell, which are the wall clock's. */
void ledger_apply_time(struct ledger *ledger, uint64_t engine_ms);

/* Applies one record of the journal that ends at lsn. Before the contexts' threads start; records
 * in order. 0, or -EINVAL / -ENOSPC with the reason in context 0's failure. engine time is anchored
 * so that the wall clock's milliseconds are its own: pass it to ledger_begin in the same terms. */
struct record_head;
int ledger_apply(struct ledger *ledger, const struct record_head *record, uint64_t lsn);

/* Hints, before that: fetches what records that come soon will touch. All of stage 0 for some, then
 * of stage 1, then they are applied. */
enum { APPLY_STAGES = 2 };
void ledger_apply_prefetch(const struct ledger *ledger, const struct record_head *record,
                           unsigned stage);

/* After the last record: hands open holds to the contexts' timing wheels. Returns how many ids it
 * had to forget before their time, for there was no room for them. */
uint64_t ledger_recovered(struct ledger *ledger, uint64_t engine_ms);

/* ---- metrics and proof ---- */

#define LEDGER_COUNTERS(X)                                                                         \
    X(reserves)                                                                                    \
    X(refused)                                                                                     \
    X(extends)                                                                                     \
    X(confirms) X(fulfils) X(cancels) X(expired) X(movements) X(repeats) X(deferred) X(queries)

struct ledger_metrics {
#define X(name) uint64_t name;
    LEDGER_COUNTERS(X)
#undef X
    uint64_t items, pools, live; /* in use */
    uint64_t items_max, pools_max, reservations_max;
    /* The table of ids. */
    uint64_t ids_taken;      /* slots, of reservations_max */
    uint64_t ids_remembered; /* of what has ended */
    uint64_t remember_ms;    /* see engine/ledger/id_gauge.h for how long the table lasts */
};

/* Sums over all contexts; any thread, any time; each figure is exact for some recent moment. */
void ledger_metrics(const struct ledger *ledger, struct ledger_metrics *metrics);

/* Walks the whole ledger while nothing changes it and checks every invariant. 0, or -EILSEQ with
 * what was found in message. */
int ledger_check(struct ledger *ledger, char *message, size_t size);

#endif
