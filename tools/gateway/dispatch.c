/* SPDX-License-Identifier: Apache-2.0 */
/* From requests to calls of the engine, and from its answers to replies. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/gateway/exchange.h"
#include "tools/gateway/print.h"
#include "tools/gateway/problem.h"
#include "tools/gateway/stream.h"
#include "tools/gateway/worker.h"

static const char json_type[] = "application/json";
static const char problem_type[] = "application/problem+json";

/* ---- what the answer is ---- */

static void decide(struct exchange *exchange, unsigned status, const char *type)
{
    exchange->status = status;
    exchange->type = type;
    if (exchange->state == EXCHANGE_READING)
        exchange->state = EXCHANGE_DECIDED;
}

void exchange_give(struct exchange *exchange, const struct answer *answer)
{
    if (!answer->code) {
        print_value(&exchange->reply, answer->result);
        decide(exchange, MHD_HTTP_OK, json_type);
        return;
    }
    bytes_free(&exchange->reply);
    problem_write(&exchange->reply, answer->code, answer->message, answer->details);
    exchange->retry_after = problem_retry_after(answer->code, answer->details);
    decide(exchange, problem_status(answer->code), problem_type);
}

void exchange_refuse(struct exchange *exchange, const char *code, const char *detail)
{
    exchange_give(exchange, &(struct answer){ .code = code, .message = detail });
}

void exchange_refuse_by(struct exchange *exchange, const struct complaint *why)
{
    unsigned char buffer[128];
    stockd_pack details;
    stockd_pack_init(&details, buffer, sizeof buffer);
    stockd_pack_map(&details, why->param[0] ? 1 : 0);
    if (why->param[0]) {
        stockd_pack_str(&details, "param");
        stockd_pack_str(&details, why->param);
    }
    exchange_give(exchange, &(struct answer){ .code = PROBLEM_BAD_REQUEST,
                                              .message = why->message,
                                              .details = { details.data, details.len } });
}

static void refuse_parameter(struct exchange *exchange, const char *name, const char *why)
{
    struct complaint complaint;
    complain(&complaint, name, "%s %s", name, why);
    exchange_refuse_by(exchange, &complaint);
}

/* ---- calls ---- */

/* The last call is done: the answer was decided. */
static void call_ended(struct exchange *exchange)
{
    assert(exchange->waiting > 0);
    if (--exchange->waiting == 0 && exchange->state == EXCHANGE_WAITING)
        exchange_resume(exchange);
}

static void on_result(struct call *call, const struct answer *answer)
{
    struct exchange *exchange = call->owner;
    exchange_give(exchange, answer);
    call_ended(exchange);
}

static struct call *prepare(struct exchange *exchange, const char *method, enum lane lane,
                            void (*done)(struct call *, const struct answer *))
{
    struct call *call = &exchange->calls[exchange->waiting++];
    assert(exchange->waiting <= CALLS_MAX);
    *call = (struct call){
        .method = method, .lane = lane, .again = true, .done = done, .owner = exchange
    };
    stockd_pack_init(&call->params, NULL, 0);
    return call;
}

static void send_calls(struct exchange *exchange)
{
    unsigned count = exchange->waiting;
    for (unsigned i = 0; i < count; i++)
        upstream_send(&exchange->worker->upstream, exchange->token, &exchange->calls[i]);
    if (exchange->waiting == 0)
        exchange->state = EXCHANGE_DECIDED;
    else
        exchange->state = EXCHANGE_WAITING;
}

/* The connections of a pool are shared, so nobody's `hello` may rename them: the gateway says again
 * what it said when it connected. */
static void pack_hello(stockd_pack *pack, const char *token)
{
    stockd_options options = upstream_options(token);
    stockd_pack_array(pack, options.token ? 2 : 1);
    stockd_pack_str(pack, options.client_name);
    if (!options.token)
        return;
    stockd_pack_map(pack, 1);
    stockd_pack_str(pack, "token");
    stockd_pack_str(pack, options.token);
}

static void find_token(stockd_value params, stockd_value *token)
{
    stockd_iter it = stockd_iterate(params);
    stockd_value param;
    *token = (stockd_value){ NULL, 0 };
    while (stockd_next(&it, NULL, &param))
        (void)stockd_map_find(param, "token", token);
}

/* A `hello` may have its token in the body, as the engine takes it: that is the one to test then.
 * False: refused. */
static bool take_token(struct exchange *exchange, stockd_value params)
{
    stockd_value value;
    const char *token;
    size_t len;
    find_token(params, &value);
    if (!stockd_value_str(value, &token, &len))
        return true;
    bool same = strlen(exchange->token) == len && memcmp(exchange->token, token, len) == 0;
    if (exchange->bears_token && !same) {
        refuse_parameter(exchange, "token", "is another one than that of Authorization");
        return false;
    }
    if (len == 0 || len > TOKEN_MAX || memchr(token, '\0', len)) {
        exchange_refuse(exchange, "unauthorized", "the token is empty, too long or has a NUL");
        return false;
    }
    memcpy(exchange->token, token, len);
    exchange->token[len] = '\0';
    return true;
}

static void post_method(struct exchange *exchange)
{
    struct complaint why = { .param = "" };
    struct arguments arguments;
    const struct method *method = exchange->method;
    if (!arguments_read(method, exchange->body.at, exchange->body.len, exchange->key, &arguments,
                        &why)) {
        stockd_pack_free(&arguments.pack);
        exchange_refuse_by(exchange, &why);
        return;
    }
    bool hello = strcmp(method->name, "hello") == 0;
    if (hello && !take_token(exchange, (stockd_value){ arguments.pack.data, arguments.pack.len })) {
        stockd_pack_free(&arguments.pack);
        return;
    }
    struct call *call = prepare(exchange, method->name, method->lane, on_result);
    call->params = arguments.pack;
    call->again = arguments.again;
    if (hello) {
        stockd_pack_reset(&call->params);
        pack_hello(&call->params, exchange->token);
    }
    send_calls(exchange);
}

/* ---- GET ---- */

static bool decode(struct exchange *exchange, const char *name, struct span text, bool form,
                   struct bytes *out)
{
    if (uri_decode(out, text, form))
        return true;
    refuse_parameter(exchange, name, "is not percent-encoded UTF-8");
    return false;
}

static void add_sku(struct bytes *skus, struct span sku)
{
    bytes_add(skus, &sku.len, sizeof sku.len);
    bytes_add(skus, sku.at, sku.len);
}

/* The SKU there, and moves on to the next. */
static struct span next_sku(const char **at)
{
    struct span sku;
    memcpy(&sku.len, *at, sizeof sku.len);
    sku.at = *at + sizeof sku.len;
    *at = sku.at + sku.len;
    return sku;
}

static int compare(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    int order = memcmp(x->at, y->at, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* Sorts the SKUs and drops those that are there already: a JSON object has each key once. */
static bool sort_skus(struct exchange *exchange)
{
    struct span *list = calloc(exchange->sku_count, sizeof *list);
    struct bytes sorted = { 0 };
    const char *at = exchange->skus.at;
    unsigned kept = 0;
    if (!list)
        return false;
    for (unsigned i = 0; i < exchange->sku_count; i++)
        list[i] = next_sku(&at);
    qsort(list, exchange->sku_count, sizeof *list, compare);
    for (unsigned i = 0; i < exchange->sku_count; i++)
        if (i == 0 || compare(&list[i], &list[i - 1]) != 0) {
            add_sku(&sorted, list[i]);
            kept++;
        }
    free(list);
    bytes_free(&exchange->skus);
    exchange->skus = sorted;
    exchange->sku_count = kept;
    return !sorted.failed;
}

static bool read_skus(struct exchange *exchange)
{
    struct span query = uri_query(exchange->target), name, value;
    struct bytes sku = { 0 };
    bool good = true;
    while (good && query_next(&query, &name, &value)) {
        char text[32];
        snprintf(text, sizeof text, "%.*s", (int)(name.len < 31 ? name.len : 31), name.at);
        if (!span_is(name, "sku")) {
            refuse_parameter(exchange, text, "is not a parameter of availability");
            good = false;
            break;
        }
        sku.len = 0;
        good = decode(exchange, "sku", value, true, &sku);
        if (good)
            add_sku(&exchange->skus, (struct span){ sku.at, sku.len });
        exchange->sku_count += good;
    }
    bytes_free(&sku);
    if (good && exchange->sku_count == 0) {
        refuse_parameter(exchange, "sku", "is missing");
        return false;
    }
    return good && (exchange->sku_count == 1 || sort_skus(exchange));
}

/* {"lsn", "stock": [3, nil]} becomes {"lsn", "stock": {"A": 3, "B": null}}. */
static void on_availability(struct call *call, const struct answer *answer)
{
    struct exchange *exchange = call->owner;
    struct bytes *out = &exchange->reply;
    stockd_value stock, number;
    uint64_t lsn = 0;
    if (answer->code || !stockd_map_find(answer->result, "stock", &stock)) {
        exchange_give(exchange, answer);
        call_ended(exchange);
        return;
    }
    (void)stockd_map_u64(answer->result, "lsn", &lsn);
    bytes_add_string(out, "{\"lsn\":");
    bytes_add_unsigned(out, lsn);
    bytes_add_string(out, ",\"stock\":{");
    stockd_iter it = stockd_iterate(stock);
    const char *at = exchange->skus.at;
    for (unsigned i = 0; i < exchange->sku_count && stockd_next(&it, NULL, &number); i++) {
        struct span sku = next_sku(&at);
        if (i > 0)
            bytes_add_char(out, ',');
        print_string(out, sku.at, sku.len);
        bytes_add_char(out, ':');
        print_value(out, number);
    }
    bytes_add_string(out, "}}");
    decide(exchange, MHD_HTTP_OK, json_type);
    call_ended(exchange);
}

static void get_availability(struct exchange *exchange)
{
    struct bytes channel = { 0 };
    if (decode(exchange, "channel", exchange->variable, false, &channel) && read_skus(exchange)) {
        struct call *call = prepare(exchange, "availability", LANE_QUESTION, on_availability);
        const char *at = exchange->skus.at;
        stockd_pack_array(&call->params, 2);
        stockd_pack_str_n(&call->params, channel.at, channel.len);
        stockd_pack_array(&call->params, exchange->sku_count);
        for (unsigned i = 0; i < exchange->sku_count; i++) {
            struct span sku = next_sku(&at);
            stockd_pack_str_n(&call->params, sku.at, sku.len);
        }
        send_calls(exchange);
    }
    bytes_free(&channel);
}

/* The parts of an item's answer come in the order of the calls, on one connection or on two: the
 * first keeps the braces open for the second. */
static void on_item_part(struct call *call, const struct answer *answer)
{
    struct exchange *exchange = call->owner;
    struct bytes *out = &exchange->reply;
    bool refused = exchange->status >= MHD_HTTP_BAD_REQUEST, first = out->len == 0;
    if (answer->code && !refused)
        exchange_give(exchange, answer);
    if (!answer->code && !refused) {
        bytes_add_char(out, first ? '{' : ',');
        (void)print_pairs(out, answer->result, first ? NULL : "lsn");
        if (!first)
            bytes_add_char(out, '}');
        decide(exchange, MHD_HTTP_OK, json_type);
    }
    call_ended(exchange);
}

static void get_named(struct exchange *exchange)
{
    const struct route *route = exchange->route;
    bool item = route->page == PAGE_ITEM;
    struct bytes name = { 0 };
    if (decode(exchange, route->variable, exchange->variable, false, &name)) {
        for (unsigned i = 0; i < (item ? 2 : 1); i++) {
            const char *method = !item ? "reservation" : i == 0 ? "item" : "stock";
            struct call *call =
                prepare(exchange, method, LANE_QUESTION, item ? on_item_part : on_result);
            stockd_pack_array(&call->params, 1);
            stockd_pack_str_n(&call->params, name.at, name.len);
        }
        send_calls(exchange);
    }
    bytes_free(&name);
}

static void on_metrics(struct errand *errand)
{
    struct ops_question *question = (struct ops_question *)errand;
    struct exchange *exchange = question->owner;
    exchange->worker->ops_questions--;
    if (question->text.len == 0) {
        exchange_refuse(exchange, PROBLEM_AWAY, "the ops port does not answer");
    } else {
        exchange->reply = question->text;
        decide(exchange, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8");
    }
    call_ended(exchange);
}

/* `info` needs the right that the metrics need, and the engine knows who has it. */
static void on_info(struct call *call, const struct answer *answer)
{
    struct exchange *exchange = call->owner;
    if (answer->code) {
        exchange_give(exchange, answer);
        call_ended(exchange);
        return;
    }
    exchange->ops_question = (struct ops_question){
        .errand = { .inbox = &exchange->worker->inbox, .done = on_metrics },
        .owner = exchange,
    };
    exchange->worker->ops_questions++;
    ops_ask(exchange->worker->gateway->ops, &exchange->ops_question);
}

static void get_metrics(struct exchange *exchange)
{
    if (!exchange->worker->gateway->ops) {
        exchange_refuse(exchange, PROBLEM_NOT_FOUND, "the gateway was started without --ops");
        return;
    }
    struct call *call = prepare(exchange, "info", LANE_QUESTION, on_info);
    stockd_pack_array(&call->params, 1);
    stockd_pack_str(&call->params, "check");
    send_calls(exchange);
}

static void give_text(struct exchange *exchange, const char *text, const char *type)
{
    bytes_add_string(&exchange->reply, text);
    decide(exchange, MHD_HTTP_OK, type);
}

static void give_asset(struct exchange *exchange, struct span name)
{
    const char *folder = exchange->worker->gateway->options.console;
    const struct asset *asset = asset_of(name);
    if (!asset) {
        exchange_refuse(exchange, PROBLEM_NOT_FOUND, "the console has no such file");
        return;
    }
    if (folder && !asset_read(asset, folder, &exchange->reply)) {
        exchange_refuse(exchange, PROBLEM_NOT_FOUND, strerror(errno));
        return;
    }
    exchange->asset = asset;
    bool known = !folder && asset_matches(asset, exchange->none_match);
    decide(exchange, known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, asset->type);
}

void exchange_dispatch(struct exchange *exchange)
{
    const struct gateway *gateway = exchange->worker->gateway;
    assert(exchange->state == EXCHANGE_READING);
    if (exchange->method && exchange->method->lane != LANE_STREAM) {
        post_method(exchange);
        return;
    }
    if (exchange->method) {
        stream_begin_post(exchange);
        return;
    }
    switch (exchange->route->page) {
    case PAGE_HOME:
        give_asset(exchange, (struct span){ ASSET_HOME, sizeof ASSET_HOME - 1 });
        break;
    case PAGE_ASSET:
        give_asset(exchange, exchange->variable);
        break;
    case PAGE_OPENAPI:
        give_text(exchange, gateway->openapi, json_type);
        break;
    case PAGE_HEALTH:
        give_text(exchange, "{\"status\":\"ok\"}", json_type);
        break;
    case PAGE_METRICS:
        get_metrics(exchange);
        break;
    case PAGE_AVAILABILITY:
        get_availability(exchange);
        break;
    case PAGE_ITEM:
    case PAGE_RESERVATION:
        get_named(exchange);
        break;
    case PAGE_CHANGES:
    case PAGE_EVENTS:
        stream_begin_get(exchange);
        break;
    case PAGE_NONE:
        break;
    }
}
