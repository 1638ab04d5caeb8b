/* SPDX-License-Identifier: Apache-2.0 */
/* A server over a ledger that follows another one, from the first batch to its promotion. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/events/events.h"
#include "engine/ledger/ctx.h"
#include "engine/replay/follow.h"
#include "protocol/server.h"
#include "stockd/client.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/watchdog.h"

enum { WORKERS = 2, STANDBY_CTX = WORKERS, PATIENCE_MS = 20000 };

static struct ledger_rig first, follower;
static struct engine_clock steady;
static struct storage_port storage;
static struct history_port history;
static struct server *server;
static pthread_t thread;
static sem_t ready;
static char directory[] = "/tmp/standby.XXXXXX", address[128];
static _Atomic bool draining, drained;

TestSuite(standby, .timeout = 120);

/* ---- the log of the one that was promoted: nothing is written, and all is acknowledged ---- */

static bool drain(void *self, bool idle, struct storage_request *request)
{
    (void)self, (void)idle, (void)request;
    if (ledger_follows(follower.ledger) || atomic_exchange(&draining, true))
        return false;
    ledger_rig_drain(&follower);
    atomic_store(&drained, true);
    atomic_store_explicit(&follower.log.acknowledged, log_head(&follower.log),
                          memory_order_release);
    atomic_store(&draining, false);
    return false;
}

static bool nothing_done(void *self, const struct storage_request *request, int result,
                         struct storage_request *next)
{
    (void)self, (void)request, (void)result, (void)next;
    return false;
}

static uint64_t never(void *self)
{
    (void)self;
    return UINT64_MAX;
}

static const char *no_failure(void *self)
{
    (void)self;
    return "";
}

static unsigned no_metrics(void *self, struct storage_metric *metrics)
{
    (void)self, (void)metrics;
    return 0;
}

/* ---- the first ledger ---- */

static uint64_t now_ms(void)
{
    return clock_now(&steady).engine_ms;
}

static struct ctx *begin(void)
{
    struct ctx *ctx = ledger_ctx(first.ledger, 0);
    uint64_t now = now_ms();
    ledger_begin(ctx, now, now);
    return ctx;
}

static uint64_t end(struct ctx *ctx)
{
    ledger_end(ctx);
    ledger_rig_drain(&first);
    return first.length;
}

static uint64_t receive(const char *id, int64_t qty)
{
    struct ctx *ctx = begin();
    struct movement_result result;
    struct movement m = {
        .id = text_of(id), .sku = text_of("S"), .location = text_of("main"), .qty = qty
    };
    cr_assert_eq(ledger_receive(ctx, &m, &result), CODE_OK);
    return end(ctx);
}

static uint64_t hold(const char *id, uint64_t ttl_ms)
{
    struct ctx *ctx = begin();
    struct reservation_view view;
    struct order_line line = { .sku = text_of("S"), .qty = 4 };
    struct order order = { .id = text_of(id),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1,
                           .has_ttl = true,
                           .ttl_ms = ttl_ms };
    cr_assert_eq(ledger_reserve(ctx, &order, &view), CODE_OK);
    return end(ctx);
}

/* What the first ledger has done comes to the follower in one batch. */
static void follow(void)
{
    uint64_t from = ledger_follow_lsn(follower.ledger);
    struct follow_batch batch = { .first_lsn = from,
                                  .time_ms = now_ms(),
                                  .records = first.records + from,
                                  .length = first.length - from };
    cr_assert_eq(ledger_follow_batch(follower.ledger, &batch), 0, "%s",
                 ctx_failure(ledger_ctx(follower.ledger, 0))->message);
    server_log_moved(server);
}

/* ---- the server, and a client ---- */

static void note_ready(void *context)
{
    (void)context;
    sem_post(&ready);
}

static void *serve(void *context)
{
    (void)context;
    cr_assert_eq(server_run(server, note_ready, NULL), 0);
    return NULL;
}

static void start(void)
{
    const char *listen[] = { address };
    char why[256];
    struct ledger_config small = {
        .items = 100, .pools = 400, .reservations = 1000, .contexts = 1
    };
    cr_assert(mkdtemp(directory));
    snprintf(address, sizeof address, "unix:%s/s", directory);
    steady = clock_start(0);
    ledger_rig_open(&first, &small);
    small.contexts = WORKERS;
    small.readers = 1;
    ledger_rig_open(&follower, &small);
    cr_assert_eq(ledger_follow(follower.ledger, now_ms()), 0);
    sem_init(&ready, 0, 0);
    storage = (struct storage_port){ .next = drain,
                                     .done = nothing_done,
                                     .next_sync_ms = never,
                                     .failure = no_failure,
                                     .metrics = no_metrics };
    struct server_config config = {
        .listen = listen,
        .listen_count = 1,
        .workers = WORKERS,
        .limits = { .message = { 1 << 16, 1000, 8 },
                    .lines = 10,
                    .skus = 10,
                    .connections = 10,
                    .input_bytes = 1 << 20,
                    .message_ms = 30000,
                    .reader_ms = 60000 },
        .ledger = follower.ledger,
        .log = &follower.log,
        .storage = &storage,
        .history = &history,
        .clock = &steady,
        .standby = true,
        .standby_ctx = STANDBY_CTX,
        .version = "0.0.0-test",
    };
    sigemptyset(&config.stop_signals);
    sigaddset(&config.stop_signals, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &config.stop_signals, NULL);
    server = server_create(&config, why, sizeof why);
    cr_assert(server, "%s", why);
    cr_assert_eq(pthread_create(&thread, NULL, serve, NULL), 0);
    while (sem_wait(&ready) != 0)
        ;
}

static void stop(void)
{
    kill(getpid(), SIGUSR2);
    pthread_join(thread, NULL);
    server_destroy(server);
    ledger_rig_close(&follower);
    ledger_rig_close(&first);
    rmdir(directory);
}

static stockd_client *connect_client(void)
{
    stockd_client *client;
    cr_assert_eq(stockd_connect(&client, address, NULL), 0, "%s", stockd_error_message(client));
    return client;
}

/* [channel, [sku], {min_lsn}] */
static size_t pack_question(unsigned char *to, size_t size, uint64_t min_lsn)
{
    stockd_pack pack;
    stockd_pack_init(&pack, to, size);
    stockd_pack_array(&pack, 3);
    stockd_pack_str(&pack, "default");
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, "S");
    stockd_pack_map(&pack, 1);
    stockd_pack_str(&pack, "min_lsn");
    stockd_pack_u64(&pack, min_lsn);
    cr_assert_eq(stockd_pack_status(&pack), 0);
    return pack.len;
}

static int64_t stock_in(const stockd_reply *reply, uint64_t *lsn)
{
    stockd_value stock, element;
    int64_t available = -1;
    cr_assert_null(reply->code, "%s: %s", reply->code, reply->message);
    cr_assert(stockd_map_u64(reply->result, "lsn", lsn));
    cr_assert(stockd_map_find(reply->result, "stock", &stock));
    cr_assert(stockd_array_at(stock, 0, &element));
    stockd_value_i64(element, &available); /* unknown: -1 */
    return available;
}

static int64_t available(stockd_client *client, uint64_t min_lsn)
{
    unsigned char params[128];
    stockd_reply reply;
    uint64_t lsn;
    size_t length = pack_question(params, sizeof params, min_lsn);
    cr_assert_eq(stockd_call(client, "availability", params, length, 0, &reply), 0, "%s",
                 stockd_error_message(client));
    int64_t units = stock_in(&reply, &lsn);
    cr_assert_geq(lsn, min_lsn);
    return units;
}

/* The code of a change's refusal; "": it was done. *primary: whom it names. */
static const char *change(stockd_client *client, const char *id, char *primary, size_t size,
                          uint64_t *term)
{
    unsigned char params[128];
    stockd_pack pack;
    stockd_reply reply;
    const char *named;
    size_t length = 0;
    stockd_pack_init(&pack, params, sizeof params);
    stockd_pack_array(&pack, 4);
    stockd_pack_str(&pack, id);
    stockd_pack_str(&pack, "S");
    stockd_pack_str(&pack, "main");
    stockd_pack_u64(&pack, 1);
    /* Not stockd_call, which would go to the primary by itself. */
    cr_assert_eq(stockd_send(client, "receive", params, pack.len, NULL), 0);
    cr_assert_eq(stockd_flush(client), 0);
    int status = stockd_receive(client, &reply);
    cr_assert(status == 0 || status == STOCKD_REFUSED, "%s", stockd_error_message(client));
    if (!reply.code)
        return "";
    if (strcmp(reply.code, "not_primary") == 0) {
        cr_assert(stockd_map_u64(reply.details, "term", term));
        if (!stockd_map_str(reply.details, "address", &named, &length))
            length = 0;
        snprintf(primary, size, "%.*s", (int)length, length ? named : "");
    }
    return reply.code;
}

static void set_role(enum server_role role, const char *where, uint64_t term)
{
    struct primary primary = { .term = term };
    snprintf(primary.address, sizeof primary.address, "%s", where);
    server_set_role(server, role, &primary);
}

static void assert_not_primary(stockd_client *client, const char *id, const char *where,
                               uint64_t term)
{
    char primary[ROLE_ADDRESS_MAX];
    uint64_t named;
    const char *code = change(client, id, primary, sizeof primary, &named);
    cr_assert_str_eq(code, "not_primary");
    cr_assert_str_eq(primary, where);
    cr_assert_eq(named, term);
}

/* ---- what it does ---- */

Test(standby, answers_with_what_it_has_and_refuses_changes)
{
    start();
    stockd_client *client = connect_client();
    cr_assert_eq(available(client, 0), -1);
    assert_not_primary(client, "c1", "", 0);
    set_role(ROLE_STANDBY, "one.example:7400", 5);
    assert_not_primary(client, "c1", "one.example:7400", 5);
    uint64_t lsn = receive("r1", 10);
    follow();
    cr_assert_eq(available(client, lsn), 10);
    stockd_close(client);
    stop();
}

Test(standby, has_a_question_wait_for_its_batch)
{
    unsigned char params[128];
    uint64_t lsn, answered;
    stockd_reply reply;
    start();
    stockd_client *client = connect_client(), *other = connect_client();
    lsn = receive("r1", 10);
    size_t length = pack_question(params, sizeof params, lsn);
    cr_assert_eq(stockd_send(client, "availability", params, length, NULL), 0);
    cr_assert_eq(stockd_flush(client), 0);
    for (int i = 0; i < 20; i++) /* others are served meanwhile */
        cr_assert_eq(available(other, 0), -1);
    follow();
    cr_assert_eq(stockd_receive(client, &reply), 0, "%s", stockd_error_message(client));
    cr_assert_eq(stock_in(&reply, &answered), 10);
    cr_assert_eq(answered, lsn);
    length = pack_question(params, sizeof params, lsn + 8);
    cr_assert_eq(stockd_call(client, "availability", params, length, 0, &reply), STOCKD_REFUSED);
    cr_assert_str_eq(reply.code, "overloaded", "nothing comes any more");
    stockd_close(client);
    stockd_close(other);
    stop();
}

Test(standby, goes_on_in_the_place_of_the_first)
{
    struct primary self = { .address = "", .term = 6 };
    char primary[ROLE_ADDRESS_MAX];
    uint64_t term, lsn;
    start();
    stockd_client *clients[2 * WORKERS];
    for (unsigned i = 0; i < 2 * WORKERS; i++)
        clients[i] = connect_client();
    receive("r1", 10);
    lsn = hold("o", 1);
    follow();
    usleep(30000); /* its deadline has passed, and the first ledger has said nothing */
    for (unsigned i = 0; i < 2 * WORKERS; i++)
        cr_assert_eq(available(clients[i], lsn), 6);
    cr_assert_eq(log_head(&follower.log), lsn, "it does nothing by itself");
    cr_assert(!atomic_load(&drained));
    follower.log.tap = (struct log_tap){ events_take_run, ledger_events(follower.ledger) };
    clock_raise(&steady, now_ms());
    ledger_promote(follower.ledger, now_ms());
    server_set_role(server, ROLE_PRIMARY, &self);
    uint64_t until = clock_ms(CLOCK_MONOTONIC) + patient_ms(PATIENCE_MS);
    while (available(clients[0], 0) != 10) /* the hold expires */
        cr_assert_lt(clock_ms(CLOCK_MONOTONIC), until, "the hold never expires");
    for (unsigned i = 0; i < 2 * WORKERS; i++) {
        char id[8];
        snprintf(id, sizeof id, "c%u", i);
        cr_assert_str_eq(change(clients[i], id, primary, sizeof primary, &term), "");
    }
    cr_assert_eq(available(clients[0], 0), 10 + 2 * WORKERS);
    set_role(ROLE_REPLACED, "two.example:7400", 7);
    until = clock_ms(CLOCK_MONOTONIC) + patient_ms(PATIENCE_MS);
    for (unsigned i = 0; i < 2 * WORKERS; i++) { /* each worker notices in its next iteration */
        while (change(clients[i], "late", primary, sizeof primary, &term)[0] == 0)
            cr_assert_lt(clock_ms(CLOCK_MONOTONIC), until, "changes are never refused");
        assert_not_primary(clients[i], "late", "two.example:7400", 7);
    }
    for (unsigned i = 0; i < 2 * WORKERS; i++)
        stockd_close(clients[i]);
    stop();
    cr_assert(atomic_load(&drained));
}
