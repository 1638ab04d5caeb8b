/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: what stock exists, where, and to whom it is promised; the only way to change it.
 *
 * Up to CONTEXTS_MAX threads work on one ledger at once, each through its own context. Nothing here
 * blocks, spins, allocates on the path of a stock operation, or knows of sockets and files: the
 * caller supplies the log that receives the changes, and the time.
 *
 * Every operation returns a code:
 *   CODE_OK        done; a change's result has the LSN that its reply must wait for
 *   CODE_DEFERRED  nothing has changed; try the same call again soon
 *   any other      nothing has changed; ctx->failure says what is wrong, for people and programs
 *
 * Borrowed: a request's texts need to live only for the call; texts in results and failures live
 * until the context's next ledger_begin or operation. The rules that make this correct (T, G, O, A)
 * are in docs/CONCURRENCY.md.
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
    uint32_t items;        /* maximum number of items */
    uint32_t pools;        /* maximum number of pools */
    uint32_t reservations; /* maximum number of remembered ids, including live reservations */
    uint64_t remember_ms;  /* minimum time for which an id is remembered after its operation or
                              reservation has ended */
    unsigned contexts;     /* worker threads, at least 1 */
    unsigned readers;      /* threads that only read; their contexts follow the workers'; together
                              at most CONTEXTS_MAX */
    uint32_t events;       /* that are kept for readers; 0: EVENTS_LEAST */
    size_t figures;        /* bytes for figures, see figures.h; 0: none are kept */
    uint64_t hash_seed;    /* random, so that nobody can choose colliding keys */
    struct log *log;       /* outlives the ledger */
    const struct zone_source *zones; /* outlives it too; NULL: orders know no opening hours, as when
                                        a journal is only read */
};

/* NULL if there is not enough address space. */
struct ledger *ledger_create(const struct ledger_config *config);
void ledger_destroy(struct ledger *ledger);

/* A thread's context; index is below config.contexts + config.readers. One thread at a time may use
 * it. A reader's context only queries: it must change nothing, and owns no holds. */
struct ctx *ledger_ctx(struct ledger *ledger, unsigned index);

/*
 * Brackets an iteration of work on a context. engine_ms never goes back (deadlines are measured in
 * it); wall_ms is what clients see. Outside an iteration a context keeps no old version of the
 * catalogue alive.
 */
void ledger_begin(struct ctx *ctx, uint64_t engine_ms, uint64_t wall_ms);
void ledger_end(struct ctx *ctx);

/* Does the log have room for a change? If not, operations that change something are deferred. */
bool ledger_has_room(struct ctx *ctx);
/* The client that makes the next changes: an index from ledger_client. */
void ctx_set_client(struct ctx *ctx, uint16_t client);

/*
 * The work that the context has done since its creation, counted where it may be long: about one
 * unit for each pool read, if there are more than a few, and several for a draw. A unit takes some
 * nanoseconds. A caller that serves many requests on one thread reads it before and after each,
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
    const char *param;    /* bad_request, too_large: the parameter, static; NULL: not told */
    const char *state;    /* wrong_state: the reservation's state, static; else NULL */
    int64_t on_hand;      /* stale: at the place */
    unsigned short_count; /* insufficient_stock: lines that fell short */
    struct shortfall shorts[LINES_MAX];
};

const struct failure *ctx_failure(const struct ctx *ctx);

/* ---- stock movements ---- */

struct movement {
    struct text id;
    struct text sku;
    struct text location;
    int64_t qty; /* receive, return: units to add; adjust: signed delta; count: the counted units */
    struct text ref, reason; /* optional; return: the reservation, and the condition */
    bool damaged;            /* return: goes to the damaged pool, which is not sold */
    bool has_as_of;          /* count: taken at as_of_ms; what has moved since is added */
    bool has_if_on_hand;     /* adjust, count: only if so many are on hand at the location */
    uint64_t as_of_ms;       /* wall clock */
    bool shelf; /* count: of what is on the shelf, without what is set aside for its buyers */
    int64_t if_on_hand;
    /* return that names a reservation: what the journal says of it; NULL: not gathered yet */
    const struct return_evidence *evidence;
};

struct movement_result {
    uint64_t lsn;
    int64_t delta;              /* of on hand */
    int64_t on_hand, available; /* at the location, over its sellable pools */
};

enum code ledger_receive(struct ctx *ctx, const struct movement *m, struct movement_result *r);
enum code ledger_adjust(struct ctx *ctx, const struct movement *m, struct movement_result *r);
enum code ledger_count(struct ctx *ctx, const struct movement *m, struct movement_result *r);
enum code ledger_return(struct ctx *ctx, const struct movement *m, struct movement_result *r);
/* A return that names a reservation needs evidence (store/returns.h). True: the context's last
 * return was deferred because its evidence was missing or stale; gather it anew before the next
 * try. */
bool ledger_needs_evidence(const struct ctx *ctx);

/* Units at m's location change their condition: "sellable", "damaged", "quality" or "display". Only
 * sellable ones are sold, and only they count as on hand in the result. */
enum code ledger_shift(struct ctx *ctx, const struct movement *m, struct text from, struct text to,
                       struct movement_result *r);

/* What a till of that channel sold at the location. It is never refused for stock: what is more
 * than is on hand is owed there, and counts against it. */
struct order_line;
struct sale {
    struct text id, channel, location;
    const struct order_line *lines; /* sku and qty; location is ignored */
    uint32_t line_count;
    bool has_at;
    uint64_t at_ms;  /* when it happened, by the till's clock */
    struct text ref; /* optional */
};

struct sold_line_view {
    struct text sku;
    int64_t on_hand, available; /* at the location, as in struct movement_result; may be negative */
};

/* Each sku once, in the order of the lines; borrowed from the context. */
struct sold_view {
    uint64_t lsn;
    uint32_t line_count;
    const struct sold_line_view *lines;
};

enum code ledger_sold(struct ctx *ctx, const struct sale *sale, struct sold_view *view);

/* Moves units at one location from the shared pool to a channel's allotment, or back (a negative
 * qty). Only available units move. */
struct allotment {
    struct text id;
    struct text sku;
    struct text location;
    struct text channel;
    int64_t qty;
};

struct allot_result {
    uint64_t lsn;
    int64_t allotted;  /* on hand in the channel's pool there afterwards */
    int64_t available; /* at the location, over its sellable pools */
};

enum code ledger_allot(struct ctx *ctx, const struct allotment *a, struct allot_result *r);

/* ---- reservations ---- */

struct order_line {
    struct text sku;
    int64_t qty;
    struct text location; /* absent: sourced by the channel's rule */
};

/* What an order demands of the places that serve it. */
struct order_terms {
    struct text mode; /* "ship" or "pickup"; absent: ship, but any place serves a bound line */
    bool has_lat, has_lon, has_by;
    double lat, lon;            /* where the buyer is; both or neither */
    uint64_t by_ms;             /* wall clock: only what is ready by then */
    const struct text *exclude; /* codes of locations that serve no line */
    uint32_t exclude_count;
};

struct order {
    struct text id;
    struct text channel;
    const struct order_line *lines;
    uint32_t line_count;
    bool has_ttl;
    uint64_t ttl_ms;
    struct text at; /* binds every line that names no location */
    bool confirm;   /* confirmed at once, no deadline */
    bool partial;   /* takes what is there, if that is at least one unit */
    bool backorder; /* what is not there is promised all the same, within the item's limit */
    struct text ref, supply; /* optional: what the client calls it; what is sent, see orders.h */
    struct order_terms terms;
};

struct missing {
    struct text sku;
    int64_t qty;
};

/* A ready time beyond any that is known. */
#define READY_NEVER UINT64_MAX

struct draw_view {
    struct text sku;
    struct text location; /* absent: units that the reservation waits for */
    int64_t qty, fulfilled, cancelled;
    uint64_t ready_ms; /* wall clock, or READY_NEVER */
};

/* What a reservation draws from one place. */
struct part_view {
    struct text location;
    const char *step;       /* "open", "ready", "not_collected", "fulfilled", "cancelled"; static */
    uint64_t ready_ms;      /* of its last draw; as in struct draw_view */
    uint64_t collect_by_ms; /* wall clock; 0: whenever */
};

struct reservation_view {
    uint64_t lsn;
    const char *state; /* static */
    struct text channel;
    uint64_t expires_ms; /* wall clock; 0: no deadline */
    struct text ref;     /* of ledger_reservation, as are the parts; borrowed from the context */
    uint64_t created_ms; /* wall clock */
    uint32_t part_count, sends;    /* sends: transfers that were made with it, see orders.h */
    const struct part_view *parts; /* in the order of their first lines; likewise */
    uint32_t draw_count;
    const struct draw_view *draws; /* borrowed from the context */
    uint32_t missing_count; /* of a partial order, as it was granted: per sku, in the order */
    const struct missing *missing; /* of the lines; likewise */
};

/* Fulfils or cancels some lines of a reservation; without lines, all that is left. */
struct step {
    struct text id;
    struct text op;                 /* optional: the step's own id */
    struct text location;           /* optional: only what is drawn from there */
    const struct order_line *lines; /* sku and qty; location is ignored */
    uint32_t line_count;
};

enum code ledger_reserve(struct ctx *ctx, const struct order *order, struct reservation_view *r);
enum code ledger_extend(struct ctx *ctx, struct text id, uint64_t ttl_ms,
                        struct reservation_view *r);
enum code ledger_confirm(struct ctx *ctx, struct text id, struct text ref,
                         struct reservation_view *r);
enum code ledger_fulfil(struct ctx *ctx, const struct step *step, struct reservation_view *r);
enum code ledger_cancel(struct ctx *ctx, const struct step *step, struct reservation_view *r);
/* Gives back what a place set aside and nobody collected: that part is cancelled. The step names a
 * location and no lines. */
enum code ledger_restock(struct ctx *ctx, const struct step *step, struct reservation_view *r);
enum code ledger_reservation(struct ctx *ctx, struct text id, struct reservation_view *r);

/*
 * Announces that `count` cancels are likely to follow one after another, so that they claim their
 * places in the log together: the log's tail is the word that all contexts contend for. 0: no more
 * follow; unused claims are given up. The caller must not wait for anything in between: until a
 * claim is used or given up, no change behind it becomes durable.
 */
void ledger_expect_cancels(struct ctx *ctx, unsigned count);

/* ---- queries ---- */

/* What a partial reserve would answer now: its draws and what is missing, perhaps all. Holds
 * nothing; needs no id. CODE_DEFERRED: what is missing may be there in a moment. */
enum code ledger_promise(struct ctx *ctx, const struct order *order, struct reservation_view *view);

/* Where a basket could be had. */
struct basket {
    struct text channel;
    const struct order_line *lines; /* sku and qty; location is ignored */
    uint32_t line_count;
    struct order_terms terms; /* exclude is ignored */
    bool has_within;
    double within_km; /* of the terms' lat and lon, which it needs */
    int64_t limit;    /* options at most: 1 to OPTIONS_MAX */
};

enum {
    OPTIONS_MAX = 1000,
    OPTION_LINES_MAX = 1 << 16, /* limit, times the skus of the basket */
};

/* A place that has at least one unit of the basket. */
struct place_option {
    struct text location;
    double distance_km; /* NaN: not known */
    bool complete;      /* it has all of the basket */
    uint64_t ready_ms;  /* when all is ready that it has of the basket; or READY_NEVER */
    uint16_t place;     /* the location's index */
};

/* Borrowed from the context. */
struct located {
    uint64_t lsn;
    uint32_t option_count, sku_count;
    const struct place_option *options; /* best first */
    const struct text *skus;            /* of the basket, each once, in the order of the lines */
    const uint32_t *available;          /* see located_units */
    uint32_t places;
};

/* What the option's place has of the basket's sku with that number. */
static inline uint32_t located_units(const struct located *l, const struct place_option *option,
                                     uint32_t sku)
{
    return l->available[(uint64_t)sku * l->places + option->place];
}

enum code ledger_locate(struct ctx *ctx, const struct basket *basket, struct located *located);

enum { NO_SUCH_SKU = -1 };

/* What one reserve on that channel could take now, per sku; NO_SUCH_SKU for an unknown sku. */
enum code ledger_availability(struct ctx *ctx, struct text channel, const struct text *skus,
                              uint32_t count, int64_t *available, uint64_t *lsn);

/* The same for part of a longer query: skus[from] up to, not including, skus[to]. */
enum code ledger_availability_of(struct ctx *ctx, struct text channel, const struct text *skus,
                                 uint32_t from, uint32_t to, int64_t *available, uint64_t *lsn);

/* What one reserve on the channel with that index could take now of the item with that index. Both
 * must exist; only within an iteration of the context. */
int64_t ledger_item_availability(struct ctx *ctx, uint32_t item, uint16_t channel);
/* The same; *moving: units are being moved, and some may be missing or counted twice. */
int64_t ledger_item_available(struct ctx *ctx, uint32_t item, uint16_t channel, bool *moving);

/* Does an item with that sku exist, or is one being created? Any thread. */
bool ledger_knows_sku(const struct ledger *ledger, struct text sku);

struct pool_view {
    struct text location;
    const char *kind;    /* as `stock` names it: "shared", "in_transit"; static */
    struct text channel; /* of an allotted pool; otherwise absent */
    struct text supply;  /* of units that have not come yet: the supply's id; otherwise absent */
    uint64_t eta_ms;     /* of such units: wall clock; 0: not known */
    uint16_t place;      /* the location's index */
    bool active;         /* its location is; otherwise no channel sells from it */
    bool sellable;       /* counts as on hand: expected units do not */
    int64_t on_hand, reserved;
    char id[ID_MAX]; /* what `supply` borrows */
};

/*
 * A look at all pools of an item, in parts: an item may have one for each location and channel.
 * Each part has its own moment; no pool is looked at twice.
 */
struct stock_look {
    uint32_t item, pools;      /* pools: seen so far, including empty ones */
    int64_t on_hand, reserved; /* over the sellable ones */
    int64_t available;         /* likewise, without inactive locations */
    int64_t backlog;           /* units that are promised before they are there */
    struct pool_place place;   /* where the next part starts */
    bool names, busy;          /* supplies are named; one is being changed: ask for it again */
};

enum { STOCK_POOLS = 512 }; /* at most, in a part */

/* Every part includes all changes up to *lsn. */
enum code ledger_stock_begin(struct ctx *ctx, struct text sku, struct stock_look *look,
                             uint64_t *lsn);
/* The next pools in the order of their creation, borrowed from the context. Returns how many; 0 at
 * the end, or if a supply is busy. */
uint32_t ledger_stock_next(struct ctx *ctx, struct stock_look *look,
                           const struct pool_view **pools);

struct stock_view {
    uint64_t lsn;
    int64_t on_hand, reserved; /* over all sellable pools */
    int64_t available;         /* likewise, without inactive locations */
    uint32_t pool_count;
    const struct pool_view *pools; /* borrowed from the context; none if the item has more than
                                      STOCK_POOLS */
};

/* The whole look at once; CODE_DEFERRED: a supply is busy. */
enum code ledger_stock(struct ctx *ctx, struct text sku, struct stock_view *view);

/* Walks the items: *cursor starts at 0 and is passed back unchanged. Begins a look at each item;
 * one that has no pool yet has no sku. False at the end. */
bool ledger_next_item(struct ctx *ctx, uint32_t *cursor, struct text *sku, struct stock_look *look);

/* The current catalogue; borrowed until ledger_end. */
const struct catalogue *ledger_catalogue(struct ctx *ctx);
/* The calendar with that index, to be read whole: that is work for each of its hours and
 * dates. NULL: there is none. Borrowed until ledger_end. */
const struct calendar *ledger_calendar(struct ctx *ctx, uint32_t index);

/* ---- what the indexes in records stand for ---- */

/* CODE_OK, CODE_DEFERRED or CODE_UNKNOWN_SKU. */
enum code ledger_find_item(struct ctx *ctx, struct text sku, uint32_t *item);
/* Absent if nothing has that index. The texts live as long as the ledger. */
struct text ledger_sku(const struct ctx *ctx, uint32_t item);
struct text ledger_client_name(const struct ctx *ctx, uint16_t client);

/* ---- the catalogue ---- */

/* Setting what is already set changes nothing and returns the LSN of the earlier change. */
enum code ledger_set_location(struct ctx *ctx, const struct location_setting *s, uint64_t *lsn);
enum code ledger_set_channel(struct ctx *ctx, const struct channel_setting *s, uint64_t *lsn);

/* Opening hours. An unknown time zone is a bad request. */
enum code ledger_set_calendar(struct ctx *ctx, const struct calendar_setting *s, uint64_t *lsn);

/* Lays out the calendars for the days around that time, unless that was done today. Call it before
 * the first order, and at least once a day; any thread. False: some are not, see *failure; try
 * again, soon if the error is -EBUSY. A calendar whose zone cannot be read keeps its timetable, or
 * is never open. */
bool ledger_lay_out(struct ledger *ledger, uint64_t wall_ms, struct lay_out_failure *failure);

struct item_setting {
    struct text sku;
    bool has_name, has_barcode, has_low_stock, has_backorder_limit;
    bool has_safety, has_unit, has_decimals;
    struct text name, barcode, unit;
    int64_t low_stock, backorder_limit;
    int64_t safety;   /* units that stay unsold at each place that has no safety set for the item */
    int64_t decimals; /* of a quantity; wrong_state once units of the item have moved */
};

enum code ledger_set_item(struct ctx *ctx, const struct item_setting *s, uint64_t *lsn);

/* An item as item_set left it. Unset texts are empty; all texts are borrowed until ledger_end. */
struct details_view {
    struct text sku, name, barcode, unit;
    bool has_low_stock, has_backorder_limit, has_safety;
    int64_t low_stock, backorder_limit, safety;
    int64_t decimals;
};

enum code ledger_details(struct ctx *ctx, struct text sku, struct details_view *view);

/* The same for the item with that barcode, the lowest index if there are several; else for the one
 * with that sku. CODE_UNKNOWN_SKU if nothing has either. */
enum code ledger_lookup(struct ctx *ctx, struct text code, struct details_view *view);

/* Walks the items, including those without a pool: *cursor starts at 0 and is passed back
 * unchanged. False at the end. */
bool ledger_next_details(struct ctx *ctx, uint32_t *cursor, struct details_view *view);

/* What is set for an item at a place; what is not given keeps its value. The item exists. */
struct stocking_setting {
    struct text sku, location;
    bool has_stocked, has_safety, has_lead_time;
    bool stocked;        /* false: no channel sells the item from there */
    int64_t safety;      /* units that stay there unsold */
    int64_t lead_time_s; /* until an order is ready, instead of the place's */
};

/* Setting what is already set changes nothing, and returns the LSN of a later change of the item at
 * the latest. */
enum code ledger_set_stocking(struct ctx *ctx, const struct stocking_setting *s, uint64_t *lsn);

struct stocking_view {
    uint32_t item; /* its index */
    struct text sku, location;
    struct stocking set;
};

/* A walk over the stockings of some items, item by item, in parts: the caller moves `end` on. */
struct stocking_walk {
    uint32_t item; /* its index: where the walk is, or begins */
    uint32_t end;  /* before this item */
    bool inside;
    struct pool_place place; /* inside: the next pool */
};

/* False at the end: the walk's, or before that of all items. The texts are borrowed until
 * ledger_end. */
bool ledger_next_stocking(struct ctx *ctx, struct stocking_walk *walk, struct stocking_view *view);

/* The index by which records name a client; 0 for an empty name, or if all indexes are taken.
 * CODE_OK or CODE_DEFERRED. */
enum code ledger_client(struct ctx *ctx, struct text name, uint16_t *client);

/* ---- time ---- */

/* Expires at most `budget` due holds of this context; none once the journal has failed. Returns how
 * many it looked at; if that is the whole budget, call again soon. */
unsigned ledger_expire(struct ctx *ctx, unsigned budget);

/* Engine time at which ledger_expire next has work; UINT64_MAX: never. */
uint64_t ledger_next_deadline(const struct ctx *ctx);

/* The contexts, as a bit set, whose inboxes this one has filled since the last call; their threads
 * should begin an iteration soon. */
uint64_t ctx_take_wakeups(struct ctx *ctx);

/* ---- events ---- */

struct events;

/* What was told last, see engine/events/events.h. Replay adds to it; afterwards the log's tap must
 * be events_take_run, with this. Lives as long as the ledger. */
struct events *ledger_events(struct ledger *ledger);

/* Looks whether items have sold out, are back in stock or low on stock, and records it: a bounded
 * part of that, if any is due and no other context is at it. In an iteration; any worker's
 * context. */
void ledger_tell_crossings(struct ctx *ctx);
/* Engine time at which to call that again; UINT64_MAX: not before the log grows. */
uint64_t ledger_crossings_due(const struct ctx *ctx);
/* Of all changes up to there, crossings have been recorded. Any thread. */
uint64_t ledger_crossings_lsn(const struct ledger *ledger);

/* ---- prefetching: memory latency is what this program's operations cost ---- */

/* What a request will touch: an id's entry, an item, or both. Both texts may be absent. */
struct prefetch_hint {
    struct text id, sku;
    uint64_t id_hash, sku_hash; /* from here on: the ledger's own, kept between stages */
    uint32_t entry;             /* number + 1; 0: none known */
};

/* Call all of stage 0 for a batch of requests, then all of stage 1, ..., then the operations.
 * Purely a hint. */
enum { PREFETCH_STAGES = 3 };
void ledger_prefetch(struct ctx *ctx, unsigned stage, struct prefetch_hint *hint);

/* ---- memory before it is needed ---- */

/* The first operation to touch a page waits for the kernel to zero it, up to some milliseconds for
 * a huge page. This does one step of that work in advance. One thread at a time, beside the
 * contexts' threads; after POPULATED_ENOUGH, call again soon. */
enum populated ledger_populate(struct ledger *ledger);

/* ---- replay ---- */

/* The engine time of the batch that the next records come from: ids end at that time. 0: unknown;
 * they end at the records' own times, which are wall clock times. */
void ledger_apply_time(struct ledger *ledger, uint64_t engine_ms);

/* Applies the journal record that ends at lsn; records in order, before the contexts' threads start
 * (beside them: engine/replay/follow.h). 0, or -EINVAL / -ENOSPC with the reason in context 0's
 * failure. Engine time is milliseconds since 1970 here: ledger_begin needs the same kind. */
struct record_head;
int ledger_apply(struct ledger *ledger, const struct record_head *record, uint64_t lsn);

/* Hints: prefetches what upcoming records will touch. Call stage 0 for a group of records, then
 * stage 1, then apply them. */
enum { APPLY_STAGES = 2 };
void ledger_apply_prefetch(const struct ledger *ledger, const struct record_head *record,
                           unsigned stage);

/* After the last record: hands holds to the contexts' timing wheels. Returns how many ids it
 * had to forget early for lack of room. */
uint64_t ledger_recovered(struct ledger *ledger, uint64_t engine_ms);

/* ---- metrics and checks ---- */

/* clang-format lays these out differently on each run. */
/* clang-format off */
#define LEDGER_COUNTERS(X) \
    X(reserves) X(refused) X(extends) X(confirms) X(readied) X(redrawn) X(sourced) X(fulfils) \
    X(cancels) X(expired) X(movements) X(supplies) X(repeats) X(deferred) X(queries)
/* clang-format on */

struct ledger_metrics {
#define X(name) uint64_t name;
    LEDGER_COUNTERS(X)
#undef X
    uint64_t items, pools, live; /* in use */
    uint64_t items_max, pools_max, reservations_max;
    /* The id table. */
    uint64_t ids_taken;      /* slots, of reservations_max */
    uint64_t ids_remembered; /* of what has ended */
    uint64_t remember_ms;    /* engine/ledger/id_gauge.h says how long the table lasts */
};

/* Sums over all contexts; any thread, any time; each metric is exact for some recent moment. */
void ledger_metrics(const struct ledger *ledger, struct ledger_metrics *metrics);

/* Checks every invariant of the whole ledger, which must not change meanwhile. 0, or -EILSEQ with
 * the finding in message. */
int ledger_check(struct ledger *ledger, char *message, size_t size);

#endif
