/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/history/notes.h"

#include <inttypes.h>
#include <time.h>

uint64_t notes_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void write_text(FILE *to, const char *text, size_t length)
{
    fputc('"', to);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\')
            fputc('\\', to);
        fputc(text[i], to);
    }
    fputc('"', to);
}

static void write_scalar(FILE *to, stockd_value value)
{
    const char *text;
    size_t length;
    uint64_t number;
    int64_t negative;
    bool yes;
    if (stockd_value_str(value, &text, &length))
        write_text(to, text, length);
    else if (stockd_value_u64(value, &number))
        fprintf(to, "%" PRIu64, number);
    else if (stockd_value_i64(value, &negative))
        fprintf(to, "%" PRId64, negative);
    else if (stockd_value_bool(value, &yes))
        fputs(yes ? "true" : "false", to);
    else
        fputs("null", to);
}

/* As deep as the protocol allows, which is not deep. */
void notes_value(FILE *to, stockd_value value)
{
    stockd_kind kind = stockd_value_kind(value);
    if (kind != STOCKD_KIND_ARRAY && kind != STOCKD_KIND_MAP) {
        write_scalar(to, value);
        return;
    }
    bool map = kind == STOCKD_KIND_MAP;
    stockd_iter elements = stockd_iterate(value);
    stockd_value key, element;
    const char *between = "";
    fputc(map ? '{' : '[', to);
    while (stockd_next(&elements, map ? &key : NULL, &element)) {
        fputs(between, to);
        between = ",";
        if (map) {
            write_scalar(to, key);
            fputc(':', to);
        }
        notes_value(to, element);
    }
    fputc(map ? '}' : ']', to);
}

void notes_call(FILE *to, unsigned client, struct call_times times, const char *method,
                stockd_value params, const stockd_reply *reply)
{
    fprintf(to, "[%u,%" PRIu64 ",", client, times.asked_ns);
    if (reply)
        fprintf(to, "%" PRIu64, times.answered_ns);
    else
        fputs("null", to);
    fprintf(to, ",\"%s\",", method);
    notes_value(to, params);
    fputc(',', to);
    if (reply && reply->code) {
        fprintf(to, "[\"%s\",", reply->code);
        write_text(to, "", 0); /* the text is for people */
        fputc(',', to);
        notes_value(to, reply->details);
        fputc(']', to);
    } else {
        fputs("null", to);
    }
    fputc(',', to);
    if (reply && !reply->code)
        notes_value(to, reply->result);
    else
        fputs("null", to);
    fputs("]\n", to);
}
