/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/race_rig.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/memory.h"
#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/replay/follow.h"
#include "tests/support/evidence.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/watchdog.h"

enum {
    DRAIN_BYTES = 64 << 10,
    KEPT_BYTES = 64 << 20,
    PATIENCE_MS = 60000,
    FAR_AHEAD = 2,
    CHECK_BUDGET = 32
};

static const uint64_t epoch_ms = UINT64_C(1700000000000);

void race_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    _Exit(1);
}

static uint64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t race_ms(struct race *race)
{
    return epoch_ms + clock_ms() + atomic_load(&race->time_offset);
}

struct text race_name(struct race_name *buffer, char letter, uint64_t number)
{
    int n = snprintf(buffer->at, sizeof buffer->at, "%c%llu", letter, (unsigned long long)number);
    return (struct text){ buffer->at, (uint32_t)n };
}

/* ---- the follower ---- */

static void follow(struct race *race, const unsigned char *bytes, size_t length)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    uint64_t lsn = atomic_load(&race->followed);
    if (race->kept) {
        RACE_MUST(lsn + length <= KEPT_BYTES, "more records than can be kept");
        memcpy(race->kept + lsn, bytes, length);
    }
    for (size_t at = 0; at < length;) {
        uint32_t n;
        memcpy(&n, bytes + at, sizeof n);
        memcpy(record, bytes + at, n);
        at += n;
        lsn += n;
        const struct record_head *head = (const struct record_head *)(const void *)record;
        struct follow_batch batch = { lsn - n, 0, record, n };
        if (ledger_follow_batch(race->follower, &batch) != 0)
            race_fail("%s", ctx_failure(ledger_ctx(race->follower, 0))->message);
        if (race->never_short)
            race_check_promises(race, head, lsn);
        race->records++;
    }
    atomic_store(&race->followed, lsn);
}

static void *drain(void *argument)
{
    struct race *race = argument;
    struct random random = { race->seed };
    unsigned char *buffer = malloc(DRAIN_BYTES);
    RACE_MUST(buffer, "no memory");
    for (;;) {
        bool last = atomic_load(&race->stop_draining);
        size_t most = (size_t)random_between(&random, RECORD_MAX, DRAIN_BYTES);
        size_t moved = log_drain(&race->log, buffer, most);
        follow(race, buffer, moved);
        if (moved == 0 && last)
            break;
        if (moved == 0)
            sched_yield();
    }
    free(buffer);
    return NULL;
}

/* ---- opening and closing ---- */

/* For the watchdog: where each racer is, and how far the log and its follower have come. */
static void tell(void *context)
{
    struct race *race = context;
    printf("log: claimed to %llu, published to %llu, followed to %llu\n",
           (unsigned long long)atomic_load(&race->log.tail),
           (unsigned long long)atomic_load(&race->log.head),
           (unsigned long long)atomic_load(&race->followed));
    for (unsigned i = 0; i < race->contexts; i++)
        if (atomic_load(&race->pace[i]) != UINT64_MAX)
            printf("racer %u has not ended; its last step was %llu\n", i,
                   (unsigned long long)atomic_load(&race->pace[i]));
}

static uint64_t pick_seed(int argc, char **argv)
{
    uint64_t seed = (uint64_t)time(NULL);
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10);
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

void race_open(struct race *race, unsigned contexts, const struct race_tables *tables, int argc,
               char **argv)
{
    memset(race, 0, sizeof *race);
    race->contexts = contexts;
    race->seed = pick_seed(argc, argv);
    race->never_short = true;
    race->kept = tables->keep_records ? memory_reserve(KEPT_BYTES) : NULL;
    RACE_MUST(race->kept || !tables->keep_records, "no memory");
    size_t capacity = (size_t)4 << 20; /* what is held back for so many contexts, and some */
    RACE_MUST(log_init(&race->log, capacity, contexts, 0) == 0, "no log");
    RACE_MUST(log_init(&race->follower_log, capacity, 1, 0) == 0, "no log");
    struct ledger_config config = { .items = tables->items ? tables->items : 1024,
                                    .pools = tables->pools ? tables->pools : 8192,
                                    .reservations =
                                        tables->reservations ? tables->reservations : 1 << 18,
                                    .contexts = contexts,
                                    .figures = FIGURES_LEAST,
                                    .hash_seed = race->seed,
                                    .log = &race->log,
                                    .zones = tables->zones };
    race->ledger = ledger_create(&config);
    config.log = &race->follower_log;
    config.contexts = 1;
    race->follower = ledger_create(&config);
    RACE_MUST(race->ledger && race->follower, "no ledger");
    RACE_MUST(ledger_follow(race->follower, race_ms(race)) == 0, "no memory");
    RACE_MUST(pthread_create(&race->drainer, NULL, drain, race) == 0, "no thread");
    watchdog_start(tell, race);
}

/* ---- shaking ---- */

/* Stops this thread wherever it is: mostly lets others go first, sometimes for longer. */
static void shaken(int signal)
{
    static _Thread_local unsigned count;
    int error = errno;
    (void)signal;
    if (++count % 4 != 0)
        sched_yield();
    else
        nanosleep(&(struct timespec){ .tv_nsec = 30000 }, NULL);
    errno = error;
}

static timer_t shake_thread(uint64_t random)
{
    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
    event._sigev_un._tid = gettid();
    RACE_MUST(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "no timer");
    struct timespec every = { .tv_nsec = 60000 + (long)(random % 64) * 1000 };
    struct itimerspec setting = { .it_interval = every, .it_value = every };
    RACE_MUST(timer_settime(timer, 0, &setting, NULL) == 0, "no timer");
    return timer;
}

struct started {
    struct racer *racer;
    void (*work)(struct racer *racer);
};

/* A worker that has nothing to do takes an iteration when another one asks for something: here it
 * looks now and then. */
static void take_turns(struct racer *racer)
{
    uint64_t now = race_ms(racer->race);
    if (now < racer->ctx->engine_ms)
        now = racer->ctx->engine_ms;
    ledger_begin(racer->ctx, now, now);
    racer_turn(racer);
    ledger_end(racer->ctx);
    usleep(200);
}

static void *run(void *argument)
{
    const struct started *s = argument;
    uint64_t now = race_ms(s->racer->race);
    timer_t timer = shake_thread(random_next(&s->racer->random));
    ledger_begin(s->racer->ctx, now, now);
    s->work(s->racer);
    ledger_expect_cancels(s->racer->ctx, 0);
    ledger_end(s->racer->ctx);
    atomic_store(&s->racer->race->pace[s->racer->index], UINT64_MAX);
    timer_delete(timer);
    atomic_fetch_sub(&s->racer->race->racing, 1);
    while (atomic_load(&s->racer->race->racing) > 0)
        take_turns(s->racer);
    return NULL;
}

void race_run(struct race *race, unsigned count, void (*work)(struct racer *racer),
              struct racer racers[RACERS_MAX])
{
    sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = shaken, .sa_flags = SA_RESTART }, NULL);
    pthread_t threads[RACERS_MAX];
    struct started started[RACERS_MAX];
    for (unsigned i = 0; i < RACERS_MAX; i++)
        atomic_store(&race->pace[i], i < count ? 0 : UINT64_MAX);
    atomic_store(&race->last_step, UINT64_MAX);
    atomic_store(&race->racing, count);
    for (unsigned i = 0; i < count; i++) {
        racers[i] = (struct racer){ .race = race,
                                    .ctx = ledger_ctx(race->ledger, i),
                                    .index = i,
                                    .began_ms = clock_ms(),
                                    .random = { race->seed * 31 + i } };
        started[i] = (struct started){ &racers[i], work };
        RACE_MUST(pthread_create(&threads[i], NULL, run, &started[i]) == 0, "no thread");
    }
    uint64_t deferred = 0, operations = 0;
    watchdog_waits_for("the racers to end");
    while (atomic_load(&race->racing) > 0) {
        usleep(200);
        for (unsigned i = count; i < race->contexts; i++)
            take_turns(&(struct racer){ .race = race, .ctx = ledger_ctx(race->ledger, i) });
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        deferred += racers[i].deferred;
        operations += racers[i].operations;
    }
    printf("%llu operations, %llu deferred\n", (unsigned long long)operations,
           (unsigned long long)deferred);
}

static void expire_everything(struct race *race)
{
    for (unsigned pass = 0; pass < 2; pass++) /* twice: what was expired for others is inbox */
        for (unsigned i = 0; i < race->contexts; i++) {
            struct racer racer = { .race = race, .ctx = ledger_ctx(race->ledger, i) };
            uint64_t now = race_ms(race);
            ledger_begin(racer.ctx, now, now);
            racer_turn(&racer);
            ledger_end(racer.ctx);
        }
}

/* The follower goes on in the ledger's place. */
static void go_on(struct race *race)
{
    struct ctx *ctx = ledger_ctx(race->follower, 0);
    uint64_t now = race_ms(race);
    ledger_promote(race->follower, now);
    ledger_begin(ctx, now, now);
    while (!ledger_take_up(ctx, 7)) {
    }
    ledger_end(ctx);
}

void race_close(struct race *race, const char *name)
{
    char why[256];
    expire_everything(race);
    atomic_store(&race->stop_draining, true);
    watchdog_waits_for("the follower to come to the end of the log");
    pthread_join(race->drainer, NULL);
    RACE_MUST(atomic_load(&race->followed) == atomic_load(&race->log.tail),
              "the follower ends at LSN %llu, the log at %llu",
              (unsigned long long)atomic_load(&race->followed),
              (unsigned long long)atomic_load(&race->log.tail));
    RACE_MUST(ledger_check(race->ledger, why, sizeof why) == 0, "%s: live: %s", name, why);
    RACE_MUST(ledgers_equal(race->ledger, race->follower, race->forgetful, why, sizeof why),
              "%s: live and recovered: %s", name, why);
    go_on(race);
    RACE_MUST(ledger_check(race->follower, why, sizeof why) == 0, "%s: recovered: %s", name, why);
    printf("%s: %llu records followed\n", name, (unsigned long long)race->records);
    ledger_destroy(race->ledger);
    ledger_destroy(race->follower);
    log_destroy(&race->log);
    log_destroy(&race->follower_log);
    memory_release(race->kept, KEPT_BYTES);
}

/* ---- working ---- */

bool racer_is_done(const struct racer *racer, unsigned ms)
{
    return clock_ms() - racer->began_ms >= ms;
}

bool racer_has_done(const struct racer *racer, unsigned ms, unsigned what, int64_t least)
{
    return racer_is_done(racer, ms) && racer->tally[what] >= least;
}

static uint64_t slowest(const struct race *race)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < RACERS_MAX; i++) {
        uint64_t pace = atomic_load(&race->pace[i]);
        least = pace < least ? pace : least;
    }
    return least;
}

void racer_keep_pace(struct racer *racer, uint64_t step)
{
    atomic_store(&racer->race->pace[racer->index], step);
    while (step > slowest(racer->race) + FAR_AHEAD) {
        racer_turn(racer);
        sched_yield();
    }
}

bool racer_goes_on(struct racer *racer, uint64_t step)
{
    struct race *race = racer->race;
    uint64_t none = UINT64_MAX;
    racer_keep_pace(racer, step);
    if (racer_is_done(racer, RACE_MOST_MS)) /* nobody has been let into a step so far ahead */
        atomic_compare_exchange_strong(&race->last_step, &none, slowest(race) + FAR_AHEAD + 1);
    return step < atomic_load(&race->last_step);
}

uint64_t race_steps(const struct race *race, uint64_t planned)
{
    uint64_t last = atomic_load(&race->last_step);
    if (last >= planned)
        return planned;
    printf("the machine is busy: %llu steps of %llu\n", (unsigned long long)last,
           (unsigned long long)planned);
    return last;
}

void racer_turn(struct racer *racer)
{
    struct ctx *ctx = racer->ctx;
    while (ledger_expire(ctx, 16) == 16) {
    }
    ledger_expect_cancels(ctx, 0);
    ledger_end(ctx);
    uint64_t now = race_ms(racer->race);
    if (now < ctx->engine_ms)
        now = ctx->engine_ms;
    ledger_begin(ctx, now, now);
    while (ledger_expire(ctx, 16) == 16) {
    }
}

/* Deferred: others get their iteration. True: try again. */
static bool again(struct racer *racer, enum code code, uint64_t *since)
{
    if (code != CODE_DEFERRED) {
        racer->operations++;
        return false;
    }
    racer->deferred++;
    uint64_t now = clock_ms();
    if (*since == 0)
        *since = now;
    RACE_MUST(now - *since < patient_ms(PATIENCE_MS), "an operation was deferred for %llu s",
              (unsigned long long)(now - *since) / 1000);
    racer_turn(racer);
    sched_yield();
    return true;
}

#define RETRIED(call)                                                                              \
    uint64_t since = 0;                                                                            \
    enum code code;                                                                                \
    do                                                                                             \
        code = (call);                                                                             \
    while (again(racer, code, &since));                                                            \
    return code

enum code racer_reserve(struct racer *racer, const struct order *order, struct reservation_view *v)
{
    RETRIED(ledger_reserve(racer->ctx, order, v));
}

/* Some say that others will follow, and mostly they do: before this racer's turn ends. */
enum code racer_cancel(struct racer *racer, const struct step *step, struct reservation_view *v)
{
    if (random_below(&racer->random, 8) == 0)
        ledger_expect_cancels(racer->ctx, 1 + (unsigned)random_below(&racer->random, 6));
    RETRIED(ledger_cancel(racer->ctx, step, v));
}

enum code racer_move(struct racer *racer, const struct relocation *asked,
                     struct reservation_view *v)
{
    RETRIED(ledger_move(racer->ctx, asked, v));
}

enum code racer_amend(struct racer *racer, const struct amendment *asked,
                      struct reservation_view *v)
{
    RETRIED(ledger_amend(racer->ctx, asked, v));
}

enum code racer_reject(struct racer *racer, const struct rejection *asked,
                       struct reservation_view *v)
{
    RETRIED(ledger_reject(racer->ctx, asked, v));
}

enum code racer_fulfil(struct racer *racer, const struct step *step, struct reservation_view *v)
{
    RETRIED(ledger_fulfil(racer->ctx, step, v));
}

enum code racer_confirm(struct racer *racer, struct text id, struct reservation_view *v)
{
    RETRIED(ledger_confirm(racer->ctx, id, text_of("paid"), v));
}

enum code racer_extend(struct racer *racer, struct text id, uint64_t ttl_ms,
                       struct reservation_view *v)
{
    RETRIED(ledger_extend(racer->ctx, id, ttl_ms, v));
}

enum code racer_receive(struct racer *racer, const struct movement *m, struct movement_result *r)
{
    RETRIED(ledger_receive(racer->ctx, m, r));
}

enum code racer_adjust(struct racer *racer, const struct movement *m, struct movement_result *r)
{
    RETRIED(ledger_adjust(racer->ctx, m, r));
}

enum code racer_count(struct racer *racer, const struct movement *m, struct movement_result *r)
{
    RETRIED(ledger_count(racer->ctx, m, r));
}

/* As a server does it: asks, waits until all up to the tail is drained, and tries again. */
static enum code try_return(struct racer *racer, struct movement m, struct movement_result *r)
{
    struct race *race = racer->race;
    struct return_evidence evidence;
    uint32_t item;
    enum code code = CODE_DEFERRED;
    if (racer->evidence_upto == 0) {
        code = ledger_return(racer->ctx, &m, r);
        if (code != CODE_DEFERRED || !ledger_needs_evidence(racer->ctx))
            return code;
        RACE_MUST(race->kept, "a return that names a reservation needs keep_records");
        racer->evidence_upto = atomic_load(&race->log.tail);
    }
    if (atomic_load(&race->followed) < racer->evidence_upto)
        return CODE_DEFERRED;
    RACE_MUST(ledger_find_item(racer->ctx, m.sku, &item) == CODE_OK, "no item");
    evidence = evidence_gather(race->kept, racer->evidence_upto, m.ref, item);
    racer->evidence_upto = 0;
    m.evidence = &evidence;
    return ledger_return(racer->ctx, &m, r);
}

enum code racer_return(struct racer *racer, const struct movement *m, struct movement_result *r)
{
    RETRIED(try_return(racer, *m, r));
}

enum code racer_sold(struct racer *racer, const struct sale *sale, struct sold_view *view)
{
    RETRIED(ledger_sold(racer->ctx, sale, view));
}

enum code racer_allot(struct racer *racer, const struct allotment *a, struct allot_result *r)
{
    RETRIED(ledger_allot(racer->ctx, a, r));
}

enum code racer_make_supply(struct racer *racer, const struct supply_order *order,
                            struct supply_view *view)
{
    bool transfer = text_given(order->from);
    RETRIED(transfer ? ledger_transfer(racer->ctx, order, view)
                     : ledger_expect(racer->ctx, order, view));
}

enum code racer_step_supply(struct racer *racer, supply_step_call *call,
                            const struct supply_step *step, struct supply_view *view)
{
    RETRIED(call(racer->ctx, step, view));
}

enum code racer_set_location(struct racer *racer, const struct location_setting *s)
{
    uint64_t lsn;
    RETRIED(ledger_set_location(racer->ctx, s, &lsn));
}

enum code racer_set_channel(struct racer *racer, const struct channel_setting *s)
{
    uint64_t lsn;
    RETRIED(ledger_set_channel(racer->ctx, s, &lsn));
}

enum code racer_set_item(struct racer *racer, const struct item_setting *s)
{
    uint64_t lsn;
    RETRIED(ledger_set_item(racer->ctx, s, &lsn));
}

enum code racer_set_stocking(struct racer *racer, const struct stocking_setting *s)
{
    uint64_t lsn;
    RETRIED(ledger_set_stocking(racer->ctx, s, &lsn));
}

enum code racer_take(struct racer *racer, uint64_t number, const char *channel, struct text sku,
                     int64_t qty)
{
    return racer_take_at(racer, number, channel, sku, qty, (struct text){ NULL, 0 });
}

enum code racer_take_at(struct racer *racer, uint64_t number, const char *channel, struct text sku,
                        int64_t qty, struct text at)
{
    struct race_name id;
    struct reservation_view view;
    struct order_line line = { .sku = sku, .qty = qty, .location = at };
    struct order order = { .id = race_name(&id, (char)('a' + racer->index), number),
                           .channel = text_of(channel),
                           .lines = &line,
                           .line_count = 1 };
    return racer_reserve(racer, &order, &view);
}

enum code racer_drop(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct reservation_view view;
    struct step step = { .id = race_name(&id, (char)('a' + racer->index), number) };
    return racer_cancel(racer, &step, &view);
}

static void check_once(struct racer *racer, struct check_report *report)
{
    struct check *check = check_start(racer->race->ledger);
    RACE_MUST(check != NULL, "no memory");
    enum check_progress progress;
    while ((progress = check_step(check, racer->ctx, CHECK_BUDGET)) != CHECK_DONE) {
        if (progress == CHECK_WAIT)
            nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
        racer_turn(racer);
    }
    *report = *check_report(check);
    check_end(check);
}

/* A thread that the machine keeps from running keeps its entries busy meanwhile. */
void racer_check(struct racer *racer, const char *damaged, struct check_report *report)
{
    enum { TRIES = 50, PAUSE_NS = 20000000 };
    check_once(racer, report);
    for (int i = 0; report->busy > 0 && i < TRIES; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
        check_once(racer, report);
    }
    uint64_t wanted = damaged ? 1 : 0;
    RACE_MUST(report->broken == wanted, "%llu broken: %s", (unsigned long long)report->broken,
              report->findings[0]);
    RACE_MUST(!damaged || strstr(report->findings[0], damaged), "found %s", report->findings[0]);
    RACE_MUST(report->busy == 0, "entries are busy for ever");
}
