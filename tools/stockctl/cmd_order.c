/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_order.c - commands on reservations. */
#include "tools/stockctl/ctl.h"

#include <stdlib.h>
#include <string.h>

int pack_lines(const struct args *args, size_t first, bool with_location, stockd_pack *pack)
{
    struct order_line line;

    stockd_pack_array(pack, args->count - first);
    for (size_t i = first; i < args->count; i++) {
        int failed = args_order_line(args, args->positional[i], &line);
        if (failed != CTL_DONE)
            return failed;
        if (line.location != NULL && !with_location)
            return usage_error(args, "'%s': this command takes no location", args->positional[i]);
        stockd_pack_array(pack, line.location != NULL ? 3 : 2);
        stockd_pack_str_n(pack, line.sku, line.sku_len);
        stockd_pack_i64(pack, line.qty);
        if (line.location != NULL)
            stockd_pack_str(pack, line.location);
    }
    return CTL_DONE;
}

/* The transfers that were made with it, a row for each. */
static void show_sends(struct table *table, stockd_value result)
{
    stockd_value sends;
    stockd_value id;

    if (!stockd_map_find(result, "sends", &sends))
        return;
    stockd_iter it = stockd_iterate(sends);
    while (stockd_next(&it, NULL, &id)) {
        char *text = show_text("id", id);
        table_add(table, "sent by");
        table_add(table, text);
        free(text);
    }
}

/* "state  held" and the like, without the lines; expires_ms with the time left. */
static void show_head(stockd_value result, const char *id)
{
    static const char *const titles[] = { "<", "<", NULL };
    struct table *table = table_untitled(titles);
    stockd_iter it = stockd_iterate(result);
    stockd_value key;
    stockd_value value;
    char name[64];

    table_add(table, "id");
    table_add(table, id);
    while (stockd_next(&it, &key, &value)) {
        if (stockd_value_kind(value) == STOCKD_KIND_ARRAY ||
            stockd_value_kind(value) == STOCKD_KIND_NIL ||
            !stockd_value_copy_str(key, name, sizeof(name)) || strcmp(name, "id") == 0)
            continue;
        char *text = show_text(name, value);
        table_add(table, strcmp(name, "expires_ms") == 0 ? "expires" : name);
        table_add(table, text);
        free(text);
    }
    show_sends(table, result);
    table_print(table, stdout, "");
}

static void show_reservation(const struct ctl *ctl, stockd_value result, const char *id)
{
    static const struct column columns[] = {
        { "sku", "<SKU" },        { "location", "<LOCATION" },   { "qty", ">QTY" },
        { "ready_ms", "<READY" }, { "fulfilled", ">FULFILLED" }, { "cancelled", ">CANCELLED" },
    };
    static const struct column parts[] = {
        { "location", "<LOCATION" },
        { "step", "<STEP" },
        { "ready_ms", "<READY" },
        { "collect_by_ms", "<COLLECT BY" },
    };

    if (ctl->json) {
        show_json(result, id);
        return;
    }
    show_head(result, id);
    show_list(result, "lines", columns, sizeof(columns) / sizeof(columns[0]));
    show_list(result, "parts", parts, sizeof(parts) / sizeof(parts[0]));
    show_missing(result);
}

static int run_reserve(struct ctl *ctl, const struct args *args)
{
    char id[STOCKD_ID_MAX + 1];
    stockd_pack pack;
    stockd_reply reply;
    bool has_options = args_option_count(args) > 0;
    int failed = ctl_take_id(args, id);

    if (failed != CTL_DONE)
        return failed;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, has_options ? 4 : 3);
    stockd_pack_str(&pack, id);
    stockd_pack_str(&pack, args->positional[0]);
    failed = pack_lines(args, 1, true, &pack);
    if (failed == CTL_DONE && has_options)
        failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, "reserve", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE)
        show_reservation(ctl, reply.result, id);
    return failed;
}

static int run_extend(struct ctl *ctl, const struct args *args)
{
    int64_t ttl_ms;
    stockd_pack pack;
    stockd_reply reply;

    if (!parse_duration(args->positional[1], &ttl_ms))
        return usage_error(args, "'%s' is not a duration like 90s, 15m or 2h", args->positional[1]);
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 2);
    stockd_pack_str(&pack, args->positional[0]);
    stockd_pack_i64(&pack, ttl_ms);
    int failed = ctl_call(ctl, "extend", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE)
        show_reservation(ctl, reply.result, args->positional[0]);
    return failed;
}

static int run_confirm(struct ctl *ctl, const struct args *args)
{
    bool has_options = args_option_count(args) > 0;
    stockd_pack pack;
    stockd_reply reply;
    int failed = CTL_DONE;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, has_options ? 2 : 1);
    stockd_pack_str(&pack, args->positional[0]);
    if (has_options)
        failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, "confirm", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE)
        show_reservation(ctl, reply.result, args->positional[0]);
    return failed;
}

/* METHOD [id], or [id, lines, {op, location}] for a part. */
static int step(struct ctl *ctl, const struct args *args, const char *method)
{
    const char *location = args_option(args, "location");
    bool part = args->count > 1 || args_option(args, "op") != NULL || location != NULL;
    char op[STOCKD_ID_MAX + 1];
    stockd_pack pack;
    stockd_reply reply;
    int failed = ctl_take_op(args, op);

    if (failed != CTL_DONE)
        return failed;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, part ? 3 : 1);
    stockd_pack_str(&pack, args->positional[0]);
    if (part) {
        if (args->count > 1)
            failed = pack_lines(args, 1, false, &pack);
        else
            stockd_pack_nil(&pack);
        stockd_pack_map(&pack, location != NULL ? 2 : 1);
        stockd_pack_str(&pack, "op");
        stockd_pack_str(&pack, op);
        if (location != NULL) {
            stockd_pack_str(&pack, "location");
            stockd_pack_str(&pack, location);
        }
    }
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, method, &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    if (part && !ctl->json)
        printf("op     %s\n", op); /* in line with what follows */
    show_reservation(ctl, reply.result, args->positional[0]);
    return CTL_DONE;
}

/* METHOD [id, location, {options}]. */
static int part_step(struct ctl *ctl, const struct args *args, const char *method)
{
    bool has_options = args_option_count(args) > 0;
    stockd_pack pack;
    stockd_reply reply;
    int failed = CTL_DONE;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, has_options ? 3 : 2);
    stockd_pack_str(&pack, args->positional[0]);
    stockd_pack_str(&pack, args->positional[1]);
    if (has_options)
        failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, method, &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE)
        show_reservation(ctl, reply.result, args->positional[0]);
    return failed;
}

/* METHOD [id, lines, {op}]. */
static int redraw(struct ctl *ctl, const struct args *args, const char *method,
                  int pack_all(const struct args *args, stockd_pack *pack))
{
    char op[STOCKD_ID_MAX + 1];
    stockd_pack pack;
    stockd_reply reply;
    int failed = ctl_take_op(args, op);

    if (failed != CTL_DONE)
        return failed;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 3);
    stockd_pack_str(&pack, args->positional[0]);
    failed = pack_all(args, &pack);
    stockd_pack_map(&pack, 1);
    stockd_pack_str(&pack, "op");
    stockd_pack_str(&pack, op);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, method, &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    if (!ctl->json)
        printf("op  %s\n", op);
    show_reservation(ctl, reply.result, args->positional[0]);
    return CTL_DONE;
}

static int pack_amended(const struct args *args, stockd_pack *pack)
{
    return pack_lines(args, 1, true, pack);
}

static int run_amend(struct ctl *ctl, const struct args *args)
{
    return redraw(ctl, args, "amend", pack_amended);
}

static void pack_given(const struct args *args, const char *name, const char *key,
                       stockd_pack *pack)
{
    if (args_option(args, name) == NULL)
        return;
    stockd_pack_str(pack, key);
    stockd_pack_str(pack, args_option(args, name));
}

/* reject [id, location, lines or nil, {op, reason, on_fail}]. */
static int run_reject(struct ctl *ctl, const struct args *args)
{
    char op[STOCKD_ID_MAX + 1];
    stockd_pack pack;
    stockd_reply reply;
    int failed = ctl_take_op(args, op);

    if (failed != CTL_DONE)
        return failed;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 4);
    stockd_pack_str(&pack, args->positional[0]);
    stockd_pack_str(&pack, args->positional[1]);
    if (args->count > 2)
        failed = pack_lines(args, 2, false, &pack);
    else
        stockd_pack_nil(&pack);
    stockd_pack_map(&pack, 1 + (args_option(args, "reason") != NULL) +
                               (args_option(args, "on-fail") != NULL));
    stockd_pack_str(&pack, "op");
    stockd_pack_str(&pack, op);
    pack_given(args, "reason", "reason", &pack);
    pack_given(args, "on-fail", "on_fail", &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, "reject", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    if (!ctl->json)
        printf("op  %s\n", op);
    show_reservation(ctl, reply.result, args->positional[0]);
    return CTL_DONE;
}

/* ID FROM TO SKU:QTY... */
static int pack_moves(const struct args *args, stockd_pack *pack)
{
    struct order_line line;

    stockd_pack_array(pack, args->count - 3);
    for (size_t i = 3; i < args->count; i++) {
        int failed = args_order_line(args, args->positional[i], &line);
        if (failed != CTL_DONE)
            return failed;
        if (line.location != NULL)
            return usage_error(args, "'%s': FROM and TO are the locations", args->positional[i]);
        stockd_pack_array(pack, 4);
        stockd_pack_str_n(pack, line.sku, line.sku_len);
        stockd_pack_str(pack, args->positional[1]);
        stockd_pack_str(pack, args->positional[2]);
        stockd_pack_i64(pack, line.qty);
    }
    return CTL_DONE;
}

static int run_move(struct ctl *ctl, const struct args *args)
{
    return redraw(ctl, args, "move", pack_moves);
}

static int run_ready(struct ctl *ctl, const struct args *args)
{
    return part_step(ctl, args, "ready");
}

static int run_restock(struct ctl *ctl, const struct args *args)
{
    return part_step(ctl, args, "restock");
}

static int run_fulfil(struct ctl *ctl, const struct args *args)
{
    return step(ctl, args, "fulfil");
}

static int run_cancel(struct ctl *ctl, const struct args *args)
{
    return step(ctl, args, "cancel");
}

static int run_reservation(struct ctl *ctl, const struct args *args)
{
    stockd_pack pack;
    stockd_reply reply;

    stockd_pack_init(&pack, NULL, 0);
    bool has_options = args_option_count(args) > 0;
    int failed = CTL_DONE;
    stockd_pack_array(&pack, has_options ? 2 : 1);
    stockd_pack_str(&pack, args->positional[0]);
    if (has_options)
        failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, "reservation", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE)
        show_reservation(ctl, reply.result, args->positional[0]);
    return failed;
}

static const struct option reservation_options[] = {
    OPTION_MIN_LSN,
    { .name = NULL },
};

static const struct option reserve_options[] = {
    { "id", "ID", "the order's id; generated if not given", NULL, OPTION_TEXT },
    { "ttl", "DURATION", "hold for 15m, 90s, 2h (the channel's hold-ttl)", "ttl_ms",
      OPTION_MILLIS },
    ORDER_TERMS,
    { "ref", "TEXT", "what you call it; stored with it", "ref", OPTION_TEXT },
    { "partial", NULL, "take what is there, if not all of it", "partial", OPTION_FLAG },
    { "backorder", NULL, "promise what is not there, within the items' backorder limits",
      "backorder", OPTION_FLAG },
    { "confirm", NULL, "confirm at once", "confirm", OPTION_FLAG },
    { .name = NULL },
};

static const struct option confirm_options[] = {
    { "ref", "TEXT", "a reference to keep with it", "ref", OPTION_TEXT },
    { .name = NULL },
};

static const struct option step_options[] = {
    { "location", "CODE", "only what is drawn from there", NULL, OPTION_TEXT },
    { "op", "ID", "makes a repeated part harmless; else generated", NULL, OPTION_TEXT },
    { .name = NULL },
};

static const struct option ready_options[] = {
    { "collect-by", "TIME", "when it counts as not collected (never)", "collect_by_ms",
      OPTION_TIME },
    { "op", "ID", "makes a repeated step harmless", "op", OPTION_TEXT },
    { .name = NULL },
};

static const struct option restock_options[] = {
    { "op", "ID", "makes a repeated step harmless", "op", OPTION_TEXT },
    { .name = NULL },
};

static const struct option reject_options[] = {
    { "reason", "WHY", "not_found, damaged or busy (not_found)", NULL, OPTION_TEXT },
    { "on-fail", "WHAT", "of what nobody has: unsourced or cancel (unsourced)", NULL, OPTION_TEXT },
    { "op", "ID", "makes a repeated step harmless; else generated", NULL, OPTION_TEXT },
    { .name = NULL },
};

const struct command order_commands[] = {
    {
        .name = "reserve",
        .summary = "Reserve all lines of an order, or none",
        .usage = "CHANNEL SKU[:QTY[@LOCATION]]... [OPTION]...",
        .details = "A line without QTY is one unit. Without LOCATION and --at the engine chooses.\n"
                   "An SKU with ':' or '@' in it needs its QTY: A:B:1.",
        .example = "stockctl reserve web TEE-RED-M:2 CAP-BLUE:1@store-1 --ttl 15m --id ORDER-1",
        .options = reserve_options,
        .least = 2,
        .most = SIZE_MAX,
        .lines = "lines: sku location qty ready_ms fulfilled cancelled",
        .run = run_reserve,
    },
    {
        .name = "extend",
        .summary = "Hold a reservation for longer, counted from now",
        .usage = "ID DURATION",
        .example = "stockctl extend ORDER-1 30m",
        .least = 2,
        .most = 2,
        .run = run_extend,
    },
    {
        .name = "confirm",
        .summary = "Confirm a held reservation: it no longer expires",
        .usage = "ID [OPTION]...",
        .example = "stockctl confirm ORDER-1 --ref PAYMENT-77",
        .options = confirm_options,
        .least = 1,
        .most = 1,
        .lines = "lines: sku location qty ready_ms fulfilled cancelled",
        .run = run_confirm,
    },
    {
        .name = "amend",
        .summary = "Change what an order is for",
        .usage = "ID SKU[:QTY[@LOCATION]]... [OPTION]...",
        .details = "The lines replace those of the order, all or nothing: what they leave out is\n"
                   "given back, what they add is taken. What was fulfilled stays, and counts.",
        .example = "stockctl amend ORDER-1 TEE-RED-M:3 CAP-BLUE:1",
        .options = restock_options,
        .least = 2,
        .most = SIZE_MAX,
        .lines = "lines: sku location qty ready_ms fulfilled cancelled",
        .run = run_amend,
    },
    {
        .name = "move",
        .summary = "Take units of an order from another place",
        .usage = "ID FROM TO SKU:QTY... [OPTION]...",
        .details = "All or nothing: TO must have them available for the order's channel.",
        .example = "stockctl move ORDER-1 store-1 store-2 TEE-RED-M:1",
        .options = restock_options,
        .least = 4,
        .most = SIZE_MAX,
        .lines = "lines: sku location qty ready_ms fulfilled cancelled",
        .run = run_move,
    },
    {
        .name = "reject",
        .summary = "Say that a place cannot give what an order draws from it",
        .usage = "ID LOCATION [SKU:QTY...] [OPTION]...",
        .details =
            "The stock there is corrected by the reason, and the units are drawn from other\n"
            "places. For what nobody has the order waits, before anyone else. Without\n"
            "lines, all that is left there.",
        .example = "stockctl reject ORDER-1 store-1 TEE-RED-M:1 --reason damaged",
        .options = reject_options,
        .least = 2,
        .most = SIZE_MAX,
        .lines = "lines: sku location qty ready_ms fulfilled cancelled",
        .run = run_reject,
    },
    {
        .name = "ready",
        .summary = "Say that a place has set its part of an order aside",
        .usage = "ID LOCATION [OPTION]...",
        .details = "Its step is then 'ready' until it is fulfilled. Past --collect-by it is\n"
                   "'not_collected': its units stay reserved until you restock them.",
        .example = "stockctl ready ORDER-1 store-1 --collect-by 2026-12-24T18:00:00Z",
        .options = ready_options,
        .least = 2,
        .most = 2,
        .lines = "lines: sku location qty ready_ms fulfilled cancelled",
        .run = run_ready,
    },
    {
        .name = "restock",
        .summary = "Give back what a place set aside and nobody collected",
        .usage = "ID LOCATION [OPTION]...",
        .example = "stockctl restock ORDER-1 store-1",
        .options = restock_options,
        .least = 2,
        .most = 2,
        .lines = "lines: sku location qty ready_ms fulfilled cancelled",
        .run = run_restock,
    },
    {
        .name = "fulfil",
        .summary = "Hand over a confirmed order, or part of it",
        .usage = "ID [SKU:QTY...] [OPTION]...",
        .details = "Without lines, all that is left.",
        .example = "stockctl fulfil ORDER-1 TEE-RED-M:1 --op PARCEL-1",
        .options = step_options,
        .least = 1,
        .most = SIZE_MAX,
        .lines = "lines: sku location qty ready_ms fulfilled cancelled",
        .run = run_fulfil,
    },
    {
        .name = "cancel",
        .summary = "Give back a reservation, or part of it",
        .usage = "ID [SKU:QTY...] [OPTION]...",
        .details = "Without lines, all that is left.",
        .example = "stockctl cancel ORDER-1",
        .options = step_options,
        .least = 1,
        .most = SIZE_MAX,
        .lines = "lines: sku location qty ready_ms fulfilled cancelled",
        .run = run_cancel,
    },
    {
        .name = "reservation",
        .summary = "Show a reservation and its lines",
        .usage = "ID [--min-lsn LSN]",
        .options = reservation_options,
        .example = "stockctl reservation ORDER-1",
        .least = 1,
        .most = 1,
        .lines = "lines: sku location qty ready_ms fulfilled cancelled",
        .run = run_reservation,
    },
    { .name = NULL },
};
