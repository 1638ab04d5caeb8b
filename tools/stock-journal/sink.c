/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stock-journal/sink.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "engine/log/record.h"
#include "tools/stock-journal/job.h"

/* In quotes; escapes what is not valid JSON, or would garble a terminal. */
static void put_quoted(const struct sink *sink, struct text value)
{
    bool utf8 = text_is_utf8(value);
    fputc('"', sink->file);
    for (uint32_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if (c == '"' || c == '\\')
            fprintf(sink->file, "\\%c", c);
        else if (c < 0x20 || c == 0x7f || (c > 0x7f && !utf8))
            fprintf(sink->file, "\\u%04x", c);
        else
            fputc(c, sink->file);
    }
    fputc('"', sink->file);
}

static bool is_plain(struct text value)
{
    for (uint32_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f)
            return false;
    }
    return value.len > 0;
}

static void put_value(const struct sink *sink, struct text value)
{
    if (sink->json || !is_plain(value))
        put_quoted(sink, value);
    else
        fwrite(value.at, 1, value.len, sink->file);
}

static void put_key(struct sink *sink, const char *key)
{
    fprintf(sink->file, sink->json ? ",\"%s\":" : " %s=", key);
}

void sink_begin(struct sink *sink, uint64_t lsn, uint64_t time_ms, const char *type)
{
    sink->in_list = false;
    if (sink->json) {
        fprintf(sink->file, "{\"lsn\":%" PRIu64 ",\"time_ms\":%" PRIu64 ",\"type\":\"%s\"", lsn,
                time_ms, type);
        return;
    }
    char when[40];
    struct tm utc;
    time_t seconds = (time_t)(time_ms / 1000);
    gmtime_r(&seconds, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    fprintf(sink->file, "%12" PRIu64 " %s.%03uZ %-8s", lsn, when, (unsigned)(time_ms % 1000), type);
}

void sink_end(struct sink *sink)
{
    fputs(sink->json ? "}\n" : "\n", sink->file);
}

void sink_text(struct sink *sink, const char *key, struct text value)
{
    put_key(sink, key);
    put_value(sink, value);
}

void sink_optional(struct sink *sink, const char *key, struct text value)
{
    if (value.len > 0)
        sink_text(sink, key, value);
}

void sink_number(struct sink *sink, const char *key, int64_t value)
{
    put_key(sink, key);
    fprintf(sink->file, "%" PRId64, value);
}

void sink_time(struct sink *sink, const char *key, uint64_t ms)
{
    char name[32];
    const char *end = strstr(key, "_ms");
    assert(end && (size_t)(end - key) < sizeof name);
    if (sink->json) {
        sink_number(sink, key, (int64_t)ms);
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)(end - key), key);
    put_key(sink, name);
    fputs(time_text(ms).text, sink->file);
}

void sink_flag(struct sink *sink, const char *key, bool value)
{
    put_key(sink, key);
    fputs(value ? "true" : "false", sink->file);
}

void sink_degrees(struct sink *sink, const char *key, double value)
{
    if (isnan(value))
        return;
    put_key(sink, key);
    fprintf(sink->file, "%.6f", value);
}

/* ---- lists ---- */

void sink_list(struct sink *sink, const char *key)
{
    put_key(sink, key);
    if (sink->json)
        fputc('[', sink->file);
    sink->first = true;
}

static void next_in_list(struct sink *sink)
{
    if (!sink->first)
        fputc(',', sink->file);
    sink->first = false;
}

void sink_list_text(struct sink *sink, struct text value)
{
    next_in_list(sink);
    put_value(sink, value);
}

void sink_list_draw(struct sink *sink, const char *sku, const char *location, const char *kind,
                    const char *channel, int64_t qty)
{
    next_in_list(sink);
    if (!sink->json) {
        put_value(sink, text_of(sku));
        fprintf(sink->file, "@%s/%s%s%s:%" PRId64, location ? location : "any", kind,
                channel ? "/" : "", channel ? channel : "", qty);
        return;
    }
    fputs("{\"sku\":", sink->file);
    put_quoted(sink, text_of(sku));
    const char *quote = location ? "\"" : "";
    fprintf(sink->file, ",\"location\":%s%s%s,\"kind\":\"%s\"", quote, location ? location : "null",
            quote, kind);
    if (channel)
        fprintf(sink->file, ",\"channel\":\"%s\"", channel);
    fprintf(sink->file, ",\"qty\":%" PRId64 "}", qty);
}

void sink_list_step(struct sink *sink, int64_t draw, int64_t qty)
{
    next_in_list(sink);
    fprintf(sink->file,
            sink->json ? "{\"draw\":%" PRId64 ",\"qty\":%" PRId64 "}" : "%" PRId64 ":%" PRId64,
            draw, qty);
}

void sink_list_reject(struct sink *sink, const struct rejected_record *reject)
{
    next_in_list(sink);
    fprintf(sink->file,
            sink->json ? "{\"draw\":%u,\"qty\":%" PRIu32 ",\"off\":%" PRIu32
                         ",\"cancelled\":%" PRIu32 "}"
                       : "%u:%" PRIu32 "-%" PRIu32 "/%" PRIu32,
            (unsigned)reject->draw, reject->qty, reject->off, reject->cancelled);
}

void sink_list_supply(struct sink *sink, const char *sku, int64_t qty)
{
    next_in_list(sink);
    fputs(sink->json ? "{\"sku\":" : "", sink->file);
    put_value(sink, text_of(sku));
    fprintf(sink->file, sink->json ? ",\"qty\":%" PRId64 "}" : ":%" PRId64, qty);
}

void sink_list_level(struct sink *sink, const char *sku, const char *channel, const char *before,
                     const char *now)
{
    next_in_list(sink);
    fputs(sink->json ? "{\"sku\":" : "", sink->file);
    put_value(sink, text_of(sku));
    fprintf(sink->file,
            sink->json ? ",\"channel\":\"%s\",\"before\":\"%s\",\"now\":\"%s\"}" : "/%s:%s>%s",
            channel, before, now);
}

static void put_moved(struct sink *sink, const char *name, int64_t qty)
{
    if (sink->json)
        fprintf(sink->file, ",\"%s\":%" PRId64, name, qty);
    else if (qty != 0)
        fprintf(sink->file, "/%s:%" PRId64, name, qty);
}

void sink_list_move(struct sink *sink, const struct move_record *move)
{
    next_in_list(sink);
    fprintf(sink->file, sink->json ? "{\"line\":%d,\"qty\":%" PRIu32 : "%d:%" PRIu32, move->line,
            move->qty);
    put_moved(sink, "rejected", move->rejected);
    put_moved(sink, "lost", move->lost);
    put_moved(sink, "swept", move->swept);
    fputs(sink->json ? "}" : "", sink->file);
}

void sink_list_refused(struct sink *sink, const char *channel, const char *sku,
                       const struct refused_line *line)
{
    next_in_list(sink);
    fputs(sink->json ? "{\"channel\":" : "", sink->file);
    put_value(sink, text_of(channel));
    fputs(sink->json ? ",\"sku\":" : "/", sink->file);
    put_value(sink, text_of(sku));
    fprintf(sink->file, sink->json ? ",\"qty\":%" PRIu32 : ":%" PRIu32, line->wanted);
    put_moved(sink, "missing", line->missing);
    put_moved(sink, "orders", line->orders);
    put_moved(sink, "repeated", line->repeated);
    fputs(sink->json ? "}" : "", sink->file);
}

void sink_list_end(struct sink *sink)
{
    if (sink->json)
        fputc(']', sink->file);
}
