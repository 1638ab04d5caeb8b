/* SPDX-License-Identifier: Apache-2.0 */
/* show_json.c - MessagePack values as JSON; output.c prints it. */
#include "tools/stockctl/ctl.h"

#include <stdlib.h>

static json_t *string_from(const char *bytes, size_t len)
{
    if (bytes_are_utf8(bytes, len))
        return json_stringn(bytes, len);
    char *clean = text_clean(bytes, len); /* JSON cannot express other bytes */
    json_t *json = json_string(clean);
    free(clean);
    return json;
}

static json_t *from_list(stockd_value value)
{
    json_t *list = json_array();
    stockd_iter it = stockd_iterate(value);
    stockd_value element;

    while (stockd_next(&it, NULL, &element))
        json_array_append_new(list, json_from_value(element));
    return list;
}

static json_t *from_map(stockd_value value)
{
    json_t *map = json_object();
    stockd_iter it = stockd_iterate(value);
    stockd_value key;
    stockd_value element;

    while (stockd_next(&it, &key, &element)) {
        char *name = show_text("", key);
        json_object_set_new(map, name, json_from_value(element));
        free(name);
    }
    return map;
}

json_t *json_from_value(stockd_value value)
{
    const char *bytes;
    size_t len;
    bool yes;
    int64_t number;
    double real;

    if (stockd_value_bool(value, &yes))
        return json_boolean(yes);
    if (stockd_value_i64(value, &number))
        return json_integer(number);
    if (stockd_value_str(value, &bytes, &len))
        return string_from(bytes, len);
    if (stockd_value_kind(value) == STOCKD_KIND_ARRAY)
        return from_list(value);
    if (stockd_value_kind(value) == STOCKD_KIND_MAP)
        return from_map(value);
    json_t *json = stockd_value_double(value, &real) ? json_real(real) : NULL;
    return json != NULL ? json : json_null(); /* also what JSON cannot express: NaN, ext */
}

void show_json(stockd_value result, const char *id)
{
    json_t *json = json_from_value(result);

    if (id != NULL && json_is_object(json) && json_object_get(json, "id") == NULL)
        json_object_set_new(json, "id", json_string(id));
    show_json_value(json);
}
