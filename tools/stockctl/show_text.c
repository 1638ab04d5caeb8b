/* SPDX-License-Identifier: Apache-2.0 */
/* show_text.c - one value of a result as a cell of text. */
#include "tools/stockctl/ctl.h"
#include "tools/stockctl/hours.h"

#include <stdlib.h>
#include <string.h>

#define EPOCH_MS_LEAST 100000000000 /* below this, milliseconds are a duration */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* The protocol's key says the unit: _ms is a point in time or a duration, _s a duration. */
static char *number_text(const char *key, int64_t number)
{
    char text[32];

    if (ends_with(key, "_ms") && number >= EPOCH_MS_LEAST)
        text_time(number, text, sizeof(text));
    else if (ends_with(key, "ttl_ms") || ends_with(key, "uptime_ms"))
        text_duration(number, text, sizeof(text));
    else if (ends_with(key, "_s") && !ends_with(key, "per_s"))
        text_duration(number * 1000, text, sizeof(text));
    else
        snprintf(text, sizeof(text), "%lld", (long long)number);
    return text_format("%s", text);
}

static char *list_text(const char *key, stockd_value list)
{
    stockd_iter it = stockd_iterate(list);
    stockd_value element;
    char *text = NULL;

    while (stockd_next(&it, NULL, &element)) {
        bool nested = stockd_value_kind(element) == STOCKD_KIND_ARRAY;
        char *one = nested ? text_format("…") : show_text(key, element);
        char *longer = text == NULL ? text_format("%s", one) : text_format("%s,%s", text, one);
        free(one);
        free(text);
        text = longer;
    }
    return text != NULL ? text : text_format("-");
}

static char *hours_list_text(enum hours_form form, stockd_value list)
{
    char *text = hours_text(form, list);

    if (text[0] != '\0')
        return text;
    free(text);
    return text_format("-");
}

char *show_text(const char *key, stockd_value value)
{
    const char *bytes;
    size_t len;
    bool yes;
    int64_t number;
    double real;
    enum hours_form form;

    if (stockd_value_bool(value, &yes))
        return text_format("%s", yes ? "yes" : "no");
    if (stockd_value_i64(value, &number))
        return number_text(key, number);
    if (stockd_value_str(value, &bytes, &len))
        return len > 0 ? text_clean(bytes, len) : text_format("-");
    if (stockd_value_double(value, &real) && ends_with(key, "_km"))
        return text_format("%.1f", real);
    if (stockd_value_double(value, &real))
        return text_format("%.10g", real);
    if (stockd_value_kind(value) == STOCKD_KIND_ARRAY && hours_key(key, &form))
        return hours_list_text(form, value);
    if (stockd_value_kind(value) == STOCKD_KIND_ARRAY)
        return list_text(key, value);
    return text_format(stockd_value_kind(value) == STOCKD_KIND_MAP ? "…" : "-");
}
