/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_supply.c - what is on its way: expect, transfer, ship, arrive, reschedule, withdraw. */
#include "tools/stockctl/supplies.h"

#include <stdlib.h>
#include <string.h>

/* ---- lines, as people write them ------------------------------------------------------------- */

/* Reads digits up to `end` as a quantity. */
static int take_units(const struct args *args, const char *text, const char *digits,
                      const char *end, int64_t least, int64_t *out)
{
    char number[24];
    size_t len = (size_t)(end - digits);

    if (len == 0 || len >= sizeof(number))
        return usage_error(args, "'%s' is not of the form SKU=QTY", text);
    memcpy(number, digits, len);
    number[len] = '\0';
    return args_int(args, text, number, least, CTL_QUANTITY_MAX, out);
}

/* SKU=QTY, or SKU=ACCEPTED/REJECTED. An SKU may itself contain '=', ':' and '/', so the text is
 * read from its end. */
static int pack_line(const struct args *args, const char *text, bool arrives, stockd_pack *pack)
{
    const char *at = text + strlen(text);
    int64_t qty = 0;
    int64_t rejected = -1;

    while (at > text && *at != '=' && *at != ':')
        at--;
    if (at == text)
        return usage_error(args, "'%s' is not of the form SKU=QTY", text);
    const char *end = arrives ? strchrnul(at, '/') : at + strlen(at);
    int failed = take_units(args, text, at + 1, end, arrives ? 0 : 1, &qty);
    if (failed == CTL_DONE && *end == '/')
        failed = take_units(args, text, end + 1, end + strlen(end), 0, &rejected);
    if (failed != CTL_DONE)
        return failed;
    stockd_pack_array(pack, rejected >= 0 ? 3 : 2);
    stockd_pack_str_n(pack, text, (size_t)(at - text));
    stockd_pack_i64(pack, qty);
    if (rejected >= 0)
        stockd_pack_i64(pack, rejected);
    return CTL_DONE;
}

static int pack_supply_lines(const struct args *args, size_t first, bool arrives, stockd_pack *pack)
{
    int failed = CTL_DONE;

    stockd_pack_array(pack, args->count - first);
    for (size_t i = first; i < args->count && failed == CTL_DONE; i++)
        failed = pack_line(args, args->positional[i], arrives, pack);
    return failed;
}

/* ---- documents ------------------------------------------------------------------------------- */

static void show_document(const struct ctl *ctl, stockd_value result)
{
    static const struct column columns[] = {
        { "sku", "<SKU" },           { "qty", ">QTY" },           { "shipped", ">SHIPPED" },
        { "accepted", ">ACCEPTED" }, { "rejected", ">REJECTED" }, { "lost", ">LOST" },
    };
    static const char *const keys[] = { "id",       "lsn",    "state", "kind",       "from",
                                        "location", "eta_ms", "ref",   "reservation" };
    static const char *const titles[] = { "<", "<", NULL };
    struct table *table = NULL;
    stockd_value value;

    if (ctl->json) {
        show_json(result, NULL);
        return;
    }
    table = table_untitled(titles);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!stockd_map_find(result, keys[i], &value) ||
            stockd_value_kind(value) == STOCKD_KIND_NIL)
            continue;
        char *text = show_text(keys[i], value);
        table_add(table, strcmp(keys[i], "eta_ms") == 0 ? "eta" : keys[i]);
        table_add(table, text);
        free(text);
    }
    table_print(table, stdout, "");
    show_list(result, "lines", columns, sizeof(columns) / sizeof(columns[0]));
}

/* METHOD [id, place..., lines, {options}] */
static int make(struct ctl *ctl, const struct args *args, const char *method, size_t places)
{
    char id[STOCKD_ID_MAX + 1];
    stockd_pack pack;
    stockd_reply reply;
    int failed = ctl_take_id(args, id);

    if (failed != CTL_DONE)
        return failed;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, places + 3);
    stockd_pack_str(&pack, id);
    for (size_t i = 0; i < places; i++)
        stockd_pack_str(&pack, args->positional[i]);
    failed = pack_supply_lines(args, places, false, &pack);
    if (failed == CTL_DONE)
        failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, method, &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE)
        show_document(ctl, reply.result);
    return failed;
}

static int run_expect(struct ctl *ctl, const struct args *args)
{
    return make(ctl, args, "expect", 1);
}

static int run_transfer(struct ctl *ctl, const struct args *args)
{
    return make(ctl, args, "transfer", 2);
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Sends a step whose parameters are packed up to its options, and packs those. op: NULL: none. */
static int send_step(struct ctl *ctl, const struct args *args, const char *method, const char *op,
                     stockd_pack *pack)
{
    stockd_reply reply;

    stockd_pack_map(pack, args_option_count(args) + (op != NULL));
    if (op != NULL) {
        stockd_pack_str(pack, "op");
        stockd_pack_str(pack, op);
    }
    int failed = args_pack_pairs(args, pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, method, pack, STOCKD_RETRY_SAFE, &reply);
    if (failed != CTL_DONE)
        return failed;
    if (op != NULL && !ctl->json)
        printf("op     %s\n", op); /* in line with what follows */
    show_document(ctl, reply.result);
    return CTL_DONE;
}

/* METHOD [id, lines or nil, {options}]. A step of a part gets an op; one of all that is left can be
 * repeated without. */
static int step(struct ctl *ctl, const struct args *args, const char *method, bool arrives)
{
    bool has_op = args->count > 1 || args_option(args, "op") != NULL;
    char op[STOCKD_ID_MAX + 1];
    stockd_pack pack;
    int failed = ctl_take_op(args, op);

    if (failed != CTL_DONE)
        return failed;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 3);
    stockd_pack_str(&pack, args->positional[0]);
    if (args->count > 1)
        failed = pack_supply_lines(args, 1, arrives, &pack);
    else
        stockd_pack_nil(&pack);
    if (failed == CTL_DONE)
        failed = send_step(ctl, args, method, has_op ? op : NULL, &pack);
    stockd_pack_free(&pack);
    return failed;
}

static int run_ship(struct ctl *ctl, const struct args *args)
{
    return step(ctl, args, "ship", false);
}

static int run_arrive(struct ctl *ctl, const struct args *args)
{
    return step(ctl, args, "arrive", true);
}

static int run_withdraw(struct ctl *ctl, const struct args *args)
{
    return step(ctl, args, "withdraw", false);
}

/* reschedule [id, eta_ms, {op}] */
static int run_reschedule(struct ctl *ctl, const struct args *args)
{
    const char *eta = args_option(args, "eta");
    char op[STOCKD_ID_MAX + 1];
    int64_t eta_ms;
    stockd_pack pack;
    int failed = ctl_take_op(args, op);

    if (failed != CTL_DONE)
        return failed;
    if (eta == NULL)
        return usage_error(args, "--eta is missing: when it comes");
    if (!parse_time(eta, &eta_ms))
        return usage_error(args, "--eta: '%s' is not a time like 2025-03-01T14:05:00 or +2h", eta);
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 3);
    stockd_pack_str(&pack, args->positional[0]);
    stockd_pack_i64(&pack, eta_ms);
    failed = send_step(ctl, args, "reschedule", args_option(args, "op") ? op : NULL, &pack);
    stockd_pack_free(&pack);
    return failed;
}

/* ---- supply, supplies ------------------------------------------------------------------------ */

static int run_supply(struct ctl *ctl, const struct args *args)
{
    stockd_pack pack;
    stockd_reply reply;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, args->positional[0]);
    int failed = ctl_call(ctl, "supply", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE)
        show_document(ctl, reply.result);
    return failed;
}

/* Gathers rows for the table, or records for JSON. */
struct listing {
    struct table *table;
    json_t *json; /* NULL: a table is wanted */
};

static void add_supply(void *context, stockd_value supply)
{
    static const char *const keys[] = { "id", "kind", "state", "from", "location", "eta_ms" };
    struct listing *listing = context;
    struct supply_lines lines;
    struct supply_line line;
    stockd_value value = { 0 };
    int64_t units = 0;
    int64_t under_way = 0;

    if (listing->json != NULL) {
        json_array_append_new(listing->json, json_from_value(supply));
        return;
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        value = (stockd_value){ 0 };
        stockd_map_find(supply, keys[i], &value);
        char *text = show_text(keys[i], value);
        table_add(listing->table, text);
        free(text);
    }
    supply_lines_of(supply, &lines);
    while (supply_line_next(&lines, &line)) {
        units += line.qty;
        under_way += line.under_way;
    }
    table_add_format(listing->table, "%lld", (long long)units);
    table_add_format(listing->table, "%lld", (long long)under_way);
    value = (stockd_value){ 0 };
    stockd_map_find(supply, "ref", &value);
    char *ref = show_text("ref", value);
    table_add(listing->table, ref);
    free(ref);
}

static int run_supplies(struct ctl *ctl, const struct args *args)
{
    static const char *const titles[] = { "<ID",  "<KIND",  "<STATE",     "<FROM", "<LOCATION",
                                          "<ETA", ">UNITS", ">UNDER WAY", "<REF",  NULL };
    struct listing listing = { .table = table_new(titles),
                               .json = ctl->json ? json_array() : NULL };
    uint64_t lsn = 0;
    int failed = supplies_each(ctl, args, false, &lsn, add_supply, &listing);

    if (failed != CTL_DONE || ctl->json)
        table_free(listing.table);
    else
        table_print(listing.table, stdout, "");
    if (failed == CTL_DONE && ctl->json)
        show_json_value(json_pack("{s:I, s:O}", "lsn", (json_int_t)lsn, "supplies", listing.json));
    json_decref(listing.json);
    return failed;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define ETA_OPTION(help)                                                                           \
    {                                                                                              \
        "eta", "TIME", help, "eta_ms", OPTION_TIME                                                 \
    }
#define ID_OPTION                                                                                  \
    {                                                                                              \
        "id", "ID", "the supply's id; generated if not given", NULL, OPTION_TEXT                   \
    }
#define REF_OPTION                                                                                 \
    {                                                                                              \
        "ref", "TEXT", "a reference to keep with it", "ref", OPTION_TEXT                           \
    }
#define OP_OPTION                                                                                  \
    {                                                                                              \
        "op", "ID", "makes a repeated part harmless; else generated", NULL, OPTION_TEXT            \
    }
#define TIMES                                                                                      \
    "TIME is like 2026-12-01T14:00 (local), or +2d for two days from now, or milliseconds\n"       \
    "since the epoch."

static const struct option expect_options[] = {
    ETA_OPTION("when it comes; without, it is never promised"),
    REF_OPTION,
    ID_OPTION,
    { .name = NULL },
};

static const struct option transfer_options[] = {
    ETA_OPTION("when it comes; without, it arrives at once"),
    { "hold", NULL, "hold the units where they are until `ship`", "ship", OPTION_UNFLAG },
    REF_OPTION,
    ID_OPTION,
    { .name = NULL },
};

static const struct option ship_options[] = {
    ETA_OPTION("when it comes; without one, it arrives at once"),
    OP_OPTION,
    { .name = NULL },
};

static const struct option arrive_options[] = {
    { "close", NULL, "what has not come by now is lost", "close", OPTION_FLAG },
    OP_OPTION,
    { .name = NULL },
};

static const struct option reschedule_options[] = {
    { "eta", "TIME", "when it comes", NULL, OPTION_TIME },
    { "op", "ID", "makes a repetition harmless, whatever came in between", NULL, OPTION_TEXT },
    { .name = NULL },
};

static const struct option withdraw_options[] = { OP_OPTION, { .name = NULL } };

static const struct option supplies_options[] = {
    { "location", "CODE", "only what goes there", "location", OPTION_TEXT },
    { "state", "STATE", "only held, in_transit, arrived or withdrawn", "state", OPTION_TEXT },
    { "late", NULL, "only what should have come by now", "late", OPTION_FLAG },
    { .name = NULL },
};

const struct command supply_commands[] = {
    {
        .name = "expect",
        .summary = "Announce units that come from outside",
        .usage = "LOCATION SKU=QTY... [OPTION]...",
        .details =
            "Channels that promise supply sell them from now on, until they are late. Items\n"
            "that do not exist yet are created.\n" TIMES,
        .example = "stockctl expect depot TEE-RED-M=200 CAP-BLUE=50 --eta +5d --ref PO-4711",
        .options = expect_options,
        .least = 2,
        .most = SIZE_MAX,
        .lines = "lines: sku qty shipped accepted rejected lost",
        .run = run_expect,
    },
    {
        .name = "transfer",
        .summary = "Send units from one location to another",
        .usage = "FROM TO SKU=QTY... [OPTION]...",
        .details = "All or nothing, and only what nobody was promised; safety stock may go. With\n"
                   "--hold it is under way only once it is shipped.\n" TIMES,
        .example = "stockctl transfer depot store-1 TEE-RED-M=12 --eta +1d --id TRUCK-7",
        .options = transfer_options,
        .least = 3,
        .most = SIZE_MAX,
        .lines = "lines: sku qty shipped accepted rejected lost",
        .run = run_transfer,
    },
    {
        .name = "ship",
        .summary = "Ship a held transfer, or part of it",
        .usage = "ID [SKU=QTY]... [OPTION]...",
        .details =
            "Without lines, all that is held. While a part is under way, the others go with\n"
            "the same ETA.\n" TIMES,
        .example = "stockctl ship TRUCK-8 TEE-RED-M=6 --eta 2026-12-01T14:00",
        .options = ship_options,
        .least = 1,
        .most = SIZE_MAX,
        .lines = "lines: sku qty shipped accepted rejected lost",
        .run = run_ship,
    },
    {
        .name = "arrive",
        .summary = "Take in what has come of a supply",
        .usage = "ID [SKU=ACCEPTED[/REJECTED]]... [OPTION]...",
        .details =
            "Without lines, all that is left has come, and is accepted. What is rejected\n"
            "goes to damaged stock. Without --close the rest stays expected; if nothing has\n"
            "come at all: `arrive ID SKU=0 --close`.",
        .example = "stockctl arrive TRUCK-7 TEE-RED-M=10/1 --close",
        .options = arrive_options,
        .least = 1,
        .most = SIZE_MAX,
        .lines = "lines: sku qty shipped accepted rejected lost",
        .run = run_arrive,
    },
    {
        .name = "reschedule",
        .summary = "Change when a supply comes",
        .usage = "ID --eta TIME [--op ID]",
        .details = "What was promised from it is ready at other times then.\n" TIMES,
        .example = "stockctl reschedule TRUCK-7 --eta +3h",
        .options = reschedule_options,
        .least = 1,
        .most = 1,
        .lines = "lines: sku qty shipped accepted rejected lost",
        .run = run_reschedule,
    },
    {
        .name = "withdraw",
        .summary = "Cancel what has not been shipped, or what was expected and has not come",
        .usage = "ID [SKU=QTY]... [--op ID]",
        .details =
            "Without lines, all that is left. Of a transfer, what was not shipped is free again\n"
            "where it lies; what was shipped can only arrive.",
        .example = "stockctl withdraw TRUCK-8",
        .options = withdraw_options,
        .least = 1,
        .most = SIZE_MAX,
        .lines = "lines: sku qty shipped accepted rejected lost",
        .run = run_withdraw,
    },
    {
        .name = "supply",
        .summary = "Show a supply and its lines",
        .usage = "ID",
        .example = "stockctl supply TRUCK-7",
        .least = 1,
        .most = 1,
        .lines = "lines: sku qty shipped accepted rejected lost",
        .run = run_supply,
    },
    {
        .name = "supplies",
        .summary = "List supplies and how much of them is under way",
        .usage = "[OPTION]...",
        .example = "stockctl supplies --location store-1 --state in_transit",
        .options = supplies_options,
        .list = "supplies: id state kind from location eta_ms ref",
        .run = run_supplies,
    },
    { .name = NULL },
};
