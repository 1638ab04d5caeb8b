/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reserve says of when an order is ready is what a model says that walks minute by minute:
 * places with random calendars in three time zones, dispatch times, lead times of places and of
 * stockings; over changes of all of these, days that pass, and starts from the journal or from a
 * snapshot. What was promised once stays so.
 *
 *   ready_times [--seed N] [--seconds S]
 *
 * No opening hour and no dispatch falls where the clocks of a zone change: property/opening_hours
 * is about that.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/contents_rig.h"
#include "tests/support/fake_zones.h"
#include "tests/support/histories.h"
#include "tests/support/random.h"

enum { PLACES = 5, CALENDARS = 4, HOURS_MOST = 6, DISPATCHES = 5, STEPS = 150, KEPT = 64 };
/* Every place with opening hours in the week has two at least: no lead time takes longer. */
enum { LEAD_TIME_MOST_S = 100000, DAYS_MOST = 150 };

/* What the model knows. */
struct model_hours {
    bool known, has_week;
    const char *tz;
    unsigned week_count, closed_count, extra_count;
    struct week_hours week[HOURS_MOST];
    int32_t closed[HOURS_MOST];
    struct date_hours extra[HOURS_MOST];
};

struct model_place {
    int calendar; /* -1: none */
    unsigned dispatch_count;
    uint16_t dispatch[DISPATCHES];
    uint32_t lead_time_s;
    int64_t item_lead_time_s; /* of the stocking; -1: not set */
};

static const char *const zone_names[] = { "UTC", "Test/Saving", "Test/Half" };

static struct random r;
static struct histories histories;
static uint64_t now_ms;
static int step;
static struct fake_zones zones;
static struct ledger_rig rig;
static struct model_hours calendars[CALENDARS];
static struct model_place places[PLACES];
static struct {
    char id[16];
    uint64_t ready_ms;
} kept[KEPT];
static unsigned orders;

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void wrong(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("seed %llu, step %d, at %llu: ", (unsigned long long)histories.seed, step,
           (unsigned long long)now_ms);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    exit(1);
}

static void must(const struct ctx *ctx, enum code code, const char *what)
{
    if (code != CODE_OK)
        wrong("%s: %s", what, ctx_failure(ctx)->message);
}

/* ---- the model ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t local_ms(const char *tz, int64_t ms)
{
    return ms + fake_zone_offset_s(tz, ms) * INT64_C(1000);
}

static int week_minute(int64_t local)
{
    int64_t day = floor_div(local, DAY_MS);
    return (int)((day + 3) % 7 * DAY_MINUTES + (local - day * DAY_MS) / MINUTE_MS);
}

static bool is_open(const struct model_hours *h, int64_t ms)
{
    if (!h)
        return true;
    int64_t local = local_ms(h->tz, ms), day = floor_div(local, DAY_MS);
    int minute = (int)((local - day * DAY_MS) / MINUTE_MS);
    bool of_its_own = false, open = false;
    for (unsigned i = 0; i < h->extra_count; i++)
        if (h->extra[i].day == day) {
            of_its_own = true;
            open |= minute >= h->extra[i].from && minute < h->extra[i].to;
        }
    if (of_its_own)
        return open;
    for (unsigned i = 0; i < h->closed_count; i++)
        if (h->closed[i] == day)
            return false;
    for (unsigned i = 0; i < h->week_count; i++)
        open |= week_minute(local) >= h->week[i].from && week_minute(local) < h->week[i].to;
    return open || !h->has_week;
}

static uint64_t spent_ms(const struct model_hours *h, int64_t from_ms, int64_t left_ms)
{
    if (left_ms == 0 && is_open(h, from_ms - 1))
        return (uint64_t)from_ms;
    for (int64_t at = from_ms, next; at < from_ms + DAYS_MOST * DAY_MS; at = next) {
        next = (at / MINUTE_MS + 1) * MINUTE_MS;
        if (!is_open(h, at))
            continue;
        if (left_ms <= next - at)
            return (uint64_t)(at + left_ms);
        left_ms -= next - at;
    }
    return READY_NEVER;
}

static uint64_t leaves_ms(const struct model_place *p, const char *tz, uint64_t from_ms)
{
    if (p->dispatch_count == 0 || from_ms == READY_NEVER)
        return from_ms;
    for (uint64_t at = (from_ms + MINUTE_MS - 1) / MINUTE_MS * MINUTE_MS;; at += MINUTE_MS)
        for (unsigned i = 0; i < p->dispatch_count; i++)
            if (week_minute(local_ms(tz, (int64_t)at)) == p->dispatch[i])
                return at;
}

static uint64_t ready_ms(const struct model_place *p, bool pickup)
{
    const struct model_hours *h = p->calendar < 0 ? NULL : &calendars[p->calendar];
    int64_t lead_s = p->item_lead_time_s >= 0 ? p->item_lead_time_s : p->lead_time_s;
    uint64_t ready = spent_ms(h, (int64_t)now_ms, lead_s * 1000);
    return pickup ? ready : leaves_ms(p, h ? h->tz : "UTC", ready);
}

/* ---- settings ---- */

/* Not where a clock changes: from 01:00 to 02:00, or from 20:30 to 21:00. */
static uint16_t pick_minute(int from, int to)
{
    for (;;) {
        int minute = random_between(&r, from, to);
        if ((minute < 60 || minute > 120) && (minute < 1230 || minute > 1260))
            return (uint16_t)minute;
    }
}

static int32_t pick_day(void)
{
    return (int32_t)(now_ms / DAY_MS) + random_between(&r, -2, 12);
}

static void pick_hours(struct model_hours *h)
{
    *h = (struct model_hours){ .known = true,
                               .has_week = h->has_week || random_chance(&r, 75),
                               .tz = zone_names[random_below(&r, 3)] };
    uint16_t after = 0;
    for (int day = 0; h->has_week && day < 7 && h->week_count < HOURS_MOST; day++) {
        if (random_chance(&r, 40))
            continue;
        after = pick_minute(0, 1300);
        uint16_t until =
            random_chance(&r, 20) ? DAY_MINUTES : pick_minute(after + 120, DAY_MINUTES);
        h->week[h->week_count++] = (struct week_hours){ (uint16_t)(day * DAY_MINUTES + after),
                                                        (uint16_t)(day * DAY_MINUTES + until) };
    }
    for (int i = random_below(&r, 4); i > 0; i--)
        h->closed[h->closed_count++] = pick_day();
    if (random_chance(&r, 50)) {
        after = pick_minute(0, 1300);
        h->extra[h->extra_count++] =
            (struct date_hours){ pick_day(), after, pick_minute(after + 1, DAY_MINUTES) };
    }
}

static struct text name(char to[16], char letter, unsigned number)
{
    snprintf(to, 16, "%c%u", letter, number);
    return text_of(to);
}

static void set_calendar(struct ctx *ctx, int number)
{
    char code[16];
    uint64_t lsn;
    struct model_hours *h = &calendars[number];
    pick_hours(h);
    struct calendar_setting s = { .code = name(code, 'c', (unsigned)number),
                                  .has_tz = true,
                                  .tz = text_of(h->tz),
                                  .has_week = h->has_week,
                                  .week = h->week,
                                  .week_count = h->week_count,
                                  .has_closed = true,
                                  .closed = h->closed,
                                  .closed_count = h->closed_count,
                                  .has_extra = true,
                                  .extra = h->extra,
                                  .extra_count = h->extra_count };
    must(ctx, ledger_set_calendar(ctx, &s, &lsn), "calendar");
}

static uint32_t pick_lead_time_s(void)
{
    return random_chance(&r, 30)
               ? 0
               : (uint32_t)random_below(&r, random_chance(&r, 50) ? 7200 : LEAD_TIME_MOST_S);
}

static void pick_dispatch(struct model_place *p)
{
    p->dispatch_count = 0;
    for (int day = 0; day < 7 && p->dispatch_count < DISPATCHES; day++)
        if (random_chance(&r, 40))
            p->dispatch[p->dispatch_count++] =
                (uint16_t)(day * DAY_MINUTES + pick_minute(0, DAY_MINUTES - 1));
}

static void set_place(struct ctx *ctx, int number)
{
    char code[16], calendar[16];
    uint64_t lsn;
    struct model_place *p = &places[number];
    p->calendar = random_between(&r, -1, CALENDARS - 1);
    if (p->calendar >= 0 && !calendars[p->calendar].known)
        p->calendar = -1;
    p->lead_time_s = pick_lead_time_s();
    pick_dispatch(p);
    struct location_setting s = { .code = name(code, 'p', (unsigned)number),
                                  .has_calendar = true,
                                  .has_dispatch = true,
                                  .dispatch = p->dispatch,
                                  .dispatch_count = p->dispatch_count,
                                  .has_lead_time = true,
                                  .lead_time_s = p->lead_time_s,
                                  .has_pickup = true,
                                  .pickup = true };
    if (p->calendar >= 0)
        s.calendar = name(calendar, 'c', (unsigned)p->calendar);
    must(ctx, ledger_set_location(ctx, &s, &lsn), "location");
}

static void set_stocking(struct ctx *ctx, int number)
{
    char code[16];
    uint64_t lsn;
    places[number].item_lead_time_s = pick_lead_time_s();
    struct stocking_setting s = { .sku = text_of("tea"),
                                  .location = name(code, 'p', (unsigned)number),
                                  .has_lead_time = true,
                                  .lead_time_s = places[number].item_lead_time_s };
    must(ctx, ledger_set_stocking(ctx, &s, &lsn), "stocking");
}

/* ---- orders ---- */

/* One that must be ready by then; the code. */
static enum code reserve(struct ctx *ctx, int place, int form, uint64_t by_ms,
                         struct reservation_view *view)
{
    char code[16];
    struct text where = name(code, 'p', (unsigned)place);
    struct order_line line = { .sku = text_of("tea"), .qty = 1 };
    struct order order = { .channel = text_of("default"), .lines = &line, .line_count = 1 };
    order.id = name(kept[orders % KEPT].id, 'r', orders);
    if (form == 0)
        line.location = where; /* a parcel */
    else
        order.at = where;
    if (form == 2)
        order.terms.mode = text_of("ship");
    order.terms.has_by = by_ms != READY_NEVER;
    order.terms.by_ms = by_ms;
    return ledger_reserve(ctx, &order, view);
}

static void order_one(struct ctx *ctx)
{
    struct reservation_view view;
    int place = random_below(&r, PLACES), form = random_below(&r, 3);
    uint64_t wanted = ready_ms(&places[place], form == 1);
    if (random_chance(&r, 30) &&
        reserve(ctx, place, form, (wanted == READY_NEVER ? now_ms + DAY_MS : wanted) - 1, &view) !=
            CODE_INSUFFICIENT_STOCK)
        wrong("p%d, form %d: ready before %llu", place, form, (unsigned long long)wanted);
    must(ctx, reserve(ctx, place, form, random_chance(&r, 50) ? wanted : READY_NEVER, &view),
         "reserve");
    uint64_t got = view.draws[0].ready_ms;
    if (got != wanted)
        wrong("p%d, form %d: ready at %llu, not at %llu", place, form, (unsigned long long)got,
              (unsigned long long)wanted);
    kept[orders++ % KEPT].ready_ms = got;
}

static void check_kept(struct ctx *ctx)
{
    struct reservation_view view;
    for (unsigned i = 0; i < KEPT && i < orders; i++) {
        must(ctx, ledger_reservation(ctx, text_of(kept[i].id), &view), "reservation");
        if (view.draws[0].ready_ms != kept[i].ready_ms)
            wrong("%s was promised for %llu, and now for %llu", kept[i].id,
                  (unsigned long long)kept[i].ready_ms, (unsigned long long)view.draws[0].ready_ms);
    }
}

/* ---- time, and starts ---- */

static void lay_out(void)
{
    struct lay_out_failure failure;
    if (!ledger_lay_out(rig.ledger, now_ms, &failure))
        wrong("not laid out");
}

static void pass_time(void)
{
    now_ms += (uint64_t)random_below(&r, random_chance(&r, 50) ? 100000 : 200000000);
    if (random_chance(&r, 30))
        now_ms = now_ms / MINUTE_MS * MINUTE_MS + MINUTE_MS;
    lay_out();
}

static void restart(void)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    char why[200];
    struct ledger_rig next;
    ledger_rig_drain(&rig);
    size_t imaged = (size_t)(random_next(&r) % (rig.length + 1)), at = 0;
    while (at < imaged)
        at += ledger_rig_record(&rig, at, record);
    if (!(random_chance(&r, 50)
              ? contents_rig_follow(&next, &rig, at, now_ms, why, sizeof why)
              : ledger_rig_follow(&next, &rig, rig.length, now_ms, why, sizeof why)) ||
        !ledgers_equal(rig.ledger, next.ledger, false, why, sizeof why))
        wrong("start: %s", why);
    ledger_rig_close(&rig);
    rig = next;
    rig.ledger->log = &rig.log; /* it has moved with the struct */
    lay_out();
}

/* ---- runs ---- */

static void set_up(void)
{
    struct movement_result moved;
    r.state = histories.seed;
    orders = 0;
    now_ms = UINT64_C(1700000000000) + random_next(&r) % (200 * DAY_MS);
    memset(calendars, 0, sizeof calendars);
    fake_zones_open(&zones);
    struct ledger_config config = { .items = 8,
                                    .pools = 64,
                                    .reservations = 4096,
                                    .contexts = 1,
                                    .hash_seed = histories.seed,
                                    .zones = &zones.source };
    ledger_rig_open(&rig, &config);
    struct ctx *ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, now_ms, now_ms);
    for (int i = 0; i < PLACES; i++) {
        char id[16], code[16];
        places[i] = (struct model_place){ .calendar = -1, .item_lead_time_s = -1 };
        set_place(ctx, i);
        struct movement m = { .id = name(id, 'm', (unsigned)i),
                              .sku = text_of("tea"),
                              .location = name(code, 'p', (unsigned)i),
                              .qty = 1000 };
        must(ctx, ledger_receive(ctx, &m, &moved), "receive");
    }
    ledger_end(ctx);
    lay_out();
}

static void take_step(struct ctx *ctx)
{
    int what = random_below(&r, 10);
    if (what == 0)
        set_calendar(ctx, random_below(&r, CALENDARS));
    else if (what == 1)
        set_place(ctx, random_below(&r, PLACES));
    else if (what == 2)
        set_stocking(ctx, random_below(&r, PLACES));
    else
        order_one(ctx);
    if (random_below(&r, 20) == 0)
        check_kept(ctx);
}

static void run(void)
{
    set_up();
    for (step = 0; step < STEPS; step++) {
        if (random_chance(&r, 25))
            pass_time();
        if (random_chance(&r, 4))
            restart();
        struct ctx *ctx = ledger_ctx(rig.ledger, 0);
        ledger_begin(ctx, now_ms, now_ms);
        take_step(ctx);
        ledger_end(ctx);
    }
    ledger_rig_close(&rig);
}

int main(int argc, char **argv)
{
    if (!histories_begin(&histories, argc, argv, 6, NULL))
        return 2;
    while (histories_next(&histories)) {
        run();
    }
    histories_end(&histories);
    return 0;
}
