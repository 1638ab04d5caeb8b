/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream is asked for: by a query, or by the options of `subscribe`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/gateway/problem.h"
#include "tools/gateway/stream.h"
#include "tools/gateway/stream_state.h"
#include "tools/gateway/worker.h"

enum { TYPES_MAX = 32 };

/* What was asked for, decoded; each text ends with a NUL. */
struct wish {
    struct bytes channel, location, types;
    unsigned type_count;
    bool has_since;
    uint64_t since;
};

static void wish_free(struct wish *wish)
{
    bytes_free(&wish->channel);
    bytes_free(&wish->location);
    bytes_free(&wish->types);
}

static bool refuse(struct exchange *exchange, const char *param, const char *what)
{
    struct complaint why;
    complain(&why, param, "%.60s %s", param, what);
    exchange_refuse_by(exchange, &why);
    return false;
}

static bool read_lsn(const char *text, uint64_t *lsn)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    *lsn = number;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

/* Last-Event-ID, which the client had from this stream, stands above the query. */
static bool read_last_id(struct exchange *exchange, struct wish *wish)
{
    const char *last =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Last-Event-ID");
    if (!last || !last[0])
        return true;
    wish->has_since = true;
    return read_lsn(last, &wish->since) || refuse(exchange, "Last-Event-ID", "must be an LSN");
}

static bool take_parameter(struct exchange *exchange, struct wish *wish, struct span name,
                           struct span value)
{
    struct bytes since = { 0 };
    bool events = exchange->route->page == PAGE_EVENTS, good;
    struct bytes *out = span_is(name, "channel")              ? &wish->channel
                        : events && span_is(name, "location") ? &wish->location
                        : events && span_is(name, "types")    ? &wish->types
                        : span_is(name, "since_lsn")          ? &since
                                                              : NULL;
    char text[32] = "";
    memcpy(text, name.at, name.len < sizeof text ? name.len : sizeof text - 1);
    if (!out)
        return refuse(exchange, text, "is not a parameter of this stream");
    if (out != &wish->types)
        out->len = 0;
    size_t from = out->len;
    good = uri_decode(out, value, true) && !memchr(out->at + from, '\0', out->len - from);
    bytes_add_char(out, '\0');
    if (good && out == &since) {
        good = read_lsn(since.at, &wish->since);
        wish->has_since = true;
    }
    if (out == &wish->types && ++wish->type_count > TYPES_MAX)
        good = false;
    bytes_free(&since);
    return good || refuse(exchange, text, "cannot be read");
}

static void pack_types(stockd_pack *pack, const struct wish *wish)
{
    const char *type = wish->types.at;
    stockd_pack_str(pack, "types");
    if (wish->type_count == 0) {
        stockd_pack_bool(pack, true);
        return;
    }
    stockd_pack_array(pack, wish->type_count);
    for (unsigned i = 0; i < wish->type_count; i++, type += strlen(type) + 1)
        stockd_pack_str(pack, type);
}

/* Makes the stream, or refuses the exchange. types: NULL for a stream of changes. */
static struct stream *make(struct exchange *exchange, bool changes)
{
    struct worker *worker = exchange->worker;
    const struct options *options = &worker->gateway->options;
    unsigned most = (unsigned)(options->max_streams / options->threads);
    struct stream *stream = NULL;
    if (worker->stream_count < (most > 0 || options->max_streams == 0 ? most : 1))
        stream = calloc(1, sizeof *stream);
    if (!stream) {
        exchange_refuse(exchange, "overloaded", "there are as many streams as there may be");
        return NULL;
    }
    stream->worker = worker;
    stream->exchange = exchange;
    stream->changes = changes;
    memcpy(stream->token, exchange->token, sizeof stream->token);
    stockd_pack_init(&stream->filter, NULL, 0);
    return stream;
}

static void start(struct exchange *exchange, struct stream *stream)
{
    exchange->stream = stream;
    exchange->state = EXCHANGE_WAITING;
    stream_start(stream);
}

static void begin(struct exchange *exchange, const struct wish *wish)
{
    bool changes = exchange->route->page == PAGE_CHANGES;
    struct stream *stream = make(exchange, changes);
    if (!stream)
        return;
    stockd_pack *filter = &stream->filter;
    stockd_pack_map(filter, (wish->channel.len > 0) + (wish->location.len > 0) + !changes);
    if (wish->channel.len > 0) {
        stockd_pack_str(filter, "channel");
        stockd_pack_str(filter, wish->channel.at);
    }
    if (wish->location.len > 0) {
        stockd_pack_str(filter, "location");
        stockd_pack_str(filter, wish->location.at);
    }
    if (!changes)
        pack_types(filter, wish);
    stream->has_since = wish->has_since;
    stream->since = wish->since;
    start(exchange, stream);
}

void stream_begin_get(struct exchange *exchange)
{
    struct wish wish = { .has_since = false };
    struct span query = uri_query(exchange->target), name, value;
    bool good = true;
    while (good && query_next(&query, &name, &value))
        good = take_parameter(exchange, &wish, name, value);
    if (good && read_last_id(exchange, &wish))
        begin(exchange, &wish);
    wish_free(&wish);
}

/* Copies a pair of the options, if it is there, under the name that the pages know it by. */
static unsigned copy_pair(stockd_pack *filter, stockd_value options, const char *key,
                          const char *name)
{
    stockd_value value;
    if (!stockd_map_find(options, key, &value))
        return 0;
    if (filter) {
        stockd_pack_str(filter, name);
        stockd_pack_value(filter, value);
    }
    return 1;
}

static void begin_with(struct exchange *exchange, stockd_value options, const struct wish *wish)
{
    stockd_value events;
    bool off, changes = !stockd_map_find(options, "events", &events) ||
                        (stockd_value_bool(events, &off) && !off);
    struct stream *stream = make(exchange, changes);
    if (!stream)
        return;
    stockd_pack *filter = &stream->filter;
    for (int pass = 0; pass < 2; pass++) {
        unsigned pairs = copy_pair(pass ? filter : NULL, options, "channel", "channel");
        if (!changes)
            pairs += copy_pair(pass ? filter : NULL, options, "location", "location") +
                     copy_pair(pass ? filter : NULL, options, "events", "types");
        if (pass == 0)
            stockd_pack_map(filter, pairs);
    }
    stream->since = wish->since;
    stream->has_since = wish->has_since || stockd_map_u64(options, "since_lsn", &stream->since);
    start(exchange, stream);
}

void stream_begin_post(struct exchange *exchange)
{
    struct arguments arguments;
    struct complaint why = { .param = "" };
    struct wish wish = { .has_since = false };
    stockd_value options = { 0 };
    if (!arguments_read(exchange->method, exchange->body.at, exchange->body.len, "", &arguments,
                        &why)) {
        exchange_refuse_by(exchange, &why);
    } else if (read_last_id(exchange, &wish)) {
        stockd_value list = { arguments.pack.data, arguments.pack.len };
        (void)stockd_array_at(list, 0, &options);
        begin_with(exchange, options, &wish);
    }
    stockd_pack_free(&arguments.pack);
}
