/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ledger with several contexts, each used by a thread, and one thread that drains the log and
 * immediately applies every record to a second ledger, the follower: so each prefix of the log is
 * replayed. At the end both ledgers are checked and compared.
 *
 * Threads are disturbed: a timer interrupts each of them many times a second, wherever it is, and
 * makes it wait there. So threads meet between any two instructions, even on few cores. (Not under
 * ThreadSanitizer, which delays signals; it finds races without such meetings.)
 *
 * Any failure ends the program with exit code 1 and one line that says what failed.
 */
#ifndef STOCKD_TESTS_SUPPORT_RACE_RIG_H
#define STOCKD_TESTS_SUPPORT_RACE_RIG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/check/check.h"
#include "engine/ledger/ledger.h"
#include "engine/ledger/steps.h"
#include "engine/ledger/supply.h"
#include "tests/support/random.h"

/* ThreadSanitizer makes everything some ten times slower. */
#ifdef __SANITIZE_THREAD__
enum { RACE_SCALE = 1 };
#else
enum { RACE_SCALE = 4 };
#endif

enum { RACERS_MAX = 8, RACE_MOST_MS = 6000 };

#define RACE_MUST(condition, ...) ((condition) ? (void)0 : race_fail(__VA_ARGS__))

struct race;
struct reserve_fields;

struct race {
    struct log log, follower_log;
    struct ledger *ledger, *follower;
    unsigned contexts;
    bool forgetful;   /* the tables are too small to remember every id */
    bool never_short; /* no count or adjustment finds less than is reserved */
    uint64_t seed;
    pthread_t drainer;
    _Atomic unsigned racing; /* racers that have work */
    _Atomic bool stop_draining;
    _Atomic uint64_t followed; /* LSN that the follower has reached */
    unsigned char *kept;       /* all records so far, if they are needed; else NULL */
    _Atomic uint64_t pace[RACERS_MAX];
    _Atomic uint64_t last_step;   /* no racer takes this step; UINT64_MAX: not cut short */
    _Atomic uint64_t time_offset; /* milliseconds added to the clock */
    uint64_t records;
    /* The drainer calls it, unless NULL, when the follower has applied a reserve. */
    void (*followed_reserve)(const struct race *race, const struct reserve_fields *f, uint64_t lsn);
};

/* One thread. */
struct racer {
    struct race *race;
    struct ctx *ctx;
    unsigned index;
    struct random random;
    uint64_t began_ms;
    uint64_t deferred, operations;
    uint64_t evidence_upto; /* LSN that its return waits for; 0: none */
    int64_t tally[16];      /* counts of the test's own */
};

struct race_tables {
    uint32_t items, pools, reservations; /* 0: plenty */
    bool keep_records;                   /* as evidence for returns that name a reservation */
    const struct zone_source *zones;     /* NULL: orders know no opening hours */
};

/* Ends the program. */
void race_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The seed is taken from the first argument of the program, or from the clock, and printed. */
void race_open(struct race *race, unsigned contexts, const struct race_tables *tables, int argc,
               char **argv);

/* Runs work once on each of the first `count` contexts, on threads, until all are done. Each
 * racer's tally is left in racers. */
void race_run(struct race *race, unsigned count, void (*work)(struct racer *racer),
              struct racer racers[RACERS_MAX]);

/* The time that its threads are given next. */
uint64_t race_ms(struct race *race);

/* Lets that much time pass, expires what is due, and checks and compares everything. Prints a
 * summary. */
void race_close(struct race *race, const char *name);

/* ---- for work functions ---- */

/* True once that many milliseconds have passed since the race began. */
bool racer_is_done(const struct racer *racer, unsigned ms);

/* The same, and that count of its tally is high enough: on a busy machine a race takes longer, but
 * does no less. */
bool racer_has_done(const struct racer *racer, unsigned ms, unsigned what, int64_t least);

/* A new iteration: time advances, the inbox is read, what is due expires. */
void racer_turn(struct racer *racer);

/* Reports the racer's step, and waits for racers far behind: so they meet at the same things. */
void racer_keep_pace(struct racer *racer, uint64_t step);

/* The same, and true as long as the race goes on. A busy machine would take minutes for races in
 * step: after RACE_MOST_MS all racers stop before the same step, which race_steps returns. */
bool racer_goes_on(struct racer *racer, uint64_t step);

/* How many of that many steps the last race took. */
uint64_t race_steps(const struct race *race, uint64_t planned);

/* These retry what is deferred, in new iterations. */
enum code racer_reserve(struct racer *racer, const struct order *order, struct reservation_view *v);
enum code racer_cancel(struct racer *racer, const struct step *step, struct reservation_view *v);
enum code racer_move(struct racer *racer, const struct relocation *asked,
                     struct reservation_view *v);
enum code racer_amend(struct racer *racer, const struct amendment *asked,
                      struct reservation_view *v);
enum code racer_reject(struct racer *racer, const struct rejection *asked,
                       struct reservation_view *v);
enum code racer_fulfil(struct racer *racer, const struct step *step, struct reservation_view *v);
enum code racer_confirm(struct racer *racer, struct text id, struct reservation_view *v);
enum code racer_extend(struct racer *racer, struct text id, uint64_t ttl_ms,
                       struct reservation_view *v);
enum code racer_receive(struct racer *racer, const struct movement *m, struct movement_result *r);
enum code racer_adjust(struct racer *racer, const struct movement *m, struct movement_result *r);
enum code racer_count(struct racer *racer, const struct movement *m, struct movement_result *r);
/* One that names a reservation needs keep_records. */
enum code racer_return(struct racer *racer, const struct movement *m, struct movement_result *r);
enum code racer_sold(struct racer *racer, const struct sale *sale, struct sold_view *view);
enum code racer_allot(struct racer *racer, const struct allotment *a, struct allot_result *r);
/* A transfer if `from` is given, else from outside. */
enum code racer_make_supply(struct racer *racer, const struct supply_order *order,
                            struct supply_view *view);
typedef enum code supply_step_call(struct ctx *ctx, const struct supply_step *step,
                                   struct supply_view *view);
/* Any step of a supply: ledger_ship and so on. */
enum code racer_step_supply(struct racer *racer, supply_step_call *call,
                            const struct supply_step *step, struct supply_view *view);
enum code racer_set_location(struct racer *racer, const struct location_setting *s);
enum code racer_set_channel(struct racer *racer, const struct channel_setting *s);
enum code racer_set_item(struct racer *racer, const struct item_setting *s);
enum code racer_set_stocking(struct racer *racer, const struct stocking_setting *s);

/* The live check, once, beside the other threads. It must find nothing broken; or, if `damaged` is
 * given, that and nothing else. Its findings are left in report. */
void racer_check(struct racer *racer, const char *damaged, struct check_report *report);

struct race_name {
    char at[32];
};

/* A letter and a number; the text lives as long as the buffer. */
struct text race_name(struct race_name *buffer, char letter, uint64_t number);

/* Reserves qty of one item with an id of the racer's own, made from the number. */
enum code racer_take(struct racer *racer, uint64_t number, const char *channel, struct text sku,
                     int64_t qty);
/* The same, at that location only. */
enum code racer_take_at(struct racer *racer, uint64_t number, const char *channel, struct text sku,
                        int64_t qty, struct text at);
/* Cancels what racer_take reserved under that number. */
enum code racer_drop(struct racer *racer, uint64_t number);

/* For the drainer, at each record that it has followed. */
struct record_head;
void race_check_promises(const struct race *race, const struct record_head *head, uint64_t lsn);

/* Receives stock before the race; ends the program if it cannot. */
void race_stock(struct race *race, struct text sku, struct text location, int64_t qty);
void race_add_location(struct race *race, const char *code);
void race_set_channel(struct race *race, const struct channel_setting *s);
void race_set_item(struct race *race, const struct item_setting *s);
/* The item's units on hand and reserved, everywhere; after the race. */
void race_sum(struct race *race, struct text sku, int64_t *on_hand, int64_t *reserved);

#endif
