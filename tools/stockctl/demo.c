/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo.c - `demo`: loads the trial catalogue into the engine, through the protocol.
 *
 * Each step is a list of independent requests, sent together. Every request has a fixed id, so the
 * demo can be repeated: what was done is not done again.
 */
#include "tools/stockctl/demo.h"
#include "tools/stockctl/ctl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOURS_MS (INT64_C(3600) * 1000)

struct step {
    struct ctl *ctl;
    const struct demo *demo;
    demo_pack_fn *pack;
    struct demo_task *task;
    size_t count;
    size_t passed_over; /* refused because of what has happened since the first demo */
    int failed;
};

static const char *pack_task(void *context, size_t number, stockd_pack *params)
{
    const struct step *step = context;
    return step->pack(step->demo, &step->task[number], params);
}

/* Since an earlier demo an order may have taken another course, or its stock been sold; and what is
 * on its way was due at other times. */
static bool task_done(void *context, size_t number, const stockd_reply *reply)
{
    static const char *const harmless[] = { "wrong_state", "insufficient_stock",
                                            "unknown_reservation", "conflict" };
    struct step *step = context;

    (void)number;
    for (size_t i = 0; reply->code != NULL && i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        if (strcmp(reply->code, harmless[i]) == 0) {
            step->passed_over++;
            return true;
        }
    }
    if (reply->code != NULL && step->failed == CTL_DONE)
        step->failed = ctl_refused(step->ctl, reply);
    return reply->code == NULL;
}

/* ---- Stock --------------------------------------------------------------------------------------
 */

static const char *pack_receive(const struct demo *demo, const struct demo_task *task,
                                stockd_pack *params)
{
    char id[STOCKD_ID_MAX + 1];
    char sku[DEMO_SKU_SIZE];

    snprintf(id, sizeof(id), "demo-in-%zu-%zu", task->what, task->where);
    demo_sku(task->what, sku);
    stockd_pack_array(params, 4);
    stockd_pack_str(params, id);
    stockd_pack_str(params, sku);
    stockd_pack_str(params, demo->place[task->where].code);
    stockd_pack_i64(params, demo->stock[task->what][task->where]);
    return "receive";
}

/* ---- Orders ------------------------------------------------------------------------------------
 */

static void order_id(size_t number, const char *part, char out[STOCKD_ID_MAX + 1])
{
    snprintf(out, STOCKD_ID_MAX + 1, "demo-%04zu%s", number + 1, part);
}

static const char *pack_reserve(const struct demo *demo, const struct demo_task *task,
                                stockd_pack *params)
{
    const struct demo_order *order = &demo->order[task->what];
    char id[STOCKD_ID_MAX + 1];
    char sku[DEMO_SKU_SIZE];

    order_id(task->what, "", id);
    stockd_pack_array(params, 4);
    stockd_pack_str(params, id);
    stockd_pack_str(params, demo_channels[order->channel].code);
    stockd_pack_array(params, order->lines);
    for (size_t i = 0; i < order->lines; i++) {
        demo_sku(order->line[i].item, sku);
        stockd_pack_array(params, 2);
        stockd_pack_str(params, sku);
        stockd_pack_i64(params, order->line[i].qty);
    }
    bool pickup = demo_channels[order->channel].pickup;
    stockd_pack_map(params, (size_t)1 + (order->place >= 0) + pickup);
    stockd_pack_str(params, "ttl_ms"); /* long, so that it is still held tomorrow */
    stockd_pack_i64(params, order->fate == FATE_EXPIRED ? 1 : 48 * HOURS_MS);
    if (order->place >= 0) {
        stockd_pack_str(params, "at");
        stockd_pack_str(params, demo->place[order->place].code);
    }
    if (pickup) {
        stockd_pack_str(params, "mode");
        stockd_pack_str(params, "pickup");
    }
    return "reserve";
}

/* One unit of the first line, under an id of its own. */
static void pack_part(const struct demo_order *order, const char *op, stockd_pack *params)
{
    char sku[DEMO_SKU_SIZE];

    demo_sku(order->line[0].item, sku);
    stockd_pack_array(params, 1);
    stockd_pack_array(params, 2);
    stockd_pack_str(params, sku);
    stockd_pack_i64(params, 1);
    stockd_pack_map(params, 1);
    stockd_pack_str(params, "op");
    stockd_pack_str(params, op);
}

static const char *pack_confirm(const struct demo *demo, const struct demo_task *task,
                                stockd_pack *params)
{
    char id[STOCKD_ID_MAX + 1];

    (void)demo;
    order_id(task->what, "", id);
    stockd_pack_array(params, 1);
    stockd_pack_str(params, id);
    return "confirm";
}

static const char *pack_last(const struct demo *demo, const struct demo_task *task,
                             stockd_pack *params)
{
    const struct demo_order *order = &demo->order[task->what];
    bool in_part = order->fate == FATE_PARTLY_FULFILLED || order->fate == FATE_PARTLY_CANCELLED;
    char id[STOCKD_ID_MAX + 1];
    char op[STOCKD_ID_MAX + 1];

    order_id(task->what, "", id);
    order_id(task->what, "-part", op);
    stockd_pack_array(params, in_part ? 3 : 1);
    stockd_pack_str(params, id);
    if (in_part)
        pack_part(order, op, params);
    return order->fate == FATE_CANCELLED || order->fate == FATE_PARTLY_CANCELLED ? "cancel"
                                                                                 : "fulfil";
}

static const char *pack_return(const struct demo *demo, const struct demo_task *task,
                               stockd_pack *params)
{
    const struct demo_order *order = &demo->order[task->what];
    char id[STOCKD_ID_MAX + 1];
    char reservation[STOCKD_ID_MAX + 1];
    char sku[DEMO_SKU_SIZE];

    order_id(task->what, "-return", id);
    order_id(task->what, "", reservation);
    demo_sku(order->line[0].item, sku);
    stockd_pack_array(params, 5);
    stockd_pack_str(params, id);
    stockd_pack_str(params, sku);
    stockd_pack_str(params, demo->place[order->place >= 0 ? order->place : 0].code);
    stockd_pack_i64(params, 1);
    stockd_pack_map(params, 1);
    stockd_pack_str(params, "reservation");
    stockd_pack_str(params, reservation);
    return "return";
}

/* ---- Steps --------------------------------------------------------------------------------------
 */

static int run_step(struct step *step, const char *label)
{
    const struct pipeline plan = {
        .count = step->count,
        .pack = pack_task,
        .done = task_done,
        .context = step,
        .label = label,
    };
    int failed = pipeline_run(step->ctl, &plan);
    return failed != CTL_DONE ? failed : step->failed;
}

static int run_numbered(struct step *step, const char *label, size_t count)
{
    step->count = count;
    for (size_t i = 0; i < count; i++)
        step->task[i] = (struct demo_task){ .what = i };
    return run_step(step, label);
}

static int run_receives(struct step *step, size_t *receives)
{
    step->pack = pack_receive;
    step->count = 0;
    for (size_t item = 0; item < DEMO_ITEMS; item++)
        for (size_t place = 0; place < DEMO_PLACES; place++)
            if (step->demo->stock[item][place] > 0)
                step->task[step->count++] = (struct demo_task){ .what = item, .where = place };
    *receives = step->count;
    return run_step(step, "stock");
}

/* The orders whose fate is in a set of bits. */
static int run_fates(struct step *step, const char *label, unsigned fates)
{
    step->count = 0;
    for (size_t i = 0; i < DEMO_ORDERS; i++)
        if ((fates >> step->demo->order[i].fate & 1) != 0)
            step->task[step->count++] = (struct demo_task){ .what = i };
    return run_step(step, label);
}

static int run_orders(struct step *step)
{
    const unsigned unconfirmed = 1U << FATE_HELD | 1U << FATE_CANCELLED | 1U << FATE_EXPIRED;
    const unsigned unfinished = 1U << FATE_HELD | 1U << FATE_CONFIRMED | 1U << FATE_EXPIRED;

    step->pack = pack_reserve;
    int failed = run_numbered(step, "orders", DEMO_ORDERS);
    step->pack = pack_confirm;
    if (failed == CTL_DONE)
        failed = run_fates(step, "orders", ~unconfirmed);
    step->pack = pack_last;
    if (failed == CTL_DONE)
        failed = run_fates(step, "orders", ~unfinished);
    step->pack = pack_return;
    if (failed == CTL_DONE)
        failed = run_fates(step, "returns", 1U << FATE_RETURNED);
    step->pack = demo_pack_supply;
    return failed == CTL_DONE ? run_numbered(step, "supplies", DEMO_SUPPLIES) : failed;
}

static int run_steps(struct step *step, size_t *receives)
{
    const struct {
        demo_pack_fn *pack;
        const char *label;
        size_t count;
    } parts[] = {
        { demo_pack_calendar, "calendars", DEMO_CALENDARS },
        { demo_pack_place, "locations", DEMO_PLACES },
        { demo_pack_channel, "channels", DEMO_CHANNELS },
        { demo_pack_item, "items", DEMO_ITEMS },
        { demo_pack_stocking, "stockings", step->demo->stockings },
    };
    int failed = CTL_DONE;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && failed == CTL_DONE; i++) {
        step->pack = parts[i].pack;
        failed = run_numbered(step, parts[i].label, parts[i].count);
    }
    if (failed == CTL_DONE)
        failed = run_receives(step, receives);
    return failed == CTL_DONE ? run_orders(step) : failed;
}

/* ---- What to try
 * --------------------------------------------------------------------------------- */

static void print_trials(const struct ctl *ctl, const struct demo *demo)
{
    char sku[DEMO_SKU_SIZE];
    char other[DEMO_SKU_SIZE];
    char coming[DEMO_SKU_SIZE];
    char part[STOCKD_ID_MAX + 1];
    size_t number = 0;
    size_t best = 0;
    size_t second = 0;

    while (demo_rank(best) != 0)
        best++;
    while (demo_rank(second) != 1)
        second++;
    while (demo->order[number].fate != FATE_PARTLY_FULFILLED)
        number++;
    demo_sku(best, sku);
    demo_sku(second, other);
    demo_sku(demo_on_order(demo), coming);
    order_id(number, "", part);

    bool elsewhere =
        strcmp(ctl->server, CTL_DEFAULT_SERVER) != 0 && getenv("STOCKD_SERVER") == NULL;
    char *call = elsewhere ? text_format("stockctl -s %s", ctl->server) : text_format("stockctl");
    printf("\nTry:\n"
           "  %s location list\n"
           "  %s calendar show stores-fr\n"
           "  %s stock %s\n"
           "  %s availability web %s %s\n"
           "  %s availability pos %s %s\n"
           "  %s locate collect %s %s --mode pickup --lat 48.86 --lon 2.35 --within 20\n"
           "  %s promise web %s:2 %s --lat 48.86 --lon 2.35\n"
           "  %s reserve web %s:2 %s --ttl 15m --id MY-1\n"
           "  %s confirm MY-1\n"
           "  %s fulfil MY-1\n"
           "  %s reservation %s\n"
           "  %s supplies\n"
           "  %s supplies --late\n"
           "  %s promise web %s:2\n"
           "  %s ship demo-held --eta +1d\n"
           "  %s arrive demo-truck-1\n"
           "  %s reserve pos %s:9999 --at berlin\n"
           "  %s export stock | head\n",
           call, call, call, sku, call, sku, other, call, sku, other, call, sku, other, call, sku,
           other, call, sku, other, call, call, call, part, call, call, call, coming, call, call,
           call, sku, call);
    free(call);
}

static int read_trickle(const struct args *args, int64_t *rate, int64_t *orders)
{
    const char *rate_text = args_option(args, "rate");
    const char *orders_text = args_option(args, "orders");
    int failed = CTL_DONE;

    if (args_option(args, "trickle") == NULL && (rate_text != NULL || orders_text != NULL))
        return usage_error(args, "--rate and --orders need --trickle");
    if (rate_text != NULL)
        failed = args_int(args, "rate", rate_text, 1, 1000, rate);
    if (failed == CTL_DONE && orders_text != NULL)
        failed = args_int(args, "orders", orders_text, 1, INT32_MAX, orders);
    return failed;
}

static int year_now(void)
{
    time_t now = time(NULL);
    struct tm today;

    gmtime_r(&now, &today);
    return today.tm_year + 1900;
}

static void show_counts(const struct ctl *ctl, const struct demo *demo, size_t receives)
{
    if (ctl->json) {
        show_json_value(json_pack("{s:i, s:i, s:i, s:i, s:I, s:I, s:i, s:i}", "locations",
                                  DEMO_PLACES, "calendars", DEMO_CALENDARS, "channels",
                                  DEMO_CHANNELS, "items", DEMO_ITEMS, "stockings",
                                  (json_int_t)demo->stockings, "receives", (json_int_t)receives,
                                  "orders", DEMO_ORDERS, "supplies", DEMO_SUPPLIES));
        return;
    }
    printf("%d locations, %d channels, %d items, %zu deliveries, %d orders in all states, "
           "%d supplies\n",
           DEMO_PLACES, DEMO_CHANNELS, DEMO_ITEMS, receives, DEMO_ORDERS, DEMO_SUPPLIES);
    print_trials(ctl, demo);
}

int run_demo(struct ctl *ctl, const struct args *args)
{
    struct demo *demo = must_alloc(1, sizeof(*demo));
    struct step step = { .ctl = ctl, .demo = demo };
    size_t receives = 0;
    int64_t rate = 5;
    int64_t orders = 0;

    demo_make(demo, year_now());
    step.task = must_alloc((size_t)DEMO_ITEMS * DEMO_PLACES, sizeof(*step.task));
    int failed = read_trickle(args, &rate, &orders);

    ctl->quiet = args_option(args, "trickle") != NULL; /* it runs beside other programs */
    if (failed == CTL_DONE)
        failed = run_steps(&step, &receives);
    if (failed == CTL_DONE)
        show_counts(ctl, demo, receives);
    fflush(stdout);
    free(step.task);
    free(demo);
    if (failed == CTL_DONE && args_option(args, "trickle") != NULL)
        failed = run_trickle(ctl, (uint64_t)rate, (uint64_t)orders);
    return failed;
}
