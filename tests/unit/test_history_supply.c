/* SPDX-License-Identifier: Apache-2.0 */
/* Supplies in the history: what it tells of them, against a ledger that does them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/history/history.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/supply.h"
#include "engine/log/record_layout.h"
#include "engine/store/pool.h"
#include "tests/support/contents_rig.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/random.h"

enum { NOW = 1000000, HOUR = 3600 * 1000, EVENTS = 4096 };

static struct ledger_rig rig;
static struct ctx *ctx;
static size_t taken;          /* bytes of the log */
static struct history of_tea; /* it follows the ledger */
static struct history_event events[EVENTS];
static char ids[EVENTS][2][ID_MAX + 1]; /* id, op */
static uint32_t event_count;
static struct supply_view view;
static char view_id[ID_MAX + 1];
static struct reservation_view granted;

/* ---- the ledger ---- */

static void at_time(uint64_t ms)
{
    ledger_end(ctx);
    ledger_begin(ctx, ms, ms);
    ledger_expire(ctx, 1000);
}

static void receive(const char *id, const char *sku, const char *location, int64_t qty)
{
    struct movement_result moved;
    struct movement m = {
        .id = text_of(id), .sku = text_of(sku), .location = text_of(location), .qty = qty
    };
    cr_assert_eq(ledger_receive(ctx, &m, &moved), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void set_up(void)
{
    uint64_t lsn;
    struct ledger_config config = {
        .items = 8, .pools = 512, .reservations = 4096, .contexts = 1, .hash_seed = 5
    };
    ledger_rig_open(&rig, &config);
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    struct location_setting store = { .code = text_of("store") };
    cr_assert_eq(ledger_set_location(ctx, &store, &lsn), CODE_OK);
    struct channel_setting web = { .code = text_of("web"),
                                   .has_incoming = true,
                                   .incoming = true,
                                   .has_horizon = true,
                                   .horizon_s = 48 * 3600 };
    cr_assert_eq(ledger_set_channel(ctx, &web, &lsn), CODE_OK, "%s", ctx_failure(ctx)->message);
    receive("r1", "tea", "main", 10); /* item 0 */
    receive("r2", "bun", "main", 10);
    event_count = 0;
    taken = 0;
    history_open(&of_tea, &(struct history_filter){ .subject = HISTORY_ITEM, .item = 0 });
}

static void tear_down(void)
{
    ledger_end(ctx);
    history_close(&of_tea);
    ledger_rig_close(&rig);
}

TestSuite(history_supply, .init = set_up, .fini = tear_down);

/* ---- the history ---- */

static int keep(void *context, const struct history_event *event)
{
    (void)context;
    cr_assert_lt(event_count, EVENTS);
    snprintf(ids[event_count][0], sizeof ids[0][0], "%.*s", (int)event->id.len, event->id.at);
    snprintf(ids[event_count][1], sizeof ids[0][1], "%.*s", (int)event->op.len, event->op.at);
    events[event_count++] = *event;
    return 0;
}

/* Takes records of the log from there on. */
static size_t fold(struct history *history, size_t from)
{
    static _Alignas(8) unsigned char bytes[RECORD_MAX];
    ledger_rig_drain(&rig);
    while (from < rig.length) {
        uint32_t length = ledger_rig_record(&rig, from, bytes);
        from += length;
        cr_assert_eq(history_take(history, (const void *)bytes, from, ctx->engine_ms, keep, NULL),
                     0);
    }
    return from;
}

static void follow(void)
{
    taken = fold(&of_tea, taken);
}

/* Begins a history with the ledger as it is now. */
static void begin_with_contents(struct history *history, const struct history_filter *filter)
{
    struct contents contents;
    char why[200];
    cr_assert(contents_take(&contents, rig.ledger, why, sizeof why), "%s", why);
    history_open(history, filter);
    for (const struct contents_run *run = contents.first; run; run = run->next)
        cr_assert_eq(history_load(history, run->kind, run->bytes, run->length), 0);
    contents_free(&contents);
}

static struct history_filter filter_of(const char *id)
{
    struct history_filter filter = { .subject = HISTORY_ID, .id_len = (uint8_t)strlen(id) };
    memcpy(filter.id, id, filter.id_len);
    return filter;
}

/* All events of an id, instead. */
static void ask_id(const char *id)
{
    struct history history;
    struct history_filter filter = filter_of(id);
    event_count = 0;
    history_open(&history, &filter);
    fold(&history, 0);
    history_close(&history);
}

/* "expect store expected 5 5/0 in_transit": type, place, kind, quantity, on hand/reserved, and the
 * state. */
static const char *told(uint32_t at)
{
    static char line[160];
    const struct history_event *e = &events[at];
    cr_assert_lt(at, event_count, "nothing is told");
    int n = snprintf(line, sizeof line, "%s %s %s %lld", e->type,
                     !e->has_pool            ? "-"
                     : e->pool.location == 0 ? "main"
                                             : "store",
                     e->kind ? e->kind : "-", (long long)e->qty);
    if (e->has_stock)
        n += snprintf(line + n, sizeof line - (size_t)n, " %lld/%lld", (long long)e->on_hand,
                      (long long)e->reserved);
    if (e->state)
        snprintf(line + n, sizeof line - (size_t)n, " %s", e->state);
    return line;
}

/* What the last records told, and nothing else. */
static void assert_told(const char *const *lines)
{
    uint32_t count = 0;
    for (; lines[count]; count++)
        cr_assert_str_eq(told(count), lines[count]);
    cr_assert_eq(event_count, count, "then comes: %s", told(count));
    event_count = 0;
}

#define TOLD(...)                                                                                  \
    do {                                                                                           \
        follow();                                                                                  \
        assert_told((const char *const[]){ __VA_ARGS__, NULL });                                   \
    } while (0)
#define TOLD_NOTHING()                                                                             \
    do {                                                                                           \
        follow();                                                                                  \
        cr_assert_eq(event_count, 0, "told: %s", told(0));                                         \
    } while (0)

/* ---- what is done ---- */

static enum code order_supply(const char *id, const char *from, int64_t tea, int64_t bun,
                              uint64_t eta_ms, bool hold)
{
    struct supply_line lines[] = { { .sku = text_of("bun"), .qty = bun },
                                   { .sku = text_of("tea"), .qty = tea } };
    bool both = bun > 0;
    struct supply_order order = { .id = text_of(id),
                                  .from = text_of(from),
                                  .location = text_of("store"),
                                  .lines = both ? lines : lines + 1,
                                  .line_count = both ? 2 : 1,
                                  .has_eta = eta_ms > 0,
                                  .eta_ms = eta_ms,
                                  .hold = hold };
    return from ? ledger_transfer(ctx, &order, &view) : ledger_expect(ctx, &order, &view);
}

static void make_supply(const char *id, const char *from, int64_t tea, uint64_t eta_ms, bool hold)
{
    cr_assert_eq(order_supply(id, from, tea, 0, eta_ms, hold), CODE_OK, "%s",
                 ctx_failure(ctx)->message);
}

typedef enum code supply_method(struct ctx *ctx, const struct supply_step *step,
                                struct supply_view *view);

/* qty below 0: all that is left. */
static enum code step_supply(supply_method *method, const char *id, int64_t qty, int64_t rejected,
                             bool close, const char *op, uint64_t eta_ms)
{
    struct supply_line line = { .sku = text_of("tea"), .qty = qty, .rejected = rejected };
    struct supply_step step = { .id = text_of(id),
                                .op = text_of(op),
                                .all = qty<0, .lines = &line, .line_count = 1, .has_eta = eta_ms> 0,
                                .eta_ms = eta_ms,
                                .close = close };
    return method(ctx, &step, &view);
}

static void step(supply_method *method, const char *id, int64_t qty, int64_t rejected, bool close)
{
    cr_assert_eq(step_supply(method, id, qty, rejected, close, NULL, 0), CODE_OK, "%s",
                 ctx_failure(ctx)->message);
}

static enum code order(const char *id, const char *channel, int64_t qty)
{
    struct order_line line = { .sku = text_of("tea"), .qty = qty };
    struct order order = { .id = text_of(id),
                           .channel = text_of(channel),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    return ledger_reserve(ctx, &order, &granted);
}

static enum code settle(const char *id, int64_t qty, bool fulfil)
{
    struct order_line line = { .sku = text_of("tea"), .qty = qty };
    struct step step = { .id = text_of(id), .lines = &line, .line_count = qty > 0 };
    return fulfil ? ledger_fulfil(ctx, &step, &granted) : ledger_cancel(ctx, &step, &granted);
}

/* ---- what is told ---- */

Test(history_supply, a_delivery_that_was_promised)
{
    TOLD("item - - 0", "receive main shared 10 10/0");
    make_supply("po", NULL, 5, NOW + HOUR, false);
    TOLD("expect store expected 5 5/0 in_transit");
    cr_assert_eq(events[0].eta_ms, NOW + HOUR);
    cr_assert_eq(order("o", "web", 13), CODE_OK);
    TOLD("reserve main shared 10 10/10 confirmed", "reserve store expected 3 5/3 confirmed");
    step(ledger_arrive, "po", 2, 1, false);
    TOLD("arrive store expected -3 2/1 in_transit", "arrive store shared 2 2/2 in_transit",
         "arrive store damaged 1 1/0 in_transit");
    step(ledger_arrive, "po", -1, 0, false);
    TOLD("arrive store expected -2 0/0 arrived", "arrive store shared 2 4/3 arrived");
    cr_assert_eq(settle("o", 0, true), CODE_OK);
    TOLD("fulfil main shared 10 0/0 fulfilled", "fulfil store shared 3 1/0 fulfilled");
}

Test(history_supply, what_is_cancelled_goes_back_to_where_it_is_now)
{
    make_supply("po", NULL, 5, NOW + HOUR, false);
    cr_assert_eq(order("o", "web", 15), CODE_OK);
    step(ledger_arrive, "po", 3, 0, false);
    follow();
    event_count = 0;
    cr_assert_eq(settle("o", 14, false), CODE_OK);
    TOLD("cancel main shared 10 10/0 confirmed", "cancel store expected 2 2/0 confirmed",
         "cancel store shared 2 3/1 confirmed");
}

Test(history_supply, a_transfer_that_is_held_and_shipped_in_parts)
{
    make_supply("t", "main", 5, NOW + HOUR, true);
    follow();
    cr_assert_str_eq(told(2), "transfer main shared 5 10/5 held");
    event_count = 0;
    step(ledger_withdraw, "t", 1, 0, false);
    TOLD("withdraw main shared 1 10/4 held");
    step(ledger_ship, "t", 3, 0, false);
    TOLD("ship main shared -3 7/1 in_transit", "ship store in_transit 3 3/0 in_transit");
    step(ledger_arrive, "t", 1, 0, true);
    TOLD("arrive store in_transit -3 0/0 in_transit", "arrive store shared 1 1/0 in_transit");
    step(ledger_withdraw, "t", -1, 0, false);
    TOLD("withdraw main shared 1 7/0 arrived");
    make_supply("u", "main", 2, 0, false);
    TOLD("transfer main shared -2 5/0 arrived", "transfer store shared 2 3/0 arrived");
    make_supply("v", "main", 2, 0, true);
    step(ledger_ship, "v", -1, 0, false);
    TOLD("transfer main shared 2 5/2 held", "ship main shared -2 3/0 arrived",
         "ship store shared 2 5/0 arrived");
}

Test(history_supply, stock_that_stands_in_is_told_as_promised)
{
    receive("r", "tea", "store", 3);
    make_supply("po", NULL, 5, NOW + HOUR, false);
    cr_assert_eq(order("m", "default", 13), CODE_OK); /* all that is there */
    cr_assert_eq(order("o", "web", 5), CODE_OK);
    cr_assert_eq(settle("m", 0, false), CODE_OK);
    follow();
    event_count = 0;
    step(ledger_withdraw, "po", -1, 0, false);
    TOLD("withdraw store expected -5 0/0 withdrawn", "withdraw store shared 0 3/5 withdrawn");
    receive("r3", "tea", "store", 4);
    TOLD("receive store shared 4 7/5");
    cr_assert_eq(settle("o", 0, true), CODE_OK);
    TOLD("fulfil store shared 5 2/0 fulfilled");
}

Test(history_supply, another_time_and_none_in_time)
{
    make_supply("po", NULL, 5, NOW + HOUR, false);
    follow();
    event_count = 0;
    cr_assert_eq(step_supply(ledger_reschedule, "po", -1, 0, false, NULL, NOW + 2 * HOUR), CODE_OK);
    TOLD("reschedule store expected 5 5/0 in_transit");
    cr_assert_eq(events[0].eta_ms, NOW + 2 * HOUR);
    at_time(NOW + 2 * HOUR + 1000);
    TOLD("late store expected 5 5/0 in_transit");
    cr_assert_eq(events[0].eta_ms, NOW + 2 * HOUR);
    cr_assert_eq(events[0].client, 0);
}

/* A part of it has come, and the rest has not left: that is late as well. */
Test(history_supply, late_is_what_is_held_too)
{
    make_supply("t", "main", 5, NOW + HOUR, true);
    step(ledger_ship, "t", 2, 0, false);
    step(ledger_arrive, "t", 2, 0, false);
    follow();
    event_count = 0;
    at_time(NOW + HOUR + 1000);
    TOLD("late main shared 3 8/3 in_transit");
}

/* Nothing happened to it. */
Test(history_supply, an_eta_within_a_horizon_is_not_told_but_concerns_the_item)
{
    make_supply("po", NULL, 5, NOW + 49 * (uint64_t)HOUR, false);
    follow();
    event_count = 0;
    at_time(NOW + 2 * HOUR);
    TOLD_NOTHING();
    cr_assert(of_tea.concerned);
}

Test(history_supply, of_an_id_the_whole_life)
{
    cr_assert_eq(order_supply("t", "main", 4, 3, NOW + HOUR, true), CODE_OK);
    step(ledger_ship, "t", -1, 0, false);
    make_supply("other", NULL, 5, NOW + HOUR, false);
    cr_assert_eq(step_supply(ledger_arrive, "t", 2, 1, false, "lorry", 0), CODE_OK);
    cr_assert_eq(order("o", "web", 9), CODE_OK);
    cr_assert_eq(step_supply(ledger_arrive, "t", -1, 0, true, "again", 0), CODE_OK);
    ask_id("t");
    assert_told((const char *const[]){
        "transfer main shared 3 held", "transfer main shared 4 held",
        "ship main shared -3 in_transit", "ship store in_transit 3 in_transit",
        "ship main shared -4 in_transit", "ship store in_transit 4 in_transit",
        "arrive store in_transit -3 in_transit", "arrive store shared 2 in_transit",
        "arrive store damaged 1 in_transit", "arrive store in_transit -3 arrived",
        "arrive store shared 3 arrived", "arrive store in_transit -1 arrived",
        "arrive store shared 1 arrived", NULL });
    ask_id("lorry");
    cr_assert_str_eq(ids[0][0], "t");
    cr_assert_str_eq(ids[0][1], "lorry");
    assert_told((const char *const[]){ "arrive - - 2", NULL });
    ask_id("o");
    assert_told((const char *const[]){ "reserve main shared 6 confirmed",
                                       "reserve store shared 2 confirmed",
                                       "reserve store expected 1 confirmed", NULL });
}

Test(history_supply, of_an_id_what_came_after_a_snapshot)
{
    struct history history;
    struct history_filter filter = filter_of("t");
    cr_assert_eq(order_supply("t", "main", 4, 3, NOW + HOUR, true), CODE_OK);
    step(ledger_ship, "t", 3, 0, false);
    make_supply("other", NULL, 5, NOW + HOUR, false);
    ledger_rig_drain(&rig);
    begin_with_contents(&history, &filter);
    size_t from = rig.length;
    event_count = 0;
    step(ledger_arrive, "other", -1, 0, false);
    step(ledger_arrive, "t", 2, 0, true);
    step(ledger_withdraw, "t", -1, 0, false);
    fold(&history, from);
    assert_told((const char *const[]){
        "arrive store in_transit -3 in_transit", "arrive store shared 2 in_transit",
        "withdraw main shared 3 arrived", "withdraw main shared 1 arrived", NULL });
    history_close(&history);
}

/* ---- at random: what is told adds up, and stock then is what it was ---- */

struct sum {
    struct pool_key key;
    int64_t on_hand;
};

static struct sum sums[512];
static uint32_t sum_count;

static int64_t *sum_of(const struct pool_key *key)
{
    uint32_t i = 0;
    while (i < sum_count && memcmp(&sums[i].key, key, sizeof *key) != 0)
        i++;
    cr_assert_lt(i, 512);
    if (i == sum_count)
        sums[sum_count++] = (struct sum){ .key = *key };
    return &sums[i].on_hand;
}

/* As docs/PROTOCOL.md says which events change what is on hand. */
static int64_t on_hand_by(const struct history_event *e)
{
    static const char *const kinds[] = { "receive", "adjust", "count", "return",
                                         "allot",   "expect", "ship",  "arrive" };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(e->type, kinds[i]) == 0)
            return e->qty;
    if (strcmp(e->type, "fulfil") == 0)
        return -e->qty;
    if (strcmp(e->type, "transfer") == 0)
        return strcmp(e->state, "held") == 0 ? 0 : e->qty;
    if (strcmp(e->type, "withdraw") == 0)
        return strcmp(e->kind, "expected") == 0 ? e->qty : 0;
    return 0;
}

/* The last answer about a supply, if there is one, against what is told of it. */
static void assert_state(const char *done)
{
    for (uint32_t i = 0; i < event_count && view.state; i++)
        if (strcmp(ids[i][0], view_id) == 0)
            cr_assert(strcmp(events[i].state, view.state) == 0 && events[i].eta_ms == view.eta_ms,
                      "%s: %s, and not %s", done, told(i), view.state);
}

static void add_up(const char *done)
{
    for (uint32_t i = 0; i < event_count; i++) {
        const struct history_event *e = &events[i];
        if (!e->has_pool)
            continue;
        int64_t *sum = sum_of(&e->pool);
        *sum += on_hand_by(e);
        cr_assert_eq(*sum, e->on_hand, "%s: %s, and not %lld", done, told(i), (long long)*sum);
    }
    event_count = 0;
}

static bool same(const struct history_shown *then, const struct pool_view *now)
{
    return then->key.location == now->place && strcmp(then->kind, now->kind) == 0 &&
           then->on_hand == now->on_hand && then->reserved == now->reserved &&
           then->eta_ms == now->eta_ms && text_equal(then->supply, now->supply);
}

static void assert_stock(const char *done)
{
    struct history_query *query = history_query_new(HISTORY_STOCK);
    struct stock_view now;
    cr_assert_eq(ledger_stock(ctx, text_of("tea"), &now), CODE_OK);
    cr_assert_eq(history_keep_stock(query, &of_tea), 0);
    history_settle_texts(query);
    for (uint32_t i = 0; i < now.pool_count; i++) {
        bool found = false;
        for (uint32_t j = 0; j < query->pool_count && !found; j++)
            found = same(&query->pools[j], &now.pools[i]);
        cr_assert(found || (now.pools[i].on_hand == 0 && now.pools[i].reserved == 0),
                  "%s: %s at %u: %lld/%lld", done, now.pools[i].kind, now.pools[i].place,
                  (long long)now.pools[i].on_hand, (long long)now.pools[i].reserved);
    }
    cr_assert_leq(query->pool_count, now.pool_count, "%s: a pool that is not there", done);
    history_query_free(query);
}

static const char *do_something(struct random *r, int n)
{
    static supply_method *const steps[] = { ledger_ship, ledger_arrive, ledger_withdraw,
                                            ledger_arrive };
    static const char *const names[] = { "ship", "arrive", "withdraw", "arrive" };
    char id[16], supply[16], held[16];
    struct random *random = r;
    int what = random_below(random, 14), step = random_below(random, 4);
    uint64_t eta = ctx->wall_ms + (uint64_t)random_between(random, 1, 60) * HOUR;
    view = (struct supply_view){ 0 };
    bool outside = random_chance(random, 50), hold = !outside && random_chance(random, 40);
    snprintf(id, sizeof id, "n%d", n);
    snprintf(supply, sizeof supply, "n%d", n - random_between(random, 1, 25));
    snprintf(held, sizeof held, "n%d", n - random_between(random, 1, 25));
    if (what == 0 || what == 1) {
        receive(id, "tea", random_chance(random, 50) ? "main" : "store",
                random_between(random, 1, 6));
        return "receive";
    }
    if (what <= 4) {
        order_supply(id, outside ? NULL : "main", random_between(random, 1, 6),
                     random_chance(random, 30) ? 2 : 0, random_chance(random, 90) ? eta : 0, hold);
        return outside ? "expect" : "transfer";
    }
    if (what <= 8) {
        bool all = random_chance(random, 40);
        step_supply(steps[step], supply, all ? -1 : random_between(random, 1, 4),
                    random_chance(random, 30) ? 1 : 0, random_chance(random, 20),
                    !all && random_chance(random, 30) ? id : NULL,
                    step == 0 && random_chance(random, 50) ? eta : 0);
        return names[step];
    }
    if (what == 9) {
        step_supply(ledger_reschedule, supply, -1, 0, false, NULL, eta);
        return "reschedule";
    }
    if (what == 10 && random_chance(random, 30)) {
        at_time(ctx->wall_ms + (uint64_t)random_between(random, 1, 30) * HOUR);
        return "a later time";
    }
    if (what <= 12) {
        order(id, "web", random_between(random, 1, 6));
        return "reserve";
    }
    settle(held, random_chance(random, 50) ? 0 : 1, random_chance(random, 50));
    return "fulfil or cancel";
}

Test(history_supply, at_random_it_adds_up_and_shows_what_stock_showed)
{
    unsigned seen = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct random random = { seed };
        char done[64];
        sum_count = 0;
        if (seed > 1) {
            tear_down();
            set_up();
        }
        for (int n = 0; n < 300; n++) {
            snprintf(done, sizeof done, "seed %u, step %d: %s", (unsigned)seed, n,
                     do_something(&random, n));
            follow();
            seen += event_count;
            if (view.state)
                snprintf(view_id, sizeof view_id, "%.*s", (int)view.id.len, view.id.at);
            assert_state(done);
            add_up(done);
            assert_stock(done);
            if (random_chance(&random, 2)) {
                struct history_filter tea = of_tea.filter;
                history_close(&of_tea);
                begin_with_contents(&of_tea, &tea);
                assert_stock("begun anew");
            }
        }
    }
    cr_assert_gt(seen, 3000);
}
